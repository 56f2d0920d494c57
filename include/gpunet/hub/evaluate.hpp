// How good a network is: top-1 and top-5 over labelled pictures.
#pragma once

#include <gpunet/error.hpp>
#include <gpunet/hub/batch_feeder.hpp>
#include <gpunet/hub/image_folder.hpp>
#include <gpunet/hub/model.hpp>
#include <gpunet/hub/score.hpp>
#include <gpunet/image/preprocess.hpp>
#include <gpunet/tensor.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace gpunet {

/// How far an evaluation is.
struct evaluation_progress {
    std::int64_t done = 0, total = 0; // pictures
    std::int64_t count = 0, top1 = 0; // judged, and right, of those done
};

/// How pictures are gone through.
struct evaluation_options {
    std::int64_t batch = 8; // pictures a run
    int threads = 0;        // that read and preprocess pictures; 0: as many as the machine runs at once
    std::function<void(const evaluation_progress&)> progress; // called after each run, by the thread that called
};

/// Reads the pictures, preprocesses them as the model was trained with, and runs a network of any backend on them,
/// batch by batch, while the next batch is read. Which pictures are judged, and how, depends on neither batch nor
/// threads (but for the rounding of logits, where a backend computes another batch size by another algorithm).
/// @param read  read(path) gives the image, on several threads at once; where it throws an `error`, and where logits
///              are not finite, the picture is a failure and the others are judged all the same
/// @throws argument_error for an impossible batch or class; what the network, `progress`, and otherwise `read` throw
template <class Network, class Read>
evaluation evaluate(const Network& net, const model& m, std::span<const labelled_picture> pictures, Read&& read,
                    const evaluation_options& o = {}) {
    if (o.batch < 1) throw argument_error("batch: expected at least 1, found " + std::to_string(o.batch));
    validate(m.input);
    if (pictures.empty()) return {};
    const std::size_t batch = std::min(static_cast<std::size_t>(o.batch), pictures.size());
    const shape input{static_cast<std::int64_t>(batch), 3, m.input.size.height, m.input.size.width};
    const std::size_t each = static_cast<std::size_t>(element_count(input)) / batch;
    std::vector<std::string> messages(pictures.size());
    std::vector<picture_answer> answers(pictures.size());
    evaluation_progress so_far{0, std::ssize(pictures), 0, 0};

    const auto fill = [&](std::size_t i, std::span<float> place) {
        try {
            preprocess(read(pictures[i].path), m.input, place);
        } catch (const error& e) {
            messages[i] = e.what();
            std::fill(place.begin(), place.end(), 0.0F);
        }
    };
    const unsigned most = std::max(1U, std::thread::hardware_concurrency());
    detail::batch_feeder feeder(pictures.size(), batch, each, o.threads > 0 ? static_cast<unsigned>(o.threads) : most,
                                fill);
    for (std::size_t first = 0; first < pictures.size(); first += batch) {
        const tensor<float> scores = net(tensor_view<const float>(input, feeder.take()));
        feeder.release();
        const std::size_t classes = scores.size() / batch;
        for (std::size_t i = first; i < std::min(first + batch, pictures.size()); ++i) {
            const std::span logits = scores.elements().subspan((i - first) * classes, classes);
            ++so_far.done;
            if (!messages[i].empty()) continue;
            if (!std::all_of(logits.begin(), logits.end(), [](float x) { return std::isfinite(x); })) {
                messages[i] = pictures[i].path.string() + ": expected finite logits, found others";
                continue;
            }
            answers[i] = answer_of(logits, pictures[i].target);
            ++so_far.count;
            so_far.top1 += answers[i].rank < 1;
        }
        if (o.progress) o.progress(so_far);
    }
    evaluation e = tally(pictures, std::move(answers));
    for (std::size_t i = 0; i < pictures.size(); ++i)
        if (!messages[i].empty()) e.failures.push_back({pictures[i].path, std::move(messages[i])});
    return e;
}

} // namespace gpunet
