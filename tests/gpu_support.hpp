// What the tests of the GPU backend share. They are compiled once and linked twice: with CUDA's runtime, to run where
// there is a GPU, and with a fake of it that runs everywhere (tests/fake_device).
#pragma once

#define CATCH_CONFIG_EXTERNAL_INTERFACES

#include "core_support.hpp"

#include <gpunet/cudnn.hpp>

#include <catch2/catch.hpp>

#include <functional>
#include <iostream>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

namespace gpu_test {

/// Why the tests cannot run; empty where they can. Each program has its own.
const std::string& why_not();
/// Whether the device is the fake.
bool fake();

using core_test::sanitized;

/// Kept in memory only: nothing of one test is left for the next.
inline gpunet::cudnn::options uncached() {
    gpunet::cudnn::options o;
    o.cache.clear();
    return o;
}

/// Called when the last test is done: device resources do not outlive main.
inline std::vector<std::function<void()>>& at_end() {
    static std::vector<std::function<void()>> all;
    return all;
}

/// One for all tests: kernels are compiled once.
template <class T>
const gpunet::cudnn::backend<T>& device() {
    static std::optional<gpunet::cudnn::backend<T>> b;
    if (!b) {
        b.emplace(uncached());
        at_end().push_back([] { b.reset(); });
    }
    return *b;
}

struct release_devices : Catch::TestEventListenerBase {
    using TestEventListenerBase::TestEventListenerBase;
    void testRunEnded(const Catch::TestRunStats&) override {
        for (const auto& release : at_end()) release();
    }
};

/// How far the logits of a small network, or one layer's output, may be from the exact ones: a few roundings to T.
template <class T>
constexpr double tolerance() {
    return std::is_same_v<T, float> ? 5e-6 : std::is_same_v<T, gpunet::half> ? 2e-3 : 1.5e-2;
}

} // namespace gpu_test

/// The first line of every test.
#define GPU_OR_SKIP()                                                                                                  \
    if (!gpu_test::why_not().empty()) {                                                                                \
        std::cout << "skipped: " << gpu_test::why_not() << '\n';                                                       \
        return;                                                                                                        \
    }
