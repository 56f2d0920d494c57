// Starts and stops tests/http_server.py, which see for what it serves and how it misbehaves.
#pragma once

#include "weights_support.hpp"

#include <nlohmann/json.hpp>

#include <catch2/catch.hpp>

#include <csignal>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace test {

/// A running server, killed when it is destroyed.
class http_server {
  public:
    /// Serves the files of a folder under /files/, where one is given.
    explicit http_server(std::filesystem::path files = {}) : files_(std::move(files)) { start(); }
    http_server(const http_server&) = delete;
    http_server& operator=(const http_server&) = delete;
    ~http_server() { stop(); }

    /// "http://127.0.0.1:PORT" and the path.
    std::string url(const std::string& path) const { return proxy() + path; }
    std::string https_url(const std::string& path) const {
        return "https://127.0.0.1:" + std::to_string(https_) + path;
    }
    /// What a variable such as https_proxy is set to.
    std::string proxy() const { return "http://127.0.0.1:" + std::to_string(http_); }
    /// The certificate of the authority, for CURL_CA_BUNDLE.
    std::string ca() const { return (keys_ / "ca.pem").string(); }
    int http_port() const { return http_; }
    int https_port() const { return https_; }

    /// What it was asked so far.
    nlohmann::json log() const { return nlohmann::json::parse(get("/log")); }
    /// The requests whose path, query included, is this.
    std::vector<nlohmann::json> log(const std::string& path) const {
        std::vector<nlohmann::json> all;
        for (const auto& entry : log())
            if (entry["path"] == path) all.push_back(entry);
        return all;
    }

    /// Kills it, as a crash would.
    void stop() {
        if (process_ <= 0) return;
        ::kill(process_, SIGKILL);
        ::waitpid(process_, nullptr, 0);
        process_ = -1;
        ::close(input_);
    }

    /// Starts it again: the same ports and keys, an empty log.
    void start() {
        int in[2], out[2];
        REQUIRE(::pipe2(in, O_CLOEXEC) == 0);
        REQUIRE(::pipe2(out, O_CLOEXEC) == 0);
        ::posix_spawn_file_actions_t actions;
        ::posix_spawn_file_actions_init(&actions);
        ::posix_spawn_file_actions_adddup2(&actions, in[0], 0);
        ::posix_spawn_file_actions_adddup2(&actions, out[1], 1);
        std::vector<std::string> words = {"python3",
                                          std::string(GPUNET_TEST_DATA) + "/../http_server.py",
                                          (keys_ / "").string(),
                                          "--http",
                                          std::to_string(http_),
                                          "--https",
                                          std::to_string(https_)};
        if (!files_.empty()) words.insert(words.end(), {"--files", files_.string()});
        std::vector<char*> pointers;
        for (std::string& word : words) pointers.push_back(word.data());
        pointers.push_back(nullptr);
        const int status = ::posix_spawnp(&process_, "python3", &actions, nullptr, pointers.data(), environ);
        ::posix_spawn_file_actions_destroy(&actions);
        ::close(in[0]);
        ::close(out[1]);
        input_ = in[1];
        std::string line;
        for (char c = 0; ::read(out[0], &c, 1) == 1 && c != '\n';) line += c;
        ::close(out[0]);
        INFO("tests/http_server.py, started by python3, said: " << line);
        REQUIRE(status == 0);
        REQUIRE_FALSE(line.empty());
        const auto said = nlohmann::json::parse(line);
        http_ = said["http"];
        https_ = said["https"];
    }

  private:
    /// By the shortest client there is: what is tested does not test itself.
    std::string get(const std::string& path) const {
        const int s = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ::sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(static_cast<std::uint16_t>(http_));
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        REQUIRE(::connect(s, reinterpret_cast<const ::sockaddr*>(&address), sizeof address) == 0);
        const std::string request = "GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
        REQUIRE(::write(s, request.data(), request.size()) == static_cast<::ssize_t>(request.size()));
        std::string answer;
        char buffer[4096];
        for (::ssize_t n; (n = ::read(s, buffer, sizeof buffer)) > 0;)
            answer.append(buffer, static_cast<std::size_t>(n));
        ::close(s);
        return answer.substr(answer.find("\r\n\r\n") + 4);
    }

    temporary_folder keys_;
    std::filesystem::path files_;
    ::pid_t process_ = -1;
    int input_ = -1, http_ = 0, https_ = 0;
};

} // namespace test
