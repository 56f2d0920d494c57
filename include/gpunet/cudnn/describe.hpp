// Operations in words, as tables and errors show them.
#pragma once

#include <gpunet/activation.hpp>
#include <gpunet/graph/network.hpp>

#include <cstdint>
#include <string>

namespace gpunet::cudnn {

inline std::string act(activation a) { return a == activation::identity ? "" : ", " + std::string(to_string(a)); }

inline std::string text(const graph::features& f) {
    return std::to_string(f.channels) + "x" + std::to_string(f.size.height) + "x" + std::to_string(f.size.width);
}

inline std::string text(const graph::convolution& c) {
    const std::string k = std::to_string(c.kernel);
    return (c.depthwise() ? "depthwise " : "conv ") + k + "x" + k +
           (c.groups > 1 && !c.depthwise() ? " in " + std::to_string(c.groups) + " groups" : "") +
           (c.stride > 1 ? " stride " + std::to_string(c.stride) : "") + ", " + text(c.input) + " to " +
           text(c.output) + act(c.act);
}

inline std::string text(const graph::dense& d) {
    return "dense " + std::to_string(d.inputs) + " to " + std::to_string(d.outputs) + act(d.act);
}

inline std::int64_t multiply_adds(const graph::convolution& c, std::int64_t n) {
    return n * c.output.channels * c.output.size.height * c.output.size.width * (c.input.channels / c.groups) *
           c.kernel * c.kernel;
}

} // namespace gpunet::cudnn
