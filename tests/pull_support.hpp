// What the tests of pulling share: a cache of their own, models whose weights lie where a test says.
#pragma once

#include "core_support.hpp"
#include "environment_variable.hpp"
#include "http_server.hpp"
#include "zip_support.hpp"

#include <gpunet/hub/cache_contents.hpp>
#include <gpunet/hub/weights.hpp>

#include <catch2/catch.hpp>

#include <filesystem>
#include <functional>
#include <initializer_list>
#include <string>
#include <utility>

#include <sys/wait.h>
#include <unistd.h>

namespace pull_test {

namespace fs = std::filesystem;
using gpunet_test::environment_variable;

/// The weights of "small0", a checkpoint of PyTorch with scheme values.
inline std::string checkpoint() { return test::file_content(test::checkpoints + "small0_bare.pth"); }

inline std::string sha256_of(const std::string& text) {
    gpunet::sha256 hash;
    hash.update(text);
    return hash.hex();
}

/// A model with the network of small0 and these sources.
inline gpunet::model small(std::initializer_list<gpunet::weights_source> sources, const std::string& name = "small") {
    gpunet::model m;
    m.name = name;
    m.network = core_test::small("small0");
    m.weights = sources;
    return m;
}

inline gpunet::weights_source at_url(const std::string& url, const std::string& member = "") {
    gpunet::weights_source w;
    w.url = url;
    w.member = member;
    return w;
}

inline gpunet::weights_source at_path(const std::string& path, const std::string& member = "") {
    gpunet::weights_source w;
    w.path = path;
    w.member = member;
    return w;
}

/// A cache and a folder of files that a server may serve; nothing else of the environment counts.
struct place {
    place() { fs::create_directory(folder / "files"); }

    fs::path cache() const { return folder / "cache"; }
    fs::path served(const std::string& name) const { return folder / "files" / name; }
    void serve(const std::string& name, const std::string& content) const {
        fs::create_directories(served(name).parent_path());
        test::write_file(served(name), content);
    }

    test::temporary_folder folder;
    environment_variable cache_variable{"GPUNET_CACHE", (folder / "cache").string()};
    environment_variable weights_variable{"GPUNET_WEIGHTS_DIR", std::nullopt};
    environment_variable offline_variable{"GPUNET_OFFLINE", std::nullopt};
    environment_variable index_variable{"PIP_INDEX_URL", "http://127.0.0.1:1/simple"}; // nobody listens there
};

/// Quick about failures.
inline gpunet::pull_options hasty() {
    gpunet::pull_options o;
    o.download.attempts = 2;
    o.download.back_off = std::chrono::milliseconds(10);
    o.download.stall_timeout = std::chrono::seconds(5);
    return o;
}

/// Everything in the cache is whole, and the converted weights are small0's.
inline void check_whole(const gpunet::model& m) {
    for (const auto& d : gpunet::verify_cache()) FAIL_CHECK(d.file << ": " << d.problem);
    const environment_variable offline("GPUNET_OFFLINE", "1");
    test::check_scheme(gpunet::load_weights(m), gpunet::dtype::float32);
}

/// Runs `work` in a process of its own. @returns its status as waitpid gives it
inline int in_child(const std::function<void()>& work) {
    const ::pid_t child = ::fork();
    if (child == 0) {
        try {
            work();
            ::_exit(0);
        } catch (...) {
            ::_exit(1);
        }
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    return status;
}

inline std::size_t files_below(const fs::path& folder) {
    std::size_t count = 0;
    std::error_code ignored;
    for (const auto& entry : fs::recursive_directory_iterator(folder, ignored)) count += entry.is_regular_file();
    return count;
}

} // namespace pull_test
