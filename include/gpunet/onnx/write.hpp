// ONNX models as files.
#pragma once

#include <gpunet/atomic_file.hpp>
#include <gpunet/error.hpp>

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <onnx/onnx_pb.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

namespace gpunet {

/// Whether an exported model is one file or two.
struct onnx_file_options {
    bool external_data = false;                        // weights in a file of their own
    std::int64_t inline_limit = std::int64_t{1} << 30; // bytes of weights; more go to a file of their own in any case
};

namespace detail {

inline constexpr std::size_t onnx_data_alignment = 4096; // of a tensor in the data file, so that it can be mapped
inline constexpr std::size_t onnx_least_external = 1024; // bytes; smaller tensors stay in the model

inline std::int64_t onnx_weight_bytes(const ::onnx::ModelProto& model) {
    std::int64_t bytes = 0;
    for (const ::onnx::TensorProto& t : model.graph().initializer())
        bytes += static_cast<std::int64_t>(t.raw_data().size());
    return bytes;
}

/// Moves the weights to the file, which the model names relative to itself.
inline void move_weights(::onnx::ModelProto& model, atomic_file& data) {
    const std::string location = data.target().filename().string();
    std::size_t end = 0;
    for (::onnx::TensorProto& t : *model.mutable_graph()->mutable_initializer()) {
        if (t.raw_data().size() < onnx_least_external) continue;
        const std::string bytes = std::move(*t.mutable_raw_data());
        t.clear_raw_data();
        const std::size_t gap = (onnx_data_alignment - end % onnx_data_alignment) % onnx_data_alignment;
        data.write(std::string(gap, '\0'));
        data.write(bytes);
        t.set_data_location(::onnx::TensorProto::EXTERNAL);
        const auto say = [&](const char* key, const std::string& value) {
            ::onnx::StringStringEntryProto& entry = *t.add_external_data();
            entry.set_key(key);
            entry.set_value(value);
        };
        say("location", location);
        say("offset", std::to_string(end + gap));
        say("length", std::to_string(bytes.size()));
        end += gap + bytes.size();
    }
}

/// The same message makes the same bytes. @throws io_error for a message beyond protobuf's 2 GiB
inline std::string onnx_bytes(const ::onnx::ModelProto& model, const std::filesystem::path& path) {
    std::string bytes;
    if (model.ByteSizeLong() < std::size_t{1} << 31) {
        google::protobuf::io::StringOutputStream stream(&bytes);
        google::protobuf::io::CodedOutputStream out(&stream);
        out.SetSerializationDeterministic(true);
        if (model.SerializeToCodedStream(&out) && !out.HadError()) return bytes;
    }
    throw io_error(path.string() + ": cannot be written: expected a model below 2 GiB, found " +
                   std::to_string(model.ByteSizeLong()) + " bytes (onnx_file_options::external_data)");
}

} // namespace detail

/// Writes a model; its weights go to `path` + ".data" beside it where that is asked for or they are large. The same
/// model makes the same bytes. Both files are complete before either takes its name, the data first.
/// @throws io_error naming the file; one that existed is then unchanged
inline void write_onnx(const std::filesystem::path& path, ::onnx::ModelProto model, const onnx_file_options& o = {}) {
    atomic_file file(path);
    std::optional<atomic_file> data;
    if (o.external_data || detail::onnx_weight_bytes(model) > o.inline_limit) {
        data.emplace(std::filesystem::path(path) += ".data");
        detail::move_weights(model, *data);
    }
    file.write(detail::onnx_bytes(model, path));
    if (!data) return file.commit();
    std::error_code ignored;
    const bool existed = std::filesystem::exists(data->target(), ignored);
    data->commit();
    try {
        file.commit();
    } catch (...) {
        if (!existed) std::filesystem::remove(data->target(), ignored);
        throw;
    }
}

} // namespace gpunet
