// Records what the layer primitives plan: which values there are, how long each lives, which shares whose memory.
#pragma once

#include <gpunet/error.hpp>
#include <gpunet/layers/arena.hpp>
#include <gpunet/layers/backend.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

namespace gpunet {

/// A value while planning.
template <class Layout>
struct value {
    slot place = 0;
    Layout layout;
};

/// One planned operation with the conversions of its operands before it.
template <backend B>
class placed {
  public:
    void run(typename B::memory& memory) const {
        for (const auto& [step, slots] : steps_) step.run(memory, slots);
    }
    const value<typename B::layout>& output() const noexcept { return output_; }

    /// Nothing to do: the output is there already.
    void pass(value<typename B::layout> output) { output_ = std::move(output); }
    void append(typename B::step step, step_slots slots, value<typename B::layout> output) {
        steps_.emplace_back(std::move(step), std::move(slots));
        output_ = std::move(output);
    }

  private:
    std::vector<std::pair<typename B::step, step_slots>> steps_;
    value<typename B::layout> output_;
};

/// Hands operations to the backend for one batch size.
template <backend B>
class planner {
  public:
    using layout = typename B::layout;
    using value_type = value<layout>;

    planner(const B& device, std::int64_t batch, const constants& weights, typename B::packed& packed)
        : device_(device), batch_(batch), weights_(weights), packed_(packed) {}

    /// A value the caller binds to memory at each run: float32, N C H W.
    value_type external(const graph::features& f) {
        const value_type v = add(device_.edge_layout(batch_, f));
        records_[v.place].external = true;
        return v;
    }

    /// A convolution with bias; `residual` is added before the activation, or after it where c.adds_last.
    placed<B> place(const graph::convolution& c, const value_type& input,
                    const std::optional<value_type>& residual = std::nullopt) {
        std::vector<value_type> operands = {input};
        if (residual) operands.push_back(*residual);
        return place_with(operands, [&](const auto& layouts) {
            return device_.plan(batch_, c, weights_.at(c.weights), packed_, layouts);
        });
    }

    /// A matrix product with bias and activation on N, C.
    placed<B> place(const graph::dense& d, const value_type& input) {
        return place_with({input}, [&](const auto& layouts) {
            return device_.plan(batch_, d, weights_.at(d.weights), packed_, layouts);
        });
    }

    placed<B> place(const global_mean& mean, const value_type& input) {
        return place_with({input}, [&](const auto& layouts) { return device_.plan(batch_, mean, layouts); });
    }

    placed<B> place(const channel_gate& gate, const value_type& input, const value_type& factors) {
        return place_with({input, factors}, [&](const auto& layouts) { return device_.plan(batch_, gate, layouts); });
    }

    /// An operation of the backend's own.
    template <class Operation>
    placed<B> place_special(const Operation& op, std::vector<value_type> operands) {
        return place_with(std::move(operands),
                          [&](const auto& layouts) { return device_.plan(batch_, op, weights_, packed_, layouts); });
    }

    const B& device() const noexcept { return device_; }
    std::int64_t batch() const noexcept { return batch_; }
    const constants& weights() const noexcept { return weights_; }
    typename B::packed& packed() const noexcept { return packed_; }

    /// The value as float32 N C H W, kept until the next run.
    placed<B> place_edge(const graph::features& f, const value_type& input) {
        placed<B> p;
        const layout edge = device_.edge_layout(batch_, f);
        if (input.layout == edge && !records_[root(input.place)].external)
            p.pass(input);
        else
            convert(p, input, edge);
        record& kept = records_[root(p.output().place)];
        kept.kept = true;
        kept.last = std::numeric_limits<std::size_t>::max();
        return p;
    }

    /// How many steps are planned so far.
    std::size_t size() const noexcept { return steps_.size(); }
    /// What each of them is, in the order they run.
    std::vector<step_info> steps() const {
        std::vector<step_info> infos;
        for (const typename B::step& s : steps_) infos.push_back(s.info());
        return infos;
    }

