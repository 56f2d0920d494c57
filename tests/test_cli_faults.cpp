// The gpunet program where the system denies it something: memory, room on the disk, its standard streams, a cache,
// time, libraries; and the number of its threads.
#include "cli_support.hpp"
#include "core_support.hpp"
#include "process_state.hpp"
#include "weights_support.hpp"

#include <gpunet/graph/lower.hpp>
#include <gpunet/hub/registry.hpp>
#include <gpunet/npy.hpp>
#include <gpunet/weights/safetensors.hpp>
#include <gpunet/weights/synthetic.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <signal.h>
#include <sys/wait.h>

namespace test_cli_faults { // tests of a program are compiled together

using Catch::Contains;
using namespace cli_test;

namespace {

const std::string spec_small = test::checkpoints + "small0.json";

void write_picture(const workplace& w) {
    gpunet::tensor<float> t({1, 3, 64, 64});
    gpunet::synthetic_input(t.elements());
    gpunet::write_npy(w / "x.npy", t);
}

std::vector<std::string> run_small() {
    return {"run", spec_small, "--weights", "synthetic", "--input", "x.npy", "--output", "y.npy", "--threads", "2"};
}

} // namespace

TEST_CASE("too little memory ends the program with a line and leaves nothing, wherever it runs out") {
    if (core_test::sanitized) return; // sanitizers reserve more than any limit
    const workplace w;
    write_picture(w);
    std::map<int, int> ends;
    for (int megabytes = 40; megabytes <= 1000 && ends[0] == 0; megabytes += 12) {
        auto arguments = run_small();
        arguments[1] = "EfficientNet-Lite0"; // the weights take 19 MB, twice
        const outcome r = w.run_after("ulimit -v " + std::to_string(megabytes * 1024), arguments);
        INFO(megabytes << " MB: status " << r.status << ", " << r.err);
        ++ends[r.status];
        if (r.status == 0) {
            CHECK(w.content() == std::vector<std::string>{"x.npy", "y.npy"});
            continue;
        }
        CHECK((r.status == 1 || r.status == 127)); // the second is the system's: the program cannot be loaded
        if (r.status == 1) {
            CHECK_THAT(r.err, Catch::StartsWith("gpunet: "));
            CHECK(std::count(r.err.begin(), r.err.end(), '\n') == 1);
        }
        CHECK(w.content() == std::vector<std::string>{"x.npy"});
    }
    CHECK(ends[1] > 0);
    CHECK(ends[0] > 0);
}

TEST_CASE("closed standard streams: results that nobody gets are a failure, and no file gets messages") {
    const workplace w;
    write_picture(w);
    CHECK(w.run_after("exec <&-", {"list"}).status == 0);
    const outcome r = w.run_after("exec >&-", {"list"});
    CHECK(r.status == 1);
    CHECK(r.err == "gpunet: cannot write to standard output\n");
    for (const char* closed : {"exec 2>&-", "exec <&- >&- 2>&-"}) {
        CHECK(w.run_after(closed, {"list", "--nonsense"}).status == 2);
        CHECK(w.run_after(closed, run_small()).status == 0);
        CHECK(gpunet::read_npy(w / "y.npy").shape() == gpunet::shape{1, 10});
        fs::remove(w / "y.npy");
    }
    CHECK(w.content() == std::vector<std::string>{"x.npy"});
}

TEST_CASE("a reader that goes ends the program quietly") {
    const workplace w;
    const outcome r = w.run_after(R"("$@" | head -n 1; exit 0)", {"list", "--json"});
    CHECK(r.status == 0);
    CHECK(r.out == "[\n");
    CHECK(r.err == "");
}

TEST_CASE("without HOME, and with a file in the place of the cache") {
    const workplace w;
    CHECK(w.run_after("unset HOME GPUNET_CACHE XDG_CACHE_HOME", {"doctor"}).status == 0);
    test::write_file(w.cache(), "no folder");
    const outcome kept = w.run({"bench", "GPUNet-P0", "--save", "--threads", "2"});
    CHECK(kept.status == 1);
    CHECK_THAT(kept.err, Catch::StartsWith("gpunet: ") && Contains(w.cache().string()));
    CHECK(std::count(kept.err.begin(), kept.err.end(), '\n') == 1);
    CHECK(test::file_content(w.cache()) == "no folder");
}

TEST_CASE("a program that is ended while it writes leaves the earlier file or the whole of the new one") {
    const workplace w;
    const fs::path file = w / "net.safetensors";
    const std::vector<std::string> convert = {"convert", (w.weights() / "lite.safetensors").string(), file};
    int ended = 0;
    const auto net = gpunet::lower(gpunet::registry::builtin().find("EfficientNet-Lite0"));
    gpunet::write_safetensors(w.weights() / "lite.safetensors", gpunet::synthetic_weights(net));
    REQUIRE(w.run(convert).status == 0);
    const std::string whole = test::file_content(file);
    for (const int signal : {SIGINT, SIGTERM, SIGKILL})
        for (const int milliseconds : {2, 5, 10, 20, 40}) {
            INFO("signal " << signal << " after " << milliseconds << " ms");
            test::write_file(file, "earlier");
            const outcome r = w.run_watched(convert, [&](::pid_t process) {
                std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
                ::kill(process, signal);
            });
            const bool done = test::file_content(file) == whole;
            CHECK((done || test::file_content(file) == "earlier"));
            if (r.status == 0) CHECK(done);
            ended += r.status != 0;
            for (const std::string& name : w.content())
                if (name != "net.safetensors") { // whole, and about to get its name
                    CHECK_THAT(name, Catch::StartsWith(".gpunet-"));
                    CHECK(test::file_content(w / name) == whole);
                    fs::remove(w / name);
                }
        }
    CHECK(ended > 0);
}

#ifdef GPUNET_CLI_ON_FAKE_GPU
TEST_CASE("libraries of CUDA that are missing, or are something else, are named with what to do") {
    const workplace w;
    test::write_file(w / "text.so", "no library");
    const std::string other = "libpng16.so.16"; // a library, but not this one
    for (const std::string variable : {"GPUNET_CUDNN_LIBRARY", "GPUNET_NVRTC_LIBRARY"})
        for (const auto& [file, reason] : {std::pair<std::string, const char*>{w / "text.so", "file too short"},
                                           {w / "absent.so", "No such file"},
                                           {other, "expected a function "}}) {
            INFO(variable << "=" << file);
            const outcome plan = w.run({"plan", "GPUNet-0", "--gpu", "sm_90"}, {{variable, file}});
            CHECK(plan.status == 1);
            CHECK_THAT(plan.err, StartsWith("gpunet: ") && Contains(fs::path(file).filename()) && Contains(reason));
            CHECK(std::count(plan.err.begin(), plan.err.end(), '\n') == 1);
            const outcome doctor = w.run({"doctor"}, {{variable, file}});
            CHECK(doctor.status == 0);
            CHECK_THAT(doctor.out, Contains(reason));
        }
}
#endif

TEST_CASE("the program works with as many threads as --threads says") {
    const workplace w;
    for (const std::ptrdiff_t threads : {1, 3}) {
        std::map<std::ptrdiff_t, int> seen;
        const outcome r =
            w.run_watched({"bench", spec_small, "--threads", std::to_string(threads)}, [&](::pid_t process) {
                ::siginfo_t ended{};
                while (::waitid(P_PID, static_cast<::id_t>(process), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 &&
                       ended.si_pid == 0) {
                    ++seen[gpunet_test::threads_of(std::to_string(process))];
                    std::this_thread::sleep_for(std::chrono::milliseconds(1));
                }
            });
        CHECK(r.status == 0);
        const auto most = std::max_element(seen.begin(), seen.end(),
                                           [](const auto& a, const auto& b) { return a.second < b.second; });
        REQUIRE(most != seen.end());
        CHECK(most->first == threads); // while it measures, which takes longest
        if (threads == 1) CHECK(seen.rbegin()->first == 1);
    }
}

} // namespace test_cli_faults
