// Where a network's time goes, layer by layer.
#pragma once

#include <gpunet/graph/count.hpp>
#include <gpunet/graph/network.hpp>
#include <gpunet/hub/measure.hpp>
#include <gpunet/shape.hpp>
#include <gpunet/weights/synthetic.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace gpunet {

/// What one layer of a network takes, of the whole batch.
struct layer_time {
    std::int64_t layer = 0; // position in the spec's JSON list, from 1
    std::string kind;       // "layer_type"
    graph::features output;
    std::int64_t multiply_adds = 0;
    milliseconds median{};
};

/// Runs a context on synthetic pictures, as `measure` does, and gives the median of each layer. The layers are timed
/// one by one, so that together they may take a little longer than a run.
/// @param c  a context of any backend, or an any_context
template <class Context>
std::vector<layer_time> measure_layers(Context& c, const measure_options& o = {}) {
    std::vector<float> input(static_cast<std::size_t>(element_count(c.input_shape())));
    std::vector<float> scores(static_cast<std::size_t>(element_count(c.output_shape())));
    synthetic_input(input);
    const auto& blocks = c.graph().blocks;
    const auto batch = c.input_shape().at(0);
    std::vector<std::vector<milliseconds>> times(blocks.size());
    std::vector<double> once(blocks.size());
    const measurement timed = measure(
        [&] {
            c.profile(input, scores, once);
            for (std::size_t i = 0; i < blocks.size(); ++i) times[i].push_back(milliseconds(once[i]));
        },
        o);
    std::vector<layer_time> layers;
    for (std::size_t i = 0; i < blocks.size(); ++i) {
        times[i].erase(times[i].begin(), times[i].end() - timed.runs); // of warming up
        std::sort(times[i].begin(), times[i].end());
        layers.push_back({blocks[i].layer, blocks[i].kind, blocks[i].output,
                          batch * graph::count(blocks[i]).multiply_adds, percentile(times[i], 0.5)});
    }
    return layers;
}

} // namespace gpunet
