// What does a picture show? Asks the most accurate model that takes at most 100 ms here, and fetches its weights once.
// Run `gpunet bench --save` before, so that it is known how long models take here.
#include <gpunet/cpu.hpp>
#include <gpunet/hub.hpp>
#include <gpunet/image.hpp>

#include <chrono>
#include <iostream>

using namespace std::chrono_literals;

int main(int argc, char** argv) try {
    if (argc != 2) throw gpunet::argument_error("usage: example_classify PICTURE");
    const auto hub = gpunet::local_registry();
    const auto& model = hub.most_accurate_within(100ms, gpunet::cpu::this_device());
    const gpunet::network net{model, gpunet::load_weights(model), gpunet::cpu::backend{}};
    for (const auto& [label, probability] : gpunet::classify(net, model, gpunet::read_image(argv[1])).top(5))
        std::cout << probability << "  " << label << '\n';
} catch (const gpunet::error& e) {
    std::cerr << e.what() << '\n';
    return 1;
}
