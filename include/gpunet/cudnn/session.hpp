// A GPU opened for a backend: cuDNN's plans for it, our kernels compiled for it. Shared by everything planned there.
#pragma once

#include <gpunet/cuda/cubin_cache.hpp>
#include <gpunet/cuda/device.hpp>
#include <gpunet/cuda/kernel.hpp>
#include <gpunet/cuda/kernels/launch.hpp>
#include <gpunet/cuda/nvrtc.hpp>
#include <gpunet/cudnn/gemm.hpp>
#include <gpunet/cudnn/library.hpp>
#include <gpunet/cudnn/plan.hpp>
#include <gpunet/cudnn/plan_store.hpp>
#include <gpunet/cudnn/target.hpp>
#include <gpunet/cudnn/trial.hpp>
#include <gpunet/cudnn/worker_pool.hpp>
#include <gpunet/detail/fnv1a.hpp>
#include <gpunet/error.hpp>
#include <gpunet/hub/cache.hpp>

#include <cuda_runtime_api.h>

#include <filesystem>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpunet::cudnn {

/// Which GPU, and how it is used.
struct options {
    int device = 0;    // CUDA's ordinal
    bool tf32 = false; // float32 only: tensor cores round the factors of products to 10 bits
    bool graph = true; // record a context's work as a CUDA graph, launched as one
    bool tune = false; // time cuDNN's engines and our kernels here and keep the fastest, instead of trusting heuristics
    bool programmatic = false;  // let a kernel of ours start while the one before it ends: from sm_90 on
    bool implicit_gemm = false; // our own convolution on tensor cores wherever it can; tuning asks cuDNN all the same
    preference order = preference::heuristic;
    /// Compiled kernels and plans are kept here; empty: in memory only.
    std::filesystem::path cache = cache_directory();
};

/// A kernel that is being compiled.
using pending_module = std::shared_future<std::shared_ptr<const cuda::kernel_module>>;

/// What all copies of a backend share.
class session {
  public:
    /// @throws unsupported_error where there is no GPU, no cuDNN or no NVRTC; argument_error, cuda_error
    explicit session(const options& o) : session(target::device(o.device), o) {
        const cuda::device_scope scope(o.device);
        handle_.emplace(target_.library());
    }
    /// Plans for a GPU that need not be here; nothing can run.
    session(std::string_view gpu, const options& o) : session(target::offline(gpu), o) {}
    session(const session&) = delete;
    session& operator=(const session&) = delete;

    const cudnn::options& options() const noexcept { return options_; }
    const cudnn::target& target() const noexcept { return target_; }
    bool present() const noexcept { return target_.present(); }
    plan_store& plans() noexcept { return plans_; }
    /// For work on the host that need not be waited for at once.
    worker_pool& workers() noexcept { return workers_; }

    /// The ordinal. @throws unsupported_error when planning without a device
    int device() const {
        if (!present()) throw unsupported_error(target_.key() + ": planned without this GPU; nothing can run");
        return options_.device;
    }

    /// Compiles in the background; each variant once.
    pending_module kernel(const cuda::kernels::kernel_launch& k) {
        std::string key(k.name);
        for (const std::string& define : k.defines) key += " " + define;
        const std::scoped_lock lock(kernels_access_);
        pending_module& known = kernels_[key];
        if (!known.valid())
            known = workers_
                        .run([this, k] {
                            return std::make_shared<const cuda::kernel_module>(
                                cubins_.get(compiler_, k.source, k.name, target_.architecture(), k.defines));
                        })
                        .share();
        return known;
    }

    /// Enqueues a plan; contexts of several threads take turns at the handle.
    void execute(const plan& p, cudaStream_t stream, std::span<const binding> tensors, void* workspace) {
        const std::scoped_lock lock(handle_access_);
        handle_->set_stream(stream);
        p.run(handle_->get(), tensors, workspace);
    }

  private:
    session(cudnn::target t, const cudnn::options& o)
        : options_(o), target_(std::move(t)), compiler_(cuda::nvrtc::open()),
          cubins_(o.cache.empty() ? o.cache : o.cache / "kernels"),
          plans_(target_, {.directory = o.cache.empty() ? o.cache : o.cache / "plans",
                           .order = o.order,
                           .trial = present() ? trial([this](const plan& p) { return try_here(p); }) : nullptr,
                           .tune = o.tune,
                           .rivals = [this](const convolution_problem& p) { return rivals(p); },
                           .rivals_version = gpunet::detail::hexadecimal(fnv1a(cuda::kernels::implicit_gemm_source))}) {
        if (target_.model().major < 9) options_.programmatic = false;
    }

    trial_result try_here(const plan& p) {
        const cuda::device_scope scope(options_.device);
        const std::scoped_lock lock(handle_access_);
        return try_plan(p, *handle_, options_.graph, options_.tune);
    }

    /// Our own kernel, cut in all ways worth timing.
    std::vector<rival> rivals(const convolution_problem& p) {
        std::vector<rival> all;
        std::optional<cuda::kernels::implicit_gemm> g = gemm_of(p, target_.model());
        if (!g) return all;
        for (const cuda::kernels::gemm_tile& tile : tiles(*g)) {
            g->tile = tile;
            all.push_back({tile.text(), [this, p, k = *g]() -> std::function<trial_result()> {
                               return [this, p, k, module = kernel(describe(k))] { return try_here(p, k, module); };
                           }});
        }
        return all;
    }

    trial_result try_here(const convolution_problem& p, const cuda::kernels::implicit_gemm& g,
                          const pending_module& module) {
        const cuda::kernels::kernel_launch k = describe(g);
        module.wait();
        const cuda::device_scope scope(options_.device);
        const std::scoped_lock lock(handle_access_); // one by one
        const trial_memory m(p);
        cuda::kernels::implicit_gemm_parameters parameters = cuda::kernels::parameters(g);
        parameters.input = m.at(uid::x);
        parameters.weights = m.at(uid::w);
        parameters.bias = m.at(uid::bias);
        parameters.residual = m.at(uid::residual);
        parameters.output = m.at(uid::y);
        return try_run(m, options_.graph, options_.tune, [&] {
            cuda::launch(module.get()->kernel(std::string(k.name)), k.grid, k.block, k.shared_bytes, m.stream(),
                         &parameters); // never early: it would overlap its own run before
        });
    }

    cudnn::options options_;
    cudnn::target target_;
    cuda::nvrtc compiler_;
    cuda::cubin_cache cubins_;
    std::mutex handle_access_, kernels_access_;
    std::optional<handle> handle_; // to run with; destroyed on any device
    std::map<std::string, pending_module> kernels_;
    worker_pool workers_; // after what its threads use, so that they end before it
    plan_store plans_;    // last: its threads use all of this
};

} // namespace gpunet::cudnn
