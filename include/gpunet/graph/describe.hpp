// Operations in words, as tables and errors show them.
#pragma once

#include <gpunet/activation.hpp>
#include <gpunet/graph/network.hpp>

#include <string>

namespace gpunet::graph {

inline std::string act(activation a) { return a == activation::identity ? "" : ", " + std::string(to_string(a)); }

inline std::string text(const features& f) {
    return std::to_string(f.channels) + "x" + std::to_string(f.size.height) + "x" + std::to_string(f.size.width);
}

inline std::string text(const convolution& c) {
    const std::string k = std::to_string(c.kernel);
    return (c.depthwise() ? "depthwise " : "conv ") + k + "x" + k +
           (c.groups > 1 && !c.depthwise() ? " in " + std::to_string(c.groups) + " groups" : "") +
           (c.stride > 1 ? " stride " + std::to_string(c.stride) : "") + ", " + text(c.input) + " to " +
           text(c.output) + act(c.act);
}

inline std::string text(const dense& d) {
    return "dense " + std::to_string(d.inputs) + " to " + std::to_string(d.outputs) + act(d.act);
}

} // namespace gpunet::graph
