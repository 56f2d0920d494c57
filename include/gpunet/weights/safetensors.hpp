// Reads and writes safetensors: a length (u64), a JSON header of that length, the tensors' bytes.
// Format: github.com/huggingface/safetensors, README.md, "Format".
#pragma once

#include <gpunet/atomic_file.hpp>
#include <gpunet/detail/json.hpp>
#include <gpunet/detail/printable.hpp>
#include <gpunet/error.hpp>
#include <gpunet/weights/bytes.hpp>
#include <gpunet/weights/safetensors_header.hpp>
#include <gpunet/weights/tensor_store.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace gpunet {

/// Reads a safetensors file; the tensors are views of `bytes`.
/// @param source      what errors call it, usually the file's path
/// @param keep_alive  owns `bytes`; the store holds it
/// @param max_bytes   the most bytes of all tensors together
/// @throws weights_error naming the file and the tensor at fault.
inline tensor_store read_safetensors(std::span<const std::byte> bytes, std::string source,
                                     std::shared_ptr<const void> keep_alive,
                                     std::uint64_t max_bytes = default_max_tensor_bytes) {
    const auto fail = [&](const std::string& expected, const std::string& found) {
        throw weights_error(source + ": safetensors header: expected " + expected + ", found " + found);
    };
    if (bytes.size() < 8) fail("8 bytes for its length", std::to_string(bytes.size()));
    const auto length = detail::load_little<std::uint64_t>(bytes, 0);
    if (length > detail::max_safetensors_header)
        fail("at most " + std::to_string(detail::max_safetensors_header) + " bytes", std::to_string(length));
    if (length > bytes.size() - 8)
        fail(std::to_string(length) + " bytes", std::to_string(bytes.size() - 8) + ": the file is truncated");
    const auto text = detail::as_text(bytes.subspan(8, static_cast<std::size_t>(length)));
    const auto data = bytes.subspan(8 + text.size());
    if (data.size() > max_bytes)
        throw weights_error(source + ": expected at most " + std::to_string(max_bytes) +
                            " bytes of tensors (max_bytes), found " + std::to_string(data.size()));
    detail::safetensors_header header(text, source, max_bytes);
    detail::check_coverage(header.ranges, data.size(), source);
    for (const auto& range : header.ranges)
        header.tensors.find(*range.name)->second.data = data.data() + static_cast<std::size_t>(range.begin);
    return {std::move(source), std::move(header.tensors), std::move(keep_alive)};
}

namespace detail {

/// Writes a tensor's elements in row-major order, unchanged.
inline void write_dense(atomic_file& file, const stored_tensor& t) {
    const std::size_t element = size_of(t.type);
    auto left = static_cast<std::size_t>(t.element_count());
    if (left == 0) return;
    if (t.strides == dense_strides(t.dimensions)) return file.write({t.data, left * element});
    std::vector<std::byte> chunk(std::min<std::size_t>(left * element, 65536));
    std::vector<std::int64_t> index(t.dimensions.size(), 0);
    std::int64_t offset = 0;
    std::size_t filled = 0;
    for (; left != 0; --left) {
        std::memcpy(chunk.data() + filled, t.data + static_cast<std::size_t>(offset) * element, element);
        filled += element;
        if (filled == chunk.size() || left == 1) {
            file.write(std::span(chunk).first(filled));
            filled = 0;
        }
        for (std::size_t d = t.dimensions.size(); d-- > 0;) {
            offset += t.strides[d];
            if (++index[d] < t.dimensions[d]) break;
            offset -= t.strides[d] * t.dimensions[d];
            index[d] = 0;
        }
    }
}

/// @throws io_error for text that is not UTF-8
inline std::string safetensors_string(const std::string& text, const std::filesystem::path& path) {
    if (find_not_utf8(text) != std::string::npos)
        throw io_error(path.string() + ": cannot be written: expected names in UTF-8, found " + in_quotes(text));
    return json_string(text);
}

inline std::string safetensors_metadata_text(const std::map<std::string, std::string>& metadata,
                                             const std::filesystem::path& path) {
    std::string text = "{";
    for (const auto& [key, value] : metadata)
        text += (text.size() > 1 ? "," : "") + safetensors_string(key, path) + ":" + safetensors_string(value, path);
    return text + "}";
}

inline std::string safetensors_entry_text(const stored_tensor& t, std::uint64_t begin, std::uint64_t end) {
    const auto* type = std::find_if(std::begin(safetensors_dtypes), std::end(safetensors_dtypes),
                                    [&](const auto& pair) { return pair.second == t.type; });
    std::string sizes;
    for (const std::int64_t size : t.dimensions) sizes += (sizes.empty() ? "" : ",") + std::to_string(size);
    return "{\"data_offsets\":[" + std::to_string(begin) + "," + std::to_string(end) + "],\"dtype\":\"" +
           std::string(type->first) + "\",\"shape\":[" + sizes + "]}";
}

} // namespace detail

/// Writes every tensor, densely and in its own type. The same tensors make the same bytes: larger element types come
/// first, so that all are aligned to their elements, then names in order. An existing file is replaced in one step.
/// @throws io_error naming the file; then no file was written, and one that existed is unchanged.
inline void write_safetensors(const std::filesystem::path& path, const tensor_store& tensors,
                              const std::map<std::string, std::string>& metadata = {}) {
    std::vector<const tensor_store::container::value_type*> order;
    for (const std::size_t size : {8U, 4U, 2U, 1U})
        for (const auto& entry : tensors)
            if (size_of(entry.second.type) == size) order.push_back(&entry);

    std::map<std::string, std::string> entries; // in order of names, as JSON
    if (!metadata.empty())
        entries[std::string(detail::safetensors_metadata)] = detail::safetensors_metadata_text(metadata, path);
    std::uint64_t end = 0;
    for (const auto* entry : order) {
        const auto& [name, tensor] = *entry;
        if (name == detail::safetensors_metadata)
            throw io_error(path.string() + ": cannot be written: " + name + " cannot be a tensor's name");
        const std::uint64_t begin = end;
        end += static_cast<std::uint64_t>(tensor.element_count()) * size_of(tensor.type);
        entries[name] = detail::safetensors_entry_text(tensor, begin, end);
    }
    std::string text = "{";
    for (const auto& [name, entry] : entries)
        text += (text.size() > 1 ? "," : "") + detail::safetensors_string(name, path) + ":" + entry;
    text += "}";
    text.append((8 - text.size() % 8) % 8, ' ');
    if (text.size() > detail::max_safetensors_header)
        throw io_error(path.string() + ": cannot be written: a header of " + std::to_string(text.size()) + " bytes");

    atomic_file file(path);
    const std::uint64_t length = text.size();
    file.write(std::as_bytes(std::span(&length, 1)));
    file.write(text);
    for (const auto* entry : order) detail::write_dense(file, entry->second);
    file.commit();
}

} // namespace gpunet
