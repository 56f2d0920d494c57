// ONNX's own judgement of a model. Its headers and Catch2's cannot be included together.
#pragma once

#include <onnx/onnx_pb.h>

#include <string>

namespace test {

/// Each throws a std::exception that says what ONNX objects to: its checker, the same of a file and the data beside it,
/// its shape inference in strict mode.
void check_onnx(const onnx::ModelProto& model);
void check_onnx(const std::string& path);
onnx::ModelProto with_inferred_shapes(onnx::ModelProto model);

} // namespace test
