// Reads checkpoints written by torch.save, both formats. Executes nothing; tensors are views of the file's bytes.
#pragma once

#include <gpunet/weights/bytes.hpp>
#include <gpunet/weights/pytorch_storages.hpp>
#include <gpunet/weights/pytorch_tensor.hpp>
#include <gpunet/weights/tensor_store.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace gpunet {

/// Which tensors of a checkpoint to read, and how large it may be.
struct checkpoint_options {
    /// The entry of a training checkpoint to read, such as "state_dict"; empty: the choice described at `read_pytorch`.
    std::string select;
    /// Prefer the exponential moving average of the weights where the checkpoint has one.
    bool use_ema = true;
    /// The most bytes of all selected tensors together, each counted as if it were dense.
    std::uint64_t max_bytes = default_max_tensor_bytes;
    /// The most values in a pickle: bounds memory and time for hostile files.
    std::size_t max_pickle_values = pickle::limits{}.values;
};

namespace detail {

inline std::string list_keys(const pickle::dict& entries) {
    std::string list;
    std::size_t listed = 0;
    for (const auto& [key, value] : entries.items) {
        const auto* text = std::get_if<std::string_view>(&key);
        if (text == nullptr) continue;
        if (listed++ == 20) return list + ", ...";
        list += (list.empty() ? "" : ", ") + in_quotes(*text);
    }
    return list.empty() ? "none" : list;
}

/// The dict of tensors that the options ask for.
inline const pickle::dict& select_entry(const pickle::dict& root, const std::string& source,
                                        const checkpoint_options& options) {
    const auto entry = [&](std::string_view key, const pickle::value& v) -> const pickle::dict& {
        return *expect<pickle::dict*>(v, source + ": entry " + in_quotes(key), "a dict of tensors");
    };
    if (!options.select.empty()) {
        const pickle::value* chosen = root.find(options.select);
        if (chosen == nullptr) refuse(source, "an entry " + in_quotes(options.select), list_keys(root));
        return entry(options.select, *chosen);
    }
    for (const std::string_view key : {"state_dict_ema", "model_ema", "state_dict", "model"}) {
        const bool ema = key.ends_with("_ema");
        const pickle::value* found = root.find(key);
        if (found == nullptr || (ema && !options.use_ema)) continue;
        if (ema && std::holds_alternative<pickle::none>(*found)) continue;
        if (tensor_object(*found) != nullptr) continue; // a bare state_dict with a tensor of that name
        return entry(key, *found);
    }
    return root;
}

/// Data parallel training prefixes every name with this.
inline bool every_key_prefixed(const pickle::dict& entries, std::string_view prefix) {
    return !entries.items.empty() && std::all_of(entries.items.begin(), entries.items.end(), [&](const auto& item) {
        const auto* text = std::get_if<std::string_view>(&item.first);
        return text != nullptr && text->starts_with(prefix);
    });
}

template <class Storages>
tensor_store read_checkpoint(Storages&& storages, std::string source, std::shared_ptr<const void> keep_alive,
                             const checkpoint_options& options) {
    const auto& root = *expect<pickle::dict*>(storages.document().root, source, "a dict at the top of the checkpoint");
    const pickle::dict& selected = select_entry(root, source, options);
    static constexpr std::string_view prefix = "module.";
    const std::size_t skip = every_key_prefixed(selected, prefix) ? prefix.size() : 0;

    tensor_store::container tensors;
    std::uint64_t left = options.max_bytes;
    for (const auto& [key, value] : selected.items) {
        const auto name = expect<std::string_view>(key, source + ": a tensor's name", "text").substr(skip);
        const pickle::object* object = tensor_object(value);
        if (object == nullptr) {
            const bool dict = std::holds_alternative<pickle::dict*>(value);
            refuse(source + ": entry " + in_quotes(name), "a tensor",
                   pickle::describe(value) + (dict ? ", which can be selected by its name" : ""));
        }
        const std::string where = source + ": tensor " + in_quotes(name);
        const stored_tensor tensor = read_tensor(*object, where, options.max_bytes, storages);
        const auto bytes = dense_bytes(tensor.dimensions, size_of(tensor.type), left);
        if (!bytes)
            refuse(where, "at most " + std::to_string(options.max_bytes) + " bytes of tensors in all (max_bytes)",
                   "more");
        left -= *bytes;
        if (!tensors.emplace(name, tensor).second) refuse(where, "one tensor of that name", "two");
    }
    return {std::move(source), std::move(tensors), std::move(keep_alive)};
}

} // namespace detail

/// Reads a checkpoint: of the dict at its top the entry `options.select`, or as timm chooses: "state_dict_ema" or
/// "model_ema" if EMA is wanted and it is not None, "state_dict", "model", else the dict itself. Where every name
/// begins with "module.", that is dropped.
/// @param source      what errors call it, usually the file's path
/// @param keep_alive  owns `bytes`; the store holds it
/// @throws weights_error naming the file and the entry, tensor or storage at fault.
inline tensor_store read_pytorch(std::span<const std::byte> bytes, std::string source,
                                 std::shared_ptr<const void> keep_alive, const checkpoint_options& options = {}) {
    pickle::limits most;
    most.values = options.max_pickle_values;
    if (detail::as_text(bytes).starts_with("PK")) {
        detail::zip_storages storages(bytes, source, most);
        return detail::read_checkpoint(storages, std::move(source), std::move(keep_alive), options);
    }
    detail::legacy_storages storages(bytes, source, most);
    return detail::read_checkpoint(storages, std::move(source), std::move(keep_alive), options);
}

} // namespace gpunet
