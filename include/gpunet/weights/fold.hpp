// Batch norm folded into convolutions: what a network computes with.
#pragma once

#include <gpunet/error.hpp>
#include <gpunet/graph/network.hpp>
#include <gpunet/weights/parameters.hpp>
#include <gpunet/weights/tensor_store.hpp>

#include <cmath>
#include <cstddef>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpunet {

/// Weights (row-major O, I / groups, kernel, kernel, or O, I) and bias (O; empty where there is none) of one operation.
struct folded {
    std::vector<float> weights;
    std::vector<float> bias;
};

/// Folded operations by the name their weights have in the graph.
class constants {
  public:
    folded& operator[](const std::string& name) { return items_[name]; }
    /// @throws weights_error if there is none of that name
    const folded& at(std::string_view name) const {
        const auto found = items_.find(name);
        if (found == items_.end())
            throw weights_error("constants: expected '" + std::string(name) + "', found nothing");
        return found->second;
    }
    std::size_t size() const noexcept { return items_.size(); }
    auto begin() const noexcept { return items_.begin(); }
    auto end() const noexcept { return items_.end(); }

  private:
    std::map<std::string, folded, std::less<>> items_;
};

/// A file's tensors and a network's parameters differ.
class binding_error : public weights_error {
  public:
    binding_error(const std::string& source, std::vector<std::string> absent, std::vector<std::string> extra,
                  std::vector<std::string> wrong)
        : weights_error(source + ": does not fit the network: " +
                        summary({{"missing ", &absent}, {"unexpected ", &extra}, {"", &wrong}})),
          missing(std::move(absent)), unexpected(std::move(extra)), misshaped(std::move(wrong)) {}

    std::vector<std::string> missing;    // names the file lacks
    std::vector<std::string> unexpected; // names the network has no use for
    std::vector<std::string> misshaped;  // "'name': expected ..., found ..."

  private:
    static std::string summary(const std::vector<std::pair<std::string, const std::vector<std::string>*>>& lists) {
        constexpr std::size_t most = 6;
        std::string text;
        for (const auto& [what, names] : lists) {
            if (names->empty()) continue;
            text += (text.empty() ? "" : "; ") + what;
            for (std::size_t i = 0; i < names->size() && i < most; ++i)
                text += (i ? ", " : "") + (what.empty() ? (*names)[i] : "'" + (*names)[i] + "'");
            if (names->size() > most) text += " and " + std::to_string(names->size() - most) + " more";
        }
        return text;
    }
};

namespace detail {

/// Compares every name and shape before anything is allocated.
inline void check_binding(const std::vector<parameter>& wanted, const tensor_store& store) {
    std::vector<std::string> missing, unexpected, misshaped;
    std::set<std::string_view> known;
    for (const parameter& p : wanted) {
        known.insert(p.name);
        const stored_tensor* found = store.find(p.name);
        if (!found) {
            if (!p.optional()) missing.push_back(p.name);
            continue;
        }
        const bool number = found->type == dtype::float64 || found->type == dtype::float32 ||
                            found->type == dtype::float16 || found->type == dtype::bfloat16;
        if (p.optional()) continue;
        if (found->dimensions != p.dimensions)
            misshaped.push_back("'" + p.name + "': expected shape " + to_string(p.dimensions) + ", found " +
                                to_string(found->dimensions));
        else if (!number)
            misshaped.push_back("'" + p.name + "': expected a floating-point type, found " + to_string(found->type));
    }
    for (const auto& [name, tensor] : store)
        if (!known.contains(name)) unexpected.push_back(name);
    if (!missing.empty() || !unexpected.empty() || !misshaped.empty())
        throw binding_error(store.source(), std::move(missing), std::move(unexpected), std::move(misshaped));
}

/// One tensor as float32. @throws weights_error if an element is not finite
inline std::vector<float> finite_values(const tensor_store& store, const std::string& name) {
    const stored_tensor& tensor = *store.find(name);
    std::vector<float> values(static_cast<std::size_t>(tensor.element_count()));
    copy_as_float(tensor, values);
    for (std::size_t i = 0; i < values.size(); ++i)
        if (!std::isfinite(values[i]))
            throw weights_error(store.source() + ": tensor '" + name + "': expected finite numbers, found " +
                                std::to_string(values[i]) + " at element " + std::to_string(i));
    return values;
}

inline folded fold(const graph::dense& d, const tensor_store& store) {
    return {finite_values(store, d.weights + ".weight"),
            d.bias ? finite_values(store, d.weights + ".bias") : std::vector<float>{}};
}

/// The parameters of a batch norm, one of each a channel.
struct batch_norm {
    std::vector<float> weight, bias, mean, var;
};

/// @throws weights_error if a number is not finite, or a variance with epsilon not positive
inline batch_norm read_batch_norm(const graph::convolution& c, const tensor_store& store) {
    batch_norm norm{finite_values(store, c.norm + ".weight"), finite_values(store, c.norm + ".bias"),
                    finite_values(store, c.norm + ".running_mean"), finite_values(store, c.norm + ".running_var")};
    for (std::size_t o = 0; o < norm.var.size(); ++o)
        if (!(static_cast<double>(norm.var[o]) + c.epsilon > 0))
            throw weights_error(store.source() + ": tensor '" + c.norm + ".running_var': expected a variance, found " +
                                std::to_string(norm.var[o]) + " at element " + std::to_string(o));
    return norm;
}

/// With s = gamma / sqrt(var + epsilon): weights w s, bias beta - mean s. In double, rounded once (Ioffe, Szegedy
/// 2015).
inline folded fold(const graph::convolution& c, const tensor_store& store) {
    folded out;
    out.weights = finite_values(store, c.weights + ".weight");
    const batch_norm norm = read_batch_norm(c, store);
    out.bias.resize(norm.weight.size());
    const std::size_t per_channel = out.weights.size() / norm.weight.size();
    for (std::size_t o = 0; o < norm.weight.size(); ++o) {
        const double scale =
            static_cast<double>(norm.weight[o]) / std::sqrt(static_cast<double>(norm.var[o]) + c.epsilon);
        out.bias[o] = static_cast<float>(static_cast<double>(norm.bias[o]) - static_cast<double>(norm.mean[o]) * scale);
        for (float& w : std::span(out.weights).subspan(o * per_channel, per_channel))
            w = static_cast<float>(static_cast<double>(w) * scale);
    }
    return out;
}

} // namespace detail

/// Binds a weights file to a graph, each parameter exactly once, and folds batch norm away.
/// @throws binding_error naming every missing, unexpected and misshaped parameter; weights_error naming a tensor that
///         holds no finite numbers or no variance
inline constants fold(const graph::network& net, const tensor_store& store) {
    detail::check_binding(parameters(net), store);
    constants out;
    for (const graph::block& b : net.blocks)
        graph::for_each_operation(b, [&](const auto& op) { out[op.weights] = detail::fold(op, store); });
    return out;
}

} // namespace gpunet
