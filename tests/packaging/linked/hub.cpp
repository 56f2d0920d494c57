// Calls what the hub links: OpenSSL, libcurl, libzip.
#include <gpunet/hub/fetch/url.hpp>
#include <gpunet/hub/fetch/zip_reader.hpp>
#include <gpunet/hub/sha256.hpp>

int main() {
    gpunet::sha256 digest;
    digest.update("abc");
    const bool hashes = digest.hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    const bool parses = gpunet::detail::parse_url("https://example.org/a").has_value();
    return hashes && parses && ::zip_libzip_version() ? 0 : 1;
}
