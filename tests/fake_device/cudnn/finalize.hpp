// What finalising makes of each kind of descriptor.
#pragma once

#include "../bridge.hpp"
#include "descriptor.hpp"
#include "graph_json.hpp"

namespace gpunet_fake::cudnn {

inline bool device_is_present() {
    const bridge* const b = find_bridge();
    return b && b->device_count() > 0;
}

inline void finalize_tensor(body& d) {
    tensor t;
    t.dims = d.all<std::int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS);
    t.strides = d.all<std::int64_t>(CUDNN_ATTR_TENSOR_STRIDES);
    need(!t.dims.empty() && t.dims.size() <= 8, CUDNN_STATUS_BAD_PARAM, "_nbDims < 1");
    need(t.dims.size() == t.strides.size(), CUDNN_STATUS_BAD_PARAM, "as many strides as dimensions");
    for (std::size_t i = 0; i < t.dims.size(); ++i)
        need(t.dims[i] > 0 && t.strides[i] > 0, CUDNN_STATUS_BAD_PARAM, "a dimension or stride below 1");
    t.uid = d.get<std::int64_t>(CUDNN_ATTR_TENSOR_UNIQUE_ID);
    t.type = d.get<cudnnDataType_t>(CUDNN_ATTR_TENSOR_DATA_TYPE);
    size_of(t.type);
    t.alignment = d.get<std::int64_t>(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT);
    t.is_virtual = d.find<bool>(CUDNN_ATTR_TENSOR_IS_VIRTUAL).value_or(false);
    t.by_value = d.find<bool>(CUDNN_ATTR_TENSOR_IS_BY_VALUE).value_or(false);
    need(!t.by_value || (count(t.dims) == 1 && !t.is_virtual), CUDNN_STATUS_BAD_PARAM,
         "a tensor by value of more than one number");
    d.meaning = std::move(t);
}

inline void need_float(const body& d, cudnnBackendAttributeName_t name) {
    need(d.get<cudnnDataType_t>(name) == CUDNN_DATA_FLOAT, CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE,
         "a compute type other than float");
}

inline dimensions whole(const body& d, cudnnBackendAttributeName_t name) {
    dimensions values;
    for (const auto& f : d.all<cudnnFraction_t>(name)) {
        need(f.denominator == 1, CUDNN_STATUS_NOT_SUPPORTED, "a fraction");
        values.push_back(f.numerator);
    }
    return values;
}

/// An operation, with the tensors it names added to the graph.
struct operation_builder {
    const body& d;
    graph& g;

    std::int64_t tensor_of(cudnnBackendAttributeName_t name) const {
        const tensor& t = std::get<tensor>(d.ref(name)->meaning);
        const auto [found, added] = g.tensors.emplace(t.uid, t);
        need(added || found->second == t, CUDNN_STATUS_BAD_PARAM_DUPLICATED_ENTRIES,
             "two tensors " + std::to_string(t.uid));
        return t.uid;
    }

