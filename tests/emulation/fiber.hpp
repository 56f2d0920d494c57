// Stackful coroutines on one OS thread, known to the address sanitizer.
#pragma once

#include <cstddef>
#include <memory>

#if !defined(__x86_64__) && !defined(__aarch64__)
#error "the kernel emulator switches stacks by hand and knows x86-64 and aarch64"
#endif

#if defined(__SANITIZE_ADDRESS__)
#define GPUNET_FIBER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GPUNET_FIBER_ASAN 1
#endif
#endif

#ifdef GPUNET_FIBER_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

// Saves the callee's registers on this stack and its top in *from; goes on at `to`.
extern "C" void gpunet_emulation_switch(void** from, void* to);

namespace gpunet::emulation {

class fiber {
  public:
    static constexpr std::size_t stack_bytes = std::size_t{256} << 10;

    fiber() : stack_(new std::byte[stack_bytes]) {}

    /// Prepares to run `entry`, which must not return but leave() for good.
    void start(void (*entry)()) {
#ifdef GPUNET_FIBER_ASAN
        // What the run before left of its first frames.
        ASAN_UNPOISON_MEMORY_REGION(stack_.get() + stack_bytes - 8192, 8192);
        fake_stack_ = nullptr;
#endif
        auto end = reinterpret_cast<std::uintptr_t>(stack_.get() + stack_bytes) & ~std::uintptr_t{15};
        auto** top = reinterpret_cast<void**>(end);
#ifdef __x86_64__
        *--top = nullptr; // where entry would return to; keeps the stack aligned as after a call
        *--top = reinterpret_cast<void*>(entry);
        for (int i = 0; i < 6; ++i) *--top = nullptr; // rbp, rbx, r12 to r15
#else
        for (int i = 0; i < 20; ++i) *--top = nullptr; // x19 to x30, d8 to d15
        top[11] = reinterpret_cast<void*>(entry);      // x30
#endif
        top_ = top;
    }

    /// From the scheduler: runs until the fiber leaves.
    void enter() {
#ifdef GPUNET_FIBER_ASAN
        __sanitizer_start_switch_fiber(&outer_fake_stack_, stack_.get(), stack_bytes);
#endif
        gpunet_emulation_switch(&outer_, top_);
#ifdef GPUNET_FIBER_ASAN
        __sanitizer_finish_switch_fiber(outer_fake_stack_, nullptr, nullptr);
#endif
    }

    /// First thing in the entry.
    void begun() {
#ifdef GPUNET_FIBER_ASAN
        __sanitizer_finish_switch_fiber(nullptr, &outer_bottom_, &outer_size_);
#endif
    }

    /// From within: back to the scheduler; `for_good` if the fiber never goes on.
    void leave(bool for_good) {
#ifdef GPUNET_FIBER_ASAN
        __sanitizer_start_switch_fiber(for_good ? nullptr : &fake_stack_, outer_bottom_, outer_size_);
#endif
        static_cast<void>(for_good);
        gpunet_emulation_switch(&top_, outer_);
#ifdef GPUNET_FIBER_ASAN
        __sanitizer_finish_switch_fiber(fake_stack_, &outer_bottom_, &outer_size_);
#endif
    }

  private:
    std::unique_ptr<std::byte[]> stack_;
    void* top_ = nullptr;
    void* outer_ = nullptr;
#ifdef GPUNET_FIBER_ASAN
    void* fake_stack_ = nullptr;
    void* outer_fake_stack_ = nullptr;
    const void* outer_bottom_ = nullptr;
    std::size_t outer_size_ = 0;
#endif
};

} // namespace gpunet::emulation
