// Evaluation over a folder of pictures: what folders mean, how answers are scored, that neither batch nor threads
// matter, and that timm's validation of the same pictures gives the same.
#include "core_support.hpp"
#include "weights_support.hpp"

#include <gpunet/any_network.hpp>
#include <gpunet/cpu.hpp>
#include <gpunet/hub/classify.hpp>
#include <gpunet/hub/evaluate.hpp>
#include <gpunet/hub/registry.hpp>
#include <gpunet/hub/sha256.hpp>
#include <gpunet/image.hpp>
#include <gpunet/weights/read.hpp>
#include <gpunet/weights/synthetic.hpp>

#include <catch2/catch.hpp>
#include <png.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <limits>
#include <mutex>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace test_evaluate { // tests of a program are compiled together

using Catch::Contains;
using Catch::StartsWith;
using core_test::message_of;
using core_test::sanitized;
using gpunet::evaluation;
using gpunet::folder_naming;
using gpunet::labelled_picture;
using gpunet::rank_of;

namespace fs = std::filesystem;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

/// Pictures 0 to count - 1, called by their numbers, of class number % classes.
std::vector<labelled_picture> numbered(std::size_t count, std::int64_t classes) {
    std::vector<labelled_picture> all;
    for (std::size_t i = 0; i < count; ++i) all.push_back({std::to_string(i), static_cast<std::int64_t>(i) % classes});
    return all;
}

/// The picture of a number: noise.
gpunet::image noise(std::uint32_t number, std::int64_t width, std::int64_t height) {
    gpunet::image p(width, height);
    std::uint32_t x = number + 1;
    for (auto& byte : p.pixels) byte = static_cast<std::uint8_t>((x = x * 1664525U + 1013904223U) >> 24);
    return p;
}

std::uint32_t number_of(const fs::path& path) { return static_cast<std::uint32_t>(std::stoul(path.stem().string())); }

/// A model of 2 x 2 pixels whose input is 0 to 1.
gpunet::model tiny_model() {
    gpunet::model m;
    m.name = "tiny";
    m.input.size = {2, 2};
    m.input.mean = {0, 0, 0};
    m.input.std = {1, 1, 1};
    return m;
}

/// A grey picture of 2 x 2.
gpunet::image grey(std::uint8_t level) {
    gpunet::image p(2, 2);
    std::fill(p.pixels.begin(), p.pixels.end(), level);
    return p;
}

/// Answers a grey picture of level L with 300 classes of which L is the best, L + 1 the second, and so on.
struct level_network {
    gpunet::tensor<float> operator()(const gpunet::tensor_view<const float>& images) const {
        const std::int64_t batch = images.shape()[0];
        gpunet::tensor<float> scores({batch, 300});
        const std::size_t each = images.size() / static_cast<std::size_t>(batch);
        for (std::size_t i = 0; std::cmp_less(i, batch); ++i) {
            const auto level = static_cast<std::size_t>(std::lround(images.elements()[i * each] * 255.0F));
            for (std::size_t c = 0; c < 300; ++c)
                scores.data()[i * 300 + c] = -static_cast<float>((c + 300 - level) % 300);
        }
        return scores;
    }
};

bool same_answers(const evaluation& a, const evaluation& b) {
    const auto equal = [](const gpunet::picture_answer& x, const gpunet::picture_answer& y) {
        return x.best == y.best && x.rank == y.rank;
    };
    return a.count == b.count && a.top1 == b.top1 && a.top5 == b.top5 && a.failures.size() == b.failures.size() &&
           std::equal(a.answers.begin(), a.answers.end(), b.answers.begin(), b.answers.end(), equal);
}

gpunet::folder_classes classes(std::int64_t count, bool imagenet = false, std::vector<std::string> names = {}) {
    return {count, imagenet, std::move(names)};
}

