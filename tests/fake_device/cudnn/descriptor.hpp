// Descriptors: bags of attributes, which finalising gives a meaning.
#pragma once

#include "graph.hpp"

#include <array>
#include <cstring>
#include <memory>
#include <variant>

namespace gpunet_fake::cudnn {

struct device_properties {
    std::string text;
    int version = 0; // 900
};

struct configuration {
    std::shared_ptr<const graph> of;
    std::int64_t engine = 0;
};

struct plan {
    configuration config;
    std::int64_t workspace = 0;
    int version = 0; // of the device
};

struct handle_state {
    int device = 0;
    cudaStream_t stream = nullptr;
};

struct body {
    cudnnBackendDescriptorType_t type{};
    bool final = false;
    struct attribute {
        cudnnBackendAttributeType_t type{};
        std::int64_t count = 0;
        std::vector<std::byte> bytes;
        std::vector<std::shared_ptr<body>> refs; // of descriptors
    };
    std::map<cudnnBackendAttributeName_t, attribute> attributes;
    std::variant<std::monostate, tensor, operation, std::shared_ptr<const graph>, configuration, plan,
                 device_properties>
        meaning;

    bool has(cudnnBackendAttributeName_t name) const { return attributes.contains(name); }

    template <class T>
    std::vector<T> all(cudnnBackendAttributeName_t name) const {
        const auto found = attributes.find(name);
        if (found == attributes.end()) return {};
        std::vector<T> values(static_cast<std::size_t>(found->second.count));
        if (!values.empty()) std::memcpy(values.data(), found->second.bytes.data(), found->second.bytes.size());
        return values;
    }
    template <class T>
    std::optional<T> find(cudnnBackendAttributeName_t name) const {
        const auto found = attributes.find(name);
        if (found == attributes.end() || found->second.count != 1) return std::nullopt;
        T result{};
        std::memcpy(&result, found->second.bytes.data(), sizeof result);
        return result;
    }
    template <class T>
    T get(cudnnBackendAttributeName_t name) const {
        const auto found = find<T>(name);
        need(found.has_value(), CUDNN_STATUS_BAD_PARAM, "attribute " + std::to_string(name) + " is not set");
        return *found;
    }
    /// A number given as float or as double.
    double number(cudnnBackendAttributeName_t name, double otherwise) const {
        const auto found = attributes.find(name);
        if (found == attributes.end()) return otherwise;
        return found->second.type == CUDNN_TYPE_FLOAT ? static_cast<double>(get<float>(name)) : get<double>(name);
    }
    /// The referred descriptor, finalised.
    const std::shared_ptr<body>& ref(cudnnBackendAttributeName_t name) const {
        const auto found = attributes.find(name);
        need(found != attributes.end() && found->second.refs.size() == 1, CUDNN_STATUS_BAD_PARAM,
             "attribute " + std::to_string(name) + " is not set");
        need(found->second.refs[0]->final, CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED,
             "attribute " + std::to_string(name) + " is not finalised");
        return found->second.refs[0];
    }

