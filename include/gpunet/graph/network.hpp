// An architecture with every implied number made explicit: a chain of blocks over plain data. No device, no weights.
#pragma once

#include <gpunet/activation.hpp>
#include <gpunet/shape.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace gpunet::graph {

/// Rows and columns of zeros around a feature map.
struct padding {
    std::int64_t top = 0, bottom = 0, left = 0, right = 0;
    friend bool operator==(const padding&, const padding&) = default;
};

/// Channels and extent of a feature map of one picture.
struct features {
    std::int64_t channels = 0;
    extent2 size;
    friend bool operator==(const features&, const features&) = default;
};

/// A convolution without bias, batch norm, then an activation. Weights are O, I / groups, kernel, kernel.
struct convolution {
    std::string weights; // the parameters' name less ".weight"
    std::string norm;    // the batch norm's less ".weight", ".bias", ".running_mean", ".running_var"
    features input;
    features output;
    std::int64_t kernel = 1;
    std::int64_t stride = 1;
    graph::padding padding;
    std::int64_t groups = 1;
    double epsilon = 0; // of the batch norm
    activation act = activation::identity;
    bool adds_last = false; // a residual is added after the activation and not before

    bool depthwise() const noexcept { return groups == input.channels && groups == output.channels && groups > 1; }
    friend bool operator==(const convolution&, const convolution&) = default;
};

/// A matrix product on one vector per picture, perhaps with batch norm, then an activation.
struct dense {
    std::string weights; // the parameters' name less ".weight" and ".bias"
    std::int64_t inputs = 0;
    std::int64_t outputs = 0;
    bool bias = true;
    bool as_convolution = false; // the weights are stored as O, I, 1, 1 and not as O, I
    activation act = activation::identity;
    std::string norm{}; // as a convolution's; empty where there is none
    double epsilon = 0; // of the batch norm

    /// Whether something is added, batch norm's part included.
    bool has_bias() const noexcept { return bias || !norm.empty(); }
    friend bool operator==(const dense&, const dense&) = default;
};

/// x * gate(excite(act(squeeze(mean(x))))); the activations are those of the two matrix products.
struct squeeze_excite {
    dense squeeze;
    dense excite;
    friend bool operator==(const squeeze_excite&, const squeeze_excite&) = default;
};

/// One or more convolutions at the network's entrance.
struct stem {
    std::vector<convolution> convolutions;
    friend bool operator==(const stem&, const stem&) = default;
};

/// A single convolution, plus the input where `residual`.
struct conv {
    graph::convolution convolution;
    bool residual = false;
    friend bool operator==(const conv&, const conv&) = default;
};

/// [Entry,] [1x1 expansion,] [depthwise,] [squeeze-excite,] 1x1 projection, plus the input where `residual`. The entry
/// is space-to-depth's 2x2 convolution or a depthwise one.
struct inverted_residual {
    std::optional<convolution> entry;
    std::optional<convolution> expand;
    std::optional<convolution> depthwise;
    std::optional<graph::squeeze_excite> squeeze_excite;
    convolution project;
    bool residual = false;
    friend bool operator==(const inverted_residual&, const inverted_residual&) = default;
};

/// k x k expansion, [squeeze-excite,] 1x1 projection, plus the input where `residual`.
struct fused_inverted_residual {
    convolution expand;
    std::optional<graph::squeeze_excite> squeeze_excite;
    convolution project;
    bool residual = false;
    friend bool operator==(const fused_inverted_residual&, const fused_inverted_residual&) = default;
};

/// [1x1 convolution,] global mean, [hidden matrix product,] classifier.
struct tail {
    features input;
    std::optional<graph::convolution> convolution;
    std::optional<dense> hidden;
    dense classifier;
    friend bool operator==(const tail&, const tail&) = default;
};

/// One layer of the spec.
struct block {
    using kinds = std::variant<stem, conv, inverted_residual, fused_inverted_residual, tail>;

    std::int64_t layer = 0; // position in the spec's JSON list, from 1
    std::string kind;       // "layer_type" there
    std::optional<std::int64_t> stage;
    kinds body;
    features input;
    features output; // of a tail: its classes, 1 x 1
    friend bool operator==(const block&, const block&) = default;
};

/// A whole network at one input size.
struct network {
    features input;
    std::vector<block> blocks;
    std::int64_t classes = 0;
    /// What files of another program call operations' weights and norms, with their names here.
    std::map<std::string, std::string, std::less<>> other_names;
    friend bool operator==(const network&, const network&) = default;
};

namespace detail {

/// One of a block's operations that have parameters.
struct operation {
    const graph::convolution* convolution = nullptr;
    const graph::dense* dense = nullptr; // where it is no convolution
};

/// Collects a block's operations in the order they run.
struct operation_list {
    std::vector<operation> all{};

    void add(const convolution& c) { all.push_back({&c, nullptr}); }
    void add(const dense& d) { all.push_back({nullptr, &d}); }
    void add(const squeeze_excite& se) {
        add(se.squeeze);
        add(se.excite);
    }
    template <class Part>
    void add(const std::optional<Part>& part) {
        if (part) add(*part);
    }

    void operator()(const stem& b) {
        for (const convolution& c : b.convolutions) add(c);
    }
    void operator()(const conv& b) { add(b.convolution); }
    void operator()(const inverted_residual& b) {
        add(b.entry);
        add(b.expand);
        add(b.depthwise);
        add(b.squeeze_excite);
        add(b.project);
    }
    void operator()(const fused_inverted_residual& b) {
        add(b.expand);
        add(b.squeeze_excite);
        add(b.project);
    }
    void operator()(const tail& b) {
        add(b.convolution);
        add(b.hidden);
        add(b.classifier);
    }
};

inline std::vector<operation> operations(const block& b) {
    operation_list list;
    std::visit(list, b.body);
    return std::move(list.all);
}

} // namespace detail

/// Calls visit(convolution) and visit(dense) for every operation of a block that has parameters, in the order they run.
template <class Visitor>
void for_each_operation(const block& b, Visitor&& visit) {
    for (const detail::operation& op : detail::operations(b))
        if (op.convolution)
            visit(*op.convolution);
        else
            visit(*op.dense);
}

} // namespace gpunet::graph
