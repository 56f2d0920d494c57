// What the hub keeps on this machine: measured latencies, weights, and where.
#include "hub_support.hpp"

#include <gpunet/weights/synthetic.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

namespace test_records { // tests of a program are compiled together

using Catch::Contains;
using core_test::message_of;
using gpunet::latency_record;
using gpunet::model_record;
using gpunet::records_file;
using hub_test::measured;
using hub_test::record;
using hub_test::variable;
using test::file_content;
using test::write_file;

namespace fs = std::filesystem;

namespace {

latency_record complete() {
    latency_record r = measured(record("Some CPU @ 2.50GHz", "oneDNN 2.6.3", "fp32", 4, 12.25), 8);
    r.runs = 77;
    r.p95 = gpunet::milliseconds(13.5);
    r.p99 = gpunet::milliseconds(14.125);
    r.spread = gpunet::milliseconds(0.75);
    r.noisy = true;
    return r;
}

/// As of a GPU.
latency_record of_gpu() {
    latency_record r = measured(record("NVIDIA X1", "cuDNN 9.19.0", "fp16", 1, 0.5));
    r.uuid = "GPU-00112233-4455-6677-8899-aabbccddeeff";
    r.driver = "580.65.06";
    r.spread = gpunet::milliseconds(0); // all runs took the same
    r.host = gpunet::milliseconds(0.625);
    return r;
}

void add(const fs::path& path, const std::vector<model_record>& records) {
    std::optional<std::string> warning;
    records_file(path).add(records, warning);
    CHECK_FALSE(warning);
}

std::vector<model_record> read(const fs::path& path) {
    std::optional<std::string> warning;
    auto records = records_file(path).read(warning);
    CHECK_FALSE(warning);
    return records;
}

/// The names in the file's folder, without the lock's.
std::set<std::string> files_beside(const fs::path& path) {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(path.parent_path()))
        if (entry.path().extension() != ".lock") names.insert(entry.path().filename());
    return names;
}

} // namespace

TEST_CASE("records come back as they were written") {
    const test::temporary_folder folder;
    const fs::path path = folder / "deep" / "er" / "latency.json"; // made as needed
    CHECK(read(path).empty());
    CHECK_FALSE(fs::exists(path.parent_path())); // reading makes nothing
    add(path, {{"GPUNet-0", complete()}, {"GPUNet-1", measured(record("\"quoted\"\n\u00b5", "E", "bf16", 1, 1e-3))}});
    const auto records = read(path);
    REQUIRE(records.size() == 2);
    CHECK(records[0].first == "GPUNet-0");
    const latency_record &r = records[0].second, expected = complete();
    CHECK(gpunet::same_subject(r, expected));
    CHECK(r.latency == expected.latency);
    CHECK(r.source == expected.source);
    CHECK(r.date == expected.date);
    CHECK(r.threads == 8);
    CHECK(r.runs == 77);
    CHECK(r.p95 == expected.p95);
    CHECK(r.p99 == expected.p99);
    CHECK(r.spread == expected.spread);
    CHECK(r.noisy);
    CHECK_FALSE(r.uuid);
    CHECK(records[1].second.device == "\"quoted\"\n\u00b5");
    CHECK_FALSE(records[1].second.threads);
    CHECK_FALSE(records[1].second.p99);
    CHECK_FALSE(records[1].second.spread);
    CHECK_FALSE(records[1].second.noisy);
    add(path, {{"GPUNet-2", of_gpu()}});
    const latency_record gpu = read(path).back().second;
    CHECK(gpu.uuid == of_gpu().uuid);
    CHECK(gpu.driver == "580.65.06");
    CHECK(gpu.spread == gpunet::milliseconds(0));
    CHECK(gpu.host == of_gpu().host);
    const auto document = nlohmann::json::parse(file_content(path)); // as other programs read it
    CHECK(document["schema"] == 2);
    CHECK(document["records"][0]["spread_ms"] == 0.75);
    CHECK(document["records"][0]["noisy"] == true);
    CHECK(document["records"][2]["driver"] == "580.65.06");
    CHECK(files_beside(path) == std::set<std::string>{"latency.json"});
}

