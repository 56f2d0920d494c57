#include "process_state.hpp"

#include <gpunet/cpu/thread_team.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <latch>
#include <optional>
#include <thread>
#include <vector>

#include <csignal>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

namespace test_thread_team {

using gpunet::cpu::thread_team;

TEST_CASE("a team calls for each number once, and says by which thread") {
    for (const int threads : {1, 2, 3, 8}) {
        const thread_team team(threads);
        CHECK(team.threads() == threads);
        for (const std::int64_t count : {0, 1, 2, 3, 7, 100, 5000}) {
            std::vector<std::atomic<int>> calls(static_cast<std::size_t>(count));
            std::vector<std::atomic<bool>> busy(static_cast<std::size_t>(threads));
            std::atomic<bool> distinct = true;
            for (int repeat = 0; repeat < 20; ++repeat)
                team.for_each(count, [&](int thread, std::int64_t i) {
                    auto& mine = busy[static_cast<std::size_t>(thread)];
                    if (mine.exchange(true)) distinct = false;
                    ++calls[static_cast<std::size_t>(i)];
                    mine = false;
                });
            CHECK(std::all_of(calls.begin(), calls.end(), [](const auto& n) { return n == 20; }));
            CHECK(distinct);
        }
    }
    CHECK(thread_team(0).threads() == 1);
    CHECK(thread_team(-3).threads() == 1);
}

TEST_CASE("several callers share a team, more than it keeps loops for too") {
    const thread_team team(3);
    std::atomic<int> wrong = 0;
    std::vector<std::thread> callers;
    for (int c = 0; c < 24; ++c)
        callers.emplace_back([&] {
            for (std::int64_t count = 1; count < 60; ++count) {
                std::atomic<std::int64_t> sum = 0; // lives no longer than the loop
                team.for_each(count, [&](int, std::int64_t i) { sum += i + 1; });
                if (sum != count * (count + 1) / 2) ++wrong;
            }
        });
    for (std::thread& t : callers) t.join();
    CHECK(wrong == 0);
}

TEST_CASE("a team whose threads are kept busy holds up nobody else") {
    const thread_team team(2);
    std::latch both_busy(2), may_end(1);
    std::thread first([&] {
        team.for_each(2, [&](int, std::int64_t) { // one number for each thread
            both_busy.count_down();
            may_end.wait();
        });
    });
    both_busy.wait();
    std::vector<int> by;
    team.for_each(50, [&](int thread, std::int64_t) { by.push_back(thread); });
    CHECK(by == std::vector<int>(50, 0));
    may_end.count_down();
    first.join();
}

TEST_CASE("threads of a team that have slept wake up, and leave signals to others") {
    const thread_team team(2);
    std::atomic<bool> blocked = false;
    for (int i = 0; i < 3; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20)); // far longer than they stay awake
        std::latch both(2);
        team.for_each(2, [&](int thread, std::int64_t) {
            both.arrive_and_wait(); // ends only if there are two
            sigset_t now;
            if (thread == 1 && pthread_sigmask(SIG_BLOCK, nullptr, &now) == 0)
                blocked = sigismember(&now, SIGINT) == 1 && sigismember(&now, SIGTERM) == 1;
        });
        CHECK(blocked);
    }
    sigset_t now;
    pthread_sigmask(SIG_BLOCK, nullptr, &now);
    CHECK(sigismember(&now, SIGINT) == 0);
}

TEST_CASE("a child of fork may drop the team it inherits, and have one of its own") {
    std::optional<thread_team> team(3);
    const auto sum = [](const thread_team& t) {
        std::atomic<std::int64_t> total = 0;
        t.for_each(100, [&](int, std::int64_t i) { total += i; });
        return total.load();
    };
    CHECK(sum(*team) == 4950);
    if (gpunet_test::thread_sanitized) return; // it forbids threads after fork
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        ::alarm(20);
        team.reset();
        ::_exit(sum(thread_team(2)) == 4950 ? 0 : 1);
    }
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
    CHECK(sum(*team) == 4950);
}

} // namespace test_thread_team
