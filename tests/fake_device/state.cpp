#include "state.hpp"

#include "bridge.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <sstream>

#include <unistd.h>

#if __has_include("../emulation/emulator.hpp") && defined(GPUNET_FAKE_EMULATION)
#include "../emulation/emulator.hpp"
#endif

namespace gpunet_fake {

namespace {

launcher default_launcher() {
#if __has_include("../emulation/emulator.hpp") && defined(GPUNET_FAKE_EMULATION)
    return [](const std::string& name, const std::map<std::string, std::string>& defines, std::array<unsigned, 3> grid,
              std::array<unsigned, 3> block, std::size_t shared_bytes, const void* parameters) {
        gpunet::emulation::launch(name, defines, grid, block, shared_bytes, parameters);
    };
#else
    return [](const std::string& name, const auto&, auto, auto, std::size_t, const void*) {
        throw std::runtime_error("kernel " + name + ": no emulator was built, and no launcher set");
    };
#endif
}

void at_exit() {
    if (!the().checked_at_exit) return;
    const report_t last = report();
    if (last.clean()) return;
    std::fprintf(stderr, "fake device: at exit\n%s", last.text().c_str());
    std::fflush(nullptr);
    ::_exit(86);
}

} // namespace

state::state() : launch(default_launcher()) { std::atexit(at_exit); }

state& the() {
    static state* const s = new state;
    return *s;
}

long report_t::calls_of(const std::string& function) const {
    const auto found = calls.find(function);
    return found == calls.end() ? 0 : found->second;
}

long report_t::alive_of(const std::string& kind) const {
    const auto found = alive.find(kind);
    return found == alive.end() ? 0 : found->second;
}

bool report_t::clean() const {
    return faults.empty() && std::all_of(alive.begin(), alive.end(), [](const auto& kind) { return kind.second == 0; });
}

std::string report_t::text() const {
    std::string all;
    for (const std::string& f : faults) all += "fault: " + f + "\n";
    for (const auto& [kind, count] : alive)
        if (count != 0) all += "left alive: " + std::to_string(count) + " " + kind + "\n";
    return all;
}

void fault(std::string text) {
    const std::scoped_lock hold(the().lock);
    the().seen.faults.push_back(std::move(text));
}

void alive(const char* kind, int change) {
    const std::scoped_lock hold(the().lock);
    the().seen.alive[kind] += change;
}

std::optional<int> called(const char* function) {
    state& s = the();
    const std::scoped_lock hold(s.lock);
    ++s.seen.calls[function];
    const auto found = s.failures.find(function);
    if (found == s.failures.end()) return std::nullopt;
    std::optional<int> status;
    for (injected& i : found->second)
        if (i.in_calls > 0 && --i.in_calls == 0) status = i.status;
    return status;
}

cudaError_t refuse_call(cudaError_t status, std::string text) {
    fault(std::move(text));
    return result(status);
}

report_t report() {
    state& s = the();
    const std::scoped_lock hold(s.lock);
    for (const auto& [base, a] : s.live) check_guards(base, a);
    return s.seen;
}

void reset() {
    state& s = the();
    const std::scoped_lock hold(s.lock);
    const auto left = s.seen.alive;
    const std::size_t bytes = s.seen.device_bytes;
    s.seen = {};
    s.seen.alive = left;
    s.seen.device_bytes = s.seen.peak_device_bytes = bytes;
    s.failures.clear();
    s.refusals.clear();
    s.plans.clear();
    s.trace.clear();
    s.broken.clear();
    s.tracing = s.in_place = false;
    s.checked_at_exit = true;
    s.mode = execution::eager;
    s.seed = 0;
    s.devices = 2;
    s.capability = 90;
    s.memory = std::size_t{16} << 30;
    s.cudnn_version = 91900;
    s.launch = default_launcher();
    last_error = cudaSuccess;
}

void forget_faults() {
    const std::scoped_lock hold(the().lock);
    the().seen.faults.clear();
    the().broken.clear();
}

void check_at_exit(bool on) {
    const std::scoped_lock hold(the().lock);
    the().checked_at_exit = on;
}

void install(const char* cudnn, const char* nvrtc) {
    ::setenv("GPUNET_CUDNN_LIBRARY", cudnn, 0);
    ::setenv("GPUNET_NVRTC_LIBRARY", nvrtc, 0);
    the();
}

void set_device_count(int count) {
    const std::scoped_lock hold(the().lock);
    the().devices = count;
}

void set_capability(int capability) {
    const std::scoped_lock hold(the().lock);
    the().capability = capability;
}

void set_memory(std::size_t bytes) {
    const std::scoped_lock hold(the().lock);
    the().memory = bytes;
}

void set_cudnn_version(std::size_t version) {
    const std::scoped_lock hold(the().lock);
    the().cudnn_version = version;
}

void set_execution(execution e) { the().mode = e; }
void shuffle_graphs(std::uint64_t seed) { the().seed = seed; }

void allow_in_place_residual(bool allowed) {
    const std::scoped_lock hold(the().lock);
    the().in_place = allowed;
}

void fail(const std::string& function, long nth, int status) {
    const std::scoped_lock hold(the().lock);
    the().failures[function].push_back({nth, status});
}

void refuse(const std::string& words, const std::string& stage) {
    const std::scoped_lock hold(the().lock);
    the().refusals.emplace_back(stage, words);
}

std::vector<std::string> planned() {
    const std::scoped_lock hold(the().lock);
    return the().plans;
}

void trace(bool on) {
    const std::scoped_lock hold(the().lock);
    the().tracing = on;
    the().trace.clear();
}

std::vector<std::string> traced() {
    const std::scoped_lock hold(the().lock);
    return the().trace;
}

void set_launcher(launcher l) {
    const std::scoped_lock hold(the().lock);
    the().launch = l ? std::move(l) : default_launcher();
}

namespace {

bool refused(const char* stage, const std::string& graph) {
    const auto words = [](const std::string& text) {
        std::istringstream in(text);
        std::set<std::string> all;
        for (std::string word; in >> word;) all.insert(word);
        return all;
    };
    const std::set<std::string> present = words(graph);
    const std::scoped_lock hold(the().lock);
    for (const auto& [where, rule] : the().refusals) {
        const std::set<std::string> wanted = words(rule);
        if (where == stage && std::includes(present.begin(), present.end(), wanted.begin(), wanted.end())) return true;
    }
    return false;
}

int device_count() {
    const std::scoped_lock hold(the().lock);
    return the().devices;
}

int capability_of(int) {
    const std::scoped_lock hold(the().lock);
    return the().capability;
}

std::size_t cudnn_version() {
    const std::scoped_lock hold(the().lock);
    return the().cudnn_version;
}

void planned_one(const std::string& graph) {
    const std::scoped_lock hold(the().lock);
    the().plans.push_back(graph);
}

bool is_device_memory(const void* p) {
    const auto found = find_allocation(p);
    return found && !found->second.host;
}

bool in_place_residual() {
    const std::scoped_lock hold(the().lock);
    return the().in_place;
}

} // namespace

extern "C" const bridge* gpunet_fake_bridge();
extern "C" const bridge* gpunet_fake_bridge() {
    static const bridge all = {device_count,
                               [] { return current_device; },
                               capability_of,
                               stream_device,
                               enqueue,
                               called,
                               fault,
                               memory_problem,
                               is_device_memory,
                               refused,
                               alive,
                               planned_one,
                               cudnn_version,
                               in_place_residual,
                               spoils_capture};
    return &all;
}

} // namespace gpunet_fake
