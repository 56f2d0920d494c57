// Two pictures at a time on the application's own CUDA stream, without waiting in between: input that is already on
// the GPU, a recorded run, scores copied out when they are there.
#include <gpunet/cudnn.hpp>
#include <gpunet/hub.hpp>

#include <cuda_runtime_api.h>

#include <iostream>

int main() {
    if (const auto why = gpunet::cudnn::why_unavailable(); !why.empty()) {
        std::cout << "skipped: " << why << '\n';
        return 0;
    }
    const auto hub = gpunet::registry::builtin();
    const gpunet::model& m = hub.find("GPUNet-0");
    const auto weights = gpunet::synthetic_weights(gpunet::lower(m.network)); // an application: load_weights(m)
    const gpunet::network net{m.network, weights, gpunet::cudnn::backend<gpunet::half>{}};

    const gpunet::cuda::stream stream;
    gpunet::context context{net, {.batch = 2, .stream = stream.get()}};
    const auto pixels = static_cast<std::size_t>(gpunet::element_count(context.input_shape()));
    const auto classes = static_cast<std::size_t>(gpunet::element_count(context.output_shape()));
    const gpunet::cuda::pinned_buffer scores(classes * sizeof(float)); // CUDA would wait for a std::vector
    auto* const first = reinterpret_cast<float*>(scores.data());
    for (int frame = 0; frame < 3; ++frame) {
        // An application's own kernel writes the normalised picture; here it is grey.
        gpunet::cuda::check(cudaMemsetAsync(context.device_input(), 0, pixels * sizeof(float), stream.get()),
                            "cudaMemsetAsync");
        context.enqueue(nullptr, first); // from device_input(), to the host
    }
    context.synchronize();
    std::cout << "first score " << *first << '\n';
}
