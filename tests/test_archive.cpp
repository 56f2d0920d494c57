// Members out of zip archives from strangers, and the store of what was downloaded.
#include "zip_support.hpp"

#include <gpunet/hub/fetch/archive.hpp>
#include <gpunet/hub/fetch/blob_store.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include <sys/stat.h>

namespace test_archive { // tests of a program are compiled together

using Catch::Contains;
using Catch::StartsWith;
using gpunet::archive_limits;
using gpunet::extract_member;
using gpunet::weights_error;
using test::packed;
using test::packed_member;
using test::write_file;

namespace fs = std::filesystem;

namespace {

/// Bytes that do not compress.
std::string noise(std::size_t size) {
    std::mt19937 random(1);
    std::string text(size, '\0');
    for (char& c : text) c = static_cast<char>(random());
    return text;
}

/// A folder with an archive in it, and what is made of it.
struct bench {
    explicit bench(const std::string& zip) { write_file(folder / "a.zip", zip); }

    gpunet::extracted extract(const std::string& member, const archive_limits& limits = {}) const {
        return extract_member(folder / "a.zip", member, folder / "out", limits, "a.zip");
    }
    /// The message of the refusal; nothing may be left.
    std::string refused(const std::string& member, const archive_limits& limits = {}) const {
        const std::string message =
            test::message_of<weights_error>([&] { static_cast<void>(extract(member, limits)); });
        CHECK_THAT(message, StartsWith("a.zip: "));
        CHECK(folder.entries() == 1);
        return message;
    }
    std::string content() const { return test::file_content(folder / "out"); }