    /// Settles where everything lives.
    memory_map<layout> finish() const {
        memory_map<layout> map;
        std::vector<lifetime> lifetimes(records_.size());
        for (std::size_t i = 0; i < records_.size(); ++i) {
            const record& r = records_[i];
            lifetime& whole = lifetimes[root(static_cast<slot>(i))];
            if (i == root(static_cast<slot>(i))) whole.first = r.first;
            whole.bytes = std::max(whole.bytes, r.external ? 0 : r.where.bytes());
            whole.last = std::max(whole.last, r.last);
            if constexpr (requires { r.where.lasting(); })
                if (r.where.lasting()) whole = {whole.bytes, 0, std::numeric_limits<std::size_t>::max()};
        }
        const arena_plan arena = plan_arena(lifetimes, B::memory::alignment);
        for (std::size_t i = 0; i < records_.size(); ++i) {
            const record& r = records_[i];
            map.layouts.push_back(r.where);
            map.offsets.push_back(r.external ? std::nullopt : std::optional(arena.offsets[root(static_cast<slot>(i))]));
        }
        map.bytes = arena.bytes;
        return map;
    }

  private:
    struct record {
        layout where;
        std::size_t first = 0;
        std::size_t last = 0;
        std::optional<slot> shares; // the slot whose memory this one takes over
        bool external = false;
        bool kept = false; // until the next run
    };

    value_type add(layout where) {
        records_.push_back({where, now_, now_, std::nullopt, false, false});
        return {static_cast<slot>(records_.size() - 1), std::move(where)};
    }

    slot root(slot s) const {
        while (records_[s].shares) s = *records_[s].shares;
        return s;
    }

    /// Whether operand i must not be overwritten: it is the caller's, kept for the caller, or another operand too.
    bool is_needed(const std::vector<value_type>& operands, std::size_t i) const {
        const slot mine = root(operands[i].place);
        for (std::size_t j = 0; j < operands.size(); ++j)
            if (j != i && root(operands[j].place) == mine) return true;
        return records_[mine].external || records_[mine].kept;
    }

    template <class Plan>
    placed<B> place_with(std::vector<value_type> operands, Plan&& plan) {
        std::vector<layout> layouts;
        layouts.reserve(operands.size());
        for (const value_type& v : operands) layouts.push_back(v.layout);
        auto operation = plan(layouts);
        placed<B> result;
        for (std::size_t i = 0; i < operands.size(); ++i) {
            const bool overwritten = operation.in_place == i && is_needed(operands, i);
            if (operation.operands[i] == operands[i].layout && !overwritten) continue;
            convert(result, operands[i], operation.operands[i]);
            operands[i] = result.output();
        }
        append(result, std::move(operation), operands);
        return result;
    }

    void convert(placed<B>& result, const value_type& from, const layout& to) {
        append(result, device_.plan(batch_, conversion<layout>{to}, {from.layout}), {from});
    }

    void append(placed<B>& result, planned<typename B::step, layout> operation,
                const std::vector<value_type>& operands) {
        step_slots slots;
        for (const value_type& v : operands) {
            records_[v.place].last = std::max(records_[v.place].last, now_);
            slots.operands.push_back(v.place);
        }
        value_type output = add(operation.output);
        if (operation.in_place) records_[output.place].shares = operands[*operation.in_place].place;
        slots.output = output.place;
        if (operation.workspace) slots.workspace = add(*operation.workspace).place;
        ++now_;
        steps_.push_back(operation.step);
        result.append(std::move(operation.step), std::move(slots), std::move(output));
    }

    const B& device_;
    std::int64_t batch_;
    const constants& weights_;
    typename B::packed& packed_;
    std::vector<record> records_;
    std::vector<typename B::step> steps_;
    std::size_t now_ = 0;
};

} // namespace gpunet
