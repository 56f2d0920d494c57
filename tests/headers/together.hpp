// What both translation units ask of the library. The answers, addresses of the same entities among them, must agree.
#pragma once

#include <cstdint>

namespace together {

struct answers {
    std::int64_t parameters = 0;
    const void* variable = nullptr;
    gpunet::spec::network (*function)(std::string_view, const std::string&) = nullptr;
    friend bool operator==(const answers&, const answers&) = default;
};

inline constexpr const char* spec = R"([
    {"layer_type": "data", "img_resolution": 32},
    {"layer_type": "head", "num_in_channels": 3, "num_out_channels": 8},
    {"layer_type": "irb", "num_in_channels": 8, "num_out_channels": 16, "stride": 2, "kernel_size": 3, "expansion": 2,
     "use_se": true, "act": "swish", "stage": 1},
    {"layer_type": "tail", "num_in_channels": 16, "num_out_channels": 24, "num_classes": 3}])";

} // namespace together

#define TOGETHER(name)                                                                                                 \
    namespace name {                                                                                                   \
    together::answers ask();                                                                                           \
    together::answers ask() {                                                                                          \
        const auto net = gpunet::parse_spec(together::spec, "together");                                               \
        return {gpunet::graph::count(gpunet::lower(net)).parameters, &gpunet::version, &gpunet::parse_spec};           \
    }                                                                                                                  \
    }