void save_png(const fs::path& path, const gpunet::image& p) {
    png_image header{};
    header.version = PNG_IMAGE_VERSION;
    header.width = static_cast<png_uint_32>(p.width);
    header.height = static_cast<png_uint_32>(p.height);
    header.format = PNG_FORMAT_RGB;
    header.flags = PNG_IMAGE_FLAG_FAST;
    REQUIRE(png_image_write_to_file(&header, path.c_str(), 0, p.pixels.data(), 0, nullptr));
}

/// A picture of tests/make_eval_golden.py.
gpunet::image cut(const gpunet::image& source, const std::vector<std::int64_t>& recipe) {
    const std::int64_t left = recipe[1], top = recipe[2], step = recipe[5];
    const std::int64_t width = (recipe[3] + step - 1) / step, height = (recipe[4] + step - 1) / step;
    const bool mirror = recipe[6] != 0, transpose = recipe[7] != 0;
    gpunet::image p(transpose ? height : width, transpose ? width : height);
    for (std::int64_t y = 0; y < height; ++y)
        for (std::int64_t x = 0; x < width; ++x) {
            const std::int64_t from = (top + y * step) * source.width + left + (mirror ? width - 1 - x : x) * step;
            const std::int64_t to = transpose ? x * p.width + y : y * p.width + x;
            std::copy_n(source.pixels.begin() + from * 3, 3, p.pixels.begin() + to * 3);
        }
    return p;
}

} // namespace

TEST_CASE("the rank of a class is how many come before it, of equal ones the lower first") {
    const std::vector<float> logits = {1, 3, 3, -2, 3, 0, 1};
    CHECK(rank_of(logits, 1) == 0);
    CHECK(rank_of(logits, 2) == 1);
    CHECK(rank_of(logits, 4) == 2);
    CHECK(rank_of(logits, 0) == 3);
    CHECK(rank_of(logits, 6) == 4);
    CHECK(rank_of(logits, 5) == 5);
    CHECK(rank_of(logits, 3) == 6);
    CHECK(rank_of(std::vector<float>(9, 0.5F), 8) == 8); // a network that says nothing is right once in nine
    CHECK(rank_of(std::vector<float>{7}, 0) == 0);
    // top_k has the same order.
    std::uint32_t x = 5;
    for (int round = 0; round < 20; ++round) {
        std::vector<float> many(50);
        for (float& value : many) value = static_cast<float>((x = x * 1664525U + 1013904223U) >> 29);
        const auto order = gpunet::top_k(many, many.size());
        for (std::size_t i = 0; i < order.size(); ++i)
            REQUIRE(rank_of(many, order[i].index) == static_cast<std::int64_t>(i));
    }
    for (const std::int64_t target : {-1, 7})
        CHECK_THAT(message_of<gpunet::argument_error>([&] { static_cast<void>(rank_of(logits, target)); }),
                   Contains("expected a class from 0 to 6, found " + std::to_string(target)));
    for (const float bad : {not_a_number, infinity, -infinity})
        CHECK_THAT(message_of<gpunet::argument_error>([&] {
                       static_cast<void>(rank_of(std::vector{1.0F, bad}, 0));
                   }),
                   StartsWith("rank_of: expected finite logits, found ") && Contains("for class 1"));
}