TEST_CASE("a record takes the place of an older one of the same thing, and of no other") {
    const test::temporary_folder folder;
    const fs::path path = folder / "latency.json";
    add(path, {{"GPUNet-0", complete()}});
    latency_record faster = complete();
    faster.latency = gpunet::milliseconds(1);
    faster.date = "2027";
    std::vector<latency_record> others(5, complete());
    others[0].batch = 5;
    others[1].threads = 9;
    others[2].engine = "oneDNN 3";
    others[3].precision = "bf16";
    others[4].device = "Another CPU";
    others.insert(others.end(), 3, complete());
    others[5].source = "gpunet 0.0.1";
    others[6].driver = "570.1";
    others[7].uuid = "GPU-1";
    for (const auto& r : others) add(path, {{"GPUNet-0", r}});
    add(path, {{"GPUNet-1", complete()}});
    CHECK(read(path).size() == 10);
    add(path, {{"GPUNet-0", faster}});
    const auto records = read(path);
    CHECK(records.size() == 10);
    CHECK(std::count_if(records.begin(), records.end(), [](const auto& r) { return r.second.date == "2027"; }) == 1);
    add(path, {{"GPUNet-2", complete()}, {"GPUNet-2", faster}}); // the later of one call counts too
    CHECK(read(path).size() == 11);
    CHECK(read(path).back().second.date == "2027");
}

TEST_CASE("a damaged file of records is set aside whole, and the warning says so") {
    const std::string entry = R"({"model": "GPUNet-0", "device": "C", "engine": "E", "precision": "fp32", "batch": 1,
        "latency_ms": 1, "kind": "measured", "source": "s", "date": "d"})";
    const auto with = [&](const std::string& from, const std::string& to) {
        std::string text = R"({"schema": 1, "records": [)" + entry + "]}";
        return text.replace(text.find(from), from.size(), to);
    };
    const std::vector<std::pair<std::string, std::string>> damages = {
        {"", "not valid JSON"},
        {"{\"schema\": 1, \"rec", "not valid JSON"},
        {"[]", "expected an object, found []"},
        {"\xFF\xFE", "not valid JSON"},
        {with("\"schema\": 1", "\"schema\": 0"), "schema: expected an integer from 1 to 1048576, found 0"},
        {with("\"schema\": 1", "\"schema\": \"1\""), "schema: expected an integer from 1 to 1048576, found \"1\""},
        {with("\"schema\": 1,", ""), "schema: expected an integer from 1 to 1048576, found nothing"},
        {with("\"latency_ms\": 1", "\"latency_ms\": 1, \"spread_ms\": -1"), "records[0]: spread_ms: expected"},
        {with("\"latency_ms\": 1", "\"latency_ms\": 1, \"spread_ms\": -0.5"),
         "records[0]: spread_ms: expected a number from 0, found -0.5"},
        {with("\"latency_ms\": 1", "\"latency_ms\": 1, \"noisy\": 1"),
         "records[0]: noisy: expected true or false, found 1"},
        {with("\"latency_ms\": 1", "\"latency_ms\": 1, \"uuid\": 1"), "records[0]: uuid: expected a string, found 1"},
        {with("\"latency_ms\": 1", "\"latency_ms\": -1"), "records[0]: latency_ms: expected a number above 0.0"},
        {with("\"latency_ms\": 1", "\"latency_ms\": null"), "records[0]: latency_ms: expected a number"},
        {with("\"latency_ms\": 1", "\"latency_ms\": 1e999"), "not valid JSON"},
        {with("\"batch\": 1", "\"batch\": 0.5"), "records[0]: batch: expected an integer from 1 to 1048576, found 0.5"},
        {with("\"measured\"", "\"guessed\""), "records[0]: kind: expected one of published, measured"},
        {with("\"measured\"", "\"published\""), "records[0]: kind: expected \"measured\", found \"published\""},
        {with("\"model\": \"GPUNet-0\",", ""), "records[0]: model: expected a string, found nothing"},
        {with("\"device\": \"C\"", "\"device\": 7"), "records[0]: device: expected a string, found 7"},
        {with(entry, "7"), "records[0]: expected an object, found 7"},
        {R"({"schema": 1, "records": {}})", "records: expected a list, found {}"},
    };
    for (const auto& [text, culprit] : damages) {
        INFO(text);
        const test::temporary_folder folder;
        const fs::path path = folder / "latency.json", aside = folder / "latency.json.damaged";
        write_file(path, text);
        std::optional<std::string> warning;
        CHECK(records_file(path).read(warning).empty());
        REQUIRE(warning);
        CHECK_THAT(*warning,
                   Contains(path.string()) && Contains(culprit) && Contains("set aside as " + aside.string()));
        CHECK(warning->find('\n') == std::string::npos);
        CHECK_FALSE(fs::exists(path));
        CHECK(file_content(aside) == text);
        add(path, {{"GPUNet-0", complete()}});
        CHECK(read(path).size() == 1);
        CHECK(file_content(aside) == text);
    }
}

