#include "onnx_checker.hpp"

#include <onnx/checker.h>
#include <onnx/shape_inference/implementation.h>

void test::check_onnx(const onnx::ModelProto& model) { onnx::checker::check_model(model); }

void test::check_onnx(const std::string& path) { onnx::checker::check_model(path); }

onnx::ModelProto test::with_inferred_shapes(onnx::ModelProto model) {
    onnx::shape_inference::InferShapes(model, onnx::OpSchemaRegistry::Instance(), {true, 1, true});
    return model;
}
