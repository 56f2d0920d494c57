// A network whose backend is chosen at run time.
#pragma once

#include <gpunet/network.hpp>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace gpunet {

/// A context of any backend; see `context`.
class any_context {
  public:
    template <backend B>
    explicit any_context(context<B> c) : self_(std::make_unique<holder<B>>(std::move(c))) {}

    const graph::network& graph() const noexcept { return self_->graph(); }
    const std::vector<layer_step>& steps() const noexcept { return self_->steps(); }
    std::size_t arena_bytes() const noexcept { return self_->arena_bytes(); }
    shape input_shape() const { return self_->input_shape(); }
    shape output_shape() const { return self_->output_shape(); }
    std::vector<feature_map> features() { return self_->features(); }

    void run(std::span<const float> images, std::span<float> scores) { self_->run(images, scores); }
    tensor<float> run(std::span<const float> images) {
        tensor<float> scores(output_shape());
        run(images, scores.elements());
        return scores;
    }
    void profile(std::span<const float> images, std::span<float> scores, std::span<double> times) {
        self_->profile(images, scores, times);
    }

  private:
    struct interface {
        virtual ~interface() = default;
        virtual const graph::network& graph() const noexcept = 0;
        virtual const std::vector<layer_step>& steps() const noexcept = 0;
        virtual std::size_t arena_bytes() const noexcept = 0;
        virtual shape input_shape() const = 0;
        virtual shape output_shape() const = 0;
        virtual std::vector<feature_map> features() = 0;
        virtual void run(std::span<const float>, std::span<float>) = 0;
        virtual void profile(std::span<const float>, std::span<float>, std::span<double>) = 0;
    };
    template <backend B>
    struct holder final : interface {
        explicit holder(context<B> c) : held(std::move(c)) {}
        const graph::network& graph() const noexcept override { return held.graph(); }
        const std::vector<layer_step>& steps() const noexcept override { return held.steps(); }
        std::size_t arena_bytes() const noexcept override { return held.arena_bytes(); }
        shape input_shape() const override { return held.input_shape(); }
        shape output_shape() const override { return held.output_shape(); }
        std::vector<feature_map> features() override { return held.features(); }
        void run(std::span<const float> i, std::span<float> o) override { held.run(i, o); }
        void profile(std::span<const float> i, std::span<float> o, std::span<double> times) override {
            held.profile(i, o, times);
        }
        context<B> held;
    };

    std::unique_ptr<interface> self_;
};

/// A network of any backend; see `network`. Cheap to copy.
class any_network {
  public:
    template <backend B>
    any_network(network<B> net) : self_(std::make_shared<holder<B>>(std::move(net))) {}

    const spec::network& spec() const noexcept { return self_->spec(); }
    /// What runs it: "oneDNN 2.6.3".
    std::string engine() const { return self_->engine(); }
    any_context make_context(const context_options& options = {}) const { return self_->make_context(options); }

    tensor<float> operator()(const tensor_view<const float>& images) const { return self_->scores(images); }
    std::vector<std::pair<std::int64_t, tensor<float>>> features(const tensor_view<const float>& images) const {
        return self_->features(images);
    }
    std::vector<pyramid_map> pyramid(const tensor_view<const float>& images) const { return self_->pyramid(images); }

  private:
    struct interface {
        virtual ~interface() = default;
        virtual const spec::network& spec() const noexcept = 0;
        virtual std::string engine() const = 0;
        virtual any_context make_context(const context_options&) const = 0;
        virtual tensor<float> scores(const tensor_view<const float>&) const = 0;
        virtual std::vector<std::pair<std::int64_t, tensor<float>>> features(const tensor_view<const float>&) const = 0;
        virtual std::vector<pyramid_map> pyramid(const tensor_view<const float>&) const = 0;
    };
    template <backend B>
    struct holder final : interface {
        explicit holder(network<B> net) : held(std::move(net)) {}
        const spec::network& spec() const noexcept override { return held.spec(); }
        std::string engine() const override { return held.device().name(); }
        any_context make_context(const context_options& o) const override { return any_context(context<B>(held, o)); }
        tensor<float> scores(const tensor_view<const float>& images) const override { return held(images); }
        std::vector<std::pair<std::int64_t, tensor<float>>>
        features(const tensor_view<const float>& images) const override {
            return held.features(images);
        }
        std::vector<pyramid_map> pyramid(const tensor_view<const float>& images) const override {
            return held.pyramid(images);
        }
        network<B> held;
    };

    std::shared_ptr<const interface> self_;
};

} // namespace gpunet