TEST_CASE("names of folders become classes") {
    struct example {
        std::vector<std::string> names;
        gpunet::folder_classes classes;
        folder_naming naming;
        std::vector<std::int64_t> targets;
    };
    const std::vector<example> examples = {
        {{"n02123045", "n01440764", "n15075141"}, classes(1000, true), folder_naming::synsets, {281, 0, 999}},
        {{"5", "999", "0"}, classes(1000, true), folder_naming::numbers, {5, 999, 0}},
        {{"05", "7"}, classes(10), folder_naming::numbers, {5, 7}},
        {{"dog", "Ant", "cat"}, classes(3, false, {"cat", "dog", "Ant"}), folder_naming::listed, {1, 2, 0}},
        {{"dog"}, classes(3, false, {"cat", "dog", "ant"}), folder_naming::listed, {1}},
        {{"n02123045", "x"}, classes(2, true, {"x", "n02123045"}), folder_naming::listed, {1, 0}},
        {{"c", "a", "b"}, classes(3), folder_naming::sorted, {2, 0, 1}},
        {{"1", "2", "3"}, classes(3), folder_naming::sorted, {0, 1, 2}}, // no number from 0 to 2
        {{"n02123045", "n01440764"}, classes(2), folder_naming::sorted, {1, 0}},
        {{"1", "2", "0"}, classes(3), folder_naming::numbers, {1, 2, 0}},
        {{"class2", "class10", "class1"},
         classes(3, false, {"class10", "class1", "class2"}),
         folder_naming::listed,
         {2, 0, 1}},
    };
    for (const example& e : examples) {
        INFO(e.names[0]);
        const auto [naming, targets] = gpunet::number_folders("d", e.names, e.classes);
        CHECK(naming == e.naming);
        CHECK(targets == e.targets);
    }
    const auto refused = [](const std::vector<std::string>& names, const gpunet::folder_classes& c) {
        return message_of<gpunet::error>([&] { static_cast<void>(gpunet::number_folders("d", names, c)); });
    };
    CHECK(
        refused({"n01440764", "n02123046"}, classes(1000, true)) ==
        "d/n02123046: expected a folder called by a WordNet id of ImageNet's, a number from 0 to 999, or 1000 folders "
        "in all, found 2");
    CHECK_THAT(refused({"0", "1", "cat"}, classes(1000, true)), StartsWith("d/cat: expected"));
    CHECK_THAT(refused({"0", "1", "10"}, classes(10)),
               StartsWith("d/10: expected a folder called by a number from 0 to 9, or 10 folders in all, found 3"));
    CHECK_THAT(refused({"-1"}, classes(10)), StartsWith("d/-1: "));
    CHECK_THAT(refused({"1x"}, classes(10)), StartsWith("d/1x: "));
    CHECK_THAT(refused({"cow"}, classes(2, false, {"cat", "dog"})),
               StartsWith("d/cow: expected a folder called by one of the 2 names given"));
    CHECK_THAT(refused({"cat"}, classes(3, false, {"cat", "dog"})),
               Contains("expected 3, one for each class, found 2"));
    CHECK_THAT(refused({"cat"}, classes(2, false, {"cat", "cat"})), Contains("each once, found \"cat\" again"));
    // torchvision sorts bytes, timm numbers within names: only where both agree is the order known.
    CHECK_THAT(refused({"class2", "class10", "class1"}, classes(3)),
               StartsWith("d: expected folders with just one sorted order") &&
                   Contains("class 1 is class10 to torchvision and class2 to timm"));
    CHECK_THAT(refused({"b", "A", "C"}, classes(3)), Contains("class 1 is C to torchvision and b to timm"));
    CHECK(refused({"b\n"}, classes(9)).find("d/b\\n: ") == 0);
    // timm's natural_key.
    const std::vector<std::string> natural = {"",     "1",   "2a", "10",  "A",  "a", "a1",
                                              "a01b", "a1c", "a2", "a10", "ab", "b"};
    for (std::size_t i = 0; i < natural.size(); ++i)
        for (std::size_t j = 0; j < natural.size(); ++j) {
            INFO(natural[i] << " before " << natural[j]);
            CHECK(gpunet::detail::natural_less(natural[i], natural[j]) == (i < j));
        }
}

