// From logits and the true classes to top-1 and top-5.
#pragma once

#include <gpunet/error.hpp>
#include <gpunet/hub/image_folder.hpp>
#include <gpunet/image/topk.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace gpunet {

/// How many classes come before `target` when they are ordered by their logits, the greatest first, and of equal ones
/// the lower class first, as top_k has it: 0 is a top-1 hit, below 5 a top-5 hit. (torch.topk, on which timm's accuracy
/// rests, leaves the order of equal ones open.)
/// @throws argument_error if there is no such class or a logit is not finite, which has no order
inline std::int64_t rank_of(std::span<const float> logits, std::int64_t target) {
    if (target < 0 || std::cmp_greater_equal(target, logits.size()))
        throw argument_error("rank_of: expected a class from 0 to " + std::to_string(std::ssize(logits) - 1) +
                             ", found " + std::to_string(target));
    std::int64_t before = 0;
    const float own = logits[static_cast<std::size_t>(target)];
    for (std::size_t i = 0; i < logits.size(); ++i) {
        if (!std::isfinite(logits[i]))
            throw argument_error("rank_of: expected finite logits, found " + std::to_string(logits[i]) + " for class " +
                                 std::to_string(i));
        before += logits[i] > own || (logits[i] == own && std::cmp_less(i, target));
    }
    return before;
}

/// What a network said of one picture.
struct picture_answer {
    std::vector<std::int64_t> best; // the five best classes, the best first; empty where the picture was not judged
    std::int64_t rank = 0;          // of the true class, from 0

    bool judged() const noexcept { return !best.empty(); }
};

/// @throws argument_error as rank_of does
inline picture_answer answer_of(std::span<const float> logits, std::int64_t target) {
    picture_answer a;
    a.rank = rank_of(logits, target);
    for (const prediction& p : top_k(logits, 5)) a.best.push_back(p.index);
    return a;
}

/// The pictures of one class.
struct class_score {
    std::int64_t target = 0;
    std::int64_t count = 0; // judged
    std::int64_t top1 = 0, top5 = 0;
    std::optional<std::int64_t> mistaken_for; // the class most often given instead, the lowest of several
    std::int64_t mistaken = 0;                // how often that was
};

/// A picture that was not judged, and why.
struct picture_failure {
    std::filesystem::path path;
    std::string message; // names the path
};

/// What a network said of labelled pictures, added up.
struct evaluation {
    std::int64_t count = 0; // pictures judged
    std::int64_t top1 = 0, top5 = 0;
    std::vector<class_score> classes;    // those that have pictures, by target
    std::vector<picture_answer> answers; // one a picture, in their order
    std::vector<picture_failure> failures;

    /// Per cent; not a number where nothing was judged.
    double top1_percent() const noexcept { return percent(top1, count); }
    double top5_percent() const noexcept { return percent(top5, count); }
    static double percent(std::int64_t part, std::int64_t whole) noexcept {
        return 100.0 * static_cast<double>(part) / static_cast<double>(whole);
    }
};

/// Adds up what was said of pictures: everything of an evaluation but its failures.
/// @throws argument_error unless there is one answer a picture
inline evaluation tally(std::span<const labelled_picture> pictures, std::vector<picture_answer> answers) {
    if (pictures.size() != answers.size())
        throw argument_error("tally: expected " + std::to_string(pictures.size()) + " answers, found " +
                             std::to_string(answers.size()));
    evaluation e;
    std::map<std::int64_t, class_score> classes;
    std::map<std::int64_t, std::map<std::int64_t, std::int64_t>> mistakes;
    for (std::size_t i = 0; i < pictures.size(); ++i) {
        class_score& c = classes[pictures[i].target];
        if (!answers[i].judged()) continue;
        ++c.count;
        c.top1 += answers[i].rank < 1;
        c.top5 += answers[i].rank < 5;
        if (answers[i].rank > 0) ++mistakes[pictures[i].target][answers[i].best[0]];
    }
    for (auto& [target, c] : classes) {
        c.target = target;
        e.count += c.count;
        e.top1 += c.top1;
        e.top5 += c.top5;
        for (const auto& [instead, times] : mistakes[target])
            if (times > c.mistaken) {
                c.mistaken_for = instead;
                c.mistaken = times;
            }
        e.classes.push_back(c);
    }
    e.answers = std::move(answers);
    return e;
}

} // namespace gpunet
