// From a picture to named classes.
#pragma once

#include <gpunet/hub/model.hpp>
#include <gpunet/image/image.hpp>
#include <gpunet/image/labels.hpp>
#include <gpunet/image/preprocess.hpp>
#include <gpunet/image/topk.hpp>
#include <gpunet/tensor.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace gpunet {

/// The name of a model's class: "tabby, tabby cat", or "class 7" where the model has no labels we know.
inline std::string class_label(const model& m, std::int64_t index) {
    const auto names = imagenet_labels();
    if (m.labels == "imagenet-1k" && std::cmp_less(index, names.size()))
        return std::string(names[static_cast<std::size_t>(index)]);
    return "class " + std::to_string(index);
}

/// The scores of one picture.
class classification {
  public:
    /// A class by name, and how likely it is: 0 to 1.
    struct guess {
        std::string label;
        float probability = 0;
    };

    classification(const model& m, std::vector<float> logits) : model_(&m), logits_(std::move(logits)) {}

    /// Before softmax, one a class.
    std::span<const float> logits() const noexcept { return logits_; }
    /// The k most probable classes by index, the most probable first.
    std::vector<prediction> predictions(std::size_t k) const { return top_k(logits_, k); }
    /// The same by name.
    std::vector<guess> top(std::size_t k) const {
        std::vector<guess> out;
        for (const prediction& p : predictions(k)) out.push_back({class_label(*model_, p.index), p.probability});
        return out;
    }

  private:
    const model* model_;
    std::vector<float> logits_;
};

/// Resizes, crops and normalises the picture as the model was trained with, and runs a network of any backend.
/// @param m  must outlive the result
template <class Network>
classification classify(const Network& net, const model& m, const image_view& picture) {
    const tensor<float> scores = net(preprocess(picture, m.input).view());
    return {m, {scores.elements().begin(), scores.elements().end()}};
}

} // namespace gpunet
