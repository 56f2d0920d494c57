// libFuzzer's program for all targets; GPUNET_FUZZ_TARGET names the one that runs.
#include "repair.hpp"
#include "targets.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string_view>

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace {

const fuzz::target& chosen() {
    static const fuzz::target& target = []() -> const fuzz::target& {
        const char* name = std::getenv("GPUNET_FUZZ_TARGET");
        if (const fuzz::target* found = fuzz::find(name ? name : "")) return *found;
        std::fputs("GPUNET_FUZZ_TARGET: expected one of", stderr);
        for (const fuzz::target& t : fuzz::targets) std::fprintf(stderr, " %s", t.name.data());
        std::fprintf(stderr, ", found \"%s\"\n", name ? name : "");
        std::_Exit(2);
    }();
    return target;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::run(chosen(), std::as_bytes(std::span(data, size)));
    return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned seed) {
    const std::size_t mutated = LLVMFuzzerMutate(data, size, max_size);
    if (seed % 4 == 0) return mutated; // checksums are looked at too
    if (chosen().name == "picture") fuzz::repair_png({data, mutated});
    if (chosen().name == "checkpoint" || chosen().name == "archive") fuzz::repair_zip({data, mutated});
    return mutated;
}
