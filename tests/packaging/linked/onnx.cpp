// Calls what the export to ONNX links.
#include <gpunet/onnx/options.hpp>

#include <onnx/onnx_pb.h>

int main() {
    onnx::ModelProto model;
    model.set_ir_version(8);
    return model.ByteSizeLong() > 0 ? 0 : 1;
}