TEST_CASE("a folder of class folders is listed in order, deep, without what is no picture") {
    const test::temporary_folder place;
    const fs::path root = place / "set";
    for (const char* folder :
         {"set", "set/2", "set/0", "set/0/deep", "set/0/deep/er", "set/7", "set/.git", "elsewhere"})
        fs::create_directory(place / folder);
    for (const char* file :
         {"set/2/b.JPEG", "set/2/a.png", "set/2/.hidden.png", "set/2/Thumbs.db", "set/0/deep/er/z.webp", "set/0/y.TIFF",
          "set/0/no_ending", "set/readme.txt", "set/.git/x.png", "elsewhere/link.jpg"})
        test::write_file(place / file, "x");
    fs::create_directory_symlink(place / "elsewhere", root / "5");
    fs::create_directory_symlink(root, root / "2" / "loop");
    fs::create_symlink(place / "nowhere.png", root / "2" / "dangling.png");

    const auto found = gpunet::list_image_folder(root, classes(10));
    CHECK(found.naming == folder_naming::numbers);
    CHECK(found.passed_over == 4); // Thumbs.db, no_ending, readme.txt, loop
    std::vector<std::string> names, pictures;
    for (const auto& f : found.folders) names.push_back(f.name + " " + std::to_string(f.target));
    CHECK(names == std::vector<std::string>{"0 0", "2 2", "5 5", "7 7"});
    for (const auto& p : found.pictures)
        pictures.push_back(std::to_string(p.target) + " " + fs::relative(p.path.parent_path(), root).string() + " " +
                           p.path.filename().string());
    CHECK(pictures == std::vector<std::string>{"0 0/deep/er z.webp", "0 0 y.TIFF", "2 2 a.png", "2 2 b.JPEG",
                                               "2 2 dangling.png",
                                               "5 " + fs::relative(place / "elsewhere", root).string() + " link.jpg"});

    const auto refused = [&](const fs::path& path) {
        return message_of<gpunet::io_error>([&] { static_cast<void>(gpunet::list_image_folder(path, classes(10))); });
    };
    CHECK(refused(place / "no") == (place / "no").string() + ": expected a folder of class folders, found nothing");
    CHECK(refused(root / "readme.txt") ==
          (root / "readme.txt").string() + ": expected a folder of class folders, found a file");
    CHECK(refused(place / "elsewhere") ==
          (place / "elsewhere").string() + ": expected a folder for each class, found none");
    fs::create_directory(root / "cat");
    CHECK_THAT(refused(root), StartsWith((root / "cat").string() + ": expected a folder called by a number"));
}

TEST_CASE("a limit takes pictures evenly from all classes") {
    const auto all = numbered(100, 1);
    const auto some = gpunet::thinned(all, 8);
    std::vector<std::string> names;
    for (const auto& p : some) names.push_back(p.path.string());
    CHECK(names == std::vector<std::string>{"0", "12", "25", "37", "50", "62", "75", "87"});
    CHECK(gpunet::thinned(all, 100).size() == 100);
    CHECK(gpunet::thinned(all, 1000).size() == 100);
    CHECK(gpunet::thinned(all, 0).empty());
}

TEST_CASE("answers are added up by class, with what it is mistaken for most") {
    const std::vector<labelled_picture> pictures = {{"a", 3}, {"b", 3}, {"c", 3}, {"d", 3},
                                                    {"e", 1}, {"f", 1}, {"g", 9}};
    const auto e = gpunet::tally(pictures, {{{3, 0, 1, 2, 4}, 0},
                                            {{8, 3, 1, 2, 4}, 1},
                                            {{7, 8, 1, 2, 4}, 5},
                                            {{7, 1, 2, 4, 3}, 4},
                                            {{}, 0},
                                            {{8, 0, 2, 3, 4}, 6},
                                            {}});
    CHECK(e.count == 5);
    CHECK(e.top1 == 1);
    CHECK(e.top5 == 3);
    CHECK(e.top1_percent() == 20.0);
    CHECK(e.top5_percent() == 60.0);
    REQUIRE(e.classes.size() == 3);
    const auto& [one, three, nine] = std::tie(e.classes[0], e.classes[1], e.classes[2]);
    CHECK((one.target == 1 && one.count == 1 && one.top1 == 0 && one.top5 == 0 && one.mistaken_for == 8));
    CHECK((three.target == 3 && three.count == 4 && three.top1 == 1 && three.top5 == 3));
    CHECK((three.mistaken_for == 7 && three.mistaken == 2));
    CHECK((nine.target == 9 && nine.count == 0 && !nine.mistaken_for));
    CHECK(std::isnan(gpunet::tally({}, {}).top1_percent()));
    CHECK_THAT(message_of<gpunet::argument_error>([&] { static_cast<void>(gpunet::tally(pictures, {})); }),
               Contains("expected 7 answers, found 0"));
}

