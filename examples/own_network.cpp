// A network of one's own: a spec written down, weights from the application's memory, feature maps for a detector.
#include <gpunet/cpu.hpp>

#include <iostream>
#include <span>

int main() {
    const auto spec = gpunet::parse_spec(R"([
        {"layer_type": "data", "img_resolution": [96, 128]},
        {"layer_type": "head", "num_in_channels": 3, "num_out_channels": 16, "act": "relu6", "stage": 0},
        {"layer_type": "fused_irb", "num_in_channels": 16, "num_out_channels": 24, "stride": 2, "kernel_size": 3,
         "expansion": 4, "padding": "symmetric", "act": "hard_swish", "stage": 1},
        {"layer_type": "irb", "num_in_channels": 24, "num_out_channels": 40, "stride": 2, "kernel_size": 5,
         "expansion": 6, "use_se": true, "se_gate": "hard_sigmoid", "act": "hard_swish", "stage": 2},
        {"layer_type": "tail", "num_in_channels": 40, "num_out_channels": 64, "num_classes": 2}
    ])",
                                         "own network");

    // Called once for every parameter the network has. Here, all alike; in an application, from wherever they are kept.
    const auto weights =
        gpunet::make_weights(gpunet::lower(spec), [](const gpunet::parameter& p, std::span<float> values) {
            const bool positive =
                p.role == gpunet::parameter_role::running_var || p.role == gpunet::parameter_role::norm_weight;
            for (float& v : values) v = positive ? 1.0F : 0.01F;
        });

    const gpunet::network net{spec, weights, gpunet::cpu::backend{}};
    const gpunet::tensor<float> image{{1, 3, 96, 128}};
    for (const auto& [layer, map] : net.features(image.view()))
        std::cout << "layer " << layer << ": " << gpunet::to_string(map.shape()) << '\n';
    const auto scores = net(image.view());
    std::cout << "scores " << scores.elements()[0] << ' ' << scores.elements()[1] << '\n';
}
