// One network, many threads: the weights are shared, each thread has a context of its own and runs on one core.
#include <gpunet/cpu.hpp>
#include <gpunet/hub.hpp>

#include <atomic>
#include <iostream>
#include <thread>
#include <vector>

int main() {
    const auto hub = gpunet::registry::builtin();
    const auto& model = hub.find("EfficientNet-Lite0");
    const auto weights = gpunet::synthetic_weights(gpunet::lower(model)); // gpunet::load_weights(model) in earnest
    const gpunet::network net{model, weights, gpunet::cpu::backend{{.threads = 1}}};

    std::atomic<int> pictures{0};
    std::vector<std::jthread> workers;
    for (unsigned i = 0; i < std::thread::hardware_concurrency(); ++i)
        workers.emplace_back([&] {
            gpunet::context context{net};
            std::vector<float> picture(3 * 224 * 224), scores(1000);
            while (pictures++ < 100) context.run(picture, scores);
        });
    workers.clear(); // joins
    std::cout << "100 pictures classified on " << std::thread::hardware_concurrency() << " threads\n";
}