TEST_CASE("batches arrive in order and complete, whatever the threads") {
    for (const std::size_t threads : {1U, 4U})
        for (const std::size_t batch : {1U, 3U, 8U, 20U}) {
            constexpr std::size_t items = 20;
            std::mutex access;
            std::vector<std::size_t> seen(items);
            gpunet::detail::batch_feeder feeder(items, batch, 2, threads, [&](std::size_t i, std::span<float> place) {
                std::this_thread::sleep_for(std::chrono::microseconds(i * 7919 % 500));
                std::fill(place.begin(), place.end(), static_cast<float>(i + 1));
                const std::scoped_lock lock(access);
                ++seen[i];
            });
            for (std::size_t first = 0; first < items; first += batch) {
                const auto values = feeder.take();
                REQUIRE(values.size() == batch * 2);
                for (std::size_t k = 0; k < batch * 2; ++k) // behind the last item: zeros
                    REQUIRE(values[k] == (first + k / 2 < items ? static_cast<float>(first + k / 2 + 1) : 0.0F));
                feeder.release();
            }
            CHECK(seen == std::vector<std::size_t>(items, 1));
        }
    // At most two batches ahead; destroyed early without filling the rest.
    std::atomic<std::size_t> filled = 0;
    {
        gpunet::detail::batch_feeder feeder(1000, 4, 1, 3, [&](std::size_t, std::span<float>) { ++filled; });
        static_cast<void>(feeder.take());
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        CHECK(filled <= 8);
    }
    CHECK(filled <= 8);
    // What a thread throws comes out where the batch is taken.
    gpunet::detail::batch_feeder broken(10, 2, 1, 2, [](std::size_t i, std::span<float>) {
        if (i == 5) throw std::runtime_error("five");
    });
    CHECK_THROWS_WITH(
        [&] {
            while (true) {
                static_cast<void>(broken.take());
                broken.release();
            }
        }(),
        "five");
}

TEST_CASE("evaluation judges every picture the same, by any batch and threads, and reports those it cannot") {
    const gpunet::model m = tiny_model();
    std::vector<labelled_picture> pictures = numbered(43, 300);
    for (std::size_t i = 0; i < pictures.size(); ++i)
        pictures[i].target += static_cast<std::int64_t>(i % 7); // rank i % 7: top-1 for 0, top-5 for 0 to 4
    const auto read = [](const fs::path& path) {
        const std::uint32_t n = number_of(path);
        if (n % 10 == 9) throw gpunet::image_error(path.string() + ": damaged");
        return grey(static_cast<std::uint8_t>(n));
    };
    std::int64_t count = 0, top1 = 0, top5 = 0;
    for (std::size_t i = 0; i < pictures.size(); ++i) {
        if (i % 10 == 9) continue;
        ++count;
        top1 += i % 7 == 0;
        top5 += i % 7 < 5;
    }
    for (const std::int64_t batch : {1, 3, 8, 43, 1000})
        for (const int threads : {0, 1, 4}) {
            INFO("batch " << batch << ", " << threads << " threads");
            std::vector<gpunet::evaluation_progress> steps;
            const evaluation e = gpunet::evaluate(level_network(), m, pictures, read,
                                                  {batch, threads, [&](const auto& p) { steps.push_back(p); }});
            CHECK(e.count == count);
            CHECK(e.top1 == top1);
            CHECK(e.top5 == top5);
            REQUIRE(e.answers.size() == pictures.size());
            for (std::size_t i = 0; i < pictures.size(); ++i) {
                REQUIRE(e.answers[i].judged() == (i % 10 != 9));
                if (i % 10 == 9) continue;
                const auto n = static_cast<std::int64_t>(i);
                CHECK(e.answers[i].rank == n % 7);
                CHECK(e.answers[i].best == std::vector<std::int64_t>{n, n + 1, n + 2, n + 3, n + 4});
            }
            REQUIRE(e.failures.size() == 4);
            CHECK(e.failures[1].path == "19");
            CHECK(e.failures[1].message == "19: damaged");
            REQUIRE(steps.size() == static_cast<std::size_t>((43 + batch - 1) / batch));
            CHECK((steps.back().done == 43 && steps.back().total == 43 && steps.back().count == count &&
                   steps.back().top1 == top1));
        }
    CHECK(gpunet::evaluate(level_network(), m, {}, read).count == 0);
}

