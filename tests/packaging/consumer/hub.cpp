// Chooses a published network by its latency on a V100.
#include <gpunet/hub.hpp>

#include <cstdlib>
#include <iostream>

int main() {
    using namespace std::chrono_literals;
    const auto hub = gpunet::registry::builtin();
    const gpunet::model& chosen = hub.most_accurate_within(0.65ms, {"V100", "fp16"});
    std::cout << chosen.name << '\n';
    return chosen.name == "GPUNet-P0" ? EXIT_SUCCESS : EXIT_FAILURE;
}
