// What cuDNN's heuristics propose for an operation graph, and which proposals may be used.
#pragma once

#include <gpunet/cudnn/convolution.hpp>
#include <gpunet/cudnn/descriptor.hpp>
#include <gpunet/cudnn/target.hpp>
#include <gpunet/error.hpp>

#include <cudnn.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace gpunet::cudnn {

/// An engine with its knobs set, as heuristics propose it.
struct engine {
    descriptor config;
    std::int64_t index = -1; // cuDNN's number of the engine
    std::string knobs;       // "2=13 14=4": knob types of cudnnBackendKnobType_t and their values
    std::vector<cudnnBackendNumericalNote_t> numerical;
    std::vector<cudnnBackendBehaviorNote_t> behaviour;
    bool fallback = false; // not of heuristic mode A

    bool notes(cudnnBackendNumericalNote_t n) const {
        return std::find(numerical.begin(), numerical.end(), n) != numerical.end();
    }
    bool notes(cudnnBackendBehaviorNote_t n) const {
        return std::find(behaviour.begin(), behaviour.end(), n) != behaviour.end();
    }
    bool runtime_compiled() const { return notes(CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION); }
    bool tensor_core() const { return notes(CUDNN_NUMERICAL_NOTE_TENSOR_CORE); }

    /// "engine 47, run-time compiled"
    std::string name() const {
        return "engine " + std::to_string(index) + (runtime_compiled() ? ", run-time compiled" : "");
    }
};

/// Whether a problem's accuracy allows an engine: float32 sums always, the same result at each run, and without tf32
/// float32 factors too, which tensor cores round. Transforms of large tiles lose digits in every type.
inline bool allowed(const engine& e, const convolution_problem& p) {
    if (e.notes(CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION) || e.notes(CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC) ||
        e.notes(CUDNN_NUMERICAL_NOTE_FFT) || e.notes(CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6) ||
        e.notes(CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13) ||
        e.notes(CUDNN_BEHAVIOR_NOTE_REQUIRES_FILTER_INT8x32_REORDER) ||
        e.notes(CUDNN_BEHAVIOR_NOTE_REQUIRES_BIAS_INT8x32_REORDER))
        return false;
    const bool strict = p.type == cuda::element::float32 && !p.tf32;
    return !strict || !(e.notes(CUDNN_NUMERICAL_NOTE_TENSOR_CORE) || e.notes(CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS));
}

namespace detail {

inline std::string knobs_text(const descriptor& config) {
    std::string text;
    for (const descriptor& k : config.get_all(CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR,
                                              "cuDNN knob choice", CUDNN_KNOB_TYPE_COUNTS))
        text += (text.empty() ? "" : " ") +
                std::to_string(static_cast<int>(k.get<cudnnBackendKnobType_t>(CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE))) +
                "=" + std::to_string(k.get<std::int64_t>(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE));
    return text;
}

inline engine describe(descriptor config, bool fallback) {
    const auto of = config.get_one(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_BACKEND_ENGINE_DESCRIPTOR, "cuDNN engine");
    engine e{std::move(config), of.get<std::int64_t>(CUDNN_ATTR_ENGINE_GLOBAL_INDEX), {}, {}, {}, fallback};
    e.numerical = of.get_all<cudnnBackendNumericalNote_t>(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE);
    e.behaviour = of.get_all<cudnnBackendBehaviorNote_t>(CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE);
    e.knobs = knobs_text(e.config);
    return e;
}

} // namespace detail

/// All proposals for a graph: those of heuristic mode A, best first, then the fallback list; none twice. Listed does
/// not mean that a plan can be made.
/// @throws cudnn_error where cuDNN has no engine at all
inline std::vector<engine> engines(const target& t, const target::session& s, const descriptor& graph) {
    std::vector<engine> all;
    std::optional<failure> refused;
    for (const cudnnBackendHeurMode_t mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) {
        descriptor h(t.library(), CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, "cuDNN heuristics");
        h.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph).set(CUDNN_ATTR_ENGINEHEUR_MODE, mode);
        s.mark_heuristics(h);
        if (auto why = h.try_finalize()) {
            refused = std::move(why);
            continue;
        }
        for (descriptor& config : h.get_all(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR,
                                            "cuDNN engine configuration")) {
            engine e = detail::describe(std::move(config), mode == CUDNN_HEUR_MODE_FALLBACK);
            const bool known = std::any_of(all.begin(), all.end(), [&](const engine& other) {
                return other.index == e.index && other.knobs == e.knobs;
            });
            if (!known) all.push_back(std::move(e));
        }
    }
    if (all.empty() && refused) throw cudnn_error("cuDNN heuristics: " + refused->text);
    return all;
}

} // namespace gpunet::cudnn
