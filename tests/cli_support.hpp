// Runs the gpunet program as scripts do.
#pragma once

#include "weights_support.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace cli_test {

using Catch::StartsWith;
namespace fs = std::filesystem;

struct outcome {
    int status = -1;
    std::string out, err;
};

/// An empty working directory for the program, with a cache and a weights directory of its own beside it.
class workplace {
  public:
    workplace() {
        fs::create_directory(folder_ / "work");
        fs::create_directory(folder_ / "weights");
    }

    fs::path operator/(const std::string& name) const { return folder_ / "work" / name; }
    fs::path cache() const { return folder_ / "cache"; }
    fs::path weights() const { return folder_ / "weights"; }
    /// What lies in the working directory, by name.
    std::vector<std::string> content() const {
        std::vector<std::string> names;
        for (const auto& entry : fs::directory_iterator(folder_ / "work")) names.push_back(entry.path().filename());
        std::sort(names.begin(), names.end());
        return names;
    }

    outcome run(const std::vector<std::string>& arguments, const std::map<std::string, std::string>& variables = {},
                const std::string& standard_output = "") const {
        std::vector<std::string> command = {GPUNET_CLI};
        command.insert(command.end(), arguments.begin(), arguments.end());
        return execute(command, variables, standard_output);
    }

#ifdef GPUNET_CLI_ON_FAKE_GPU
    /// The same program linked with the fake GPU. A leak or a fault there is status 86.
    outcome run_on_fake_gpu(const std::vector<std::string>& arguments) const {
        std::vector<std::string> command = {GPUNET_CLI_ON_FAKE_GPU};
        command.insert(command.end(), arguments.begin(), arguments.end());
        return execute(command,
                       {{"GPUNET_CUDNN_LIBRARY", GPUNET_FAKE_CUDNN}, {"GPUNET_NVRTC_LIBRARY", GPUNET_FAKE_NVRTC}}, "");
    }
#endif

    /// The same from a shell that has done `commands` before: "ulimit ...", "exec <&-".
    outcome run_after(const std::string& commands, const std::vector<std::string>& arguments) const {
        std::vector<std::string> command = {"/bin/sh", "-c", commands + "; exec \"$@\"", "sh", GPUNET_CLI};
        command.insert(command.end(), arguments.begin(), arguments.end());
        return execute(command, {}, "");
    }

    /// The same where no file may grow beyond 8 KiB, as if the disk were full.
    outcome run_on_full_disk(const std::vector<std::string>& arguments) const {
        return run_after("ulimit -f 16", arguments);
    }

    /// The same, while watch(its process) is called.
    outcome run_watched(const std::vector<std::string>& arguments, const std::function<void(::pid_t)>& watch) const {
        std::vector<std::string> command = {GPUNET_CLI};
        command.insert(command.end(), arguments.begin(), arguments.end());
        return execute(command, {}, "", watch);
    }

  private:
    outcome execute(std::vector<std::string> command, std::map<std::string, std::string> variables,
                    std::string standard_output, const std::function<void(::pid_t)>& watch = {}) const {
        variables.try_emplace("GPUNET_CACHE", cache().string());
        variables.try_emplace("GPUNET_WEIGHTS_DIR", weights().string());
        variables.try_emplace("GPUNET_OFFLINE", "1");        // nothing is fetched from anywhere
        variables.try_emplace("CUDA_VISIBLE_DEVICES", "");   // the same everywhere: no GPU
        variables.try_emplace("OMP_WAIT_POLICY", "passive"); // other tests run beside this one
        std::vector<std::string> environment;
        for (const auto& [name, value] : variables) environment.push_back(name + "=" + value);
        for (char** v = environ; *v; ++v) {
            const std::string_view text(*v);
            const std::string name(text.substr(0, text.find('=')));
            if (!variables.contains(name) && !name.starts_with("GPUNET_")) environment.emplace_back(text);
        }
        const auto pointers = [](std::vector<std::string>& texts) {
            std::vector<char*> all;
            for (std::string& t : texts) all.push_back(t.data());
            all.push_back(nullptr);
            return all;
        };
        const fs::path out = folder_ / "stdout", err = folder_ / "stderr";
        if (standard_output.empty()) standard_output = out.string();
        const std::string work = (folder_ / "work").string();
        constexpr int write = O_WRONLY | O_CREAT | O_TRUNC;
        ::posix_spawn_file_actions_t actions;
        ::posix_spawn_file_actions_init(&actions);
        ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
        ::posix_spawn_file_actions_addopen(&actions, 1, standard_output.c_str(), write, 0666);
        ::posix_spawn_file_actions_addopen(&actions, 2, err.c_str(), write, 0666);
        ::posix_spawn_file_actions_addchdir_np(&actions, work.c_str());
        pid_t child = 0;
        const int failed = ::posix_spawn(&child, command[0].c_str(), &actions, nullptr, pointers(command).data(),
                                         pointers(environment).data());
        ::posix_spawn_file_actions_destroy(&actions);
        REQUIRE(failed == 0);
        if (watch) watch(child);
        int status = 0;
        REQUIRE(::waitpid(child, &status, 0) == child);
        outcome result;
        result.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        if (standard_output == out) result.out = test::file_content(out);
        result.err = test::file_content(err);
        return result;
    }

    test::temporary_folder folder_;
};

inline std::string joined(const std::vector<std::string>& arguments) {
    std::string text = "gpunet";
    for (const std::string& a : arguments) text += ' ' + a;
    return text;
}

/// The program must end with the status, nothing on standard output, and one line on standard error.
template <class Matcher>
void check_refused(const outcome& r, int status, const Matcher& message) {
    CHECK(r.status == status);
    CHECK(r.out == "");
    CHECK_THAT(r.err, StartsWith("gpunet: "));
    CHECK(std::count(r.err.begin(), r.err.end(), '\n') == 1);
    CHECK(r.err.ends_with('\n'));
    CHECK_THAT(r.err, message);
}

} // namespace cli_test
