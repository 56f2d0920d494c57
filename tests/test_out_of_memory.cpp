// Memory that runs out at any point of loading, planning and running: std::bad_alloc comes, nothing leaks, and what
// there was before can be used further.
#include "core_support.hpp"
#include "failing_allocation.hpp"
#include "process_state.hpp"
#include "weights_support.hpp"

#include <gpunet/atomic_file.hpp>
#include <gpunet/cpu.hpp>
#include <gpunet/quantize.hpp>
#include <gpunet/weights/read.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace test_out_of_memory {

namespace cpu = gpunet::cpu;
namespace quantize = gpunet::quantize;
using gpunet_test::run_out_of_memory;
using network = gpunet::network<cpu::backend>;
using context = gpunet::context<cpu::backend>;

namespace {

/// Every kind of layer, as small as can be.
const std::string spec_text = R"([
    {"layer_type": "data", "img_resolution": 16, "distill": false},
    {"layer_type": "head", "num_in_channels": 3, "num_out_channels": 8},
    {"layer_type": "fused_irb", "num_in_channels": 8, "num_out_channels": 8, "stride": 2, "expansion": 2,
     "kernel_size": 3, "act": "swish", "use_se": true, "stage": 1},
    {"layer_type": "irb", "num_in_channels": 8, "num_out_channels": 8, "stride": 1, "expansion": 1, "kernel_size": 3,
     "act": "relu", "use_se": false, "stage": 2},
    {"layer_type": "tail", "num_in_channels": 8, "num_out_channels": 16, "num_classes": 10}])";

gpunet::spec::network spec() { return gpunet::parse_spec(spec_text, "tiny.json"); }

std::vector<float> picture() {
    std::vector<float> values(3UL * 16 * 16);
    gpunet::synthetic_input(values);
    return values;
}

gpunet::tensor_store float_weights() { return gpunet::synthetic_weights(gpunet::lower(spec())); }

gpunet::tensor_store int8_weights() {
    std::vector<gpunet::tensor<float>> pictures;
    pictures.emplace_back(gpunet::shape{1, 3, 16, 16}, picture());
    return quantize::post_training(spec(), float_weights(), quantize::pictures_of(pictures),
                                   cpu::backend({.threads = 1}))
        .weights;
}

/// Lets memory run out everywhere in the work, for a moment or for good. The leak sanitizer sees every byte that is
/// left; here what is left every time shows.
/// @returns how often it did not end
template <class Work>
long failures_of(bool lasting, long dense, Work&& work) {
    static_cast<void>(run_out_of_memory(lasting, dense / 10, work, [](bool) {})); // what is made once is made
    const std::ptrdiff_t before = gpunet_test::allocated_bytes();
    const long failures = run_out_of_memory(lasting, dense, work, [](bool) {});
    CHECK(gpunet_test::allocated_bytes() - before < 16 * failures);
    return failures;
}

} // namespace

TEST_CASE("memory that runs out while a checkpoint is read") {
    for (const bool lasting : {false, true})
        CHECK(failures_of(lasting, 100, [] {
                  static_cast<void>(gpunet::read_weights(test::checkpoints + "small0_bare.pth"));
              }) > 100);
}

TEST_CASE("memory that runs out while a file is written leaves the earlier one") {
    const test::temporary_folder folder;
    const auto descriptors = [] {
        return std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                             std::filesystem::directory_iterator());
    };
    const auto before = descriptors();
    const std::string path = folder / "a file with a name that is longer than a string keeps without memory";
    for (const bool lasting : {false, true}) {
        test::write_file(path, "earlier");
        bool whole = true;
        const auto write = [&] {
            gpunet::atomic_file file(path);
            file.write("later");
            file.commit();
        };
        const auto check = [&](bool ended) {
            whole = whole && test::file_content(path) == (ended ? "later" : "earlier") && folder.entries() == 1;
            test::write_file(path, "earlier");
        };
        CHECK(run_out_of_memory(lasting, 1000, write, check) > 5);
        CHECK(whole);
    }
    CHECK(descriptors() == before);
}

TEST_CASE("memory that runs out while a backend or a network is made") {
    // What the C library keeps of threads that have ended is not always the same: the leak sanitizer looks here.
    CHECK(run_out_of_memory(
              true, 1000, [] { const cpu::backend device({.threads = 3}); }, [](bool) {}) > 0);
    const cpu::backend device({.threads = 1});
    const auto s = spec();
    const auto floats = float_weights(), bytes = int8_weights();
    CHECK(failures_of(false, 1000, [&] { const network net(s, floats, device); }) > 50);
    CHECK(failures_of(true, 1000, [&] { const network net(s, bytes, device); }) > 50);
}

TEST_CASE("memory that runs out while contexts are made and run: their network works on") {
    const auto s = spec();
    const auto image = picture();
    for (const bool quantized : {false, true}) {
        const network net(s, quantized ? int8_weights() : float_weights(),
                          cpu::backend({.threads = quantized ? 2 : 1}));
        context earlier(net);
        std::vector<float> expected(10), found(10);
        earlier.run(image, expected);
        CHECK(failures_of(quantized, 1000, [&] {
                  context c(net, {1, {20, 16}, gpunet::taps::layers});
                  static_cast<void>(c.run(std::vector<float>(3UL * 20 * 16)));
                  static_cast<void>(c.features());
              }) > 100);
        CHECK(failures_of(!quantized, 100, [&] {
                  static_cast<void>(net(gpunet::tensor<float>({1, 3, 16, 24})));
              }) > 50);
        if (cpu::jit::available()) // it allocates nothing
            CHECK(run_out_of_memory(
                      true, 1000, [&] { earlier.run(image, found); }, [](bool) {}) == 0);
        context later(net);
        later.run(image, found);
        CHECK(found == expected);
    }
}

} // namespace test_out_of_memory
