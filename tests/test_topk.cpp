#include "image_files.hpp"
#include "temporary_folder.hpp"

#include <gpunet/image/labels.hpp>
#include <gpunet/image/topk.hpp>

#include <catch2/catch.hpp>

#include <cmath>
#include <limits>
#include <numeric>
#include <set>

namespace test_topk { // tests of a program are compiled together

using Catch::Contains;
using gpunet::argument_error;
using gpunet::softmax;
using gpunet::top_k;
using image_files::message_of;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

/// A text file that is gone when the test is over.
class text_file {
  public:
    explicit text_file(const std::string& text) { std::ofstream(path(), std::ios::binary) << text; }
    std::filesystem::path path() const { return folder_ / "labels.txt"; }

  private:
    test::temporary_folder folder_;
};

} // namespace

TEST_CASE("softmax is stable and sums to one") {
    const std::vector<float> logits{1, 2, 3};
    const auto p = softmax(logits);
    CHECK(p[0] == Approx(0.09003057));
    CHECK(p[2] == Approx(0.66524096));
    const auto large = softmax(std::vector<float>{1e30F, -1e30F, 1e30F});
    CHECK(large == std::vector<float>{0.5F, 0, 0.5F});
    CHECK(softmax(std::vector<float>{-infinity, 3}) == std::vector<float>{0, 1});
    CHECK(softmax(std::vector<float>{7}) == std::vector<float>{1});
    std::vector<float> many(100'000, 0.1F);
    softmax(many, many);
    CHECK(std::accumulate(many.begin(), many.end(), 0.0) == Approx(1).epsilon(1e-6));
}

TEST_CASE("softmax names what it cannot do") {
    const auto complaint = [](std::vector<float> logits) {
        return message_of<argument_error>([&] { softmax(logits); });
    };
    CHECK_THAT(complaint({}), Contains("at least one logit"));
    CHECK_THAT(complaint({1, std::nanf(""), 2}), Contains("logit 1 of 3 is not a number"));
    CHECK_THAT(complaint({1, 2, infinity}), Contains("logit 2 of 3 is infinite"));
    CHECK_THAT(complaint({-infinity, -infinity}), Contains("every logit is minus infinity"));
    std::vector<float> two(2);
    CHECK_THAT(message_of<argument_error>([&] { softmax(std::vector<float>(3), two); }),
               Contains("room for 3 probabilities, found 2"));
}

TEST_CASE("top_k orders by logit, ties by index, and gives no more than there is") {
    const std::vector<float> logits{2, 5, -1, 5, 2};
    const auto best = top_k(logits, 4);
    REQUIRE(best.size() == 4);
    CHECK(best[0].index == 1);
    CHECK(best[1].index == 3);
    CHECK(best[2].index == 0);
    CHECK(best[3].index == 4);
    CHECK(best[0].probability == softmax(logits)[1]);
    CHECK(top_k(logits, 99).size() == 5);
    CHECK(top_k(logits, 0).empty());
    // Ranked by logit even where the probabilities underflow alike.
    const auto far = top_k(std::vector<float>{-900, 0, -800}, 3);
    CHECK(far[1].index == 2);
    CHECK(far[1].probability == 0);
    CHECK_THAT(message_of<argument_error>([] { top_k(std::vector<float>{std::nanf("")}, 1); }), Contains("logit 0"));
}

TEST_CASE("ImageNet's labels stand in the networks' order") {
    const auto labels = gpunet::imagenet_labels();
    const auto synsets = gpunet::imagenet_synsets();
    REQUIRE(labels.size() == 1000);
    REQUIRE(synsets.size() == 1000);
    CHECK(labels[0] == "tench, Tinca tinca");
    CHECK(labels[281] == "tabby, tabby cat");
    CHECK(synsets[281] == "n02123045");
    CHECK(labels[967] == "espresso");
    CHECK(labels[999].starts_with("toilet tissue"));
    CHECK(std::is_sorted(synsets.begin(), synsets.end()));
    CHECK(std::set<std::string_view>(synsets.begin(), synsets.end()).size() == 1000);
    for (const auto label : labels) CHECK_FALSE(label.empty());
}

TEST_CASE("labels are read from text files") {
    using names = std::vector<std::string>;
    CHECK(gpunet::read_labels(text_file("cat\ndog\n").path()) == names{"cat", "dog"});
    CHECK(gpunet::read_labels(text_file("\xEF\xBB\xBF  a cat \r\nDog, big\r\n\r\n\n").path()) ==
          names{"a cat", "Dog, big"});
    CHECK(gpunet::read_labels(text_file("one").path()) == names{"one"});
    const auto complaint = [](const std::string& text) {
        const text_file file(text);
        return message_of<gpunet::io_error>([&] { gpunet::read_labels(file.path()); });
    };
    CHECK_THAT(complaint("a\n\nb\n"), Contains(".txt: line 2: ") && Contains("an empty line"));
    CHECK_THAT(complaint(std::string("a\nb\0c\n", 6)), Contains("line 2: ") && Contains("NUL"));
    CHECK_THAT(complaint(" \n\n"), Contains("found none"));
    CHECK_THAT(complaint(std::string((16 << 20) + 1, 'x')), Contains("expected at most 16777216 bytes"));
    CHECK_THAT(message_of<gpunet::io_error>([] { gpunet::read_labels("/no/such/labels.txt"); }),
               Contains("/no/such/labels.txt") && Contains("No such file"));
    CHECK_THAT(message_of<gpunet::io_error>([] { gpunet::read_labels("/tmp"); }), Contains("found a directory"));
}

} // namespace test_topk
