// Makes zip archives as the tests of archives and pulls need them, with libzip.
#pragma once

#include "weights_support.hpp"

#include <catch2/catch.hpp>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <sys/stat.h>
#include <zip.h>

namespace test {

struct packed_member {
    std::string name;
    std::string data;
    ::mode_t mode = 0;         // of Unix, with the kind of file; 0: none
    std::string password = {}; // encrypted with it, if not empty
    bool stored = false;       // not compressed
};

/// The bytes of an archive of these members.
inline std::string packed(const std::vector<packed_member>& members) {
    const temporary_folder folder;
    const std::filesystem::path path = folder / "made.zip";
    int code = 0;
    ::zip_t* zip = ::zip_open(path.c_str(), ZIP_CREATE | ZIP_EXCL, &code);
    REQUIRE(zip != nullptr);
    for (const packed_member& m : members) {
        ::zip_source_t* source = ::zip_source_buffer(zip, m.data.data(), m.data.size(), 0);
        const ::zip_int64_t index = ::zip_file_add(zip, m.name.c_str(), source, 0);
        REQUIRE(index >= 0);
        const auto at = static_cast<::zip_uint64_t>(index);
        if (m.stored) REQUIRE(::zip_set_file_compression(zip, at, ZIP_CM_STORE, 0) == 0);
        if (m.mode != 0)
            REQUIRE(::zip_file_set_external_attributes(zip, at, 0, ZIP_OPSYS_UNIX,
                                                       static_cast<::zip_uint32_t>(m.mode) << 16U) == 0);
        if (!m.password.empty()) REQUIRE(::zip_file_set_encryption(zip, at, ZIP_EM_AES_256, m.password.c_str()) == 0);
    }
    REQUIRE(::zip_close(zip) == 0);
    return file_content(path);
}

} // namespace test
