// One program for machines with a GPU and without: it looks when it starts.
#include <gpunet/cpu.hpp>
#include <gpunet/cudnn.hpp>
#include <gpunet/hub.hpp>

#include <iostream>

namespace {

gpunet::any_network open(const gpunet::model& m, const gpunet::tensor_store& weights) {
    const std::string why = gpunet::cudnn::why_unavailable();
    if (why.empty()) return gpunet::network{m.network, weights, gpunet::cudnn::backend<gpunet::half>{}};
    std::cout << "on the CPU: " << why << '\n';
    return gpunet::network{m.network, weights, gpunet::cpu::backend{}};
}

} // namespace

int main() {
    const auto hub = gpunet::registry::builtin();
    const gpunet::model& m = hub.find("EfficientNet-Lite0");
    const auto weights = gpunet::synthetic_weights(gpunet::lower(m.network)); // an application: load_weights(m)
    const auto net = open(m, weights);
    const gpunet::tensor<float> image{{1, 3, 224, 224}};
    std::cout << net.engine() << ": first score " << net(image.view()).elements()[0] << '\n';
}