TEST_CASE("a file of schema 1 is read, and is schema 2 once something is added") {
    const test::temporary_folder folder;
    const fs::path path = folder / "latency.json";
    const std::string text = R"({"schema": 1, "records": [{"model": "GPUNet-0", "device": "Some CPU @ 2.50GHz",
        "engine": "oneDNN 2.6.3", "precision": "fp32", "batch": 4, "latency_ms": 20.5, "kind": "measured",
        "source": "gpunet 0.1.0", "date": "2026-01-02T03:04:05Z", "threads": 8, "runs": 55, "p95_ms": 21.5}]})";
    write_file(path, text);
    const auto old = read(path);
    REQUIRE(old.size() == 1);
    CHECK(old[0].second.latency.count() == 20.5);
    CHECK(old[0].second.source == "gpunet 0.1.0");
    CHECK_FALSE(old[0].second.driver);
    CHECK_FALSE(old[0].second.noisy);
    CHECK(file_content(path) == text); // reading changes nothing
    latency_record newer = complete();
    newer.source = "gpunet 0.1.0";
    add(path, {{"GPUNet-1", complete()}});
    CHECK(nlohmann::json::parse(file_content(path))["schema"] == 2);
    CHECK(read(path).size() == 2);
    CHECK(read(path)[0].second.date == "2026-01-02T03:04:05Z");
    add(path, {{"GPUNet-0", newer}}); // the same thing, measured again
    CHECK(read(path).size() == 2);
    CHECK(read(path).back().second.latency == newer.latency);
    CHECK(files_beside(path) == std::set<std::string>{"latency.json"});
}

TEST_CASE("a file of a newer version is left alone") {
    const test::temporary_folder folder;
    const fs::path path = folder / "latency.json";
    const std::string text = R"({"schema": 3, "whatever": ["comes"]})";
    write_file(path, text);
    std::optional<std::string> warning;
    CHECK(records_file(path).read(warning).empty());
    REQUIRE(warning);
    const std::string found = path.string() + ": schema: expected an integer from 1 to 2, found 3, of a newer gpunet";
    CHECK(*warning == found + "; left alone and not used");
    CHECK(message_of<gpunet::io_error>([&] { records_file(path).add({{"GPUNet-0", complete()}}, warning); }) == found);
    CHECK(file_content(path) == text);
    CHECK(files_beside(path) == std::set<std::string>{"latency.json"});
    const variable cache("GPUNET_CACHE", path.parent_path().string());
    CHECK(gpunet::local_registry(&warning).models().size() == gpunet::registry::builtin().models().size());
    CHECK_THAT(*warning, Contains("of a newer gpunet"));
}

TEST_CASE("a reader that sees damage does not set aside what another process has put in its place") {
    const test::temporary_folder folder;
    const fs::path path = folder / "latency.json";
    for (int round = 0; round < 20; ++round) {
        write_file(path, "damaged");
        std::vector<std::thread> readers;
        for (int i = 0; i < 4; ++i)
            readers.emplace_back([&] {
                std::optional<std::string> warning;
                static_cast<void>(records_file(path).read(warning));
            });
        std::optional<std::string> warning;
        records_file(path).add({{"GPUNet-0", complete()}}, warning);
        for (std::thread& t : readers) t.join();
        CHECK(read(path).size() == 1);
        CHECK(file_content(folder / "latency.json.damaged") == "damaged");
    }
}

