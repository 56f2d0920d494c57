// A plan as text: what cudnnBackend gives and takes for CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION.
#pragma once

#include "describe.hpp"
#include "validate.hpp"

#include <nlohmann/json.hpp>

namespace gpunet_fake::cudnn {

inline nlohmann::json to_json(const graph& g) {
    nlohmann::json tensors = nlohmann::json::array(), nodes = nlohmann::json::array();
    for (const auto& [uid, t] : g.tensors)
        tensors.push_back({{"uid", uid},
                           {"type", static_cast<int>(t.type)},
                           {"dim", t.dims},
                           {"stride", t.strides},
                           {"ptrAlignment", t.alignment},
                           {"isVirtual", t.is_virtual},
                           {"isByValue", t.by_value}});
    for (const operation& o : g.operations) {
        nlohmann::json n = {
            {"operation", static_cast<int>(o.what)}, {"x", o.x}, {"y", o.y}, {"alpha", o.alpha}, {"beta", o.beta}};
        if (o.b) n["b"] = *o.b;
        if (o.t) n["t"] = *o.t;
        if (o.what == kind::convolution)
            n["convolution"] = {o.conv.strides, o.conv.dilations, o.conv.before, o.conv.after, o.conv.flipped};
        if (o.what == kind::pointwise)
            n["pointwise"] = {
                static_cast<int>(o.point.mode), o.point.lower,     o.point.upper, o.point.slope, o.point.elu_alpha,
                o.point.softplus_beta,          o.point.swish_beta};
        if (o.what == kind::reduction) n["reduction"] = static_cast<int>(o.reduce);
        if (o.what == kind::resample)
            n["resample"] = {static_cast<int>(o.pool.mode), o.pool.extent, o.pool.strides, o.pool.before, o.pool.after};
        nodes.push_back(std::move(n));
    }
    return {{"tensors", std::move(tensors)}, {"nodes", std::move(nodes)}};
}

/// @throws refusal, nlohmann::json::exception
inline graph graph_from(const nlohmann::json& j) {
    graph g;
    for (const auto& t : j.at("tensors")) {
        const auto uid = t.at("uid").get<std::int64_t>();
        g.tensors[uid] = {uid,
                          static_cast<cudnnDataType_t>(t.at("type").get<int>()),
                          t.at("dim").get<dimensions>(),
                          t.at("stride").get<dimensions>(),
                          t.at("ptrAlignment").get<std::int64_t>(),
                          t.at("isVirtual").get<bool>(),
                          t.at("isByValue").get<bool>()};
    }
    for (const auto& n : j.at("nodes")) {
        operation o;
        o.what = static_cast<kind>(n.at("operation").get<int>());
        o.x = n.at("x").get<std::int64_t>();
        o.y = n.at("y").get<std::int64_t>();
        o.alpha = n.at("alpha").get<double>();
        o.beta = n.at("beta").get<double>();
        if (n.contains("b")) o.b = n.at("b").get<std::int64_t>();
        if (n.contains("t")) o.t = n.at("t").get<std::int64_t>();
        if (o.what == kind::convolution) {
            const auto& c = n.at("convolution");
            o.conv = {c.at(0).get<dimensions>(), c.at(1).get<dimensions>(), c.at(2).get<dimensions>(),
                      c.at(3).get<dimensions>(), c.at(4).get<bool>()};
        }
        if (o.what == kind::pointwise) {
            const auto& p = n.at("pointwise");
            o.point = {static_cast<cudnnPointwiseMode_t>(p.at(0).get<int>()),
                       p.at(1).get<double>(),
                       p.at(2).get<double>(),
                       p.at(3).get<double>(),
                       p.at(4).get<double>(),
                       p.at(5).get<double>(),
                       p.at(6).get<double>()};
        }
        if (o.what == kind::reduction) o.reduce = static_cast<cudnnReduceTensorOp_t>(n.at("reduction").get<int>());
        if (o.what == kind::resample) {
            const auto& p = n.at("resample");
            o.pool = {static_cast<cudnnResampleMode_t>(p.at(0).get<int>()), p.at(1).get<dimensions>(),
                      p.at(2).get<dimensions>(), p.at(3).get<dimensions>(), p.at(4).get<dimensions>()};
        }
        for (const auto& uid : {std::optional(o.x), o.b, o.t, std::optional(o.y)})
            need(!uid || g.tensors.contains(*uid), CUDNN_STATUS_BAD_PARAM, "a plan with an unknown tensor");
        validate(g, o);
        g.operations.push_back(std::move(o));
    }
    sort(g);
    return g;
}

} // namespace gpunet_fake::cudnn
