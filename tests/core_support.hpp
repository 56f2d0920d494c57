// What the tests of the core share: the reference data, error messages, comparisons.
#pragma once

#include "message_of.hpp"

#include <catch2/catch.hpp>
#include <gpunet/spec/read.hpp>

#include <nlohmann/json.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <fstream>
#include <span>
#include <string>
#include <string_view>

namespace core_test {

/// Whether this program is slow, for it watches each address.
#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool sanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = false;
#endif
#else
inline constexpr bool sanitized = false;
#endif

inline const std::string data_folder = GPUNET_TEST_DATA;

struct variant {
    const char* name;
    const char* file;
};

/// The seven published networks and their spec files.
inline constexpr std::array<variant, 7> variants = {{{"GPUNet-0", "0.65ms.json"},
                                                     {"GPUNet-1", "0.85ms.json"},
                                                     {"GPUNet-2", "1.75ms.json"},
                                                     {"GPUNet-P0", "0.5ms-D.json"},
                                                     {"GPUNet-P1", "0.8ms-D.json"},
                                                     {"GPUNet-D1", "1.25ms-D.json"},
                                                     {"GPUNet-D2", "2.25ms-D.json"}}};

inline gpunet::spec::network published(std::string_view name) {
    for (const variant& v : variants)
        if (name == v.name) return gpunet::read_spec(data_folder + "/nvidia-specs/" + v.file);
    FAIL("no published network is called " << name);
    return {};
}

/// One of the three small networks of checkpoints/: "small0", "smallD", "smallP".
inline gpunet::spec::network small(const std::string& name) {
    return gpunet::read_spec(data_folder + "/checkpoints/" + name + ".json");
}

inline nlohmann::json read_json(const std::string& relative) {
    std::ifstream file(data_folder + "/" + relative);
    INFO(relative);
    REQUIRE(file);
    return nlohmann::json::parse(file);
}

using gpunet_test::message_of;

/// |found - expected| / |expected|, both as vectors; infinite where the lengths differ or a number is not finite.
template <class Found, class Expected>
double relative_l2(const Found& found, const Expected& expected) {
    if (std::size(found) != std::size(expected)) return HUGE_VAL;
    double difference = 0, norm = 0;
    for (std::size_t i = 0; i < std::size(found); ++i) {
        const auto f = static_cast<double>(found[i]);
        const auto e = static_cast<double>(expected[i]);
        difference += (f - e) * (f - e);
        norm += e * e;
    }
    const double ratio = std::sqrt(difference) / std::sqrt(norm);
    return std::isfinite(ratio) ? ratio : (difference == 0 ? 0 : HUGE_VAL);
}

} // namespace core_test
