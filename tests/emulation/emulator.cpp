#include "emulator.hpp"

#include "device.hpp"
#include "fiber.hpp"

#include <gpunet/cuda/kernels/launch.hpp>

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <vector>

#ifdef __x86_64__
asm(R"(
    .text
    .globl gpunet_emulation_switch
    .type gpunet_emulation_switch, @function
gpunet_emulation_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size gpunet_emulation_switch, .-gpunet_emulation_switch
)");
#else
asm(R"(
    .text
    .globl gpunet_emulation_switch
    .type gpunet_emulation_switch, %function
gpunet_emulation_switch:
    sub sp, sp, #160
    stp x19, x20, [sp, #0]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov x9, sp
    str x9, [x0]
    mov sp, x1
    ldp x19, x20, [sp, #0]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #160
    ret
    .size gpunet_emulation_switch, .-gpunet_emulation_switch
)");
#endif

namespace gpunet::emulation {

void register_all(registry&); // generated

thread_local thread_view view;
thread_local run_time_defines run_time;

namespace {

enum class state : std::uint8_t { ready, at_barrier, in_exchange, finished };

struct thread_state {
    fiber stack;
    index3 index{};
    state now = state::finished;
    int line = 0;           // of the barrier
    unsigned exchanges = 0; // so far
    bool waited = false;    // for the kernels before
};

/// A warp's exchange: two sets of values, because the quickest lane may be one exchange ahead.
struct warp_state {
    std::array<lane_values, 2> values{};
    unsigned arrived = 0;
};

/// Runs the blocks of one launch, one after the other.
class block_runner {
  public:
    std::string kernel;
    void (*run)(const void*) = nullptr;
    const void* parameters = nullptr;

    void run_block(index3 block, index3 block_size, index3 grid_size, std::byte* shared, std::size_t shared_bytes,
                   bool backward) {
        const std::size_t count = std::size_t{block_size.x} * block_size.y * block_size.z;
        while (threads_.size() < count) threads_.push_back(std::make_unique<thread_state>());
        warps_.assign((count + 31) / 32, {});
        std::memset(shared, 0xFF, shared_bytes); // NaN
        count_ = count;
        view = {{}, block, block_size, grid_size, shared};
        for (std::size_t i = 0; i < count; ++i) {
            thread_state& t = *threads_[i];
            const auto n = static_cast<unsigned>(i);
            t.index = {n % block_size.x, n / block_size.x % block_size.y, n / block_size.x / block_size.y};
            t.now = state::ready;
            t.exchanges = 0;
            t.waited = false;
            t.stack.start(&entry);
        }
        for (;;) {
            bool moved = false;
            for (std::size_t i = 0; i < count; ++i) {
                thread_state& t = *threads_[current_ = backward ? count - 1 - i : i];
                if (t.now != state::ready) continue;
                view.thread = t.index;
                t.stack.enter();
                moved = true;
            }
            if (!moved && !open_barrier()) break;
        }
        if (early_)
            throw emulation_error("kernel " + kernel + ": touches memory before it has waited for its predecessor");
    }

    void wait_for_previous() { threads_[current_]->waited = true; }
    void check_waited() { early_ = early_ || !threads_[current_]->waited; } // no exception leaves a fiber

    void wait_at_barrier(int line) {
        thread_state& t = *threads_[current_];
        t.line = line;
        t.now = state::at_barrier;
        t.stack.leave(false);
    }

    const lane_values& exchange(unsigned mask, std::span<const float> mine) {
        const std::size_t lane = current_ % 32, first = current_ - lane;
        thread_state& t = *threads_[current_];
        warp_state& w = warps_[current_ / 32];
        auto& values = w.values[t.exchanges++ % 2];
        std::copy(mine.begin(), mine.end(), values[lane].begin());
        w.arrived |= 1U << lane;
        if (w.arrived == mask) {
            w.arrived = 0;
            for (std::size_t i = 0; i < 32; ++i)
                if ((mask >> i & 1U) != 0 && i != lane) threads_[first + i]->now = state::ready;
        } else {
            t.now = state::in_exchange;
            t.stack.leave(false);
        }
        return values;
    }

  private:
    static void entry();

    /// Nobody can go on: lets all pass a barrier they have all reached. False once all have finished.
    bool open_barrier() {
        std::size_t finished = 0, waiting = 0;
        int line = 0;
        bool same = true;
        for (std::size_t i = 0; i < count_; ++i) {
            const thread_state& t = *threads_[i];
            finished += t.now == state::finished;
            if (t.now != state::at_barrier) continue;
            same = same && (waiting == 0 || t.line == line);
            line = t.line;
            ++waiting;
        }
        if (finished == count_) return false;
        if (waiting != count_)
            throw emulation_error("kernel " + kernel + ": expected all " + std::to_string(count_) +
                                  " threads at a barrier, found " + std::to_string(waiting) + " there, " +
                                  std::to_string(finished) + " finished, " +
                                  std::to_string(count_ - waiting - finished) + " in a shuffle");
        if (!same) throw emulation_error("kernel " + kernel + ": expected all threads at one barrier, found several");
        for (std::size_t i = 0; i < count_; ++i) threads_[i]->now = state::ready;
        return true;
    }

    std::vector<std::unique_ptr<thread_state>> threads_;
    std::vector<warp_state> warps_;
    std::size_t count_ = 0, current_ = 0;
    bool early_ = false;
};

thread_local std::unique_ptr<block_runner> runner;
thread_local order turns = order::forward;

void block_runner::entry() {
    block_runner& r = *runner;
    thread_state& t = *r.threads_[r.current_];
    t.stack.begun();
    r.run(r.parameters);
    t.now = state::finished;
    t.stack.leave(true);
}

const registry& instances() {
    static const registry all = [] {
        registry r;
        register_all(r);
        return r;
    }();
    return all;
}

int number_of(const std::string& name, const std::string& text) {
    try {
        return std::stoi(text);
    } catch (const std::exception&) {
        throw emulation_error("kernel define " + name + ": expected a number, found '" + text + "'");
    }
}

} // namespace

void set_order(order o) noexcept { turns = o; }

void wait_for_previous() { runner->wait_for_previous(); }

void check_waited() { runner->check_waited(); }

void block_barrier(int line) { runner->wait_at_barrier(line); }

float exchange(unsigned mask, float value, unsigned source) { return runner->exchange(mask, {&value, 1})[source][0]; }

const lane_values& exchange_all(std::span<const float> mine) { return runner->exchange(0xFFFFFFFFU, mine); }

void launch(const std::string& name, const std::map<std::string, std::string>& defines, std::array<unsigned, 3> grid,
            std::array<unsigned, 3> block, std::size_t shared_bytes, const void* parameters) {
    const std::map<std::string, int run_time_defines::*> known = {
        {"GPUNET_ACT", &run_time_defines::act},           {"GPUNET_INPUT_ACT", &run_time_defines::input_act},
        {"GPUNET_GATE_ACT", &run_time_defines::gate_act}, {"GPUNET_GATE", &run_time_defines::gate},
        {"GPUNET_RESIDUAL", &run_time_defines::residual}, {"GPUNET_SUMS", &run_time_defines::sums},
        {"GPUNET_MEAN", &run_time_defines::mean},         {"GPUNET_TO_MAP", &run_time_defines::to_map},
        {"GPUNET_CHANNELS", &run_time_defines::channels}, {"GPUNET_ROWS", &run_time_defines::rows}};
    run_time_defines chosen;
    std::map<std::string, int> fixed;
    std::string text = name;
    for (const auto& [key, value] : defines) {
        text += ' ' + key + '=' + value;
        const int number = number_of(key, value);
        if (const auto k = known.find(key); k != known.end())
            chosen.*k->second = number;
        else
            fixed[key] = number;
    }
    const instance* found = nullptr;
    for (auto [i, last] = instances().equal_range(name); i != last; ++i)
        if (i->second.defines == fixed) found = &i->second;
    if (!found) throw emulation_error("kernel " + text + ": no such instantiation (tests/emulation/CMakeLists.txt)");
    run_time = chosen;
    launch(text, found->run, grid, block, shared_bytes, parameters);
}

void launch(const std::string& name, void (*function)(const void*), std::array<unsigned, 3> grid,
            std::array<unsigned, 3> block, std::size_t shared_bytes, const void* parameters) {
    const std::size_t threads = std::size_t{block[0]} * block[1] * block[2];
    if (threads == 0 || threads > 1024 || grid[0] == 0 || grid[1] == 0 || grid[2] == 0)
        throw emulation_error("kernel " + name + ": expected 1 to 1024 threads a block, and blocks, found " +
                              std::to_string(threads) + " threads");

    // Made anew after an error: the fibers that were left behind are gone with the old one.
    if (!runner) runner = std::make_unique<block_runner>();
    runner->kernel = name;
    runner->run = function;
    runner->parameters = parameters;
    // Exactly as long as asked for: what lies beyond belongs to the sanitizer.
    const auto release = [](std::byte* p) { ::operator delete[](p, std::align_val_t{16}); };
    const std::unique_ptr<std::byte[], decltype(release)> shared(
        static_cast<std::byte*>(::operator new[](shared_bytes, std::align_val_t{16})), release);
    const bool backward = turns == order::backward;
    const std::size_t blocks = std::size_t{grid[0]} * grid[1] * grid[2];
    try {
        for (std::size_t i = 0; i < blocks; ++i) {
            const std::size_t b = backward ? blocks - 1 - i : i;
            runner->run_block({static_cast<unsigned>(b % grid[0]), static_cast<unsigned>(b / grid[0] % grid[1]),
                               static_cast<unsigned>(b / grid[0] / grid[1])},
                              {block[0], block[1], block[2]}, {grid[0], grid[1], grid[2]}, shared.get(), shared_bytes,
                              backward);
        }
    } catch (...) {
        runner.reset();
        throw;
    }
}

void launch(const cuda::kernels::kernel_launch& l, const void* parameters) {
    std::map<std::string, std::string> defines;
    for (const std::string& d : l.defines) {
        const std::size_t equals = d.find('=');
        defines[d.substr(0, equals)] = d.substr(equals + 1);
    }
    launch(std::string(l.name), defines, l.grid, l.block, l.shared_bytes, parameters);
}

} // namespace gpunet::emulation