    operation build() const {
        operation o;
        switch (d.type) {
        case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR: {
            o.what = kind::convolution;
            const body& c = *d.ref(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC);
            o.conv = {c.all<std::int64_t>(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES),
                      c.all<std::int64_t>(CUDNN_ATTR_CONVOLUTION_DILATIONS),
                      c.all<std::int64_t>(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS),
                      c.all<std::int64_t>(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS),
                      c.get<cudnnConvolutionMode_t>(CUDNN_ATTR_CONVOLUTION_CONV_MODE) == CUDNN_CONVOLUTION};
            o.alpha = d.number(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, 1);
            o.beta = d.number(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, 0);
            o.x = tensor_of(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X);
            o.b = tensor_of(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W);
            o.y = tensor_of(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y);
            break;
        }
        case CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR: {
            o.what = kind::pointwise;
            const body& p = *d.ref(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR);
            o.point.mode = p.get<cudnnPointwiseMode_t>(CUDNN_ATTR_POINTWISE_MODE);
            o.point.lower = p.number(CUDNN_ATTR_POINTWISE_RELU_LOWER_CLIP, o.point.lower);
            o.point.upper = p.number(CUDNN_ATTR_POINTWISE_RELU_UPPER_CLIP, o.point.upper);
            o.point.slope = p.number(CUDNN_ATTR_POINTWISE_RELU_LOWER_CLIP_SLOPE, o.point.slope);
            o.point.elu_alpha = p.number(CUDNN_ATTR_POINTWISE_ELU_ALPHA, o.point.elu_alpha);
            o.point.softplus_beta = p.number(CUDNN_ATTR_POINTWISE_SOFTPLUS_BETA, o.point.softplus_beta);
            o.point.swish_beta = p.number(CUDNN_ATTR_POINTWISE_SWISH_BETA, o.point.swish_beta);
            o.alpha = d.number(CUDNN_ATTR_OPERATION_POINTWISE_ALPHA1, 1);
            o.beta = d.number(CUDNN_ATTR_OPERATION_POINTWISE_ALPHA2, 1);
            o.x = tensor_of(CUDNN_ATTR_OPERATION_POINTWISE_XDESC);
            if (d.has(CUDNN_ATTR_OPERATION_POINTWISE_BDESC)) o.b = tensor_of(CUDNN_ATTR_OPERATION_POINTWISE_BDESC);
            o.y = tensor_of(CUDNN_ATTR_OPERATION_POINTWISE_YDESC);
            break;
        }
        case CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR:
            o.what = kind::matmul;
            d.ref(CUDNN_ATTR_OPERATION_MATMUL_DESC);
            o.x = tensor_of(CUDNN_ATTR_OPERATION_MATMUL_ADESC);
            o.b = tensor_of(CUDNN_ATTR_OPERATION_MATMUL_BDESC);
            o.y = tensor_of(CUDNN_ATTR_OPERATION_MATMUL_CDESC);
            break;
        case CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR:
            o.what = kind::reduction;
            o.reduce =
                d.ref(CUDNN_ATTR_OPERATION_REDUCTION_DESC)->get<cudnnReduceTensorOp_t>(CUDNN_ATTR_REDUCTION_OPERATOR);
            o.x = tensor_of(CUDNN_ATTR_OPERATION_REDUCTION_XDESC);
            o.y = tensor_of(CUDNN_ATTR_OPERATION_REDUCTION_YDESC);
            break;
        case CUDNN_BACKEND_OPERATION_RESAMPLE_FWD_DESCRIPTOR: {
            o.what = kind::resample;
            const body& p = *d.ref(CUDNN_ATTR_OPERATION_RESAMPLE_FWD_DESC);
            o.pool = {p.get<cudnnResampleMode_t>(CUDNN_ATTR_RESAMPLE_MODE), whole(p, CUDNN_ATTR_RESAMPLE_WINDOW_DIMS),
                      whole(p, CUDNN_ATTR_RESAMPLE_STRIDES), whole(p, CUDNN_ATTR_RESAMPLE_PRE_PADDINGS),
                      whole(p, CUDNN_ATTR_RESAMPLE_POST_PADDINGS)};
            o.x = tensor_of(CUDNN_ATTR_OPERATION_RESAMPLE_FWD_XDESC);
            o.y = tensor_of(CUDNN_ATTR_OPERATION_RESAMPLE_FWD_YDESC);
            break;
        }
        default: throw refusal(CUDNN_STATUS_NOT_SUPPORTED, "an operation that the fake cuDNN does not know");
        }
        validate(g, o);
        return o;
    }
};

inline void finalize_graph(body& d) {
    const auto found = d.attributes.find(CUDNN_ATTR_OPERATIONGRAPH_OPS);
    need(found != d.attributes.end() && !found->second.refs.empty(), CUDNN_STATUS_BAD_PARAM,
         "a graph without operations");
    auto g = std::make_shared<graph>();
    for (const auto& op : found->second.refs) {
        need(op->final, CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, "an operation that is not finalised");
        g->operations.push_back(operation_builder{*op, *g}.build());
    }
    sort(*g);
    d.put(CUDNN_ATTR_OPERATIONGRAPH_ENGINE_GLOBAL_COUNT, CUDNN_TYPE_INT64, std::vector<std::int64_t>{4});
    d.meaning = std::shared_ptr<const graph>(std::move(g));
}

inline void finalize_properties(body& d) {
    const std::vector<char> text = d.all<char>(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION);
    device_properties p{std::string(text.begin(), text.end()), 0};
    const auto json = nlohmann::json::parse(p.text, nullptr, false);
    need(json.is_object(), CUDNN_STATUS_BAD_PARAM, "!d.IsObject()");
    for (const char* key : {"maxGridSize",
                            "maxBlockSize",
                            "regsPerBlock",
                            "multiProcessorCount",
                            "warpSize",
                            "maxSharedMemoryPerBlock",
                            "maxSharedMemoryPerBlockOptin",
                            "reservedSharedMemoryPerBlock",
                            "maxRegistersPerSM",
                            "maxCtasPerSM",
                            "maxThreadsPerBlock",
                            "maxThreadsPerSM",
                            "pciDeviceId",
                            "isTccDriver",
                            "supportCoopLaunch",
                            "totalGlobalMem",
                            "smClockRateKHz",
                            "memClockRateKHz",
                            "l2CacheSize",
                            "cudaDeviceId",
                            "deviceVer",
                            "driverVer",
                            "deviceName"})
        need(json.contains(key), CUDNN_STATUS_BAD_PARAM, "!json_object.HasMember(\"" + std::string(key) + "\")");
    need(json["isTccDriver"].is_number_integer() && json["supportCoopLaunch"].is_number_integer(),
         CUDNN_STATUS_BAD_PARAM, "a truth value where a number is meant");
    p.version = json["deviceVer"].get<int>();
    d.meaning = std::move(p);
}

