// The kernel that makes a network's input of a picture compiles for every architecture.
#include <gpunet/cuda/kernels/preprocess.hpp>
#include <gpunet/cuda/nvrtc.hpp>
#include <gpunet/error.hpp>

#include <catch2/catch.hpp>

#include <optional>
#include <string>

namespace test_preprocess_nvrtc { // tests of a program are compiled together

TEST_CASE("the preprocess kernel compiles from the oldest GPU to the newest") {
    std::optional<gpunet::cuda::nvrtc> compiler;
    try {
        compiler.emplace(gpunet::cuda::nvrtc::open());
    } catch (const gpunet::unsupported_error& e) {
        WARN("skipped: " << e.what());
        return;
    }
    const auto plan = gpunet::cuda::kernels::plan_preprocess({50, 60}, {.size = {32, 32}});
    const auto& launch = plan.passes.front().launch;
    for (const char* architecture : {"sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120"}) {
        INFO(architecture);
        CHECK_FALSE(compiler->compile(launch.source, launch.name, architecture, launch.defines).empty());
    }
}

} // namespace test_preprocess_nvrtc