TEST_CASE("logits that are not finite are failures, errors of everything else end the evaluation") {
    const gpunet::model m = tiny_model();
    const auto pictures = numbered(10, 300);
    const auto read = [](const fs::path& path) { return grey(static_cast<std::uint8_t>(number_of(path))); };
    const auto overflowing = [](const gpunet::tensor_view<const float>& images) {
        auto scores = level_network()(images);
        for (std::size_t i = 0; i < scores.size() / 300; ++i)
            if (scores.data()[i * 300 + 4] == 0) scores.data()[i * 300 + 17] = not_a_number; // picture 4
        return scores;
    };
    const evaluation e = gpunet::evaluate(overflowing, m, pictures, read, {4, 2, {}});
    CHECK(e.count == 9);
    CHECK(e.top1 == 9);
    REQUIRE(e.failures.size() == 1);
    CHECK(e.failures[0].message == "4: expected finite logits, found others");

    const auto refused = [&](auto&& network, auto&& reader, const gpunet::evaluation_options& o,
                             const std::vector<labelled_picture>& what) {
        try {
            static_cast<void>(gpunet::evaluate(network, m, what, reader, o));
        } catch (const std::exception& failure) {
            return std::string(failure.what());
        }
        return std::string();
    };
    CHECK(refused(level_network(), read, {0, 1, {}}, pictures) == "batch: expected at least 1, found 0");
    CHECK(refused(level_network(), read, {}, {{"1", 300}}) == "rank_of: expected a class from 0 to 299, found 300");
    CHECK(refused(
              level_network(), [](const fs::path&) -> gpunet::image { throw std::runtime_error("no disk"); }, {},
              pictures) == "no disk");
    CHECK(refused([](const auto&) -> gpunet::tensor<float> { throw gpunet::cuda_error("lost"); }, read, {1, 3, {}},
                  pictures) == "lost");
    CHECK(refused(level_network(), read, {1, 3, [](const auto&) { throw std::runtime_error("enough"); }}, pictures) ==
          "enough");
}

TEST_CASE("a real network answers the same by any batch and threads, and as classify does") {
    gpunet::model m;
    m.network = core_test::small("small0");
    m.input.size = m.network.data.resolution;
    m.input.crop = 0.875;
    const gpunet::any_network net(
        gpunet::network{m.network, gpunet::synthetic_weights(gpunet::lower(m.network)), gpunet::cpu::backend()});
    const auto pictures = numbered(21, 10);
    const auto read = [](const fs::path& path) {
        const std::uint32_t n = number_of(path);
        return noise(n, 40 + n % 5 * 13, 50 + n % 3 * 20);
    };
    const evaluation one = gpunet::evaluate(net, m, pictures, read, {1, 1, {}});
    CHECK(one.count == 21);
    for (std::size_t i = 0; i < pictures.size(); ++i) {
        const auto alone = gpunet::classify(net, m, read(pictures[i].path));
        std::vector<std::int64_t> best;
        for (const auto& p : alone.predictions(5)) best.push_back(p.index);
        CHECK(one.answers[i].best == best);
        CHECK(one.answers[i].rank == rank_of(alone.logits(), pictures[i].target));
    }
    for (const std::int64_t batch : {1, 3, 8, 64})
        for (const int threads : {1, 4}) {
            INFO("batch " << batch << ", " << threads << " threads");
            CHECK(same_answers(gpunet::evaluate(net, m, pictures, read, {batch, threads, {}}), one));
        }
}

