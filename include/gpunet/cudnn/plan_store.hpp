// Plans, each made once: shared in memory by all who need it, and kept on disk for the next start.
#pragma once

#include <gpunet/cudnn/convolution.hpp>
#include <gpunet/cudnn/make_plan.hpp>
#include <gpunet/cudnn/plan.hpp>
#include <gpunet/cudnn/plan_file.hpp>
#include <gpunet/cudnn/target.hpp>
#include <gpunet/cudnn/worker_pool.hpp>
#include <gpunet/error.hpp>

#include <cstddef>
#include <filesystem>
#include <functional>
#include <future>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace gpunet::cudnn {

/// What a store answers.
struct stored_plan : plan_result {
    double microseconds = 0; // as the tuner measured it; 0 where it was not asked
    bool from_disk = false;
};

/// Times a plan on the device. Called from one thread at a time; what it throws removes the candidate.
using tuner = std::function<double(const plan&)>;

struct plan_store_options {
    std::filesystem::path directory = {}; // created when the first file is written; empty: in memory alone
    preference order = preference::heuristic;
    int threads = 0; // that make plans; 0: as many as the machine runs at once, up to 16
    cudnn::tuner tuner = nullptr;
    std::size_t candidates = 8; // timed for each problem, where there is a tuner
};

/// May be used from several threads at a time. A file that is damaged, or made by another cuDNN, driver or GPU, is
/// written anew; a directory that cannot be used is no error.
class plan_store {
  public:
    explicit plan_store(cudnn::target t, plan_store_options o = {})
        : target_(std::move(t)), options_(std::move(o)), files_(options_.directory), workers_(options_.threads) {}

    const cudnn::target& target() const noexcept { return target_; }

    /// Begins to make the plan unless it was asked for before. The future holds argument_error for a problem that
    /// contradicts itself.
    std::shared_future<stored_plan> get(const convolution_problem& p) {
        const std::scoped_lock lock(access_);
        const auto [at, added] = plans_.try_emplace(p.text());
        if (added) at->second = workers_.run([this, p] { return make(p); }).share();
        return at->second;
    }

  private:
    stored_plan make(const convolution_problem& p) {
        validate(p);
        const std::string key = target_.key() + "; " + p.text() +
                                (options_.order == preference::precompiled ? "; precompiled first" : "") +
                                (options_.tuner ? "; tuned" : "");
        stored_plan result;
        if (const auto record = files_.read(key)) {
            try {
                result.plan = from_record(target_, p, *record);
                result.microseconds = record->microseconds;
                result.from_disk = true;
                return result;
            } catch (const cudnn_error&) { // made anew
            }
        }
        if (options_.tuner)
            tune(p, result);
        else
            static_cast<plan_result&>(result) = first_plan(target_, p, options_.order);
        if (result.plan && result.plan->status() == plan_status::ready)
            files_.write(key, record_of(*result.plan, result.microseconds));
        return result;
    }

    void tune(const convolution_problem& p, stored_plan& result) {
        const auto all = candidates(target_, p, options_.candidates, options_.order, &result.reason);
        double best = std::numeric_limits<double>::infinity();
        std::string failed;
        for (const auto& candidate : all) {
            if (candidate->status() != plan_status::ready) continue;
            try {
                const std::scoped_lock lock(tuning_);
                const double time = options_.tuner(*candidate);
                if (!(time < best)) continue;
                best = time;
                result.plan = candidate;
            } catch (const error& e) {
                failed = e.what();
            }
        }
        if (result.plan)
            result.microseconds = best;
        else if (!all.empty())
            result.reason = p.text() + ": no candidate could be timed" + (failed.empty() ? "" : ": " + failed);
    }

    cudnn::target target_;
    plan_store_options options_;
    plan_files files_;
    std::mutex access_, tuning_;
    std::map<std::string, std::shared_future<stored_plan>> plans_;
    worker_pool workers_; // last: its threads end before what they use
};

} // namespace gpunet::cudnn
