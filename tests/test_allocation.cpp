// Running a network allocates nothing. This program replaces operator new and delete; while watched, each allocation is
// noted with the module that asked for it, and where test_out_of_memory.cpp says so one fails. oneDNN makes and frees
// small nodes of its own while it runs, which nobody outside can prevent; the library's own code, all of it in this
// executable, must make none.
#include "core_support.hpp"
#include "failing_allocation.hpp"

#include <gpunet/cpu.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include <dlfcn.h>

namespace {

struct allocation {
    void* memory; // nullptr once freed
    const void* caller;
    std::size_t bytes;
};

/// What happened while watched. Fixed in size: noting must not allocate.
struct notes {
    std::array<allocation, 1 << 16> all;
    std::size_t count = 0;
    std::size_t lost = 0;
};

std::atomic<bool> watching = false; // all threads
std::mutex noting;
notes noted;

void note(void* memory, const void* caller, std::size_t bytes) {
    if (!watching.load(std::memory_order_relaxed)) return;
    const std::scoped_lock lock(noting);
    if (noted.count < noted.all.size())
        noted.all[noted.count++] = {memory, caller, bytes};
    else
        ++noted.lost;
}

void* allocate(std::size_t bytes, std::size_t alignment, const void* caller) {
    if (gpunet_test::allocation_fails()) return nullptr;
    const std::size_t size = bytes == 0 ? 1 : bytes;
    void* memory = alignment <= alignof(std::max_align_t)
                       ? std::malloc(size)
                       : std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
    if (memory) note(memory, caller, bytes);
    return memory;
}

void* allocate_or_throw(std::size_t bytes, std::size_t alignment, const void* caller) {
    void* memory = allocate(bytes, alignment, caller);
    if (!memory) throw std::bad_alloc();
    return memory;
}

void release(void* memory) noexcept {
    if (memory && watching.load(std::memory_order_relaxed)) {
        const std::scoped_lock lock(noting);
        for (std::size_t i = noted.count; i-- > 0;)
            if (noted.all[i].memory == memory) {
                noted.all[i].memory = nullptr;
                break;
            }
    }
    std::free(memory);
}

} // namespace

#define GPUNET_TEST_CALLER __builtin_return_address(0)
constexpr std::size_t usual = alignof(std::max_align_t);

