// Compiled kernels, kept in memory and on disk.
#pragma once

#include <gpunet/atomic_file.hpp>
#include <gpunet/cuda/nvrtc.hpp>
#include <gpunet/detail/fnv1a.hpp>
#include <gpunet/detail/text_file.hpp>
#include <gpunet/error.hpp>
#include <gpunet/weights/bytes.hpp>
#include <gpunet/weights/crc32.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace gpunet::cuda {

/// Machine code of one kernel source, shared by all who asked for it.
using cubin = std::shared_ptr<const std::vector<std::byte>>;

/// May be used from several threads at a time. A file holds the whole key it belongs to and a checksum; one that is
/// damaged or belongs to another key is written anew, and a directory that cannot be used is no error.
class cubin_cache {
  public:
    /// @param directory  created when the first file is written; empty: in memory alone
    explicit cubin_cache(std::filesystem::path directory = {}) : directory_(std::move(directory)) {}

    /// As nvrtc::compile, unless the result is here already; of requests for the same at a time, one compiles.
    /// @throws what nvrtc::compile throws; the next request for it tries again
    cubin get(const nvrtc& compiler, std::string_view source, std::string_view name, std::string_view architecture,
              std::span<const std::string> defines = {}) {
        const std::string key = key_of(compiler.version(), source, name, architecture, defines);
        std::promise<cubin> mine;
        std::shared_future<cubin> theirs;
        {
            const std::lock_guard lock(mutex_);
            const auto [at, added] = known_.try_emplace(key);
            if (added)
                at->second = mine.get_future().share();
            else
                theirs = at->second;
        }
        if (theirs.valid()) return theirs.get();
        try {
            cubin result = read(key);
            if (!result) {
                result = std::make_shared<const std::vector<std::byte>>(
                    compiler.compile(source, name, architecture, defines));
                write(key, *result);
            }
            mine.set_value(result);
            return result;
        } catch (...) {
            {
                const std::lock_guard lock(mutex_);
                known_.erase(key);
            }
            mine.set_exception(std::current_exception());
            throw;
        }
    }

    const std::filesystem::path& directory() const noexcept { return directory_; }

  private:
    // A file: magic, then little-endian the key's size (8 bytes), the code's size (8), the CRC-32 of key and code (4),
    // then key and code.
    static constexpr std::string_view magic = "gpunet cubin 1\n";
    static constexpr std::size_t header_bytes = magic.size() + 20;
    static constexpr std::size_t max_file_bytes = std::size_t{64} << 20;

    static std::string key_of(std::string_view version, std::string_view source, std::string_view name,
                              std::string_view architecture, std::span<const std::string> defines) {
        std::string key;
        for (const std::string_view part : {std::string_view("NVRTC"), version, architecture, name})
            key.append(part) += part == "NVRTC" ? ' ' : '\n';
        for (const std::string& define : defines) key.append("-D").append(define) += '\n';
        return key.append("\n").append(source);
    }

    /// Two hashes of 64 bits, the second from another start.
    std::filesystem::path file_of(std::string_view key) const {
        const std::string name =
            gpunet::detail::hexadecimal(fnv1a(key)) + gpunet::detail::hexadecimal(fnv1a(key, 0x84222325CBF29CE4U));
        return directory_ / (name + ".cubin");
    }

    /// Null unless there is a file for this key and it is whole.
    cubin read(const std::string& key) const {
        if (directory_.empty()) return nullptr;
        std::string file;
        try {
            file = gpunet::detail::read_text_file(file_of(key), max_file_bytes);
        } catch (const io_error&) {
            return nullptr;
        }
        const auto bytes = std::as_bytes(std::span(std::as_const(file)));
        if (bytes.size() < header_bytes || !file.starts_with(magic)) return nullptr;
        const auto body = bytes.subspan(header_bytes);
        const auto key_size = gpunet::detail::load_little<std::uint64_t>(bytes, magic.size());
        const auto code_size = gpunet::detail::load_little<std::uint64_t>(bytes, magic.size() + 8);
        if (key_size != key.size() || key_size > body.size() || code_size != body.size() - key_size) return nullptr;
        if (file.compare(header_bytes, key.size(), key) != 0) return nullptr;
        if (gpunet::detail::load_little<std::uint32_t>(bytes, magic.size() + 16) != gpunet::detail::crc32(body))
            return nullptr;
        const auto code = body.subspan(key.size());
        return std::make_shared<const std::vector<std::byte>>(code.begin(), code.end());
    }

    void write(const std::string& key, const std::vector<std::byte>& code) const {
        if (directory_.empty()) return;
        std::string file(magic);
        const auto append = [&](std::uint64_t value, int bytes) {
            for (int i = 0; i < bytes; ++i) file += static_cast<char>(value >> 8 * i & 0xFFU);
        };
        std::string body = key;
        body.append(reinterpret_cast<const char*>(code.data()), code.size());
        append(key.size(), 8);
        append(code.size(), 8);
        append(gpunet::detail::crc32(std::as_bytes(std::span(std::as_const(body)))), 4);
        try {
            std::error_code ignored;
            std::filesystem::create_directories(directory_, ignored);
            atomic_file out(file_of(key));
            out.write(file);
            out.write(body);
            out.commit();
        } catch (const io_error&) { // it is compiled again next time
        }
    }

    std::filesystem::path directory_;
    std::mutex mutex_;
    std::map<std::string, std::shared_future<cubin>> known_;
};

} // namespace gpunet::cuda
