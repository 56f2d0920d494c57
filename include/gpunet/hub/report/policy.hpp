// What a browser may do with the page: show it with its own style sheet and script, and nothing else.
#pragma once

#include <gpunet/hub/sha256.hpp>

#include <openssl/evp.h>

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace gpunet::detail::report {

/// The source of a content security policy that stands for exactly this text: 'sha256-...' in base64.
inline std::string source_of(std::string_view text) {
    gpunet::sha256 hash;
    hash.update(text);
    const std::string hex = hash.hex();
    std::array<unsigned char, 32> digest{};
    const auto digit = [&](std::size_t i) {
        return static_cast<unsigned>(hex[i] <= '9' ? hex[i] - '0' : hex[i] - 'a' + 10);
    };
    for (std::size_t i = 0; i < digest.size(); ++i)
        digest[i] = static_cast<unsigned char>(digit(2 * i) << 4U | digit(2 * i + 1));
    std::array<unsigned char, 48> base64{};
    const int length = ::EVP_EncodeBlock(base64.data(), digest.data(), static_cast<int>(digest.size()));
    return "'sha256-" + std::string(base64.data(), base64.data() + length) + "'";
}

inline std::string content_policy(std::string_view style, std::string_view script) {
    return "default-src 'none'; style-src " + source_of(style) + "; script-src " + source_of(script) +
           "; base-uri 'none'; form-action 'none'";
}

} // namespace gpunet::detail::report