TEST_CASE("adding to a damaged file warns, keeps the damaged content and the new record") {
    const test::temporary_folder folder;
    const fs::path path = folder / "latency.json";
    write_file(path, "{");
    std::optional<std::string> warning;
    records_file(path).add({{"GPUNet-0", complete()}}, warning);
    REQUIRE(warning);
    CHECK_THAT(*warning, Contains("set aside"));
    CHECK(file_content(folder / "latency.json.damaged") == "{");
    CHECK(read(path).size() == 1);
}

TEST_CASE("what could not be read again is not written") {
    const test::temporary_folder folder;
    const fs::path path = folder / "latency.json";
    add(path, {{"GPUNet-0", complete()}});
    const std::string before = file_content(path);
    std::vector<latency_record> bad(4, complete());
    bad[0].kind = latency_record::origin::published;
    bad[1].latency = gpunet::milliseconds(0);
    bad[2].latency = gpunet::milliseconds(std::numeric_limits<double>::quiet_NaN());
    bad[3].batch = 0;
    const char* culprits[] = {"records[1]: kind", "records[1]: latency_ms", "records[1]: latency_ms",
                              "records[1]: batch"};
    for (std::size_t i = 0; i < bad.size(); ++i) {
        std::optional<std::string> warning;
        CHECK_THAT(message_of<gpunet::spec_error>([&] {
                       records_file(path).add({{"GPUNet-1", bad[i]}}, warning);
                   }),
                   Contains(culprits[i]));
        CHECK(file_content(path) == before);
    }
    CHECK(files_beside(path) == std::set<std::string>{"latency.json"});
}

TEST_CASE("records that cannot be read or kept are errors that name the file") {
    const test::temporary_folder folder;
    fs::create_directory(folder / "latency.json");
    std::optional<std::string> warning;
    const auto reading = [&] { static_cast<void>(records_file(folder / "latency.json").read(warning)); };
    CHECK_THAT(message_of<gpunet::io_error>(reading), Contains((folder / "latency.json").string()));
    const auto adding = [&](const fs::path& path) {
        return message_of<gpunet::io_error>([&] { records_file(path).add({{"GPUNet-0", complete()}}, warning); });
    };
    CHECK_THAT(adding(folder / "latency.json"), Contains((folder / "latency.json").string()));
    CHECK(fs::is_directory(folder / "latency.json"));
    write_file(folder / "file", "x");
    CHECK_THAT(adding(folder / "file" / "latency.json"), Contains((folder / "file").string() + ": cannot create"));
    fs::create_directory(folder / "other.json.lock");
    CHECK_THAT(adding(folder / "other.json"), Contains("other.json.lock: cannot open"));
    write_file(folder / "large.json", std::string((std::size_t{1} << 24) + 1, ' '));
    CHECK_THAT(
        message_of<gpunet::io_error>([&] { static_cast<void>(records_file(folder / "large.json").read(warning)); }),
        Contains("large.json: expected at most 16777216 bytes"));
}

TEST_CASE("a records file without a folder in its name is in the current one") {
    const test::temporary_folder folder;
    const fs::path before = fs::current_path();
    fs::current_path((folder / "x").parent_path());
    std::optional<std::string> warning;
    CHECK_NOTHROW(records_file("latency.json").add({{"GPUNet-0", complete()}}, warning));
    fs::current_path(before);
    CHECK(read(folder / "latency.json").size() == 1);
}

