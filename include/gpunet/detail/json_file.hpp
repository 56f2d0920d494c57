// JSON documents to keep, as files.
#pragma once

#include <gpunet/atomic_file.hpp>
#include <gpunet/detail/json.hpp>

#include <filesystem>
#include <string>

namespace gpunet::detail {

/// A document as its file holds it; what is no UTF-8 is replaced.
inline std::string document_text(const ordered_json& document) {
    return document.dump(1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

/// Replaces the file in one step. @throws io_error
inline void write_document(const std::filesystem::path& path, const ordered_json& document) {
    atomic_file file(path);
    file.write(document_text(document));
    file.commit();
}

} // namespace gpunet::detail