TEST_CASE("real weights: evaluation equals timm's validation of the same 320 pictures") {
    const char* assets = std::getenv("GPUNET_TEST_ASSETS");
    if (!assets || !*assets) {
        std::cout << "skipped: GPUNET_TEST_ASSETS names no directory with EfficientNet-Lite0.pth and pictures\n";
        return;
    }
    const auto golden = core_test::read_json("goldens/EfficientNet-Lite0_eval.json");
    std::vector<gpunet::image> sources;
    for (const auto& s : golden["sources"]) {
        sources.push_back(gpunet::read_image(fs::path(assets) / s["file"].get<std::string>()));
        gpunet::sha256 hash;
        hash.update(std::as_bytes(std::span(sources.back().pixels)));
        REQUIRE(hash.hex() == s["pixels_sha256"].get<std::string>());
    }
    // Sanitizers make preprocessing slow: an eighth of the pictures then.
    constexpr std::size_t every = sanitized ? 8 : 1;
    const auto& recipes = golden["pictures"];
    REQUIRE(recipes.size() == 320);
    const test::temporary_folder place;
    fs::create_directory(place / "val");
    for (std::size_t i = 0; i < recipes.size(); i += every) {
        const auto recipe = recipes[i].get<std::vector<std::int64_t>>();
        const fs::path folder =
            place / "val" / std::string(gpunet::imagenet_synsets()[static_cast<std::size_t>(recipe[8])]);
        fs::create_directory(folder);
        save_png(folder / (std::to_string(i) + ".png"), cut(sources[static_cast<std::size_t>(recipe[0])], recipe));
    }
    const auto hub = gpunet::registry::builtin();
    const gpunet::model& m = hub.find("EfficientNet-Lite0");
    const auto data = gpunet::list_image_folder(place / "val", m);
    CHECK(data.naming == folder_naming::synsets);
    REQUIRE(data.pictures.size() == (320 + every - 1) / every);
    const gpunet::network net{m, gpunet::read_weights(fs::path(assets) / "EfficientNet-Lite0.pth"),
                              gpunet::cpu::backend()};
    const evaluation e =
        gpunet::evaluate(net, m, data.pictures, [](const fs::path& p) { return gpunet::read_image(p); });
    CHECK(e.failures.empty());

    std::int64_t top1 = 0, top5 = 0;
    for (std::size_t i = 0; i < data.pictures.size(); ++i) {
        const std::uint32_t number = number_of(data.pictures[i].path);
        INFO("picture " << number);
        const auto best = golden["best"][number].get<std::vector<std::int64_t>>();
        const auto logits = golden["logits"][number].get<std::vector<double>>();
        const std::int64_t target = recipes[number][8];
        REQUIRE(data.pictures[i].target == target);
        for (std::size_t k = 0; k < 5; ++k) {
            const auto at = std::find(best.begin(), best.end(), e.answers[i].best[k]) - best.begin();
            REQUIRE(at < 6);
            // Another order only where timm's logits tie.
            CHECK(std::fabs(logits[static_cast<std::size_t>(at)] - logits[k]) <
                  (at == static_cast<std::ptrdiff_t>(k) ? 1.0 : 1e-4));
        }
        top1 += best[0] == target;
        top5 += std::find(best.begin(), best.begin() + 5, target) != best.begin() + 5;
    }
    CHECK(e.top1 == top1);
    CHECK(e.top5 == top5);
    if (every == 1) {
        CHECK(e.top1 == golden["top1"]);
        CHECK(e.top5 == golden["top5"]);
    }
}

} // namespace test_evaluate
