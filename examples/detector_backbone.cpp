// Any model as a detector's backbone: feature maps of strides 2 to 32 of pictures of any size, which need not be
// square. The classifier behind them is not computed.
#include <gpunet/cpu.hpp>
#include <gpunet/hub.hpp>

#include <iostream>
#include <vector>

int main(int argc, char** argv) try {
    if (argc > 2) throw gpunet::argument_error("usage: example_detector_backbone [MODEL]");
    const auto hub = gpunet::registry::builtin();
    const auto& model = hub.find(argc > 1 ? argv[1] : "MobileNetV4-Conv-S");
    const auto weights = gpunet::synthetic_weights(gpunet::lower(model)); // gpunet::load_weights(model) in earnest
    // With <gpunet/cudnn.hpp> and a GPU: gpunet::cudnn::backend<gpunet::half>{}. Nothing else changes.
    const gpunet::network net{model, weights, gpunet::cpu::backend{}};

    // What a detector's neck is made for: which levels there are, and how wide each is.
    const gpunet::extent2 size{480, 640};
    for (const gpunet::pyramid_level& l : gpunet::pyramid_levels(gpunet::lower(model, size)))
        std::cout << "stride " << l.stride << ": " << l.map.channels << " channels, " << l.map.size.height << " x "
                  << l.map.size.width << ", from layer " << l.layer << '\n';

    // Frame after frame: a context has the memory for all levels, and they stay there until it runs again.
    gpunet::context context{net, {.size = size, .taps = gpunet::taps::pyramid}};
    std::vector<float> frame(static_cast<std::size_t>(gpunet::element_count(context.input_shape())));
    for (int n = 0; n < 2; ++n) {
        gpunet::synthetic_input(frame); // an application: a frame, normalised by model.input.mean and model.input.std
        context.run(frame, {});
        for (const gpunet::feature_map& map : context.features()) {
            if (map.stride < 8) continue; // most detectors begin here
            // The neck goes here. map.values is N C H W; the first number belongs to the picture's upper left corner.
            std::cout << "frame " << n << ", stride " << map.stride << ": " << gpunet::to_string(map.values.shape())
                      << " from " << map.values.elements()[0] << '\n';
        }
    }
} catch (const gpunet::error& e) {
    std::cerr << e.what() << '\n';
    return 1;
}
