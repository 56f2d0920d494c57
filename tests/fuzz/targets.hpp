// What is fuzzed: each reader of strangers' bytes as one function. It may read them or throw a gpunet::error whose
// message is one readable line; anything else is a finding.
#pragma once

#include <gpunet/cudnn/plan_file.hpp>
#include <gpunet/error.hpp>
#include <gpunet/graph/count.hpp>
#include <gpunet/graph/lower.hpp>
#include <gpunet/hub/fetch/archive.hpp>
#include <gpunet/hub/fetch/package_index.hpp>
#include <gpunet/hub/fetch/source_records.hpp>
#include <gpunet/hub/model.hpp>
#include <gpunet/hub/records_file.hpp>
#include <gpunet/image/decode.hpp>
#include <gpunet/image/labels.hpp>
#include <gpunet/npy.hpp>
#include <gpunet/spec/read.hpp>
#include <gpunet/spec/write.hpp>
#include <gpunet/weights/read.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <unistd.h>

namespace fuzz {

using bytes = std::span<const std::byte>;

/// What no target may do.
struct finding : std::logic_error {
    using std::logic_error::logic_error;
};

inline void require(bool holds, const std::string& what) {
    if (!holds) throw finding(what);
}

inline std::string text_of(bytes b) { return std::string(gpunet::detail::as_text(b)); }

/// Messages are one line of UTF-8 without control characters, of bearable length.
inline void require_readable(const std::string& message) {
    require(message.size() <= 4096, "a message of " + std::to_string(message.size()) + " bytes");
    require(message == gpunet::detail::printable(message), "a message of bytes that cannot be shown: " + message);
}

/// Reads every element of every tensor, up to a bound: what a view of bytes it does not own would crash on.
inline void read_all(const gpunet::tensor_store& store) {
    for (const auto& [name, tensor] : store) {
        const auto count = tensor.element_count();
        if (count > 4096) continue;
        std::vector<float> values(static_cast<std::size_t>(count));
        try {
            gpunet::copy_as_float(tensor, values);
        } catch (const gpunet::weights_error&) { // an integer tensor
        }
    }
}

inline void spec(bytes b) {
    const auto net = gpunet::parse_spec(gpunet::detail::as_text(b), "f");
    const auto again = gpunet::parse_spec(gpunet::write_spec(net), "written");
    require(again.layers == net.layers && again.data == net.data, "a spec that is not read back as it was written");
    static_cast<void>(gpunet::graph::count(gpunet::lower(net)));
}

inline void model(bytes b) {
    const gpunet::model m = gpunet::parse_model(gpunet::detail::as_text(b), "f");
    static_cast<void>(gpunet::detail::to_json(m).dump());
}

inline void safetensors(bytes b) { read_all(gpunet::read_safetensors(b, "f", nullptr)); }

inline void checkpoint(bytes b) { read_all(gpunet::read_weights(b, "f")); }

/// The storages of a checkpoint whose pickle is fuzzed alone: all of zeros, up to 1024 bytes.
struct zero_storages {
    gpunet::pickle::document pickle;
    std::vector<std::byte> zeros = std::vector<std::byte>(1024);

    const gpunet::pickle::document& document() const noexcept { return pickle; }
    bytes operator()(const gpunet::detail::storage_id& id) const {
        if (id.bytes() > zeros.size()) throw gpunet::weights_error("f: storage too large");
        return bytes(zeros).first(static_cast<std::size_t>(id.bytes()));
    }
};

inline void pickle(bytes b) {
    zero_storages storages{gpunet::pickle::parse(b, "f")};
    read_all(gpunet::detail::read_checkpoint(storages, "f", nullptr, {}));
}

inline void npy(bytes b) { static_cast<void>(gpunet::parse_npy(b, "f")); }

inline void picture(bytes b) {
    gpunet::decode_options options;
    options.max_pixels = 1 << 14;
    const gpunet::image decoded = gpunet::decode_image(b, "f", options);
    require(std::cmp_equal(decoded.pixels.size(), decoded.width * decoded.height * 3), "a picture of another size");
}

inline void records(bytes b) {
    for (const auto& [name, record] : gpunet::detail::parse_records(text_of(b), "f"))
        static_cast<void>(gpunet::detail::to_json(record).dump());
}

inline void plan(bytes b) {
    static_cast<void>(gpunet::cudnn::detail::parse_plan_record(gpunet::detail::as_text(b), "f", "k"));
}

inline void source_record(bytes b) { static_cast<void>(gpunet::detail::parse_source_record(text_of(b), "f")); }

inline void labels(bytes b) {
    for (const std::string& label : gpunet::parse_labels(gpunet::detail::as_text(b), "f"))
        require(gpunet::detail::find_not_utf8(label) == std::string::npos, "a label that is not UTF-8");
}

inline void index(bytes b) {
    const std::string page = "https://index.example/simple/pkg/";
    static_cast<void>(gpunet::choose_wheel(gpunet::parse_index_page(text_of(b), page), "pkg==1.0", std::nullopt, page));
}

/// A file in memory that is removed with it.
class memory_file {
  public:
    explicit memory_file(bytes b) : path_(folder() / ("gpunet-fuzz-" + std::to_string(::getpid()))) {
        const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path_.c_str(), "wb"), &std::fclose);
        require(file && std::fwrite(b.data(), 1, b.size(), file.get()) == b.size(), "cannot write " + path_.string());
    }
    memory_file(const memory_file&) = delete;
    memory_file& operator=(const memory_file&) = delete;
    ~memory_file() { ::unlink(path_.c_str()); }
    const std::filesystem::path& path() const noexcept { return path_; }

  private:
    static std::filesystem::path folder() {
        return std::filesystem::exists("/dev/shm") ? "/dev/shm" : std::filesystem::temp_directory_path();
    }
    std::filesystem::path path_;
};

inline void archive(bytes b) {
    if (b.empty()) return;
    const memory_file file(b);
    std::filesystem::path out = file.path();
    out += ".out";
    const gpunet::detail::scratch_file removed(out);
    gpunet::archive_limits limits;
    limits.max_bytes = std::uint64_t{1} << 20;
    static_cast<void>(gpunet::detail::is_weights_file(file.path(), "weights.pth", "f", limits));
    static_cast<void>(gpunet::extract_member(file.path(), "weights.pth", out, limits, "f"));
}

struct target {
    std::string_view name;
    void (*read)(bytes);
};

inline constexpr target targets[] = {
    {"spec", spec},
    {"model", model},
    {"safetensors", safetensors},
    {"checkpoint", checkpoint},
    {"pickle", pickle},
    {"npy", npy},
    {"picture", picture},
    {"records", records},
    {"plan", plan},
    {"labels", labels},
    {"source_record", source_record},
    {"index", index},
    {"archive", archive},
};

/// The target of that name, or nullptr.
inline const target* find(std::string_view name) noexcept {
    for (const target& t : targets)
        if (t.name == name) return &t;
    return nullptr;
}

/// Lets one target read the bytes. @throws finding, and whatever else but a gpunet::error the target throws
inline void run(const target& t, bytes b) {
    try {
        t.read(b);
    } catch (const gpunet::error& e) {
        require_readable(e.what());
    }
}

} // namespace fuzz
