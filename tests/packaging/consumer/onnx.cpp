// Exports a small network; the message says what it takes and gives.
#include <gpunet/onnx.hpp>

#include <cstdlib>
#include <iostream>

int main() {
    const gpunet::spec::network spec = gpunet::read_spec(std::getenv("SPEC"));
    const gpunet::graph::network net = gpunet::lower(spec);
    const onnx::ModelProto model = gpunet::onnx_model(net, gpunet::synthetic_weights(net));
    gpunet::write_onnx("small.onnx", model);
    std::cout << model.graph().node_size() << " nodes\n";
    return model.graph().output(0).name() == "logits" ? EXIT_SUCCESS : EXIT_FAILURE;
}