TEST_CASE("threads and processes that add at once lose nothing") {
    const test::temporary_folder folder;
    const fs::path path = folder / "latency.json";
    constexpr int writers = 4, each = 12;
    const auto write = [&](int writer) {
        std::optional<std::string> warning;
        for (int i = 0; i < each; ++i) {
            latency_record r = complete();
            r.batch = 1 + writer * each + i;
            records_file(path).add({{"GPUNet-0", r}}, warning);
        }
    };
    std::vector<pid_t> children;
    for (int w = 0; w < writers; ++w) {
        const pid_t child = ::fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            try {
                write(w);
                ::_exit(0);
            } catch (...) {
                ::_exit(1);
            }
        }
        children.push_back(child);
    }
    std::vector<std::thread> threads;
    for (int w = writers; w < 2 * writers; ++w) threads.emplace_back(write, w);
    for (std::thread& t : threads) t.join();
    for (const pid_t child : children) {
        int status = -1;
        REQUIRE(::waitpid(child, &status, 0) == child);
        CHECK(status == 0);
    }
    std::set<std::int64_t> batches;
    for (const auto& [name, r] : read(path)) batches.insert(r.batch);
    CHECK(batches.size() == std::size_t{2} * writers * each);
    CHECK(files_beside(path) == std::set<std::string>{"latency.json"});
}

TEST_CASE("a writer killed at any moment leaves all that was there, and no lock") {
    const test::temporary_folder folder;
    const fs::path path = folder / "latency.json";
    add(path, {{"GPUNet-0", complete()}});
    std::size_t known = 1;
    int killed = 0;
    std::uint32_t random = 1;
    const auto start = std::chrono::steady_clock::now();
    const auto enough = [&] { return killed >= 8 && known > 1; };
    for (int round = 1; std::chrono::steady_clock::now() - start < std::chrono::seconds(enough() ? 1 : 20); ++round) {
        const pid_t child = ::fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            try {
                std::optional<std::string> warning;
                latency_record r = complete();
                for (r.batch = 1000 * round;; ++r.batch) records_file(path).add({{"GPUNet-0", r}}, warning);
            } catch (...) {
                ::_exit(1);
            }
        }
        random = random * 1664525U + 1013904223U;
        std::this_thread::sleep_for(std::chrono::microseconds(random >> 17)); // to 33 ms
        ::kill(child, SIGKILL);
        int status = 0;
        REQUIRE(::waitpid(child, &status, 0) == child);
        killed += WIFSIGNALED(status) ? 1 : 0;
        const auto records = read(path); // without a warning
        CHECK(records.size() >= known);
        known = records.size();
    }
    CHECK(killed >= 8);
    CHECK(known > 1); // some got through
    add(path, {{"GPUNet-1", complete()}});
    CHECK(read(path).size() == known + 1);
}

TEST_CASE("a registry of this machine has its measurements") {
    const test::temporary_folder folder;
    const variable cache("GPUNET_CACHE", (folder / "cache").string());
    std::optional<std::string> warning;
    records_file().add({{"GPUNet-0", complete()}, {"forgotten model", complete()}}, warning);
    CHECK(records_file().path() == folder / "cache" / "latency.json");
    const auto hub = gpunet::local_registry(&warning);
    CHECK_FALSE(warning);
    CHECK(hub.find("GPUNet-0").latency.back().runs == 77);
    CHECK(hub.find("GPUNet-1").latency.size() == gpunet::registry::builtin().find("GPUNet-1").latency.size());
    write_file(records_file().path(), "?");
    CHECK_NOTHROW(gpunet::local_registry());
    write_file(records_file().path(), "?");
    static_cast<void>(gpunet::local_registry(&warning));
    CHECK(warning);
}

TEST_CASE("the cache is where the environment says") {
    const variable own("GPUNET_CACHE", "/own");
    const variable xdg("XDG_CACHE_HOME", "/xdg");
    const variable home("HOME", "/home/me");
    CHECK(gpunet::cache_directory() == "/own");
    const variable no_own("GPUNET_CACHE", std::nullopt);
    CHECK(gpunet::cache_directory() == "/xdg/gpunet");
    {
        const variable relative("XDG_CACHE_HOME", "xdg"); // which the standard says to ignore
        CHECK(gpunet::cache_directory() == "/home/me/.cache/gpunet");
    }
    const variable no_xdg("XDG_CACHE_HOME", "");
    CHECK(gpunet::cache_directory() == "/home/me/.cache/gpunet");
    const variable no_home("HOME", std::nullopt);
    CHECK(gpunet::cache_directory() == fs::temp_directory_path() / "gpunet-cache");
}

