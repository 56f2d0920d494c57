// A weights file's tensors against the parameters that a network expects.
#pragma once

#include <gpunet/error.hpp>
#include <gpunet/graph/network.hpp>
#include <gpunet/weights/parameters.hpp>
#include <gpunet/weights/tensor_store.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpunet {

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
        else if (p.type ? found->type != *p.type : !number)
            misshaped.push_back("'" + p.name + "': expected " +
                                (p.type ? to_string(*p.type) : "a floating-point type") + ", found " +
                                to_string(found->type));
    }
    for (const auto& [name, tensor] : store)
        if (!known.contains(name)) unexpected.push_back(name);
    if (!missing.empty() || !unexpected.empty() || !misshaped.empty())
        throw binding_error(store.source(), std::move(missing), std::move(unexpected), std::move(misshaped));
}

/// The weights under the network's own names where they have another program's; as they are if some have both.
inline tensor_store in_names_of(const graph::network& net, const tensor_store& store) {
    tensor_store::container renamed;
    bool translated = false;
    for (const auto& [name, tensor] : store) {
        const std::size_t dot = std::min(name.rfind('.'), name.size());
        const auto found = net.other_names.find(std::string_view(name).substr(0, dot));
        const bool other = found != net.other_names.end();
        if (!renamed.emplace(other ? found->second + name.substr(dot) : name, tensor).second) return store;
        translated = translated || other;
    }
    return translated ? store.renamed(store.source() + ", names translated", std::move(renamed)) : store;
}

/// The weights under the network's own names, each bound exactly once. @throws binding_error
inline tensor_store bind(const graph::network& net, const tensor_store& store) {
    tensor_store bound = in_names_of(net, store);
    check_binding(parameters(net), bound);
    return bound;
}

/// One tensor as float32. @throws weights_error if an element is not finite
inline std::vector<float> finite_values(const tensor_store& store, const std::string& name) {
    const stored_tensor& tensor = *store.find(name);
    std::vector<float> values(static_cast<std::size_t>(tensor.element_count()));
    copy_as_float(tensor, values);
    std::uint32_t worst = 0; // the highest bit of the sum is set where all bits of the exponent are
    for (const float x : values) worst |= (std::bit_cast<std::uint32_t>(x) & 0x7F800000U) + 0x00800000U;
    for (std::size_t i = 0; worst >> 31 != 0 && i < values.size(); ++i)
        if (!std::isfinite(values[i]))
            throw weights_error(store.source() + ": tensor '" + name + "': expected finite numbers, found " +
                                std::to_string(values[i]) + " at element " + std::to_string(i));
    return values;
}

} // namespace detail

} // namespace gpunet
