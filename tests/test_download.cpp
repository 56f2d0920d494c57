// Downloads, against a real server that does all that servers do wrong.
#include "environment_variable.hpp"
#include "http_server.hpp"

#include <gpunet/detail/no_sigpipe.hpp>
#include <gpunet/hub/download.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <future>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <csignal>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace test_download { // tests of a program are compiled together

using Catch::Contains;
using Catch::EndsWith;
using Catch::StartsWith;
using gpunet::argument_error;
using gpunet::download;
using gpunet::download_options;
using gpunet::download_progress;
using gpunet::fetch_text;
using gpunet::io_error;
using test::file_content;
using test::message_of;

namespace fs = std::filesystem;

namespace {

using namespace std::chrono_literals;

std::string sha256_of(std::string_view text) {
    gpunet::sha256 hash;
    hash.update(text);
    return hash.hex();
}

/// What the server serves as /bytes/SIZE/SEED.
std::string made_bytes(std::size_t size, int seed = 0) {
    std::string bytes;
    for (int block = 0; bytes.size() < size; ++block) {
        const std::string hex = sha256_of(std::to_string(seed) + "/" + std::to_string(block));
        const auto digit = [&](std::size_t i) { return hex[i] <= '9' ? hex[i] - '0' : hex[i] - 'a' + 10; };
        for (std::size_t i = 0; i < hex.size(); i += 2) bytes += static_cast<char>(digit(i) * 16 + digit(i + 1));
    }
    return bytes.substr(0, size);
}

/// A server, an empty folder, and no variables but that of the server's authority.
struct place {
    test::temporary_folder folder;
    test::http_server server;
    fs::path file = folder / "file";
    fs::path part = folder / "file.part", note = folder / "file.part.json";

    /// Patience for tests.
    static download_options quick() {
        download_options o;
        o.back_off = 5ms;
        return o;
    }

    /// The message of a download that must fail.
    std::string failure(const std::string& url, const download_options& o = quick()) const {
        return message_of<io_error>([&] { download(url, file, o); });
    }

    /// The ranges asked for, first to last; "" where none was.
    std::vector<std::string> ranges(const std::string& path) const {
        std::vector<std::string> all;
        for (const auto& r : server.log(path)) all.push_back(r["range"].is_null() ? "" : r["range"].get<std::string>());
        return all;
    }

    std::size_t sent(const std::string& path) const {
        std::size_t sum = 0;
        for (const auto& r : server.log(path)) sum += r["sent"].get<std::size_t>();
        return sum;
    }

  private:
    using variable = gpunet_test::environment_variable;
    const variable ca_{"CURL_CA_BUNDLE", server.ca()}, ca_file_{"SSL_CERT_FILE", {}}, ca_folder_{"SSL_CERT_DIR", {}},
        proxy_{"https_proxy", {}}, proxy2_{"HTTPS_PROXY", {}}, proxy3_{"all_proxy", {}}, proxy4_{"ALL_PROXY", {}},
        proxy5_{"http_proxy", {}}, no_proxy_{"no_proxy", {}}, no_proxy2_{"NO_PROXY", {}};
};

using list = std::vector<std::string>;

/// Runs `work` in a process of its own, without the test framework. Its exit status; -N where signal N ended it.
int in_child(const std::function<int()>& work, const std::function<void(::pid_t)>& meanwhile = {}) {
    const ::pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        int status = 99;
        try {
            status = work();
        } catch (...) {
        }
        ::_exit(status);
    }
    if (meanwhile) meanwhile(child);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

std::uint64_t size_or_zero(const fs::path& path) {
    std::error_code ignored;
    const auto size = fs::file_size(path, ignored);
    return ignored ? 0 : size;
}

} // namespace

