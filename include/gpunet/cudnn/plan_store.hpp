// Plans, each made once: shared in memory by all who need it, and kept on disk for the next start.
#pragma once

#include <gpunet/cudnn/convolution.hpp>
#include <gpunet/cudnn/make_plan.hpp>
#include <gpunet/cudnn/plan.hpp>
#include <gpunet/cudnn/plan_file.hpp>
#include <gpunet/cudnn/target.hpp>
#include <gpunet/cudnn/worker_pool.hpp>
#include <gpunet/error.hpp>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace gpunet::cudnn {

/// What a store answers.
struct stored_plan : plan_result {
    std::string rival;       // that is faster than every plan; there is no plan then
    double microseconds = 0; // as the trial measured it; 0 where it did not
    bool from_disk = false;
};

struct trial_result {
    std::string refused{};   // one line that says why the plan cannot be used; empty: it can
    double microseconds = 0; // of a run; 0 where it was not timed
};

/// Runs a plan on the device. Called from one thread at a time.
/// @throws what is not the plan's fault: no memory, a device that is lost
using trial = std::function<trial_result(const plan&)>;

/// Another way to solve a problem, tried beside cuDNN's plans.
struct rival {
    std::string name; // says it all: equal names of equal problems are the same
    /// Begins to make it, in the background; what it gives waits for that and tries it, as a trial does.
    std::function<std::function<trial_result()>()> begin;
};

struct plan_store_options {
    std::filesystem::path directory = {}; // created when the first file is written; empty: in memory alone
    preference order = preference::heuristic;
    int threads = 0;              // that make plans; 0: as many as the machine runs at once, up to 16
    cudnn::trial trial = nullptr; // that a plan must pass; null: every plan is taken
    bool tune = false;            // take the fastest in the trial, not the first that passes
    std::size_t candidates = 8;   // to choose the fastest of
    /// Further candidates, timed when tuning.
    std::function<std::vector<rival>(const convolution_problem&)> rivals = nullptr;
    std::string rivals_version = {}; // what was timed against another is timed anew
};

/// May be used from several threads at a time. A file that is damaged, or made by another cuDNN, driver or GPU, is
/// written anew; a directory that cannot be used is no error.
class plan_store {
  public:
    explicit plan_store(cudnn::target t, plan_store_options o = {})
        : target_(std::move(t)), options_(std::move(o)), files_(options_.directory), workers_(options_.threads) {}

    const cudnn::target& target() const noexcept { return target_; }

    /// Begins to make the plan unless it was asked for before. The future holds argument_error for a problem that
    /// contradicts itself, or what the trial threw; after that the next request begins anew.
    std::shared_future<stored_plan> get(const convolution_problem& p) {
        const std::scoped_lock lock(access_);
        const auto [at, added] = plans_.try_emplace(p.text());
        if (added)
            at->second = workers_
                             .run([this, p] {
                                 try {
                                     return make(p);
                                 } catch (...) {
                                     const std::scoped_lock forget(access_);
                                     plans_.erase(p.text());
                                     throw;
                                 }
                             })
                             .share();
        return at->second;
    }

  private:
    stored_plan make(const convolution_problem& p) {
        validate(p);
        const std::string key = target_.key() + "; " + p.text() +
                                (options_.order == preference::precompiled ? "; precompiled first" : "") +
                                (tuned() ? "; tuned " + options_.rivals_version : "");
        stored_plan result;
        if (const auto record = files_.read(key)) {
            result.microseconds = record->microseconds;
            result.from_disk = true;
            result.rival = record->rival;
            if (knows(p, record->rival)) return result;
            const std::scoped_lock one_by_one(loading_); // quick; side by side each would need a handle of its own
            try {
                if (record->rival.empty()) {
                    result.plan = from_record(target_, p, *record);
                    return result;
                }
            } catch (const cudnn_error&) { // made anew
            }
            result = {};
        }
        if (options_.trial)
            choose(p, result);
        else
            static_cast<plan_result&>(result) = first_plan(target_, p, options_.order);
        if (!result.rival.empty())
            files_.write(key, {.microseconds = result.microseconds, .rival = result.rival});
        else if (result.plan && result.plan->status() == plan_status::ready)
            files_.write(key, record_of(*result.plan, result.microseconds));
        return result;
    }

    bool tuned() const noexcept { return options_.trial && options_.tune; }

    std::vector<rival> rivals_of(const convolution_problem& p) const {
        return tuned() && options_.rivals ? options_.rivals(p) : std::vector<rival>();
    }
    bool knows(const convolution_problem& p, const std::string& name) const {
        if (name.empty()) return false;
        const auto all = rivals_of(p);
        return std::any_of(all.begin(), all.end(), [&](const rival& r) { return r.name == name; });
    }

    /// Of the plans that pass the trial, the first; when tuning the fastest, or a rival that is faster.
    void choose(const convolution_problem& p, stored_plan& result) {
        std::vector<std::pair<std::string, std::function<trial_result()>>> rivals;
        for (const rival& r : rivals_of(p)) rivals.emplace_back(r.name, r.begin());
        std::vector<double> times;
        const auto refuse = [&](const plan& candidate) -> std::string {
            if (candidate.status() != plan_status::ready) return candidate.engine() + ": compiled, not loaded";
            const std::scoped_lock lock(trying_);
            trial_result tried = options_.trial(candidate);
            if (tried.refused.empty()) times.push_back(tried.microseconds);
            return std::move(tried.refused);
        };
        const auto all =
            candidates(target_, p, tuned() ? options_.candidates : 1, options_.order, &result.reason, refuse);
        if (!all.empty()) {
            const auto best = std::min_element(times.begin(), times.end());
            result.plan = all[static_cast<std::size_t>(best - times.begin())];
            result.microseconds = *best;
        }
        for (const auto& [name, run] : rivals) {
            trial_result tried;
            try {
                tried = run();
            } catch (const cuda_error&) { // no memory: no reason to do without the plan that passed
                if (!result.plan) throw;
                continue;
            }
            if (!tried.refused.empty() ||
                ((result.plan || !result.rival.empty()) && tried.microseconds >= result.microseconds))
                continue;
            result.plan = nullptr;
            result.rival = name;
            result.microseconds = tried.microseconds;
        }
    }

    cudnn::target target_;
    plan_store_options options_;
    plan_files files_;
    std::mutex access_, loading_, trying_;
    std::map<std::string, std::shared_future<stored_plan>> plans_;
    worker_pool workers_; // last: its threads end before what they use
};

} // namespace gpunet::cudnn
