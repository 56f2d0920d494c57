// Reads a weights file of any supported format, recognised by its content.
#pragma once

#include <gpunet/error.hpp>
#include <gpunet/weights/bytes.hpp>
#include <gpunet/weights/mapped_file.hpp>
#include <gpunet/weights/pytorch.hpp>
#include <gpunet/weights/safetensors.hpp>
#include <gpunet/weights/tensor_store.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace gpunet {

/// Formats of weights files.
enum class weights_format : std::uint8_t { unknown, safetensors, pytorch_zip, pytorch_legacy };

/// By the first bytes; says nothing about the rest.
inline weights_format recognise_weights(std::span<const std::byte> bytes) noexcept {
    const auto text = detail::as_text(bytes);
    if (text.size() > 8 && text[8] == '{') return weights_format::safetensors;
    if (text.starts_with("PK\x03\x04") || text.starts_with("PK\x05\x06")) return weights_format::pytorch_zip;
    if (text.size() >= 2 && text[0] == '\x80' && text[1] >= 2 && text[1] <= 5) return weights_format::pytorch_legacy;
    return weights_format::unknown;
}

namespace detail {

/// The first bytes as numbers and, where they are printable, as text.
inline std::string describe_start(std::span<const std::byte> bytes) {
    if (bytes.empty()) return "an empty file";
    std::string numbers;
    std::string text;
    for (const std::byte b : bytes.first(std::min<std::size_t>(bytes.size(), 12))) {
        const auto byte = std::to_integer<std::uint8_t>(b);
        numbers += ' ' + hexadecimal(byte);
        text += byte >= 0x20 && byte < 0x7F ? static_cast<char>(byte) : '.';
    }
    return "a file that begins with" + numbers + " ('" + text + "')";
}

inline tensor_store read_any_weights(std::span<const std::byte> bytes, std::string source,
                                     std::shared_ptr<const void> keep_alive, const checkpoint_options& options) {
    switch (recognise_weights(bytes)) {
    case weights_format::safetensors:
        if (!options.select.empty())
            throw weights_error(source + ": expected a checkpoint with an entry " + in_quotes(options.select) +
                                ", found a safetensors file, which has no entries to select");
        return read_safetensors(bytes, std::move(source), std::move(keep_alive), options.max_bytes);
    case weights_format::pytorch_zip:
    case weights_format::pytorch_legacy: return read_pytorch(bytes, std::move(source), std::move(keep_alive), options);
    case weights_format::unknown: break;
    }
    throw weights_error(source + ": expected safetensors or a PyTorch checkpoint (zip or legacy format), found " +
                        describe_start(bytes));
}

} // namespace detail

/// Reads safetensors or a PyTorch checkpoint (see `read_pytorch` for what `options` choose). The file stays mapped as
/// long as the store or a copy of it lives; it must not be truncated in place meanwhile.
/// @throws io_error if the file cannot be read, weights_error naming file and culprit if it is malformed or too large.
inline tensor_store read_weights(const std::filesystem::path& path, const checkpoint_options& options = {}) {
    auto file = std::make_shared<const mapped_file>(path);
    const auto bytes = file->bytes();
    return detail::read_any_weights(bytes, path.string(), std::move(file), options);
}

/// The same from memory. If `keep_alive` owns `bytes` the store holds it; otherwise `bytes` are copied.
/// @param source  what errors call it
inline tensor_store read_weights(std::span<const std::byte> bytes, std::string source,
                                 const checkpoint_options& options = {},
                                 std::shared_ptr<const void> keep_alive = nullptr) {
    if (keep_alive == nullptr) {
        auto copy = std::make_shared<const std::vector<std::byte>>(bytes.begin(), bytes.end());
        bytes = *copy;
        keep_alive = std::move(copy);
    }
    return detail::read_any_weights(bytes, std::move(source), std::move(keep_alive), options);
}

} // namespace gpunet
