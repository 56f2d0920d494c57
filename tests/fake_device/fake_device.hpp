// Control of the GPU without a GPU: a fake CUDA runtime (linked instead of cudart), and fakes of cuDNN and NVRTC
// (opened at run time through GPUNET_CUDNN_LIBRARY and GPUNET_NVRTC_LIBRARY). Device memory is host memory; cuDNN
// graphs are interpreted; kernels run through tests/emulation. All functions may be called from any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace gpunet_fake {

/// Points GPUNET_CUDNN_LIBRARY and GPUNET_NVRTC_LIBRARY at the fakes, unless they are set already. Call it before the
/// library under test opens either.
#if defined(GPUNET_FAKE_CUDNN) && defined(GPUNET_FAKE_NVRTC)
void install(const char* cudnn = GPUNET_FAKE_CUDNN, const char* nvrtc = GPUNET_FAKE_NVRTC);
#else
void install(const char* cudnn, const char* nvrtc);
#endif

/// What happened since the process started or reset() was called.
struct report_t {
    std::vector<std::string> faults;   // what a correct program never does
    std::map<std::string, long> alive; // resources that exist now, by kind ("cudaMalloc", "cudaStream", ...)
    std::map<std::string, long> calls; // by function, failed ones too
    std::size_t device_bytes = 0;      // allocated now, all devices
    std::size_t peak_device_bytes = 0;
    long kernels = 0, cudnn_graphs = 0, copies = 0, sets = 0; // executed, inside graphs too
    long graph_launches = 0;
    long programmatic_launches = 0; // kernels launched with programmatic stream serialization

    long calls_of(const std::string& function) const;
    long alive_of(const std::string& kind) const;
    /// No faults, and nothing left alive.
    bool clean() const;
    std::string text() const; // one line for each fault and each kind left alive
};

/// Looks at the guard bytes around all live allocations too.
report_t report();

/// Forgets faults, counts, rules and injected failures, and restores all settings. Live resources stay.
void reset();

/// Forgets the faults so far; for tests that provoke them.
void forget_faults();

/// A process that ends with faults, or with resources alive, says so on standard error and ends with status 86.
/// On by default.
void check_at_exit(bool on);

// Settings.

/// Devices from now on, of capability 9.0. Default 2; 0 makes every call fail as without a driver.
void set_device_count(int count);
/// Of every device: 90 for 9.0, 80 for 8.0, ...
void set_capability(int capability);
/// Bytes of each device; an allocation beyond them fails. Default 16 GiB.
void set_memory(std::size_t bytes);
/// What cudnnGetVersion says. Default 91900.
void set_cudnn_version(std::size_t version);

/// eager: work is done when it is enqueued. lazy: when something waits for it, as late as a device may.
enum class execution { eager, lazy };
void set_execution(execution e);

/// Replays graphs in another order that their dependencies allow, for each value of `seed` but 0 one.
void shuffle_graphs(std::uint64_t seed);

/// Whether cuDNN may write its result over the residual. Default false: that is a fault.
void allow_in_place_residual(bool allowed);

// Failures.

/// The nth call of `function` from now on (1: the next) fails with `status` (a cudaError_t, cudnnStatus_t or
/// nvrtcResult). Names as in the C APIs: "cudaMalloc", "cudnnBackendFinalize", "nvrtcCompileProgram".
void fail(const std::string& function, long nth, int status);

/// Refuses cuDNN graphs in whose description every word of `words` occurs ("": every graph) at a stage: "heuristics"
/// (no engine is offered), "plan" (engines are offered and do not finalise), "execution". Descriptions look like
///     conv half n=1 x=1x16x8x8 w=32x16x3x3 stride=2x2 padding=0,1,0,1 groups=1 residual bias swish
///     matmul bfloat16 n=8 x=8x49x96 w=1x96x24 gate bias
/// with, at the stages "plan" and "execution", a last word "engine=1".
void refuse(const std::string& words, const std::string& stage = "heuristics");

/// The descriptions of all plans finalised so far, in order.
std::vector<std::string> planned();

// Trace of what streams executed: "copy host to device 64 bytes", "kernel depthwise", "cudnn conv ...".
void trace(bool on);
std::vector<std::string> traced();

/// What runs a kernel: by default tests/emulation, where it was built.
using launcher = std::function<void(const std::string& name, const std::map<std::string, std::string>& defines,
                                    std::array<unsigned, 3> grid, std::array<unsigned, 3> block,
                                    std::size_t shared_bytes, const void* parameters)>;
void set_launcher(launcher l);

/// Bytes of a launch's parameter struct that a captured or delayed launch keeps.
inline constexpr std::size_t parameter_bytes = 1024;

} // namespace gpunet_fake