/// 900: of the properties named, else of the present device.
inline int device_version(const body& d, cudnnBackendAttributeName_t properties) {
    if (d.has(properties)) return std::get<device_properties>(d.ref(properties)->meaning).version;
    need(device_is_present(), CUDNN_STATUS_NOT_INITIALIZED, "neither a device nor device properties");
    const bridge* const b = find_bridge();
    return b->capability(b->current_device()) * 10;
}

inline bool refused(const char* stage, const std::string& text) {
    const bridge* const b = find_bridge();
    return b && b->refused(stage, text);
}

inline std::string describe(const configuration& c) { return describe(*c.of) + " engine=" + std::to_string(c.engine); }

inline void describe_engine(body& d, const configuration& c) {
    const engine e = engine_of(c.engine);
    d.put(CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, std::vector{c.engine});
    d.put(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE, e.numerical);
    d.put(CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, CUDNN_TYPE_BEHAVIOR_NOTE, e.behaviour);
    d.meaning = c;
    d.final = true;
}

inline void describe_configuration(body& d, const configuration& c) {
    auto e = std::make_shared<body>();
    e->type = CUDNN_BACKEND_ENGINE_DESCRIPTOR;
    describe_engine(*e, c);
    d.attributes[CUDNN_ATTR_ENGINECFG_ENGINE] = {CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, {}, {e}};
    if (!d.has(CUDNN_ATTR_ENGINECFG_KNOB_CHOICES)) {
        auto knob = std::make_shared<body>();
        knob->type = CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR;
        knob->put(CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE, std::vector{CUDNN_KNOB_TYPE_TILE_SIZE});
        knob->put(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, CUDNN_TYPE_INT64, std::vector<std::int64_t>{5});
        knob->final = true;
        d.attributes[CUDNN_ATTR_ENGINECFG_KNOB_CHOICES] = {CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, {}, {knob}};
    }
    d.put(CUDNN_ATTR_ENGINECFG_WORKSPACE_SIZE, CUDNN_TYPE_INT64, std::vector{workspace_of(*c.of, engine_of(c.engine))});
    d.meaning = c;
    d.final = true;
}

inline void finalize_heuristics(body& d) {
    const auto g = std::get<std::shared_ptr<const graph>>(d.ref(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH)->meaning);
    const auto mode = d.get<cudnnBackendHeurMode_t>(CUDNN_ATTR_ENGINEHEUR_MODE);
    device_version(d, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP);
    body::attribute results{CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, {}, {}};
    if (!refused("heuristics", describe(*g)))
        for (const engine& e : engines(*g, mode)) {
            auto c = std::make_shared<body>();
            c->type = CUDNN_BACKEND_ENGINECFG_DESCRIPTOR;
            describe_configuration(*c, {g, e.index});
            results.refs.push_back(std::move(c));
        }
    results.count = static_cast<std::int64_t>(results.refs.size());
    d.attributes[CUDNN_ATTR_ENGINEHEUR_RESULTS] = std::move(results);
}

inline std::size_t version() {
    const bridge* const b = find_bridge();
    return b ? b->cudnn_version() : CUDNN_VERSION;
}

