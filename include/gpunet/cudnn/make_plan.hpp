// Making execution plans: every proposal may fail, only all of them together are a reason to give up.
#pragma once

#include <gpunet/cudnn/convolution.hpp>
#include <gpunet/cudnn/convolution_graph.hpp>
#include <gpunet/cudnn/descriptor.hpp>
#include <gpunet/cudnn/engine.hpp>
#include <gpunet/cudnn/library.hpp>
#include <gpunet/cudnn/plan.hpp>
#include <gpunet/cudnn/plan_file.hpp>
#include <gpunet/cudnn/target.hpp>
#include <gpunet/error.hpp>

#include <cudnn.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace gpunet::cudnn {

/// In which order proposals are tried.
enum class preference : std::uint8_t {
    heuristic,  // as the heuristics rank them, with tensor cores before without where the accuracy allows them
    precompiled // those that need no compiling first: that costs 1 to 5 s each
};

/// Makes plans of one problem, in one thread.
class plan_maker {
  public:
    plan_maker(const target& t, const convolution_problem& p) : target_(t), problem_(p), session_(t) {}

    /// Proposals that the problem allows, in order. @throws cudnn_error
    std::vector<engine> proposals(preference order) const {
        const descriptor graph = build(problem_, target_.library()).finish(session_.graph_handle());
        std::vector<engine> all = engines(target_, session_, graph);
        std::erase_if(all, [&](const engine& e) { return !allowed(e, problem_); });
        // Heuristics at times put engines first that use no tensor cores and copy both maps to another layout and back.
        if (problem_.type != cuda::element::float32 || problem_.tf32)
            std::stable_partition(all.begin(), all.end(), [](const engine& e) { return e.tensor_core(); });
        if (order == preference::precompiled)
            std::stable_partition(all.begin(), all.end(), [](const engine& e) { return !e.runtime_compiled(); });
        return all;
    }

    /// @param why  gets the reason where the result is nullptr
    std::shared_ptr<const plan> make(const engine& e, std::string& why) const {
        descriptor d(target_.library(), CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, "cuDNN plan");
        d.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, e.config);
        session_.mark_plan(d);
        const auto refused = d.try_finalize();
        if (refused && !loading_failed(*refused)) {
            why = e.name() + ": " + refused->text;
            return nullptr;
        }
        std::shared_ptr<plan> result(new plan(std::move(d), problem_));
        if (refused) result->status_ = plan_status::compiled_not_loaded;
        result->engine_ = e.name();
        result->index_ = e.index;
        result->knobs_ = e.knobs;
        result->runtime_compiled_ = e.runtime_compiled();
        result->tensor_core_ = e.tensor_core();
        const descriptor& source = refused ? e.config : result->plan_;
        result->workspace_ = static_cast<std::size_t>(source.get<std::int64_t>(
            refused ? CUDNN_ATTR_ENGINECFG_WORKSPACE_SIZE : CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE));
        return result;
    }

    /// @throws cudnn_error
    std::shared_ptr<const plan> load(const plan_record& r) const {
        descriptor d(target_.library(), CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, "cuDNN plan from JSON");
        d.set(CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION, r.json);
        session_.mark_plan(d); // without it, finalising crashes
        d.finalize();
        std::shared_ptr<plan> result(new plan(std::move(d), problem_));
        result->engine_ = r.engine;
        result->index_ = r.engine_index;
        result->knobs_ = r.knobs;
        result->runtime_compiled_ = r.runtime_compiled;
        result->tensor_core_ = r.tensor_core;
        result->workspace_ =
            static_cast<std::size_t>(result->plan_.get<std::int64_t>(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE));
        return result;
    }

  private:
    /// Without the device all succeeds but the loading of the code: with CUDA's driver stub, error 34.
    bool loading_failed(const failure& f) const {
        return !target_.present() && f.status == CUDNN_STATUS_EXECUTION_FAILED_CUDA_DRIVER &&
               f.text.find("cuLibraryLoadData") != std::string::npos;
    }

    const target& target_;
    convolution_problem problem_;
    target::session session_;
};

/// Tries engine after engine; one that fails is skipped.
/// @param most    of plans wanted
/// @param why     if given, gets a line that says why there is none: operation, shapes, types, capability, version
/// @param refuse  if given, asked of each plan made; what it says unless it is empty is why that plan is skipped
/// @throws argument_error for a problem that contradicts itself; what target::session throws; what `refuse` throws, but
///         cudnn_error
inline std::vector<std::shared_ptr<const plan>> candidates(const target& t, const convolution_problem& p,
                                                           std::size_t most, preference order = preference::heuristic,
                                                           std::string* why = nullptr,
                                                           const std::function<std::string(const plan&)>& refuse = {}) {
    validate(p);
    std::vector<std::shared_ptr<const plan>> plans;
    std::string reasons;
    const plan_maker maker(t, p);
    try {
        std::set<std::string> seen; // reasons, each told once
        for (const engine& e : maker.proposals(order)) {
            if (plans.size() == most) break;
            std::string reason;
            auto made = maker.make(e, reason);
            if (made && refuse) reason = refuse(*made);
            if (made && reason.empty())
                plans.push_back(std::move(made));
            else if (seen.insert(reason).second && seen.size() <= 3)
                reasons += "; " + reason;
        }
    } catch (const cudnn_error& e) {
        reasons += "; " + std::string(e.what());
    }
    if (plans.empty() && why)
        *why = p.text() + ": cuDNN " + version_text(t.library()->version()) + " has no plan for " + t.architecture() +
               (reasons.empty() ? "; no engine that its accuracy allows" : reasons);
    return plans;
}

/// Of the first engine that makes one. @throws as `candidates` does
inline plan_result first_plan(const target& t, const convolution_problem& p, preference order = preference::heuristic) {
    plan_result result;
    const auto plans = candidates(t, p, 1, order, &result.reason);
    if (!plans.empty()) result.plan = plans.front();
    return result;
}

/// What a cache keeps of a plan that is ready. @throws cudnn_error
inline plan_record record_of(const plan& p, double microseconds = 0) {
    return {p.json(), p.engine(), p.engine_index(), p.knobs(), p.runtime_compiled(), p.tensor_core(), microseconds, {}};
}

/// The plan again, without asking heuristics and without compiling.
/// @param r  of a plan for an equal target and problem
/// @throws cudnn_error where cuDNN does not take it
inline std::shared_ptr<const plan> from_record(const target& t, const convolution_problem& p, const plan_record& r) {
    return plan_maker(t, p).load(r);
}

} // namespace gpunet::cudnn