TEST_CASE("SHA-256 of bytes and files") {
    CHECK(sha256_of("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK(sha256_of("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"); // FIPS 180-4
    gpunet::sha256 hash;
    hash.update("a");
    CHECK(hash.hex() == sha256_of("a"));
    hash.update("bc");
    CHECK(hash.hex() == sha256_of("abc"));
    hash.reset();
    CHECK(hash.hex() == sha256_of(""));

    const test::temporary_folder folder;
    const std::string large = made_bytes(600'001);
    test::write_file(folder / "large", large);
    CHECK(gpunet::sha256_of_file(folder / "large") == sha256_of(large));
    CHECK_THAT(message_of<io_error>([&] { gpunet::sha256_of_file(folder / "absent"); }),
               Contains("absent: cannot open: No such file or directory"));
    CHECK_THAT(message_of<io_error>([&] { gpunet::sha256_of_file(folder / "."); }), Contains("cannot read"));
    CHECK(gpunet::is_sha256(std::string(64, 'a')));
    CHECK_FALSE(gpunet::is_sha256(std::string(64, 'A')));
    CHECK_FALSE(gpunet::is_sha256(std::string(63, 'a')));
}

TEST_CASE("https URLs are allowed, and http ones of this machine") {
    for (const char* url : {"https://models.test/a", "https://models.test:8443/a?b=c#d", "HTTPS://MODELS.TEST/",
                            "http://localhost/a", "http://LocalHost:80/", "http://127.0.0.1/",
                            "http://127.9.8.7:8080/x", "http://127.1/", "http://[::1]:80/"}) {
        INFO(url);
        CHECK(gpunet::url_refusal(url) == std::nullopt);
        CHECK_NOTHROW(gpunet::require_allowed_url(url));
    }
    const std::pair<const char*, const char*> refused[] = {
        {"http://models.test/a",
         "http://models.test/a: expected an https URL (plain http only from this machine), found http"},
        {"http://192.0.2.1/", "plain http only from this machine"},
        {"http://127.0.0.1.models.test/", "plain http only from this machine"},
        {"http://localhost.models.test/", "plain http only from this machine"},
        {"http://128.0.0.1/", "plain http only from this machine"},
        {"http://[::2]/", "plain http only from this machine"},
        {"http://[::ffff:192.0.2.1]/", "plain http only from this machine"},
        {"file:///etc/passwd", "expected an https URL, found file"},
        {"ftp://models.test/a", "expected an https URL, found ftp"},
        {"models.test/a", "found text that is none"},
        {"https://", "found text that is none"},
        {"", "found text that is none"},
        {"https://models.test/a b", "found text that is none"},
        {"https://models.test/a\r\nX: y", "found text that is none"},
        {"https://me@models.test/a",
         "https://models.test/a: expected a URL without a user name or password, found one"},
        {"https://me:secret@models.test/a", "https://models.test/a: expected a URL without a user name or password"},
        {"http://127.0.0.1@models.test/a", "http://models.test/a: expected a URL without a user name"},
    };
    for (const auto& [url, message] : refused) {
        INFO(url);
        const std::string found =
            message_of<argument_error>([text = std::string(url)] { gpunet::require_allowed_url(text); });
        CHECK_THAT(found, Contains(message) && !Contains("secret") && !Contains("\n") && !Contains("\r"));
    }
    CHECK(gpunet::url_refusal(std::string("https://models.test/\0a", 22)) != std::nullopt);
}

TEST_CASE("a URL is shown without what may be secret") {
    CHECK(gpunet::shown_url("https://models.test/a?token=secret#f") == "https://models.test/a");
    CHECK(gpunet::shown_url("https://me:secret@models.test/a@b") == "https://models.test/a@b");
    CHECK(gpunet::shown_url("https://me:sec/ret@models.test:port/a") == "https://models.test:port/a");
    CHECK(gpunet::shown_url("me:secret@models.test") == "models.test");
    CHECK(gpunet::shown_url("https://x/\x1b[2J\n") == "https://x/ [2J ");
    CHECK(gpunet::shown_url("https://x/" + std::string(1000, 'y')).size() == 300);
}

TEST_CASE("redirects obey the same rule, and none leads from elsewhere to this machine") {
    using gpunet::redirect_refusal;
    const std::string here = "http://127.0.0.1:80/a", there = "https://models.test/a";
    CHECK(redirect_refusal(there, "https://cdn.test/a") == std::nullopt);
    CHECK(redirect_refusal(here, "https://cdn.test/a") == std::nullopt);
    CHECK(redirect_refusal(here, "http://localhost/a") == std::nullopt);
    CHECK_THAT(
        redirect_refusal(there, "http://cdn.test/a?t=secret").value_or(""),
        StartsWith("https://models.test/a: redirects to an address that is refused: http://cdn.test/a: expected an "
                   "https URL") &&
            !Contains("secret"));
    CHECK_THAT(redirect_refusal(here, "http://cdn.test/a").value_or(""), Contains("found http"));
    CHECK_THAT(redirect_refusal(there, "http://localhost/a").value_or(""), Contains("found one of this machine"));
    CHECK_THAT(redirect_refusal(there, "https://127.0.0.1/a").value_or(""), Contains("found one of this machine"));
    CHECK_THAT(redirect_refusal(there, "file:///etc/passwd").value_or(""), Contains("found file"));
}

TEST_CASE("ranges as servers write them") {
    using gpunet::detail::parse_content_range;
    const auto whole = parse_content_range("bytes 3-9/10");
    REQUIRE(whole);
    CHECK((whole->first == 3U && whole->last == 9U && whole->total == 10U));
    const auto open = parse_content_range("bytes 3-9/*");
    REQUIRE(open);
    CHECK((open->first == 3U && open->last == 9U && !open->total));
    const auto unsatisfied = parse_content_range("bytes */10");
    REQUIRE(unsatisfied);
    CHECK((!unsatisfied->first && unsatisfied->total == 10U));
    for (const char* text : {"", "bytes", "bytes ", "bytes 3-9", "bytes */*", "bytes 9-3/10", "bytes 3-10/10",
                             "bytes -9/10", "bytes 3-/10", "bytes 3/10", "bytes 3-9/-10", "lines 3-9/10",
                             "bytes 3-9/10x", "bytes 3-99999999999999999999/*", "bytes +3-9/10"})
        CHECK_FALSE(parse_content_range(text));
}

TEST_CASE("no signal for a pipe that is closed at the other end") {
    CHECK(in_child([] {
              std::signal(SIGPIPE, SIG_DFL);
              int ends[2];
              if (::pipe(ends) != 0) return 1;
              ::close(ends[0]);
              {
                  const gpunet::detail::no_sigpipe quiet;
                  if (::write(ends[1], "x", 1) != -1) return 2;
              }
              return 0;
          }) == 0);
    CHECK(in_child([] {
              std::signal(SIGPIPE, SIG_DFL);
              { const gpunet::detail::no_sigpipe quiet; }
              std::raise(SIGPIPE); // as before
              return 0;
          }) == -SIGPIPE);
}

TEST_CASE("a file is fetched whole") {
    const place p;
    const std::string bytes = made_bytes(300'000);
    test::write_file(p.file, "old");
    download_options o;
    o.size = bytes.size();
    o.sha256 = sha256_of(bytes);
    for (const std::string& url :
         {p.server.url("/bytes/300000"), p.server.https_url("/bytes/300000"), p.server.url("/bytes/300000?chunked=1"),
          p.server.url("/bytes/300000?etag=no&modified=no")}) {
        INFO(url);
        const auto got = download(url, p.file, o);
        CHECK(got.size == 300'000);
        CHECK(got.sha256 == o.sha256);
        CHECK(got.url == url);
        CHECK(file_content(p.file) == bytes);
        CHECK(p.folder.entries() == 1);
        fs::remove(p.file);
    }
    const auto request = p.server.log()[0];
    CHECK(request["user_agent"] == std::string("gpunet/") + gpunet::version);
    CHECK(request["accept_encoding"] == "identity");

    CHECK(download(p.server.url("/bytes/0"), p.file).size == 0);
    CHECK(file_content(p.file).empty());
    CHECK(p.folder.entries() == 1);
}

TEST_CASE("a server must be who it says it is") {
    const place p;
    using variable = gpunet_test::environment_variable;
    {
        const variable none("CURL_CA_BUNDLE", std::nullopt);
        CHECK_THAT(p.failure(p.server.https_url("/bytes/10?token=secret")),
                   StartsWith(p.server.https_url("/bytes/10: cannot be fetched: SSL")) &&
                       EndsWith("name an authority of your own in CURL_CA_BUNDLE") && !Contains("secret"));
        CHECK(p.folder.entries() == 0);
        const variable other("SSL_CERT_FILE", p.server.ca());
        CHECK(download(p.server.https_url("/bytes/10"), p.file).size == 10);
    }
    const variable missing("CURL_CA_BUNDLE", "/absent/ca.pem"); // comes before SSL_CERT_FILE
    const variable other("SSL_CERT_FILE", p.server.ca());
    CHECK_THAT(p.failure(p.server.https_url("/bytes/10")), Contains("/absent/ca.pem"));
    const variable good("CURL_CA_BUNDLE", p.server.ca());
    const variable proxy("https_proxy", p.server.proxy());
    CHECK_THAT(p.failure("https://impostor.test/bytes/10"),
               Contains("impostor.test") && Contains("cannot be fetched: SSL"));
    CHECK(p.server.log("impostor.test:443").size() == 1); // not tried again
}

TEST_CASE("bodies that end early are resumed") {
    const place p;
    const std::string bytes = made_bytes(200'000);
    download_options o = place::quick();
    o.attempts = 2;
    for (const std::string how : {"cut=70000", "reset=70000", "cut=70000&etag=weak", "cut=70000&etag=no"}) {
        INFO(how);
        const std::string path = "/bytes/200000?" + how; // every answer is cut; each gets further
        CHECK(download(p.server.url(path), p.file, o).sha256 == sha256_of(bytes));
        const auto log = p.server.log(path);
        REQUIRE(log.size() >= 3);
        CHECK(log[0]["range"].is_null());
        const std::string range = log[1]["range"];
        CHECK_THAT(range, StartsWith("bytes=") && EndsWith("-"));
        const int from = std::stoi(range.substr(6));
        CHECK((from > 0 && from <= 70'000)); // a reset may cost some of what was sent
        const std::string condition = log[1]["if_range"];
        if (how.ends_with("0"))
            CHECK_THAT(condition, StartsWith("\""));
        else
            CHECK_THAT(condition, EndsWith("GMT")); // a weak ETag says nothing of bytes
        fs::remove(p.file);
    }
    CHECK(p.ranges("/bytes/200000?cut=70000") == list{"", "bytes=70000-", "bytes=140000-"});

    const std::string secret = "/bytes/200000?cut=70000&times=2"; // by TLS
    CHECK(download(p.server.https_url(secret), p.file, o).sha256 == sha256_of(bytes));
    CHECK(p.ranges(secret) == list{"", "bytes=70000-", "bytes=140000-"});

    // Without a length.
    const std::string chunked = "/bytes/200000?chunked=1&cut=70000&times=1";
    CHECK(download(p.server.url(chunked), p.file, o).sha256 == sha256_of(bytes));
    CHECK(p.ranges(chunked) == list{"", "bytes=70000-"});
    CHECK(p.sent(chunked) == 200'000);

    // A server that gives less than it is asked for.
    const std::string sparing = "/bytes/200000?ranges=one:50000&cut=60000&chunked=1";
    CHECK(download(p.server.url(sparing), p.file, o).sha256 == sha256_of(bytes));
    CHECK(p.ranges(sparing) == list{"", "bytes=60000-", "bytes=110000-", "bytes=160000-"});

    // Attempts that bring nothing are counted.
    o.attempts = 3;
    const std::string message = p.failure(p.server.url("/bytes/200000?cut=0"), o);
    CHECK_THAT(message, StartsWith(p.server.url("/bytes/200000: cannot be fetched: ")) && EndsWith("tried 3 times"));
    CHECK(p.server.log("/bytes/200000?cut=0").size() == 3);
    CHECK(p.folder.entries() == 1);
}

TEST_CASE("what will not pass is not tried again") {
    const place p;
    const std::pair<int, const char*> statuses[] = {{400, "found status 400"},
                                                    {401, "found status 401: the server refuses it to you"},
                                                    {403, "found status 403: the server refuses it to you"},
                                                    {404, "found status 404: nothing is there"},
                                                    {410, "found status 410: nothing is there"},
                                                    {204, "found status 204"},
                                                    {206, "though no range was asked for"},
                                                    {304, "found status 304"},
                                                    {416, "though no range was asked for"}};
    for (const auto& [status, message] : statuses) {
        INFO(status);
        const std::string path = "/bytes/10?token=secret&status=" + std::to_string(status);
        CHECK_THAT(p.failure(p.server.url(path)), StartsWith(p.server.url("/bytes/10: ")) && Contains(message) &&
                                                      !Contains("secret") && !Contains("\n"));
        CHECK(p.server.log(path).size() == 1);
        CHECK(p.folder.entries() == 0);
    }
    CHECK_THAT(p.failure(p.server.url("/absent")), Contains("/absent: expected status 200, found status 404"));

    download_options o;
    o.sha256 = "12";
    CHECK_THAT(message_of<argument_error>([&] { download(p.server.url("/bytes/1"), p.file, o); }),
               Contains("expected a SHA-256 of 64 lower-case hexadecimal digits, found \"12\""));
    o = {};
    o.max_bytes = 5;
    o.size = 6;
    CHECK_THROWS_AS(download(p.server.url("/bytes/6"), p.file, o), argument_error);
    o = {};
    o.attempts = 0;
    CHECK_THROWS_AS(download(p.server.url("/bytes/6"), p.file, o), argument_error);
    CHECK_THROWS_AS(download("http://192.0.2.1/a", p.file), argument_error);
    CHECK_THAT(message_of<io_error>([&] { download(p.server.url("/bytes/6"), p.folder / "absent/file"); }),
               Contains("absent/file.part: cannot open: No such file or directory"));
    fs::create_directory(p.folder / "folder");
    CHECK_THAT(message_of<io_error>([&] { download(p.server.url("/bytes/6"), p.folder / "folder"); }),
               Contains("folder.part: cannot rename the finished file"));
}

TEST_CASE("what may pass is tried again, after a while") {
    place p;
    for (const int status : {408, 425, 429, 500, 502, 503, 504}) {
        INFO(status);
        const std::string path = "/bytes/10?times=2&status=" + std::to_string(status);
        CHECK(download(p.server.url(path), p.file, place::quick()).sha256 == sha256_of(made_bytes(10)));
        CHECK(p.server.log(path).size() == 3);
    }
    const auto before = std::chrono::steady_clock::now();
    download(p.server.url("/bytes/11?times=1&status=503&retry_after=1"), p.file, place::quick());
    CHECK(std::chrono::steady_clock::now() - before >= 1s);

    fs::remove(p.file);
    download_options o = place::quick();
    o.attempts = 4;
    o.back_off = 60ms; // waits 30 to 60, 60 to 120, 120 to 240
    const auto start = std::chrono::steady_clock::now();
    CHECK_THAT(p.failure(p.server.url("/bytes/10?status=503"), o),
               Contains("/bytes/10: expected status 200, found status 503: the server is out of order") &&
                   Contains("tried 4 times"));
    const auto took = std::chrono::steady_clock::now() - start;
    CHECK((took >= 210ms && took < 8s));
    CHECK(p.server.log("/bytes/10?status=503").size() == 4);
    CHECK(p.folder.entries() == 0);

    // Nobody listens.
    const std::string url = p.server.url("/bytes/10");
    p.server.stop();
    CHECK_THAT(p.failure(url), StartsWith(url + ": cannot be fetched: ") && Contains("tried 5 times"));
}

TEST_CASE("a host that is not found is looked for again") {
    const place p;
    download_options o = place::quick();
    o.attempts = 2;
    CHECK_THAT(p.failure("https://no-such-host.invalid/file", o),
               StartsWith("https://no-such-host.invalid/file: cannot be fetched: ") && Contains("resolve") &&
                   Contains("tried 2 times"));
    CHECK(p.folder.entries() == 0);
}

TEST_CASE("a server that falls silent is left and asked again") {
    const place p;
    download_options o = place::quick();
    o.stall_timeout = 1s;
    const auto before = std::chrono::steady_clock::now();
    const std::string path = "/bytes/100000?stall=60000&times=1";
    CHECK(download(p.server.url(path), p.file, o).sha256 == sha256_of(made_bytes(100'000)));
    CHECK(p.ranges(path) == list{"", "bytes=60000-"});
    const auto took = std::chrono::steady_clock::now() - before;
    CHECK((took > 1s && took < 10s));

    o.attempts = 1;
    CHECK_THAT(p.failure(p.server.url("/bytes/1000?stall=-1"), o),
               Contains("/bytes/1000: expected a byte a second, found fewer for 1 s; tried once"));

    // One that does not even finish the handshake: nobody accepts its connections.
    const int silent = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ::sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::socklen_t length = sizeof address;
    auto* const any = reinterpret_cast<::sockaddr*>(&address);
    REQUIRE(::bind(silent, any, length) == 0);
    REQUIRE(::listen(silent, 1) == 0);
    REQUIRE(::getsockname(silent, any, &length) == 0);
    o = place::quick();
    o.attempts = 1;
    o.connect_timeout = 1s;
    const std::string url = "https://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/a";
    CHECK_THAT(p.failure(url, o), StartsWith(url + ": cannot be fetched: ") && Contains("timeout"));
    ::close(silent);
}

TEST_CASE("a file that changes on the way begins again") {
    const place p;
    const std::string bytes = made_bytes(100'000), others = made_bytes(100'000, 1000);
    const std::string changing = "/bytes/100000?cut=40000&times=1&changes=1";
    CHECK(download(p.server.url(changing), p.file, place::quick()).sha256 == sha256_of(others));
    CHECK(p.ranges(changing) == list{"", "bytes=40000-"});
    CHECK(p.sent(changing) == 140'000);
    CHECK(file_content(p.file) == others);

    // A server that gives the range all the same, of the new file.
    const std::string careless = "/bytes/100000?cut=40000&changes=1&if_range=no";
    CHECK(download(p.server.url(careless), p.file, place::quick()).sha256 == sha256_of(others));
    CHECK(p.ranges(careless) == list{"", "bytes=40000-", "", "bytes=40000-", "bytes=80000-"});

    // The same validators for other bytes: only the hash tells, and a third request gets all of it.
    download_options o = place::quick();
    o.sha256 = sha256_of(others);
    const std::string silent = "/bytes/100000?cut=40000&times=1&changes=1&silent=1";
    CHECK(download(p.server.url(silent), p.file, o).sha256 == o.sha256);
    CHECK(p.ranges(silent) == list{"", "bytes=40000-", ""});

    // A server without ranges; one that refuses them; one that gives others than it was asked for.
    for (const std::string how : {"no", "416", "other"}) {
        INFO(how);
        const std::string path = "/bytes/100000?cut=40000&ranges=" + how + "&times=2";
        if (how == "no") {
            CHECK(download(p.server.url(path), p.file, place::quick()).sha256 == sha256_of(bytes));
            CHECK(p.ranges(path) == list{"", "bytes=40000-", "bytes=40000-"});
        } else {
            CHECK(download(p.server.url(path), p.file, place::quick()).sha256 == sha256_of(bytes));
            CHECK(p.ranges(path) == list{"", "bytes=40000-", ""});
        }
    }

    // Nothing by which to tell whether it is the same: all again, unless a hash will tell at last.
    const std::string bare = "/bytes/100000?cut=40000&times=1&etag=no&modified=no";
    CHECK(download(p.server.url(bare), p.file, place::quick()).sha256 == sha256_of(bytes));
    CHECK(p.ranges(bare) == list{"", ""});
    o.sha256 = sha256_of(bytes);
    download(p.server.url(bare + "&hash=1"), p.file, o);
    CHECK(p.ranges(bare + "&hash=1") == list{"", "bytes=40000-"});
    CHECK(p.server.log(bare + "&hash=1")[1]["if_range"].is_null());
    CHECK(p.folder.entries() == 1);
}

TEST_CASE("sizes and hashes that are not as expected are errors that leave nothing") {
    const place p;
    const std::string bytes = made_bytes(100'000);
    download_options o = place::quick();

    o.max_bytes = 99'999;
    const std::string large = "/bytes/100000";
    CHECK_THAT(p.failure(p.server.url(large), o),
               EndsWith("/bytes/100000: expected at most 99999 bytes, found 100000 announced"));
    CHECK(p.server.log(large).size() == 1);
    CHECK_THAT(p.failure(p.server.url("/bytes/100000?chunked=1"), o),
               EndsWith("expected at most 99999 bytes, found more"));
    CHECK(p.server.log("/bytes/100000?chunked=1").size() == 1);
    CHECK(p.folder.entries() == 0);

    o = place::quick();
    o.size = 100'001;
    CHECK_THAT(p.failure(p.server.url(large), o), EndsWith("expected 100001 bytes, found 100000 announced"));
    CHECK_THAT(p.failure(p.server.url("/bytes/100000?chunked=1"), o), EndsWith("expected 100001 bytes, found 100000"));
    o.size = 100'000;
    CHECK_THAT(p.failure(p.server.url("/bytes/100000?length=-5"), o),
               EndsWith("expected 100000 bytes, found 99995 announced"));
    o.size = 99'999;
    CHECK_THAT(p.failure(p.server.url("/bytes/100000?chunked=1"), o),
               EndsWith("expected at most 99999 bytes, found more"));
    CHECK(p.folder.entries() == 0);

    // More announced than there is: never complete, unless the hash says so.
    o = place::quick();
    CHECK_THAT(p.failure(p.server.url("/bytes/100000?length=%2B5"), o), Contains("tried 5 times"));
    fs::remove(p.part);
    fs::remove(p.note);
    o.sha256 = sha256_of(bytes);
    CHECK(download(p.server.url("/bytes/100000?length=%2B5"), p.file, o).size == 100'000);
    fs::remove(p.file);

    const std::string wrong = "/bytes/100000?wrong=1";
    CHECK_THAT(p.failure(p.server.url(wrong), o),
               Contains("/bytes/100000: expected SHA-256 " + *o.sha256 + ", found ") && !Contains("\n"));
    CHECK(p.server.log(wrong).size() == 1); // all of it came at once: no second try
    CHECK(p.folder.entries() == 0);
    const std::string resumed = "/bytes/100000?wrong=1&cut=60000";
    CHECK_THAT(p.failure(p.server.url(resumed), o), Contains("expected SHA-256 "));
    CHECK(p.ranges(resumed) == list{"", "bytes=60000-", "", "bytes=60000-"}); // once more, and no further
    CHECK(p.folder.entries() == 0);

    CHECK_THAT(p.failure(p.server.url("/bytes/10?encoding=gzip")),
               EndsWith("expected the file as it is, found it encoded: gzip"));
    CHECK(p.folder.entries() == 0);
}

TEST_CASE("redirects are followed where they may lead") {
    const place p;
    const auto to = [&](const std::string& target) { return p.server.url("/bytes/1?redirect=" + target); };
    const std::string hash = sha256_of(made_bytes(5000));
    for (const std::string& target :
         {std::string("/bytes/5000"), std::string("/bytes/5000&code=301"), p.server.url("/bytes/5000&code=303"),
          p.server.url("/bytes/5000&code=307"), p.server.https_url("/bytes/5000&code=308")}) {
        INFO(target);
        const auto got = download(to(target), p.file, place::quick());
        CHECK(got.sha256 == hash);
        CHECK_THAT(got.url, EndsWith("/bytes/5000"));
    }
    CHECK(download(p.server.https_url("/bytes/1?redirect=" + p.server.url("/bytes/5000")), p.file).sha256 == hash);
    // The range goes along.
    const std::string cut = "/bytes/5000?cut=2000";
    CHECK(download(to("/bytes/5000%3Fcut=2000"), p.file, place::quick()).sha256 == hash);
    CHECK(p.ranges(cut) == list{"", "bytes=2000-", "bytes=4000-"});
    fs::remove(p.file);

    CHECK_THAT(p.failure(to("self")), EndsWith("/bytes/1: expected at most 10 redirects, found more"));
    CHECK(p.server.log("/bytes/1?redirect=self").size() == 11);
    for (const std::string& target :
         {std::string("http://192.0.2.1/a"), std::string("file:///etc/passwd"),
          "http://me:secret@127.0.0.1:" + std::to_string(p.server.http_port()) + "/bytes/9"}) {
        INFO(target);
        CHECK_THAT(p.failure(to(target)),
                   Contains("/bytes/1: redirects to an address that is refused: ") && !Contains("secret"));
    }
    CHECK(p.server.log("/bytes/9").empty());
    CHECK(p.folder.entries() == 0);
}

TEST_CASE("a proxy is used where the environment names one, and never for this machine") {
    const place p;
    using variable = gpunet_test::environment_variable;
    const std::string bytes = made_bytes(5000);
    const variable proxy("https_proxy", p.server.proxy()), plain("http_proxy", p.server.proxy());
    CHECK(download("https://models.test/bytes/5000", p.file).sha256 == sha256_of(bytes));
    CHECK(p.server.log("models.test:443").size() == 1);
    const auto request = p.server.log("/bytes/5000").at(0);
    CHECK(request["host"] == "models.test");
    CHECK(request["tls"] == true);

    download(p.server.url("/bytes/5001"), p.file);
    download(p.server.https_url("/bytes/5002"), p.file);
    fs::remove(p.file);
    std::size_t proxied = 0;
    for (const auto& entry : p.server.log()) proxied += entry.contains("proxy") ? 1 : 0;
    CHECK(proxied == 1);

    CHECK_THAT(p.failure("https://refused.test/a"),
               StartsWith("https://refused.test/a: cannot be fetched: ") && Contains("403"));
    CHECK(p.server.log("refused.test:443").size() == 1);

    // From elsewhere, no redirect to this machine and none to plain http.
    CHECK_THAT(p.failure("https://models.test/bytes/1?redirect=" + p.server.url("/bytes/5003")),
               Contains("https://models.test/bytes/1: redirects to an address that is refused: ") &&
                   Contains("found one of this machine"));
    CHECK_THAT(p.failure("https://models.test/bytes/1?redirect=http://models.test/bytes/5003"),
               Contains("expected an https URL"));
    CHECK(p.server.log("/bytes/5003").empty());

    // 0.0.0.0 leads here and is no address of this machine by the rule; the certificate is not for it.
    const std::string nowhere = "0.0.0.0:" + std::to_string(p.server.https_port());
    CHECK_THAT(p.failure("https://" + nowhere + "/bytes/1"), Contains("cannot be fetched: SSL"));
    CHECK(p.server.log(nowhere).size() == 1);
    const variable without("no_proxy", "models.test,0.0.0.0");
    CHECK_THAT(p.failure("https://" + nowhere + "/bytes/1"), Contains("cannot be fetched: SSL"));
    CHECK(p.server.log(nowhere).size() == 1);
}

TEST_CASE("progress is told, and can cancel") {
    const place p;
    std::vector<download_progress> told;
    download_options o = place::quick();
    o.progress = [&](const download_progress& now) {
        told.push_back(now);
        return true;
    };
    const auto began = std::chrono::steady_clock::now();
    download(p.server.url("/bytes/100000?rate=200000"), p.file, o); // half a second
    REQUIRE(told.size() >= 4);
    CHECK(told.size() <= static_cast<std::size_t>((std::chrono::steady_clock::now() - began) / 100ms) + 2);
    CHECK(
        std::is_sorted(told.begin(), told.end(), [](const auto& a, const auto& b) { return a.received < b.received; }));
    CHECK(told.back().received == 100'000);
    CHECK(told.back().total == 100'000U);
    CHECK(told.back().seconds_left == 0.0);
    const auto& middle = told[told.size() / 2];
    CHECK((middle.bytes_per_second > 10'000 && middle.bytes_per_second < 400'000));
    REQUIRE(middle.seconds_left);
    CHECK(*middle.seconds_left == Approx(static_cast<double>(100'000 - middle.received) / middle.bytes_per_second));

    // Cancelled: what came stays, and is not fetched again.
    fs::remove(p.file);
    const std::string slow = "/bytes/60000?rate=60000&times=1";
    o.progress = [](const download_progress& now) { return now.received < 20'000; };
    CHECK_THAT(p.failure(p.server.url(slow), o), EndsWith("/bytes/60000: cancelled"));
    const auto kept = size_or_zero(p.part);
    CHECK((kept >= 20'000 && kept < 60'000));
    CHECK_FALSE(fs::exists(p.file));
    told.clear();
    o.progress = [&](const download_progress& now) {
        told.push_back(now);
        return true;
    };
    CHECK(download(p.server.url(slow), p.file, o).sha256 == sha256_of(made_bytes(60'000)));
    CHECK(p.ranges(slow) == list{"", "bytes=" + std::to_string(kept) + "-"});
    CHECK(told.front().received >= kept);
    CHECK(p.folder.entries() == 1);

    // While it waits for the next attempt, too; and what a callback throws comes out.
    fs::remove(p.file);
    o.back_off = 20s;
    const auto before = std::chrono::steady_clock::now();
    o.progress = [&](const download_progress&) { return std::chrono::steady_clock::now() - before < 200ms; };
    CHECK_THAT(p.failure(p.server.url("/bytes/10?status=500"), o), EndsWith("/bytes/10: cancelled"));
    CHECK(std::chrono::steady_clock::now() - before < 8s);
    o.progress = [](const download_progress&) -> bool { throw std::runtime_error("mine"); };
    CHECK_THROWS_WITH(download(p.server.url("/bytes/10"), p.file, o), "mine");
}

TEST_CASE("a download whose process is killed goes on where it was") {
    place p;
    const std::string path = "/bytes/400000?rate=400000&times=1"; // a second
    const std::string url = p.server.url(path);
    for (const std::uint64_t enough : {1U, 150'000U}) {
        const int status = in_child(
            [&] {
                download(url, p.file);
                return 0;
            },
            [&](::pid_t child) {
                for (int i = 0; i < 2000 && size_or_zero(p.part) < enough; ++i) ::usleep(10'000);
                ::kill(child, SIGKILL);
            });
        CHECK(status == -SIGKILL);
        CHECK_FALSE(fs::exists(p.file));
        if (enough == 1) { // the second time the server is quick
            p.server.stop();
            p.server.start();
        }
    }
    const auto kept = size_or_zero(p.part);
    REQUIRE((kept >= 150'000 && kept < 400'000));
    CHECK(download(url, p.file).sha256 == sha256_of(made_bytes(400'000)));
    const auto asked = p.ranges(path);
    REQUIRE(asked.size() == 2);
    CHECK_THAT(asked[0], StartsWith("bytes=")); // from where the first one had come
    CHECK(asked[1] == "bytes=" + std::to_string(kept) + "-");
    CHECK(p.server.log(path)[1]["sent"] == 400'000 - kept);
    CHECK(p.folder.entries() == 1);
}

TEST_CASE("a server that dies midway is waited for") {
    place p;
    download_options o = place::quick();
    o.back_off = 50ms;
    bool died = false;
    o.progress = [&](const download_progress& now) {
        if (!died && now.received > 30'000) {
            died = true;
            p.server.stop();
            p.server.start();
        }
        return true;
    };
    const std::string path = "/bytes/200000?rate=400000";
    CHECK(download(p.server.url(path), p.file, o).sha256 == sha256_of(made_bytes(200'000)));
    CHECK(died);
    const auto asked = p.ranges(path); // of the second server
    REQUIRE(asked.size() == 1);
    CHECK(std::stoi(asked[0].substr(6)) > 30'000);
}

TEST_CASE("a full disk is an error that keeps what fitted") {
    const place p;
    const std::string path = "/bytes/300000";
    const int status = in_child([&] {
        const ::rlimit limit{100'000, 100'000};
        std::signal(SIGXFSZ, SIG_IGN);
        if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 1;
        try {
            download(p.server.url(path), p.file, place::quick());
        } catch (const io_error& e) {
            const std::string what = e.what();
            return what.find("file.part: cannot write: File too large; 100000 bytes are kept") == std::string::npos ? 3
                                                                                                                    : 0;
        }
        return 2;
    });
    CHECK(status == 0);
    CHECK(p.server.log(path).size() == 1); // no second try
    CHECK(size_or_zero(p.part) == 100'000);
    CHECK_FALSE(fs::exists(p.file));
    CHECK(download(p.server.url(path), p.file).sha256 == sha256_of(made_bytes(300'000)));
    CHECK(p.ranges(path) == list{"", "bytes=100000-"});
}

TEST_CASE("a part that is not what it says begins again") {
    const place p;
    const std::string bytes = made_bytes(50'000);
    const std::string path = "/bytes/50000?cut=20000&times=1";
    download_options once = place::quick();
    once.attempts = 1;
    const auto leave_part = [&](const std::string& number) {
        CHECK_THAT(p.failure(p.server.url(path + number), once), Contains("20000 bytes are kept"));
        REQUIRE(size_or_zero(p.part) == 20'000);
    };
    const auto rest_is = [&](const std::string& number, const std::string& range) {
        INFO(number);
        CHECK(download(p.server.url(path + number), p.file, once).sha256 == sha256_of(bytes));
        CHECK(p.ranges(path + number).back() == range);
        CHECK(p.folder.entries() == 1);
        fs::remove(p.file);
    };
    leave_part("&n=1&token=secret");
    const auto note = file_content(p.note);
    CHECK_THAT(note, Contains("\"total\": 50000") && Contains("/bytes/50000\"") && !Contains("secret"));
    rest_is("&n=1&token=secret", "bytes=20000-");

    const std::function<void()> damages[] = {
        [&] { fs::remove(p.note); },
        [&] { test::write_file(p.note, "{"); },
        [&] { test::write_file(p.note, std::string(100'000, ' ')); },
        [&] { test::write_file(p.note, "[]"); },
        [&] { test::write_file(p.note, R"({"schema": 2})"); },
        [&] { test::write_file(p.note, R"({"schema": 1, "url_sha256": 1})"); },
        [&] { fs::resize_file(p.part, 50'001); },
        [&] { fs::remove(p.part); },
    };
    for (std::size_t i = 0; i < std::size(damages); ++i) {
        const std::string number = "&d=" + std::to_string(i);
        leave_part(number);
        damages[i]();
        rest_is(number, "");
    }

    leave_part("&n=2"); // of another URL
    rest_is("&n=1&token=secret", "");

    // Complete, but for the name: nothing is asked for. Complete and wrong: all of it is.
    for (const bool right : {true, false}) {
        const std::string number = right ? "&right" : "&wrong";
        leave_part(number);
        test::write_file(p.part, right ? bytes : made_bytes(50'000, 1));
        once.sha256 = sha256_of(bytes);
        CHECK(download(p.server.url(path + number), p.file, once).sha256 == sha256_of(bytes));
        CHECK(p.ranges(path + number) == (right ? list{""} : list{"", ""}));
        fs::remove(p.file);
        once.sha256.reset();
    }
    fs::create_symlink(p.folder / "elsewhere", p.part);
    CHECK_THAT(p.failure(p.server.url(path)), Contains("file.part: cannot open: "));
    CHECK_FALSE(fs::exists(p.folder / "elsewhere"));
}

TEST_CASE("one writes a part, and many download at once") {
    const place p;
    const std::string url = p.server.url("/bytes/40000?rate=80000");
    {
        auto first = std::async(std::launch::async, [&] { return download(url, p.file); });
        for (int i = 0; i < 2000 && size_or_zero(p.part) == 0; ++i) ::usleep(5'000);
        CHECK_THAT(p.failure(url), EndsWith("file.part: being downloaded by another process; wait for it"));
        CHECK(first.get().sha256 == sha256_of(made_bytes(40'000)));
    }
    std::vector<std::future<gpunet::downloaded>> all;
    for (int i = 0; i < 8; ++i)
        all.push_back(std::async(std::launch::async, [&, i] {
            const std::string path = "/bytes/60000/" + std::to_string(i) + "?cut=25000&times=1";
            const std::string name = "file" + std::to_string(i);
            return download(i % 2 ? p.server.url(path) : p.server.https_url(path), p.folder / name.c_str(),
                            place::quick());
        }));
    for (int i = 0; i < 8; ++i)
        CHECK(all[static_cast<std::size_t>(i)].get().sha256 == sha256_of(made_bytes(60'000, i)));
    CHECK(p.folder.entries() == 9);
}

TEST_CASE("small documents come into memory") {
    const place p;
    const std::string bytes = made_bytes(1000);
    CHECK(fetch_text(p.server.url("/bytes/1000"), 1000) == bytes);
    CHECK(fetch_text(p.server.https_url("/bytes/1000"), 1000) == bytes);
    CHECK(fetch_text(p.server.url("/bytes/1000?chunked=1"), 1000) == bytes);
    CHECK(fetch_text(p.server.url("/bytes/1000?cut=500&times=2"), 1000, place::quick()) == bytes);
    CHECK(fetch_text(p.server.url("/bytes/1000?status=500&times=2"), 1000, place::quick()) == bytes);
    CHECK(fetch_text(p.server.url("/bytes/0"), 0).empty());
    download_options json = place::quick();
    json.accept = "application/json";
    fetch_text(p.server.url("/bytes/1"), 1, json);
    CHECK(p.server.log("/bytes/1").at(0)["accept"] == "application/json");
    CHECK(p.server.log("/bytes/0").at(0)["accept"] == "*/*");
    const auto failure = [&](const std::string& path, download_options o = place::quick()) {
        return message_of<io_error>([&] { fetch_text(p.server.url(path), 999, o); });
    };
    CHECK_THAT(failure("/bytes/1000"), EndsWith("/bytes/1000: expected at most 999 bytes, found 1000 announced"));
    CHECK_THAT(failure("/bytes/1000?chunked=1"), EndsWith("/bytes/1000: expected at most 999 bytes, found more"));
    CHECK_THAT(failure("/absent"), Contains("found status 404"));
    CHECK_THAT(failure("/bytes/100?cut=50"), Contains("tried 5 times"));
    download_options o = place::quick();
    o.sha256 = sha256_of("");
    CHECK_THAT(failure("/bytes/100", o), Contains("expected SHA-256 " + *o.sha256));
    o = place::quick();
    o.progress = [](const download_progress&) { return false; };
    CHECK_THAT(failure("/bytes/100?rate=100", o), EndsWith("/bytes/100: cancelled"));
    CHECK_THROWS_AS(fetch_text("http://models.test/", 10), argument_error);
}

} // namespace test_download