// Each must stay a function of its own, or its caller would be the wrong one.
[[gnu::noinline]] void* operator new(std::size_t n) { return allocate_or_throw(n, usual, GPUNET_TEST_CALLER); }
[[gnu::noinline]] void* operator new[](std::size_t n) { return allocate_or_throw(n, usual, GPUNET_TEST_CALLER); }
[[gnu::noinline]] void* operator new(std::size_t n, const std::nothrow_t&) noexcept {
    return allocate(n, usual, GPUNET_TEST_CALLER);
}
[[gnu::noinline]] void* operator new[](std::size_t n, const std::nothrow_t&) noexcept {
    return allocate(n, usual, GPUNET_TEST_CALLER);
}
[[gnu::noinline]] void* operator new(std::size_t n, std::align_val_t a) {
    return allocate_or_throw(n, static_cast<std::size_t>(a), GPUNET_TEST_CALLER);
}
[[gnu::noinline]] void* operator new[](std::size_t n, std::align_val_t a) {
    return allocate_or_throw(n, static_cast<std::size_t>(a), GPUNET_TEST_CALLER);
}
[[gnu::noinline]] void* operator new(std::size_t n, std::align_val_t a, const std::nothrow_t&) noexcept {
    return allocate(n, static_cast<std::size_t>(a), GPUNET_TEST_CALLER);
}
[[gnu::noinline]] void* operator new[](std::size_t n, std::align_val_t a, const std::nothrow_t&) noexcept {
    return allocate(n, static_cast<std::size_t>(a), GPUNET_TEST_CALLER);
}
[[gnu::noinline]] void operator delete(void* p) noexcept { release(p); }
[[gnu::noinline]] void operator delete[](void* p) noexcept { release(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { release(p); }
[[gnu::noinline]] void operator delete[](void* p, std::size_t) noexcept { release(p); }
[[gnu::noinline]] void operator delete(void* p, const std::nothrow_t&) noexcept { release(p); }
[[gnu::noinline]] void operator delete[](void* p, const std::nothrow_t&) noexcept { release(p); }
[[gnu::noinline]] void operator delete(void* p, std::align_val_t) noexcept { release(p); }
[[gnu::noinline]] void operator delete[](void* p, std::align_val_t) noexcept { release(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t, std::align_val_t) noexcept { release(p); }
[[gnu::noinline]] void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { release(p); }
[[gnu::noinline]] void operator delete(void* p, std::align_val_t, const std::nothrow_t&) noexcept { release(p); }
[[gnu::noinline]] void operator delete[](void* p, std::align_val_t, const std::nothrow_t&) noexcept { release(p); }

namespace {

namespace cpu = gpunet::cpu;
using context = gpunet::context<cpu::backend>;

/// What a piece of work did.
struct summary {
    std::size_t ours = 0;   // allocations asked for anywhere but in oneDNN: by this executable or, for it, libstdc++
    std::size_t theirs = 0; // by oneDNN
    std::size_t kept = 0;   // not freed by the end
    std::size_t largest = 0;
    std::size_t lost = 0;
    std::string modules; // that were not oneDNN
};

template <class Work>
summary watch(Work&& work) {
    noted.count = noted.lost = 0;
    watching = true;
    work();
    watching = false;
    summary s;
    s.lost = noted.lost;
    for (std::size_t i = 0; i < noted.count; ++i) {
        const allocation& a = noted.all[i];
        Dl_info where{};
        const std::string module = dladdr(a.caller, &where) && where.dli_fname ? where.dli_fname : "?";
        if (module.find("libdnnl") != std::string::npos) {
            ++s.theirs;
        } else {
            ++s.ours;
            s.modules += module + " ";
        }
        s.kept += a.memory ? 1 : 0;
        s.largest = std::max(s.largest, a.bytes);
    }
    return s;
}

/// Keeps the compiler from leaving an allocation out.
void use(const void* p) { asm volatile("" : : "r"(p) : "memory"); }

gpunet::network<cpu::backend> make(const std::string& name, const cpu::options& o) {
    const auto s = core_test::small(name);
    return {s, gpunet::synthetic_weights(gpunet::lower(s)), cpu::backend(o)};
}

} // namespace

TEST_CASE("the watch sees every form of operator new") {
    const auto one = [](auto&& work) {
        const summary s = watch(work);
        CHECK(s.ours == 1);
        CHECK(s.theirs == 0);
        CHECK(s.kept == 0);
        CHECK(s.lost == 0);
        return s.largest;
    };
    struct alignas(128) wide {
        std::array<char, 256> bytes;
    };
    CHECK(one([] {
              const std::vector<char> v(100);
              use(v.data());
          }) == 100);
    CHECK(one([] {
              const auto p = std::make_unique<int>(3);
              use(p.get());
          }) == sizeof(int));
    CHECK(one([] {
              const auto p = std::make_unique<long[]>(5);
              use(p.get());
          }) == 5 * sizeof(long));
    CHECK(one([] {
              const auto p = std::make_unique<wide>();
              use(p.get());
          }) == sizeof(wide));
    CHECK(one([] {
              const auto p = std::make_unique<wide[]>(2);
              use(p.get());
          }) >= 2 * sizeof(wide));
    CHECK(one([] {
              const std::unique_ptr<int> p(new (std::nothrow) int(3));
              use(p.get());
          }) == sizeof(int));
    // A string grows inside libstdc++; that is ours too.
    CHECK(one([] {
              std::string s;
              use(&s);
              s.reserve(1000);
              use(s.data());
          }) == 1001);
    // And it sees what is not freed.
    int* leaked = nullptr;
    CHECK(watch([&] {
              leaked = new int(1);
              use(leaked);
          }).kept == 1);
    delete leaked;
    CHECK(watch([] {}).ours == 0);
}

TEST_CASE("running allocates nothing") {
    for (const char* name : {"small0", "smallD", "smallP"})
        for (const cpu::format format : {cpu::format::automatic, cpu::format::channels_last, cpu::format::blocked})
            for (const int threads : {1, 2}) {
                if (threads > 1 && format != cpu::format::automatic) continue;
                const auto net = make(name, {threads, format});
                for (const auto& options : std::vector<gpunet::context_options>{{1, {}, gpunet::taps::none},
                                                                                {3, {65, 40}, gpunet::taps::layers},
                                                                                {1, {}, gpunet::taps::stages}}) {
                    context c(net, options);
                    std::vector<float> images(static_cast<std::size_t>(gpunet::element_count(c.input_shape())));
                    gpunet::synthetic_input(images);
                    std::vector<float> scores(static_cast<std::size_t>(gpunet::element_count(c.output_shape())));
                    // oneDNN compiles its general matrix product when a process first runs it, and keeps that.
                    const auto& steps = c.steps();
                    const bool compiles = std::any_of(steps.begin(), steps.end(), [](const gpunet::layer_step& s) {
                        return s.info.implementation.find("gemm:jit") != std::string::npos;
                    });
                    if (compiles) c.run(images, scores);
                    for (int round = 0; round < 3; ++round) {
                        const summary s = watch([&] { c.run(images, scores); });
                        INFO(name << " threads " << threads << " batch " << options.batch << " round " << round << " "
                                  << s.modules);
                        CHECK(s.ours == 0);
                        CHECK(s.kept == 0);
                        CHECK(s.lost == 0);
                        CHECK(s.largest <= 4096);
                    }
                }
            }
}

TEST_CASE("the watch sees what a run that returns a tensor allocates, and nothing of a profile after the first") {
    const auto net = make("small0", {1, cpu::format::automatic});
    context c(net);
    const std::vector<float> images(static_cast<std::size_t>(gpunet::element_count(c.input_shape())));
    std::vector<float> scores(10);
    std::vector<double> times(c.graph().blocks.size());
    c.profile(images, scores, times);
    CHECK(watch([&] { c.profile(images, scores, times); }).ours == 0);
    const summary returning = watch([&] { use(c.run(images).data()); });
    CHECK(returning.ours > 0);
    CHECK(returning.kept == 0);
}