inline void finalize_plan(body& d) {
    plan p;
    const bool given = d.has(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP);
    const bool with_handle = d.has(CUDNN_ATTR_EXECUTION_PLAN_HANDLE);
    if (!given && !with_handle) {
        if (const bridge* const b = find_bridge(); b && d.has(CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION))
            b->fault("a plan from JSON with neither handle nor device properties: cuDNN crashes");
    }
    p.version = device_version(d, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP);
    const std::vector<char> text = d.all<char>(CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION);
    if (!text.empty()) {
        const auto json = nlohmann::json::parse(text.begin(), text.end(), nullptr, false);
        need(json.is_object(), CUDNN_STATUS_BAD_PARAM, "!d.IsObject()");
        try {
            need(json.at("cudnnVersion").get<std::size_t>() == version(), CUDNN_STATUS_SERIALIZATION_VERSION_MISMATCH,
                 "a plan of another cuDNN");
            need(json.at("engine").at("smVersion").get<int>() == p.version, CUDNN_STATUS_NOT_SUPPORTED_ARCH_MISMATCH,
                 "a plan of another device");
            p.config = {std::make_shared<const graph>(graph_from(json.at("operationGraph"))),
                        json.at("engine").at("engineId").get<std::int64_t>()};
        } catch (const nlohmann::json::exception& e) {
            throw refusal(CUDNN_STATUS_BAD_PARAM, e.what());
        }
    } else {
        p.config = std::get<configuration>(d.ref(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG)->meaning);
    }
    const engine e = engine_of(p.config.engine);
    const std::string described = describe(p.config);
    need(!refused("plan", described), CUDNN_STATUS_NOT_SUPPORTED, "a test refuses " + described);
    const std::string problem = plan_problem(*p.config.of);
    need(problem.empty(), CUDNN_STATUS_INTERNAL_ERROR_COMPILATION_FAILED, problem);
    need(!e.runtime_compiled() || device_is_present(), CUDNN_STATUS_EXECUTION_FAILED_CUDA_DRIVER,
         "cuLibraryLoadData returned error (34)");
    p.workspace = workspace_of(*p.config.of, e);
    d.put(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, std::vector{p.workspace});
    const nlohmann::json json = {
        {"cudnnVersion", version()},
        {"schemaVersion", 4},
        {"operationGraph", to_json(*p.config.of)},
        {"engine",
         {{"engineId", e.index}, {"smVersion", p.version}, {"knobChoices", {{"CUDNN_KNOB_TYPE_TILE_SIZE", 5}}}}}};
    const std::string whole_text = json.dump();
    d.put(CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
          std::vector<char>(whole_text.begin(), whole_text.end()));
    if (const bridge* const b = find_bridge()) b->planned(described);
    d.meaning = std::move(p);
}

inline void finalize(body& d) {
    switch (d.type) {
    case CUDNN_BACKEND_TENSOR_DESCRIPTOR: finalize_tensor(d); break;
    case CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR: need_float(d, CUDNN_ATTR_CONVOLUTION_COMP_TYPE); break;
    case CUDNN_BACKEND_POINTWISE_DESCRIPTOR: {
        need_float(d, CUDNN_ATTR_POINTWISE_MATH_PREC);
        const auto mode = d.get<cudnnPointwiseMode_t>(CUDNN_ATTR_POINTWISE_MODE);
        need(mode < CUDNN_POINTWISE_ATAN2 ||
                 (mode >= CUDNN_POINTWISE_RELU_FWD && mode <= CUDNN_POINTWISE_GELU_APPROX_TANH_FWD),
             CUDNN_STATUS_NOT_SUPPORTED, "pointwise mode " + std::to_string(mode));
        break;
    }
    case CUDNN_BACKEND_MATMUL_DESCRIPTOR: need_float(d, CUDNN_ATTR_MATMUL_COMP_TYPE); break;
    case CUDNN_BACKEND_REDUCTION_DESCRIPTOR: {
        need_float(d, CUDNN_ATTR_REDUCTION_COMP_TYPE);
        const auto op = d.get<cudnnReduceTensorOp_t>(CUDNN_ATTR_REDUCTION_OPERATOR);
        need(op == CUDNN_REDUCE_TENSOR_ADD || op == CUDNN_REDUCE_TENSOR_MIN || op == CUDNN_REDUCE_TENSOR_MAX,
             CUDNN_STATUS_NOT_SUPPORTED, "reduction " + std::to_string(op));
        break;
    }
    case CUDNN_BACKEND_RESAMPLE_DESCRIPTOR: need_float(d, CUDNN_ATTR_RESAMPLE_COMP_TYPE); break;
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR:
    case CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR:
    case CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR:
    case CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR:
    case CUDNN_BACKEND_OPERATION_RESAMPLE_FWD_DESCRIPTOR: {
        graph alone;
        d.meaning = operation_builder{d, alone}.build();
        break;
    }
    case CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR: finalize_graph(d); break;
    case CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR: finalize_heuristics(d); break;
    case CUDNN_BACKEND_ENGINE_DESCRIPTOR:
        describe_engine(d, {std::get<std::shared_ptr<const graph>>(d.ref(CUDNN_ATTR_ENGINE_OPERATION_GRAPH)->meaning),
                            d.get<std::int64_t>(CUDNN_ATTR_ENGINE_GLOBAL_INDEX)});
        break;
    case CUDNN_BACKEND_ENGINECFG_DESCRIPTOR:
        describe_configuration(d, std::get<configuration>(d.ref(CUDNN_ATTR_ENGINECFG_ENGINE)->meaning));
        break;
    case CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR: d.get<std::int64_t>(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE); break;
    case CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR: finalize_plan(d); break;
    case CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR: finalize_properties(d); break;
    case CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR:
        need(d.all<std::int64_t>(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS).size() ==
                 d.all<void*>(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS).size(),
             CUDNN_STATUS_BAD_PARAM, "as many pointers as unique ids");
        break;
    default: throw refusal(CUDNN_STATUS_NOT_SUPPORTED, "a descriptor that the fake cuDNN does not know");
    }
    d.final = true;
}

} // namespace gpunet_fake::cudnn
