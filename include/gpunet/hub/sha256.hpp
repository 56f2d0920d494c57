// SHA-256, by OpenSSL.
#pragma once

#include <gpunet/error.hpp>

#include <openssl/evp.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

namespace gpunet {

/// The SHA-256 of bytes that come piece by piece.
class sha256 {
  public:
    /// @throws io_error where OpenSSL offers no SHA-256 (a provider that is not configured)
    sha256() : context_(::EVP_MD_CTX_new()) { reset(); }

    /// Forgets all bytes.
    void reset() { check(context_ && ::EVP_DigestInit_ex(context_.get(), ::EVP_sha256(), nullptr)); }

    void update(std::span<const std::byte> bytes) {
        check(::EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()));
    }
    void update(std::string_view text) { update(std::as_bytes(std::span(text))); }

    /// Of the bytes so far, as 64 lower-case hexadecimal digits. More may follow.
    std::string hex() const {
        const context copy(::EVP_MD_CTX_new());
        std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
        unsigned int size = 0;
        check(copy && ::EVP_MD_CTX_copy_ex(copy.get(), context_.get()) &&
              ::EVP_DigestFinal_ex(copy.get(), digest.data(), &size));
        static constexpr std::string_view digits = "0123456789abcdef";
        std::string text;
        for (unsigned int i = 0; i < size; ++i) {
            text += digits[digest[i] >> 4U];
            text += digits[digest[i] & 15U];
        }
        return text;
    }

  private:
    struct free_context {
        void operator()(::EVP_MD_CTX* c) const noexcept { ::EVP_MD_CTX_free(c); }
    };
    using context = std::unique_ptr<::EVP_MD_CTX, free_context>;

    static void check(bool good) {
        if (!good) throw io_error("OpenSSL: expected SHA-256, found that it is not available");
    }

    context context_;
};

/// Whether a text is a SHA-256 as this library writes it: 64 lower-case hexadecimal digits.
inline bool is_sha256(std::string_view text) {
    return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

namespace detail {

/// Adds what an open file holds from where it stands to its end.
inline void hash_rest_of(int descriptor, sha256& hash, const std::filesystem::path& path) {
    std::vector<std::byte> buffer(std::size_t{1} << 18);
    for (;;) {
        const ::ssize_t got = ::read(descriptor, buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) throw io_error(path.string() + ": cannot read: " + std::generic_category().message(errno));
        if (got == 0) return;
        hash.update(std::span(buffer).first(static_cast<std::size_t>(got)));
    }
}

} // namespace detail

/// @throws io_error naming the file, if it cannot be read
inline std::string sha256_of_file(const std::filesystem::path& path) {
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) throw io_error(path.string() + ": cannot open: " + std::generic_category().message(errno));
    struct closer {
        int descriptor;
        ~closer() { static_cast<void>(::close(descriptor)); }
    } const close_it{descriptor};
    sha256 hash;
    detail::hash_rest_of(descriptor, hash, path);
    return hash.hex();
}

} // namespace gpunet
