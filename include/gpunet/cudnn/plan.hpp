// Execution plans: a convolution with an engine chosen, ready to run.
#pragma once

#include <gpunet/cudnn/convolution.hpp>
#include <gpunet/cudnn/convolution_graph.hpp>
#include <gpunet/cudnn/descriptor.hpp>
#include <gpunet/error.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace gpunet::cudnn {

/// Device memory for the tensor of that uid.
struct binding {
    std::int64_t uid;
    void* memory;
};

enum class plan_status : std::uint8_t {
    ready,
    compiled_not_loaded // the engine's code was generated for an absent GPU and compiled; only a driver can load it
};

/// Immutable; threads may run it together, each with its own handle. Needs its target's library, not its handles.
class plan {
  public:
    /// A plan's bound memory; run again and again without allocating.
    using arguments = descriptor;

    plan_status status() const noexcept { return status_; }
    const convolution_problem& problem() const noexcept { return problem_; }
    /// "engine 47, run-time compiled"
    const std::string& engine() const noexcept { return engine_; }
    std::int64_t engine_index() const noexcept { return index_; }
    /// As in cudnn::engine.
    const std::string& knobs() const noexcept { return knobs_; }
    bool runtime_compiled() const noexcept { return runtime_compiled_; }
    bool tensor_core() const noexcept { return tensor_core_; }
    /// Bytes.
    std::size_t workspace() const noexcept { return workspace_; }

    /// cuDNN's text of it. @throws cudnn_error for a plan that is not ready
    std::string json() const { return plan_.get_text(CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION); }

    /// Binds memory to x, w, y and what else the problem has.
    /// @throws cudnn_error
    arguments bind(std::span<const binding> tensors, void* workspace) const {
        std::vector<std::int64_t> uids;
        std::vector<void*> pointers;
        for (const binding& b : tensors) {
            uids.push_back(b.uid);
            pointers.push_back(b.memory);
        }
        for (const constant& c : constants(problem_)) {
            uids.push_back(c.uid);
            pointers.push_back(const_cast<float*>(c.value)); // cuDNN only reads it
        }
        arguments a(plan_.library(), CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, "cuDNN arguments");
        a.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, uids)
            .set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, pointers.size(), pointers.data())
            .set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace)
            .finalize();
        return a;
    }

    /// Enqueues the work on the handle's stream. @throws cudnn_error naming problem and engine
    void run(cudnnHandle_t h, const arguments& a) const {
        const cudnn::library& l = *plan_.library();
        const cudnnStatus_t status = l.execute(h, plan_.get(), a.get());
        if (status != CUDNN_STATUS_SUCCESS)
            throw cudnn_error(problem_.text() + ": " + engine_ + ": " + l.explain(status));
    }
    void run(cudnnHandle_t h, std::span<const binding> tensors, void* workspace) const {
        run(h, bind(tensors, workspace));
    }

  private:
    friend class plan_maker;
    plan(descriptor d, const convolution_problem& p) : plan_(std::move(d)), problem_(p) {}

    descriptor plan_;
    convolution_problem problem_;
    plan_status status_ = plan_status::ready;
    std::string engine_;
    std::int64_t index_ = -1;
    std::string knobs_;
    bool runtime_compiled_ = false;
    bool tensor_core_ = false;
    std::size_t workspace_ = 0;
};

/// A plan, or why there is none.
struct plan_result {
    std::shared_ptr<const cudnn::plan> plan;
    std::string reason; // one line; empty where there is a plan
};

} // namespace gpunet::cudnn