    test::temporary_folder folder;
};

/// The central directory's uncompressed size of the only member is made `size`; the local header's as well.
std::string lying(std::string zip, std::uint32_t size) {
    zip.replace(zip.rfind("PK\x01\x02") + 24, 4, test::u32(size));
    if (test::u16(8) != zip.substr(6, 2)) zip.replace(22, 4, test::u32(size));
    return zip;
}

} // namespace

TEST_CASE("a member is found by its path, or by its file name where that is the only one") {
    const bench b(packed({{"readme.txt", "hello"}, {"deep/er/w.pth", "weights"}, {"deep/", ""}, {"empty", ""}}));
    auto e = b.extract("deep/er/w.pth");
    CHECK(e.member == "deep/er/w.pth");
    CHECK(e.size == 7);
    CHECK(b.content() == "weights");
    CHECK(b.extract("w.pth").member == "deep/er/w.pth");
    CHECK(b.extract("elsewhere/w.pth").member == "deep/er/w.pth");
    CHECK(b.extract("readme.txt").size == 5);
    CHECK(b.content() == "hello");
    CHECK(b.extract("empty").size == 0);
    CHECK(b.content().empty());
    CHECK(b.folder.entries() == 2);
    CHECK_THAT(test::message_of<weights_error>([&] { static_cast<void>(b.extract("x.pth")); }),
               Contains("expected a member 'x.pth', found 'readme.txt', 'deep/er/w.pth', 'empty'"));
    CHECK_THAT(test::message_of<weights_error>([&] { static_cast<void>(b.extract("deep/")); }),
               Contains("expected a member 'deep/'"));

    const bench two(packed({{"a/w.pth", "1"}, {"b/w.pth", "2"}}));
    CHECK_THAT(two.refused("w.pth"), Contains("expected one member called 'w.pth', found 'a/w.pth' and 'b/w.pth'"));
    CHECK(two.extract("b/w.pth").size == 1);
    CHECK(two.content() == "2");
}

TEST_CASE("a member may lie in a zip within, two deep") {
    const std::string inner = packed({{"x/0.65ms.pth.tar", noise(3000)}});
    const std::string middle = packed({{"notes.txt", "n"}, {"inner.zip", inner}});
    const bench one(packed({{"folder/INNER.ZIP", inner, 0, {}, true}, {"other", "o"}}));
    CHECK(one.extract("0.65ms.pth.tar").member == "folder/INNER.ZIP/x/0.65ms.pth.tar");
    CHECK(one.content() == noise(3000));
    CHECK(one.extract("folder/INNER.ZIP/x/0.65ms.pth.tar").size == 3000);
    CHECK(one.folder.entries() == 2); // what was unpacked on the way is gone

    const bench two(packed({{"m/middle.zip", middle}}));
    CHECK(two.extract("0.65ms.pth.tar").member == "m/middle.zip/inner.zip/x/0.65ms.pth.tar");
    CHECK(two.content() == noise(3000));
    fs::remove(two.folder / "out");
    CHECK_THAT(two.refused("x.pth"), Contains("found 'm/middle.zip', 'm/middle.zip/notes.txt', ") &&
                                         Contains("'m/middle.zip/inner.zip/x/0.65ms.pth.tar'"));

    archive_limits flat;
    flat.max_nesting = 1;
    CHECK_THAT(two.refused("0.65ms.pth.tar", flat), Contains("expected a member '0.65ms.pth.tar'"));
    const bench three(packed({{"outer.zip", packed({{"middle.zip", middle}})}}));
    CHECK_THAT(three.refused("0.65ms.pth.tar"), Contains("expected a member '0.65ms.pth.tar'"));

    const bench twins(packed({{"a.zip", inner}, {"b.zip", inner}}));
    CHECK_THAT(twins.refused("0.65ms.pth.tar"),
               Contains("found 'a.zip/x/0.65ms.pth.tar' and 'b.zip/x/0.65ms.pth.tar'"));
    const bench broken(packed({{"a.zip", "PK no zip"}}));
    CHECK_THAT(broken.refused("w.pth"), Contains("a.zip: 'a.zip': expected a zip archive"));
}

TEST_CASE("names never become paths") {
    const bench b(packed({{"../../escaped.pth", "up"}, {"/etc/absolute.pth", "root"}, {"c:\\w.pth", "drive"}}));
    CHECK(b.extract("../../escaped.pth").size == 2);
    CHECK(b.content() == "up");
    CHECK(b.extract("absolute.pth").member == "/etc/absolute.pth");
    CHECK(b.content() == "root");
    CHECK(b.extract("c:\\w.pth").size == 5);
    CHECK(b.folder.entries() == 2);
    CHECK_FALSE(fs::exists(b.folder / "../escaped.pth"));
    CHECK_FALSE(fs::exists(b.folder / "../../escaped.pth"));

    const bench zips(packed({{"../../up.zip", packed({{"w.pth", "inside"}})}}));
    CHECK(zips.extract("w.pth").member == "../../up.zip/w.pth");
    CHECK(zips.content() == "inside");
    CHECK_FALSE(fs::exists(zips.folder / "../../up.zip"));
}

TEST_CASE("links, devices and encrypted members are refused") {
    const bench b(packed({{"link", "/etc/passwd", S_IFLNK | 0777},
                          {"pipe", "", S_IFIFO | 0666},
                          {"file", "plain", S_IFREG | 0644},
                          {"secret", "hidden", 0, "password"}}));
    CHECK_THAT(b.refused("link"), Contains("member 'link': expected a regular file, found a symbolic link"));
    CHECK_THAT(b.refused("pipe"), Contains("member 'pipe': expected a regular file, found something else"));
    CHECK_THAT(b.refused("secret"), Contains("member 'secret': expected plain bytes, found encrypted ones"));
    CHECK(b.extract("file").size == 5);
}

TEST_CASE("bombs are refused before anything is unpacked") {
    const bench zeros(packed({{"w.pth", std::string(std::size_t{8} << 20, '\0')}}));
    CHECK_THAT(zeros.refused("w.pth"), Contains("member 'w.pth': expected at most 200 times its packed size"));
    archive_limits wide;
    wide.max_ratio = 2000;
    CHECK(zeros.extract("w.pth", wide).size == std::uint64_t{8} << 20);
    fs::remove(zeros.folder / "out");
    wide.max_bytes = (std::uint64_t{8} << 20) - 1;
    CHECK_THAT(zeros.refused("w.pth", wide), Contains("expected at most 8388607 bytes unpacked"));

    const bench quine(packed({{"bomb.zip", packed({{"w.pth", std::string(std::size_t{8} << 20, '\0')}})}}));
    CHECK_THAT(quine.refused("w.pth"), Contains("a.zip: 'bomb.zip': member 'w.pth': expected at most 200 times"));
    archive_limits small; // what is unpacked on the way counts
    small.max_bytes = 6000;
    const bench nested(packed({{"n.zip", packed({{"w.pth", noise(4000)}})}}));
    CHECK_THAT(nested.refused("w.pth", small), Contains("bytes unpacked"));

    archive_limits few;
    few.max_entries = 3;
    const bench many(packed({{"1", ""}, {"2", ""}, {"3", ""}, {"4", ""}}));
    CHECK_THAT(many.refused("1", few), Contains("expected an archive of at most 3 members, found 4"));
    std::string claim = packed({{"1", "x"}});
    claim.replace(claim.rfind("PK\x05\x06") + 10, 2, test::u16(65000));
    CHECK_THAT(bench(claim).refused("1"), Contains("at most 10000 members, found 65000"));
    test::zip_layout large;
    large.zip64 = true;
    std::string claim64 = test::zip_file({{.name = "1", .data = "x"}}, large);
    claim64.replace(claim64.rfind("PK\x06\x06") + 32, 8, test::u64(std::uint64_t{1} << 40));
    CHECK_THAT(bench(claim64).refused("1"), Contains("at most 10000 members, found 1099511627776"));

    std::vector<packed_member> zips;
    for (int i = 0; i < 20; ++i) zips.push_back({std::to_string(i) + ".zip", packed({{"f", "x"}})});
    CHECK_THAT(bench(packed(zips)).refused("w.pth"), Contains("expected at most 16 archives within it, found more"));
}

TEST_CASE("sizes that lie, damaged bytes and double names are refused") {
    const std::string compressible = std::string(5000, 'a') + noise(100) + std::string(5000, 'b');
    const std::string good = packed({{"w.pth", compressible}});
    CHECK(bench(good).extract("w.pth").size == 10100);
    CHECK_THAT(bench(lying(good, 9000)).refused("w.pth"), Contains("member 'w.pth': expected"));
    CHECK_THAT(bench(lying(good, 11000)).refused("w.pth"), Contains("member 'w.pth': expected"));

    const std::string stored = packed({{"w.pth", noise(5000), 0, {}, true}});
    std::string damaged = stored;
    const std::size_t middle = damaged.find(noise(5000).substr(2000, 50));
    REQUIRE(middle != std::string::npos);
    damaged[middle] = static_cast<char>(damaged[middle] ^ 1);
    CHECK_THAT(bench(damaged).refused("w.pth"), Contains("member 'w.pth': expected whole bytes that match its CRC-32"));

    const bench twice(test::zip_file({{.name = "w.pth", .data = "1"}, {.name = "w.pth", .data = "2"}}));
    CHECK_THAT(twice.refused("w.pth"), Contains("expected one member 'w.pth', found two"));
    CHECK_THAT(bench(test::zip_file({{.name = "w.pth", .data = "1", .method = 77}})).refused("w.pth"),
               Contains("member 'w.pth': expected one that can be read"));
    CHECK_THAT(bench("<html>not found</html>").refused("w.pth"), Contains("expected a zip archive"));
    CHECK_THAT(bench("").refused("w.pth"), Contains("expected a zip archive"));
    CHECK_THAT(test::message_of<gpunet::io_error>(
                   [&] { static_cast<void>(extract_member("/absent.zip", "w.pth", "/absent/out")); }),
               Contains("/absent.zip"));
}

TEST_CASE("an archive cut off anywhere, or with bytes changed, is refused or gives the member") {
    const std::string weights = noise(300);
    const std::string good = packed({{"n.zip", packed({{"w.pth", weights}})}, {"b", "b"}});
    const test::temporary_folder folder;
    const auto survives = [&](const std::string& bytes) {
        write_file(folder / "a.zip", bytes);
        return test::survives([&] {
            static_cast<void>(extract_member(folder / "a.zip", "w.pth", folder / "out"));
            CHECK(test::file_content(folder / "out") == weights);
        });
    };
    CHECK(survives(good));
    for (std::size_t n = 0; n < good.size(); n += 7) CHECK_FALSE(survives(good.substr(0, n)));
    for (std::size_t at = 0; at < good.size(); ++at) {
        std::string damaged = good;
        damaged[at] = static_cast<char>(damaged[at] ^ (at % 2 ? 0x01 : 0x80));
        survives(damaged);
    }
    CHECK(folder.entries() <= 2);
}

TEST_CASE("a weights file is told from an archive that holds one") {
    const test::temporary_folder folder;
    const auto is_weights = [&](const std::string& bytes, const std::string& member) {
        write_file(folder / "f", bytes);
        return gpunet::detail::is_weights_file(folder / "f", member, "f", {});
    };
    const std::string checkpoint = test::zip_checkpoint(test::pkl::dict({}));
    CHECK(is_weights(checkpoint, "w.pth.tar"));
    CHECK(is_weights(test::file_content(test::checkpoints + "small0.safetensors"), "w.pth"));
    CHECK(is_weights(test::file_content(test::checkpoints + "small0_legacy.pth"), "w.pth"));
    CHECK(is_weights(test::file_content(test::checkpoints + "small0_bare.pth"), "w.pth"));
    CHECK_FALSE(is_weights(packed({{"w.pth", "1"}}), "w.pth"));
    CHECK_FALSE(
        is_weights(packed({{"w.pth", "1"}, {"m/data.pkl", "2"}}), "w.pth")); // the member that is named is there
    CHECK_FALSE(is_weights(packed({{"a/b/data.pkl", "2"}}), "w.pth"));
    CHECK_FALSE(is_weights("<html>", "w.pth"));
}

TEST_CASE("blobs lie under their SHA-256") {
    const test::temporary_folder folder;
    const gpunet::blob_store store(folder / "blobs");
    CHECK(store.list().empty());
    write_file(folder / "f", "abc");
    const std::string digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"; // FIPS 180-2, B.1
    CHECK_FALSE(store.find(digest));
    const gpunet::blob b = store.add(folder / "f", digest);
    CHECK(b.file == folder / "blobs" / "ba" / digest);
    CHECK(b.size == 3);
    CHECK_FALSE(fs::exists(folder / "f"));
    CHECK(store.find_whole(digest)->file == b.file);
    write_file(folder / "blobs/ba/.gpunet-0.tmp", "left over");
    write_file(folder / "blobs/ba/notes", "somebody's");
    REQUIRE(store.list().size() == 1);
    CHECK(store.list()[0].sha256 == digest);

    write_file(b.file, "abd"); // damaged
    CHECK(store.find(digest));
    CHECK_FALSE(gpunet::blob_store::is_whole(*store.find(digest)));
    CHECK_FALSE(store.find_whole(digest));
    CHECK_FALSE(fs::exists(b.file));

    for (const char* bad : {"", "../../etc/passwd", "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD"})
        CHECK_THAT(test::message_of<gpunet::argument_error>([&] { static_cast<void>(store.path_of(bad)); }),
                   Contains("expected 64 lower-case hexadecimal digits"));
    write_file(folder / "f", "abc");
    write_file(folder / "blobs2", "a file");
    CHECK_THAT(test::message_of<gpunet::io_error>(
                   [&] { static_cast<void>(gpunet::blob_store(folder / "blobs2").add(folder / "f", digest)); }),
               Contains("blobs2"));
}

} // namespace test_archive