    template <class T>
    void put(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t as, const std::vector<T>& values) {
        attribute a{
            as, static_cast<std::int64_t>(values.size()), std::vector<std::byte>(values.size() * sizeof(T)), {}};
        if (!values.empty()) std::memcpy(a.bytes.data(), values.data(), a.bytes.size());
        attributes[name] = std::move(a);
    }
};

inline std::size_t size_of(cudnnBackendAttributeType_t type) {
    switch (type) {
    case CUDNN_TYPE_INT64:
    case CUDNN_TYPE_DOUBLE:
    case CUDNN_TYPE_VOID_PTR:
    case CUDNN_TYPE_HANDLE:
    case CUDNN_TYPE_BACKEND_DESCRIPTOR:
    case CUDNN_TYPE_FRACTION: return 8 + (type == CUDNN_TYPE_FRACTION ? 8 : 0);
    case CUDNN_TYPE_BOOLEAN:
    case CUDNN_TYPE_CHAR: return 1;
    default: return 4; // enumerations, float, int32
    }
}

/// The descriptor an attribute belongs to, and the types its value may have.
struct rule {
    cudnnBackendAttributeName_t name;
    cudnnBackendDescriptorType_t owner;
    cudnnBackendAttributeType_t type, other;
};

inline const rule* find_rule(cudnnBackendAttributeName_t name) {
#define GPUNET_FAKE_RULE(owner, name, type)                                                                            \
    { CUDNN_ATTR_##name, CUDNN_BACKEND_##owner##_DESCRIPTOR, CUDNN_TYPE_##type, CUDNN_TYPE_##type }
#define GPUNET_FAKE_NUMBER(owner, name)                                                                                \
    { CUDNN_ATTR_##name, CUDNN_BACKEND_##owner##_DESCRIPTOR, CUDNN_TYPE_FLOAT, CUDNN_TYPE_DOUBLE }
    static constexpr rule all[] = {
        GPUNET_FAKE_RULE(POINTWISE, POINTWISE_MODE, POINTWISE_MODE),
        GPUNET_FAKE_RULE(POINTWISE, POINTWISE_MATH_PREC, DATA_TYPE),
        GPUNET_FAKE_NUMBER(POINTWISE, POINTWISE_RELU_LOWER_CLIP),
        GPUNET_FAKE_NUMBER(POINTWISE, POINTWISE_RELU_UPPER_CLIP),
        GPUNET_FAKE_NUMBER(POINTWISE, POINTWISE_RELU_LOWER_CLIP_SLOPE),
        GPUNET_FAKE_NUMBER(POINTWISE, POINTWISE_ELU_ALPHA),
        GPUNET_FAKE_NUMBER(POINTWISE, POINTWISE_SOFTPLUS_BETA),
        GPUNET_FAKE_NUMBER(POINTWISE, POINTWISE_SWISH_BETA),
        GPUNET_FAKE_RULE(CONVOLUTION, CONVOLUTION_COMP_TYPE, DATA_TYPE),
        GPUNET_FAKE_RULE(CONVOLUTION, CONVOLUTION_CONV_MODE, CONVOLUTION_MODE),
        GPUNET_FAKE_RULE(CONVOLUTION, CONVOLUTION_DILATIONS, INT64),
        GPUNET_FAKE_RULE(CONVOLUTION, CONVOLUTION_FILTER_STRIDES, INT64),
        GPUNET_FAKE_RULE(CONVOLUTION, CONVOLUTION_POST_PADDINGS, INT64),
        GPUNET_FAKE_RULE(CONVOLUTION, CONVOLUTION_PRE_PADDINGS, INT64),
        GPUNET_FAKE_RULE(CONVOLUTION, CONVOLUTION_SPATIAL_DIMS, INT64),
        GPUNET_FAKE_RULE(ENGINEHEUR, ENGINEHEUR_MODE, HEUR_MODE),
        GPUNET_FAKE_RULE(ENGINEHEUR, ENGINEHEUR_OPERATION_GRAPH, BACKEND_DESCRIPTOR),
        GPUNET_FAKE_RULE(ENGINEHEUR, ENGINEHEUR_RESULTS, BACKEND_DESCRIPTOR),
        GPUNET_FAKE_RULE(ENGINEHEUR, ENGINEHEUR_SM_COUNT_TARGET, INT32),
        GPUNET_FAKE_RULE(ENGINEHEUR, ENGINEHEUR_DEVICEPROP, BACKEND_DESCRIPTOR),
        GPUNET_FAKE_RULE(ENGINECFG, ENGINECFG_ENGINE, BACKEND_DESCRIPTOR),
        GPUNET_FAKE_RULE(ENGINECFG, ENGINECFG_KNOB_CHOICES, BACKEND_DESCRIPTOR),
        GPUNET_FAKE_RULE(ENGINECFG, ENGINECFG_WORKSPACE_SIZE, INT64),
        GPUNET_FAKE_RULE(EXECUTION_PLAN, EXECUTION_PLAN_HANDLE, HANDLE),
        GPUNET_FAKE_RULE(EXECUTION_PLAN, EXECUTION_PLAN_ENGINE_CONFIG, BACKEND_DESCRIPTOR),
        GPUNET_FAKE_RULE(EXECUTION_PLAN, EXECUTION_PLAN_WORKSPACE_SIZE, INT64),
        GPUNET_FAKE_RULE(EXECUTION_PLAN, EXECUTION_PLAN_JSON_REPRESENTATION, CHAR),
        GPUNET_FAKE_RULE(EXECUTION_PLAN, EXECUTION_PLAN_DEVICEPROP, BACKEND_DESCRIPTOR),
        GPUNET_FAKE_RULE(KNOB_CHOICE, KNOB_CHOICE_KNOB_TYPE, KNOB_TYPE),
        GPUNET_FAKE_RULE(KNOB_CHOICE, KNOB_CHOICE_KNOB_VALUE, INT64),
        GPUNET_FAKE_NUMBER(OPERATION_CONVOLUTION_FORWARD, OPERATION_CONVOLUTION_FORWARD_ALPHA),
        GPUNET_FAKE_NUMBER(OPERATION_CONVOLUTION_FORWARD, OPERATION_CONVOLUTION_FORWARD_BETA),
        GPUNET_FAKE_RULE(OPERATION_CONVOLUTION_FORWARD, OPERATION_CONVOLUTION_FORWARD_CONV_DESC, BACKEND_DESCRIPTOR),
        GPUNET_FAKE_RULE(OPERATION_CONVOLUTION_FORWARD, OPERATION_CONVOLUTION_FORWARD_W, BACKEND_DESCRIPTOR),
        GPUNET_FAKE_RULE(OPERATION_CONVOLUTION_FORWARD, OPERATION_CONVOLUTION_FORWARD_X, BACKEND_DESCRIPTOR),
        GPUNET_FAKE_RULE(OPERATION_CONVOLUTION_FORWARD, OPERATION_CONVOLUTION_FORWARD_Y, BACKEND_DESCRIPTOR),
        GPUNET_FAKE_RULE(OPERATION_POINTWISE, OPERATION_POINTWISE_PW_DESCRIPTOR, BACKEND_DESCRIPTOR),
        GPUNET_FAKE_RULE(OPERATION_POINTWISE, OPERATION_POINTWISE_XDESC, BACKEND_DESCRIPTOR),
        GPUNET_FAKE_RULE(OPERATION_POINTWISE, OPERATION_POINTWISE_BDESC, BACKEND_DESCRIPTOR),
        GPUNET_FAKE_RULE(OPERATION_POINTWISE, OPERATION_POINTWISE_YDESC, BACKEND_DESCRIPTOR),
        GPUNET_FAKE_NUMBER(OPERATION_POINTWISE, OPERATION_POINTWISE_ALPHA1),
        GPUNET_FAKE_NUMBER(OPERATION_POINTWISE, OPERATION_POINTWISE_ALPHA2),
        GPUNET_FAKE_RULE(OPERATIONGRAPH, OPERATIONGRAPH_HANDLE, HANDLE),
        GPUNET_FAKE_RULE(OPERATIONGRAPH, OPERATIONGRAPH_OPS, BACKEND_DESCRIPTOR),
        GPUNET_FAKE_RULE(OPERATIONGRAPH, OPERATIONGRAPH_ENGINE_GLOBAL_COUNT, INT64),
        GPUNET_FAKE_RULE(TENSOR, TENSOR_BYTE_ALIGNMENT, INT64),
        GPUNET_FAKE_RULE(TENSOR, TENSOR_DATA_TYPE, DATA_TYPE),
        GPUNET_FAKE_RULE(TENSOR, TENSOR_DIMENSIONS, INT64),
        GPUNET_FAKE_RULE(TENSOR, TENSOR_STRIDES, INT64),
        GPUNET_FAKE_RULE(TENSOR, TENSOR_UNIQUE_ID, INT64),
        GPUNET_FAKE_RULE(TENSOR, TENSOR_IS_VIRTUAL, BOOLEAN),
        GPUNET_FAKE_RULE(TENSOR, TENSOR_IS_BY_VALUE, BOOLEAN),
        GPUNET_FAKE_RULE(VARIANT_PACK, VARIANT_PACK_UNIQUE_IDS, INT64),
        GPUNET_FAKE_RULE(VARIANT_PACK, VARIANT_PACK_DATA_POINTERS, VOID_PTR),
        GPUNET_FAKE_RULE(VARIANT_PACK, VARIANT_PACK_WORKSPACE, VOID_PTR),
        GPUNET_FAKE_RULE(ENGINE, ENGINE_OPERATION_GRAPH, BACKEND_DESCRIPTOR),
        GPUNET_FAKE_RULE(ENGINE, ENGINE_GLOBAL_INDEX, INT64),
        GPUNET_FAKE_RULE(ENGINE, ENGINE_KNOB_INFO, BACKEND_DESCRIPTOR),
        GPUNET_FAKE_RULE(ENGINE, ENGINE_NUMERICAL_NOTE, NUMERICAL_NOTE),
        GPUNET_FAKE_RULE(ENGINE, ENGINE_BEHAVIOR_NOTE, BEHAVIOR_NOTE),
        GPUNET_FAKE_RULE(ENGINE, ENGINE_DEVICEPROP, BACKEND_DESCRIPTOR),
        GPUNET_FAKE_RULE(MATMUL, MATMUL_COMP_TYPE, DATA_TYPE),
        GPUNET_FAKE_RULE(OPERATION_MATMUL, OPERATION_MATMUL_ADESC, BACKEND_DESCRIPTOR),
        GPUNET_FAKE_RULE(OPERATION_MATMUL, OPERATION_MATMUL_BDESC, BACKEND_DESCRIPTOR),
        GPUNET_FAKE_RULE(OPERATION_MATMUL, OPERATION_MATMUL_CDESC, BACKEND_DESCRIPTOR),
        GPUNET_FAKE_RULE(OPERATION_MATMUL, OPERATION_MATMUL_DESC, BACKEND_DESCRIPTOR),
        GPUNET_FAKE_RULE(REDUCTION, REDUCTION_OPERATOR, REDUCTION_OPERATOR_TYPE),
        GPUNET_FAKE_RULE(REDUCTION, REDUCTION_COMP_TYPE, DATA_TYPE),
        GPUNET_FAKE_RULE(OPERATION_REDUCTION, OPERATION_REDUCTION_XDESC, BACKEND_DESCRIPTOR),
        GPUNET_FAKE_RULE(OPERATION_REDUCTION, OPERATION_REDUCTION_YDESC, BACKEND_DESCRIPTOR),
        GPUNET_FAKE_RULE(OPERATION_REDUCTION, OPERATION_REDUCTION_DESC, BACKEND_DESCRIPTOR),
        GPUNET_FAKE_RULE(RESAMPLE, RESAMPLE_MODE, RESAMPLE_MODE),
        GPUNET_FAKE_RULE(RESAMPLE, RESAMPLE_COMP_TYPE, DATA_TYPE),
        GPUNET_FAKE_RULE(RESAMPLE, RESAMPLE_SPATIAL_DIMS, INT64),
        GPUNET_FAKE_RULE(RESAMPLE, RESAMPLE_POST_PADDINGS, FRACTION),
        GPUNET_FAKE_RULE(RESAMPLE, RESAMPLE_PRE_PADDINGS, FRACTION),
        GPUNET_FAKE_RULE(RESAMPLE, RESAMPLE_STRIDES, FRACTION),
        GPUNET_FAKE_RULE(RESAMPLE, RESAMPLE_WINDOW_DIMS, FRACTION),
        GPUNET_FAKE_RULE(RESAMPLE, RESAMPLE_PADDING_MODE, PADDING_MODE),
        GPUNET_FAKE_RULE(OPERATION_RESAMPLE_FWD, OPERATION_RESAMPLE_FWD_XDESC, BACKEND_DESCRIPTOR),
        GPUNET_FAKE_RULE(OPERATION_RESAMPLE_FWD, OPERATION_RESAMPLE_FWD_YDESC, BACKEND_DESCRIPTOR),
        GPUNET_FAKE_RULE(OPERATION_RESAMPLE_FWD, OPERATION_RESAMPLE_FWD_DESC, BACKEND_DESCRIPTOR),
        GPUNET_FAKE_RULE(DEVICEPROP, DEVICEPROP_DEVICE_ID, INT32),
        GPUNET_FAKE_RULE(DEVICEPROP, DEVICEPROP_HANDLE, HANDLE),
        GPUNET_FAKE_RULE(DEVICEPROP, DEVICEPROP_JSON_REPRESENTATION, CHAR),
    };
#undef GPUNET_FAKE_RULE
#undef GPUNET_FAKE_NUMBER
    for (const rule& r : all)
        if (r.name == name) return &r;
    return nullptr;
}

} // namespace gpunet_fake::cudnn