TEST_CASE("weights are looked for in the directories of the environment, then in the cache") {
    const variable cache("GPUNET_CACHE", "/own");
    using paths = std::vector<fs::path>;
    const variable list("GPUNET_WEIGHTS_DIR", "/a::/b c:");
    CHECK(gpunet::weights_directories() == paths{"/a", "/b c", "/own/weights"});
    const variable one("GPUNET_WEIGHTS_DIR", "/a");
    CHECK(gpunet::weights_directories() == paths{"/a", "/own/weights"});
    const variable none("GPUNET_WEIGHTS_DIR", std::nullopt);
    CHECK(gpunet::weights_directories() == paths{"/own/weights"});
}

TEST_CASE("weights are found by name or alias in any case, the first directory and the better format first") {
    const test::temporary_folder folder;
    const variable cache("GPUNET_CACHE", (folder / "cache").string());
    const variable list("GPUNET_WEIGHTS_DIR", (folder / "none").string() + ":" + (folder / "a").string());
    const gpunet::model m = gpunet::registry::builtin().find("GPUNet-0");
    CHECK_FALSE(gpunet::find_weights(m));
    CHECK_FALSE(gpunet::has_weights(m));

    fs::create_directories(folder / "cache" / "weights");
    write_file(folder / "cache" / "weights" / "GPUNet-0.safetensors", "");
    CHECK(gpunet::find_weights(m) == folder / "cache" / "weights" / "GPUNet-0.safetensors");

    fs::create_directory(folder / "a");
    for (const char* other : {"GPUNet-1.pth", "GPUNet-0.txt", "GPUNet-0", "xGPUNet-0.pth", "GPUNet-0.pth.bak"})
        write_file(folder / "a" / other, "");
    CHECK(gpunet::find_weights(m) == folder / "cache" / "weights" / "GPUNet-0.safetensors");
    for (const char* better : {"gpunet_0.pt", "0.65ms.pth.tar", "GPUNET-0.PTH", "gpunet-0.SafeTensors"}) {
        write_file(folder / "a" / better, "");
        CHECK(gpunet::find_weights(m) == folder / "a" / better);
    }
    CHECK(gpunet::has_weights(m));
}

TEST_CASE("missing weights are an error that says where they belong and come from") {
    const test::temporary_folder folder;
    const variable cache("GPUNET_CACHE", (folder / "cache").string());
    const variable list("GPUNET_WEIGHTS_DIR", (folder / "a").string());
    const variable offline("GPUNET_OFFLINE", "1");
    const auto hub = gpunet::registry::builtin();
    for (const auto& m : hub) {
        INFO(m.name);
        const std::string message =
            message_of<gpunet::weights_error>([&] { static_cast<void>(gpunet::load_weights(m)); });
        CHECK_THAT(message, Contains(m.name + ".safetensors or " + m.name + ".pth") &&
                                Contains((folder / "a").string() + ", " + (folder / "cache").string() + "/weights") &&
                                Contains(m.weights.empty() ? "found none" : gpunet::detail::source_name(m.weights[0])));
    }
}

TEST_CASE("weights at hand are loaded, whatever their ending says of the format") {
    const test::temporary_folder folder;
    const variable list("GPUNET_WEIGHTS_DIR", (folder / "a").string());
    fs::create_directory(folder / "a");
    gpunet::model m;
    m.name = "small";
    for (const auto& [from, to] : {std::pair("small0_bare.pth", "Small.pt"),
                                   {"small0_train.pth.tar", "small.pth.tar"},
                                   {"small0_legacy.pth", "small.pth"},
                                   {"small0_bare.pth", "small.safetensors"}}) {
        INFO(from);
        fs::copy_file(test::checkpoints + from, folder / "a" / to);
        const auto weights = gpunet::load_weights(m);
        CHECK_THAT(weights.source(), Contains(to));
        const std::string salt = std::string_view(to) == "small.pth.tar" ? "ema/" : "";
        test::check_scheme(weights, gpunet::dtype::float32, salt);
    }
    write_file(folder / "a" / "small.safetensors", "nonsense");
    CHECK_THAT(message_of<gpunet::weights_error>([&] { static_cast<void>(gpunet::load_weights(m)); }),
               Contains("small.safetensors"));
}

} // namespace test_records
