// What fuzzing found, and the smallest files of each kind: tests/data/fuzz/TARGET/*, read as the fuzzers read them.
#include "fuzz/targets.hpp"
#include "weights_support.hpp"

#include <catch2/catch.hpp>

#include <filesystem>
#include <string>

namespace test_fuzz_regressions { // tests of a program are compiled together

TEST_CASE("what the fuzzers found does no harm any more") {
    const std::filesystem::path all = std::filesystem::path(GPUNET_TEST_DATA) / "fuzz";
    std::size_t files = 0;
    for (const auto& folder : std::filesystem::directory_iterator(all)) {
        const fuzz::target* target = fuzz::find(folder.path().filename().string());
        INFO(folder.path().string());
        REQUIRE(target);
        for (const auto& file : std::filesystem::directory_iterator(folder)) {
            INFO(file.path().string());
            const std::string content = test::file_content(file.path());
            CHECK_NOTHROW(fuzz::run(*target, test::bytes_of(content)));
            ++files;
        }
    }
    CHECK(files > 0);
}

} // namespace test_fuzz_regressions
