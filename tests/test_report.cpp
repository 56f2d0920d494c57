// The report: fronts, series, labels, and the page as a whole. What a browser makes of it: check_report_in_browser.py.
#include "report_pages.hpp"

#include <catch2/catch.hpp>

#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace test_report { // tests of a program are compiled together

using Catch::Contains;
using gpunet::milliseconds;
using gpunet::pareto_front;
using gpunet::report_html;
using gpunet::trade_off;
using hub_test::measured;
using hub_test::model;
using hub_test::record;
using report_test::measured_record;

namespace report = gpunet::detail::report;

namespace {

using indices = std::vector<std::size_t>;

std::size_t count(const std::string& text, const std::string& part) {
    std::size_t n = 0;
    for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++n;
    return n;
}

/// The main series of models on the tests' machine.
struct chief {
    explicit chief(std::vector<gpunet::model> m)
        : models(std::move(m)), all(report::series_of(models, report_test::data().here)),
          series(report::main_series(all, report_test::data().here)) {}

    std::vector<gpunet::model> models;
    std::vector<report::series> all;
    const report::series* series;
};

} // namespace

TEST_CASE("a Pareto front has what nothing dominates, by cost") {
    CHECK(pareto_front({}).empty());
    const std::vector<trade_off> one = {{3, 70}};
    CHECK(pareto_front(one) == indices{0});
    const std::vector<trade_off> some = {{5, 82}, {1, 75}, {2, 74}, {2, 80}, {6, 81.9}, {9, 83}};
    CHECK(pareto_front(some) == indices{1, 3, 0, 5});
    const std::vector<trade_off> falling = {{1, 80}, {2, 79}, {3, 78}};
    CHECK(pareto_front(falling) == indices{0});
}

TEST_CASE("equals are all on the front, and of equal cost or gain only the better") {
    const std::vector<trade_off> twins = {{2, 80}, {1, 75}, {2, 80}, {2, 80}, {1, 75}};
    CHECK(pareto_front(twins) == indices{1, 4, 0, 2, 3});
    const std::vector<trade_off> same_cost = {{1, 70}, {1, 72}, {1, 71}};
    CHECK(pareto_front(same_cost) == indices{1});
    const std::vector<trade_off> same_gain = {{3, 80}, {1, 80}, {2, 80}};
    CHECK(pareto_front(same_gain) == indices{1});
}

TEST_CASE("what is not finite is on no front") {
    constexpr double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
    const std::vector<trade_off> all = {{nan, 80}, {1, nan}, {2, 70}, {-inf, 90}, {1, inf}, {3, 71}};
    CHECK(pareto_front(all) == indices{2, 5});
}

TEST_CASE("a Pareto front is what its definition says, on many small ones with ties") {
    std::mt19937 random(7);
    for (int round = 0; round < 300; ++round) {
        std::vector<trade_off> all(1 + random() % 9);
        for (trade_off& t : all) t = {static_cast<double>(random() % 5), static_cast<double>(random() % 5)};
        std::set<std::size_t> expected;
        for (std::size_t i = 0; i < all.size(); ++i) {
            bool beaten = false;
            for (const trade_off& other : all) beaten = beaten || gpunet::dominates(other, all[i]);
            if (!beaten) expected.insert(i);
        }
        const indices front = pareto_front(all);
        CHECK(std::set<std::size_t>(front.begin(), front.end()) == expected);
        for (std::size_t i = 1; i < front.size(); ++i) CHECK(all[front[i - 1]].cost <= all[front[i]].cost);
    }
}

TEST_CASE("text of a page is escaped, and what is no text replaced") {
    const std::string replaced = "\xEF\xBF\xBD";
    CHECK(report::escaped("a<b>&\"'") == "a&lt;b&gt;&amp;&quot;&#39;");
    CHECK(report::escaped("\u00e4\u20ac\U0001F600\n\t") == "\u00e4\u20ac\U0001F600\n\t");
    for (const std::string bad : {"\x01", "\x7f", "\xc2\x85", "\xff", "\xc0", "\xc1", "\x80", "\xe2\x80\xae",
                                  "\xe2\x81\xa6", "\xe2\x80\x8f", "\xef\xbf\xbf"}) {
        INFO("bytes of length " << bad.size());
        CHECK(report::escaped("a" + bad + "b") == "a" + replaced + "b");
    }
    // Each byte of what is no character by itself: overlong, a surrogate, beyond Unicode, cut short.
    CHECK(report::escaped("\xc0\xbc") == replaced + replaced);
    CHECK(report::escaped("\xe0\x80\xbc") == replaced + replaced + replaced);
    CHECK(report::escaped("\xed\xa0\x80") == replaced + replaced + replaced);
    CHECK(report::escaped("\xf4\x90\x80\x80") == replaced + replaced + replaced + replaced);
    CHECK(report::escaped("\xe2\x82") == replaced + replaced);
    CHECK(report::escaped("\xe2\x82<") == replaced + replaced + "&lt;");
}

TEST_CASE("numbers have the digits that count") {
    CHECK(report::three_digits(0.63) == "0.63");
    CHECK(report::three_digits(0.04567) == "0.0457");
    CHECK(report::three_digits(0.9999) == "1.00");
    CHECK(report::three_digits(1.4) == "1.40");
    CHECK(report::three_digits(9.996) == "10.0");
    CHECK(report::three_digits(99.96) == "100");
    CHECK(report::three_digits(1234.5) == "1234");
    CHECK(report::rounded(20, 4) == "20");
    CHECK(report::rounded(12345, 4) == "12345");
    CHECK(report::at(-0.01) == "0");
    CHECK(report::at(12.25) == "12.2");
}

TEST_CASE("an axis has round numbers within its ends") {
    CHECK(report::log_ticks(0.4, 3, 20) == std::vector<double>{0.5, 1, 2});
    CHECK(report::log_ticks(1, 1000, 20) == std::vector<double>{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000});
    CHECK(report::log_ticks(1, 1000, 5) == std::vector<double>{1, 10, 100, 1000});
    CHECK(report::log_ticks(10, 12, 10).size() >= 3); // near each other: evenly
    CHECK(report::linear_ticks(74, 84, 5) == std::vector<double>{74, 76, 78, 80, 82, 84});
    CHECK(report::round_above(0.45) == Approx(0.5));
    CHECK(report::round_above(5) == Approx(5));
    CHECK(report::round_above(5.1) == Approx(10));
    const report::scale s{1, 100, 20, 220, true};
    CHECK(s(1) == Approx(20));
    CHECK(s(10) == Approx(120));
    CHECK(s(100) == Approx(220));
}

TEST_CASE("labels lie within the frame, apart from each other and from points") {
    std::mt19937 random(11);
    const report::box frame{0, 0, 700, 400};
    std::vector<report::label_request> wanted;
    std::vector<report::box> points;
    for (int i = 0; i < 60; ++i) {
        const auto x = static_cast<double>(20 + random() % 660), y = static_cast<double>(20 + random() % 360);
        wanted.push_back({"Model-" + std::to_string(i), x, y, i % 2 == 0});
        points.push_back({x - 6, y - 6, x + 6, y + 6});
    }
    const auto places = report::place_labels(wanted, points, {}, frame, 13);
    REQUIRE(places.size() == wanted.size());
    std::size_t placed = 0, leaders = 0;
    for (std::size_t i = 0; i < places.size(); ++i) {
        if (!places[i]) continue;
        ++placed;
        leaders += places[i]->leader ? 1 : 0;
        CHECK(report::within(places[i]->place, frame));
        CHECK((wanted[i].insistent || !places[i]->leader));
        for (const report::box& p : points) CHECK_FALSE(report::overlap(places[i]->place, p));
        for (std::size_t j = 0; j < i; ++j)
            if (places[j]) CHECK_FALSE(report::overlap(places[i]->place, places[j]->place));
    }
    CHECK(placed > 30);
    CHECK(leaders > 0);
    CHECK(placed < 60); // there is no room for all: these are dropped
    const std::vector<report::label_request> crowd(30, {"Model", 350, 200, false});
    std::size_t kept = 0;
    for (const auto& l : report::place_labels(crowd, {}, {}, frame, 13)) kept += l ? 1 : 0;
    CHECK(kept >= 2);
    CHECK(kept <= 8);
}

TEST_CASE("a label for which there is no room gives way to its shorter text") {
    const report::box frame{0, 0, 100, 60};
    std::vector<report::label_request> wanted = {{"a name much wider than the frame", 50, 30, true}};
    CHECK_FALSE(report::place_labels(wanted, {}, {}, frame, 13).front());
    wanted[0].shorter = "name";
    const auto shorter = report::place_labels(wanted, {}, {}, frame, 13).front();
    REQUIRE(shorter);
    CHECK(shorter->text == "name");
    wanted[0].text = "it fits";
    CHECK(report::place_labels(wanted, {}, {}, frame, 13).front()->text == "it fits");
    const report::box wide{0, 0, 300, 60};
    const double near = report::place_labels(wanted, {}, {}, wide, 13).front()->x;
    wanted[0].gap = 3;
    CHECK(near == Approx(58));
    CHECK(report::place_labels(wanted, {}, {}, wide, 13).front()->x == Approx(61));
}

TEST_CASE("a label keeps off lines where it can, and not where it cannot") {
    const std::vector<report::label_request> wanted = {{"Model", 100, 100, false}};
    const report::box frame{0, 0, 200, 200};
    const auto at = [&](const std::vector<report::box>& lines) {
        return report::place_labels(wanted, {}, lines, frame, 10).front();
    };
    REQUIRE(at({}));
    const report::box first = at({})->place;
    REQUIRE(at({first}));
    CHECK_FALSE(report::overlap(at({first})->place, first));
    REQUIRE(at({frame}));
}

TEST_CASE("no two of 64 series look alike, and the first eight differ in both shape and colour") {
    std::set<std::string> looks, shapes, colours;
    for (std::size_t style = 0; style < report::styles * report::styles; ++style) {
        const std::string shape = report::marker(style, 50, 50, 5), colour = report::colour_class(style);
        looks.insert(shape + colour);
        if (style >= report::styles) continue;
        shapes.insert(shape);
        colours.insert(colour);
    }
    CHECK(looks.size() == report::styles * report::styles);
    CHECK(shapes.size() == report::styles);
    CHECK(colours.size() == report::styles);
}

TEST_CASE("records fall into series: by who measured, device, engine, precision, batch, threads") {
    gpunet::latency_record other_threads = measured_record(6, 1, 1),
                           tf32 = record("NVIDIA A100", "TensorRT 8", "tf32", 1, 2);
    const chief c(
        {model("a", 80,
               {record("NVIDIA A100", "TensorRT 8", "fp16", 1, 1), record("NVIDIA A100", "PyTorch", "fp16", 1, 2),
                record("NVIDIA V100", "TensorRT 8", "fp16", 1, 1.5), tf32, measured_record(5), measured_record(9, 4),
                other_threads}),
         model("b", 81, {measured_record(7), record("NVIDIA A100", "TensorRT 8", "fp16", 1, 1.2)})});
    REQUIRE(c.all.size() == 7);
    CHECK(c.all[0].measured()); // what this machine is now comes first
    CHECK(c.all[0].threads == 2);
    REQUIRE(c.series == &c.all[0]);
    CHECK(c.series->points.size() == 2);
    std::set<std::size_t> lines;
    for (const report::series& s : c.all) lines.insert(s.style);
    CHECK(lines.size() == 5); // batches and precisions share a look
    const auto groups = report::groups_of(c.all, *c.series, report_test::data().here, 12);
    std::vector<std::string> names;
    for (const report::group& g : groups) names.push_back(g.name);
    CHECK(names == std::vector<std::string>{"batch 1, usual precision", "batch 1, fp32", "batch 1, tf32",
                                            "batch 1, fp16", "batch 4, fp32"});
    CHECK(groups[0].members.size() == 5); // A100 at fp16 and not at tf32
    CHECK(report::groups_of(c.all, *c.series, report_test::data().here, 3).size() == 3);
}

TEST_CASE("two GPUs of one name are told apart") {
    const auto on = [](const char* uuid) {
        gpunet::latency_record r = measured(record("NVIDIA A100", "cuDNN 9.19.0", "fp16", 1, 1));
        r.uuid = uuid;
        return r;
    };
    const chief both({model("a", 80, {on("GPU-11111111-2222"), on("GPU-33333333-4444")})});
    REQUIRE(both.all.size() == 2);
    CHECK(both.all[0].name == "NVIDIA A100 (GPU-11111111)");
    CHECK(both.all[1].name == "NVIDIA A100 (GPU-33333333)");
    CHECK(both.all[0].style != both.all[1].style);
    const chief one({model("a", 80, {on("GPU-11111111-2222"), record("NVIDIA A100", "TensorRT 8", "fp16", 1, 1)})});
    REQUIRE(one.all.size() == 2);
    CHECK(one.all[0].name == "NVIDIA A100");
}

TEST_CASE("of several measurements the one counts that a selection takes") {
    gpunet::device here = report_test::data().here;
    here.driver = "580";
    const auto at = [&](double ms, const char* driver, const char* date, const char* engine) {
        gpunet::latency_record r = measured_record(ms);
        r.driver = driver;
        r.date = date;
        r.engine = engine;
        return r;
    };
    const std::vector<gpunet::model> models = {
        model("a", 80,
              {at(5, "580", "2026-01-01", "oneDNN 2.6.3"), at(4, "570", "2026-03-01", "oneDNN 2.6.3"),
               at(6, "580", "2026-02-01", "oneDNN 2.6.3"), at(3, "580", "2026-04-01", "oneDNN 2.5")}),
        model("b", 81, {at(8, "570", "2026-01-01", "oneDNN 2.5")})};
    const auto all = report::series_of(models, here);
    REQUIRE(all.size() == 1);
    CHECK(all[0].engine == "oneDNN");
    REQUIRE(all[0].points.size() == 2);
    for (const report::point& p : all[0].points)
        CHECK(p.record == gpunet::detail::record_that_counts(*p.model, gpunet::query_for(here)));
    CHECK(all[0].points[0].record->latency.count() == 6);
    CHECK(all[0].points[0].changes.empty());
    CHECK_THAT(all[0].points[1].changes, Contains("driver 580") && Contains("oneDNN 2.6.3"));
    gpunet::report_data d = report_test::data();
    d.here = here;
    CHECK_THAT(report_html(models, d), Contains("Since 1 measurement the driver, an engine or gpunet has changed"));
}

TEST_CASE("the first sentence says what a selection says") {
    const chief c(report_test::measured_models());
    REQUIRE(c.series);
    const gpunet::device here = report_test::data().here;
    for (const double ms : {7.0, 10.0, 20.0, 26.9, 50.0, 100.0, 500.0}) {
        const gpunet::selection s = gpunet::select(c.models, gpunet::query_for(here, milliseconds(ms)));
        CHECK(report::best_within(*c.series, milliseconds(ms))->model == s.model);
        CHECK_THAT(report::headline(*c.series, milliseconds(ms)),
                   Contains("on this machine") && Contains("<strong>" + s.model->name + "</strong>"));
    }
    const milliseconds exact = c.series->points[0].record->latency;
    CHECK(report::best_within(*c.series, exact)->record->latency == exact); // inclusive
    CHECK_THAT(report::headline(*c.series, milliseconds(1)),
               Contains("No model on this machine takes at most 1 ms: the fastest is <strong>MobileNetV4-Conv-S"));
    CHECK_THAT(report::headline(*c.series, {}), Contains("Within 50 ms the most accurate model on this machine is"));
}

TEST_CASE("the ladder's budgets are round, each with another model, up to the most accurate") {
    const chief c(report_test::measured_models());
    const auto rungs = report::ladder(*c.series);
    REQUIRE(rungs.size() == 6);
    std::vector<double> budgets;
    for (const report::rung& r : rungs) {
        budgets.push_back(std::round(1e6 * r.budget.count()) / 1e6);
        CHECK(r.best->record->latency <= r.budget);
    }
    CHECK(budgets == std::vector<double>{10, 20, 50, 100, 200, 500});
    CHECK(rungs.back().best->model->name == "EfficientNetV2-L");
}

TEST_CASE("the front's list says what each model gives, and what beats the others") {
    const chief c({model("fast", 70, {measured_record(1)}), model("twin", 70, {measured_record(1)}),
                   model("slow", 80, {measured_record(3)}), model("beaten", 69, {measured_record(2)})});
    const std::string html = report::front_html(*c.series);
    CHECK_THAT(html, Contains("<strong>fast</strong>: 70.0 % in 1.00 ms; the fastest"));
    CHECK_THAT(html, Contains("<strong>twin</strong>: 70.0 % in 1.00 ms; the same as fast"));
    CHECK_THAT(html, Contains("10.0 points more than twin for 2.00 ms more; the most accurate"));
    CHECK_THAT(html, Contains("<strong>beaten</strong> (69.0 %, 2.00 ms): fast has 70.0 % in 1.00 ms"));
}

TEST_CASE("a model of a family is called by what tells it from the others") {
    std::vector<gpunet::model> models;
    for (const char* name : {"Net-X-B0", "Net-X-B1", "Lite0", "Lite1", "Some-Conv-S", "Some-Conv-L", "Lonely-1", "A-1",
                             "A-", "B-1", "B-10", ""}) {
        models.push_back(model(name, 70, {}));
        models.back().family = std::string(name).substr(0, 2);
    }
    std::vector<std::string> names;
    for (const gpunet::model& m : models) names.push_back(report::name_in_family(models, m));
    CHECK(names ==
          std::vector<std::string>{"B0", "B1", "Lite0", "Lite1", "S", "L", "Lonely-1", "1", "A-", "1", "10", ""});
}

TEST_CASE("a family's line goes through its models by latency") {
    std::vector<gpunet::model> models = {model("a-2", 80, {measured_record(3)}), model("b-1", 81, {measured_record(1)}),
                                         model("a-1", 75, {measured_record(2)}), model("a-3", 79, {measured_record(3)}),
                                         model("a-4", 82, {})};
    for (gpunet::model& m : models) m.family = m.name.substr(0, 1);
    const chief c(models);
    const auto curves = report::curves_of(*c.series, report::families_of(c.models));
    REQUIRE(curves.size() == 2);
    CHECK(curves.at(0) == indices{2, 3, 0});
    CHECK(curves.at(1) == indices{1});
    const std::string page = report_html(models, report_test::data());
    CHECK(count(page, "class=\"curve\"") == 3); // in both sizes, and in the legend; none through a single model
    CHECK_THAT(page, Contains("1 model without such a record, not drawn: a-4."));
}

TEST_CASE("a plot is of one series by families, and of several by themselves") {
    const chief c({model("a", 80,
                         {measured_record(5), measured_record(9, 4), record("NVIDIA A100", "TensorRT 8", "fp16", 1, 1),
                          record("NVIDIA A100", "TensorRT 8", "fp16", 8, 4)})});
    const auto groups = report::groups_of(c.all, *c.series, report_test::data().here, 12);
    std::vector<std::string> names;
    std::vector<bool> by_family;
    for (const report::view& v : report::views_of(groups, *c.series, 12)) {
        names.push_back(v.name);
        by_family.push_back(v.by_family);
        CHECK(v.by_family == (v.shown.members.size() == 1));
    }
    CHECK(names == std::vector<std::string>{"batch 1, fp32", "batch 1, usual precision, all devices", "batch 1, fp16",
                                            "batch 4, fp32", "batch 8, fp16"});
    CHECK(report::views_of(groups, *c.series, 2).size() == 2);
}

namespace {

/// A model of a family, measured.
gpunet::model of_family(const char* family, const char* name, double top1, double ms) {
    gpunet::model m = model(name, top1, {measured_record(ms)});
    if (ms <= 0) m.latency.clear();
    m.family = family;
    return m;
}

std::string verdict(const chief& c) {
    return report::verdict_html(report::gpunet_claim, report::judge(report::gpunet_claim, c.models, *c.series),
                                *c.series);
}

std::string pairs(const chief& c) {
    return report::duels_html(report::gpunet_claim, report::judge(report::gpunet_claim, c.models, *c.series),
                              *c.series);
}

} // namespace

TEST_CASE("against each rival stands the fastest champion that is as accurate") {
    const chief c({of_family("FBNetV3", "F-equal", 80, 2), of_family("FBNetV3", "F-better", 82.1, 1),
                   of_family("Other", "O", 79, 0.9), of_family("EfficientNet-X", "X-fast", 79, 0.5),
                   of_family("EfficientNet-X", "X-slow", 81, 9), of_family("EfficientNet-X", "X-unknown", 70, 0),
                   of_family("GPUNet", "G-small", 80, 1.5), of_family("GPUNet", "G-worse", 78, 0.1),
                   of_family("GPUNet", "G-twin", 80.5, 1.5), of_family("GPUNet", "G-large", 82, 4.5),
                   of_family("GPUNet", "G-unknown", 90, 0)});
    const report::judgement j = report::judge(report::gpunet_claim, c.models, *c.series);
    const auto expect = [&](std::size_t i, const char* rival, const char* champion, double times,
                            report::outcome result, bool named, bool within) {
        INFO(rival);
        CHECK(j.duels[i].rival->model->name == rival);
        CHECK((j.duels[i].champion ? j.duels[i].champion->model->name : "none") == champion);
        CHECK(j.duels[i].times == Approx(times));
        CHECK(j.duels[i].result == result);
        CHECK(j.duels[i].named == named);
        CHECK(j.duels[i].within == within);
    };
    using report::outcome;
    REQUIRE(j.duels.size() == 5);                                        // in the claim's order of families
    expect(0, "X-fast", "G-twin", 1.0 / 3, outcome::slower, true, true); // the rival alone is within a millisecond
    expect(1, "X-slow", "G-large", 2, outcome::holds, true, false);
    expect(2, "F-equal", "G-twin", 4.0 / 3, outcome::faster, true, false); // of equally fast ones the more accurate
    expect(3, "F-better", "none", 0, outcome::unmatched, true, true);
    expect(4, "O", "G-twin", 0.6, outcome::slower, false, true);
    REQUIRE(j.unknown.size() == 1);
    CHECK(j.unknown[0]->name == "X-unknown");
    CHECK(j.champions == 5);
    CHECK(j.champions_known == 4);
    CHECK(j.rivals == 5);
    const std::string text = verdict(c), table = pairs(c);
    CHECK_THAT(text,
               Contains(" is on this machine true of <strong>0 of 2 rivals</strong> within 1 ms; at any latency it "
                        "would be of <strong>1 of 4 rivals</strong>."));
    CHECK_THAT(text, Contains("G-large is 2.00 times as fast as X-slow and 1.0 points more accurate."));
    CHECK_THAT(text, Contains("Not true of F-equal (a GPUNet as accurate is faster, but less than 2 times as fast); of "
                              "X-fast (no GPUNet as accurate is faster); of F-better (more accurate than every GPUNet "
                              "measured)."));
    CHECK_THAT(text, Contains("Unknown of X-unknown, not measured. Only 4 of 5 models of GPUNet are measured."));
    CHECK(count(table, "<tr><th scope=\"row\"") == 5);
    CHECK_THAT(table, Contains("<th scope=\"row\">O</th>") && !Contains("X-unknown") && Contains("fp32, batch 1"));
}

TEST_CASE("the claim is true, or false, or cannot be judged") {
    const gpunet::model x = of_family("EfficientNet-X", "X", 80, 2), f = of_family("FBNetV3", "F", 79, 1.8);
    const chief right({x, f, of_family("GPUNet", "G", 80, 0.9)});
    CHECK_THAT(verdict(right), Contains(" is on this machine true of <strong>2 of 2 rivals</strong>.") &&
                                   Contains("G is 2.22 times as fast as X and equally accurate.") &&
                                   !Contains("Not true") && !Contains("Unknown") && !Contains("Only"));
    const chief wrong({x, f, of_family("GPUNet", "G", 80, 3.0)});
    CHECK_THAT(
        verdict(wrong),
        Contains("is about latencies within 1 ms, which no model compared reaches on this machine; at any latency "
                 "it would be true of <strong>0 of 2 rivals</strong>") &&
            Contains("The nearest to it: G is 0.66 times as fast as X") &&
            Contains("Not true of X and F (no GPUNet as accurate is faster)."));
    const chief nearly({x, of_family("GPUNet", "G", 80, 1.00001)}); // 1.99998 times
    CHECK_THAT(verdict(nearly), Contains("<strong>0 of 1 rival</strong>") && Contains("G is 1.99 times as fast"));
    const chief worse({x, of_family("GPUNet", "G", 79.9, 0.1)});
    CHECK_THAT(verdict(worse), Contains("<strong>0 of 1 rival</strong>") && !Contains("The nearest") &&
                                   Contains("Not true of X (more accurate than every GPUNet measured)."));

    const chief no_rival({of_family("EfficientNet-X", "X", 80, 0), of_family("GPUNet", "G", 80, 1)});
    CHECK_THAT(verdict(no_rival), Contains("can be neither confirmed nor denied on this machine yet, for no model of "
                                           "EfficientNet-X and FBNetV3 is measured.") &&
                                      Contains("gpunet bench --save"));
    const chief no_champion({x, of_family("GPUNet", "G", 80, 0)});
    CHECK_THAT(verdict(no_champion), Contains("for no model of GPUNet is measured."));
    CHECK(pairs(no_champion).empty());
    for (const chief& foreign :
         {chief({of_family("Other", "O", 80, 1)}), chief({of_family("GPUNet", "G", 80, 1)}), chief({x, f})})
        CHECK(verdict(foreign).empty()); // a registry without one of the sides

    const gpunet::registry published = gpunet::registry::builtin(); // whose records are of GPUNet alone
    const chief others(std::vector<gpunet::model>(published.begin(), published.end()));
    CHECK_THAT(verdict(others),
               Contains("can be neither confirmed nor denied by published figures on NVIDIA A100, for no model "
                        "of EfficientNet-X and FBNetV3 is on record."));
}

TEST_CASE("what is not comparable is on neither side of the claim, and noise and missing weights are told") {
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    gpunet::model noisy = of_family("FBNetV3", "F", 79, 3);
    noisy.latency.front().noisy = true;
    noisy.weights.resize(1);
    gpunet::model zero = of_family("GPUNet", "zero", 80, 1);
    zero.latency.front().latency = gpunet::milliseconds(0);
    const chief c({noisy, of_family("EfficientNet-X", "X", nan, 1), zero, of_family("GPUNet", "G", 80, 1)});
    const report::judgement j = report::judge(report::gpunet_claim, c.models, *c.series);
    REQUIRE(j.duels.size() == 1);
    CHECK(j.duels[0].champion->model->name == "G");
    CHECK(j.unknown.size() == 1);
    CHECK_THAT(pairs(c), Contains("1 pair rests on a noisy measurement") && !Contains("without weights"));
    noisy.weights.clear();
    CHECK_THAT(pairs(chief({noisy, of_family("GPUNet", "G", 80, 1)})), Contains("1 model comes without weights"));
}

TEST_CASE("how many times is rounded down") {
    CHECK(report::times_text(2.3) == "2.30");
    CHECK(report::times_text(1.99999) == "1.99");
    CHECK(report::times_text(2) == "2.00");
    CHECK(report::times_text(9.999) == "9.99");
    CHECK(report::times_text(23.45) == "23.4");
    CHECK(report::times_text(1234.9) == "1234");
}

TEST_CASE("the page draws 38 models of seven families, each family in its look") {
    const auto models = report_test::gpu_models();
    REQUIRE(models.size() == 38);
    const std::string page = report_html(models, report_test::gpu_data());
    CHECK(page == report_html(models, report_test::gpu_data()));
    const auto all = report::series_of(models, report_test::gpu_data().here);
    const report::series* chief = report::main_series(all, report_test::gpu_data().here);
    REQUIRE(chief->points.size() == 36);
    const std::string first = page.substr(page.find("<figure"), page.find("</figure>") - page.find("<figure"));
    CHECK(count(first, "class=\"pt ") == 2 * 36);
    CHECK(count(first, "class=\"best\"") == 2 * chief->front.size());
    CHECK(count(first, "class=\"curve\"") == 3 * 7);
    CHECK_THAT(first, Contains("2 models without such a record, not drawn: EfficientNet-X-B7, MobileNetV4-Conv-L."));
    std::set<std::string> looks;
    const auto families = report::families_of(models);
    REQUIRE(families.size() == 7);
    for (const auto& [family, place] : families) {
        CHECK_THAT(first, Contains("<span>" + family + "</span>"));
        looks.insert(report::colour_class(place));
        looks.insert(report::marker(place, 0, 0, 5));
    }
    CHECK(looks.size() == 14); // another colour and another shape for each
    const std::string wide = first.substr(0, first.find("class=\"plot narrow"));
    for (const std::size_t i : chief->front) CHECK_THAT(wide, Contains(">" + chief->points[i].model->name + "</text>"));
    CHECK(count(wide, "class=\"name ") == 36);
    CHECK_THAT(page, Contains("<li><a href=\"#claim\">Claim</a></li>") && Contains("Unknown of EfficientNet-X-B7"));
    CHECK_THAT(report_html(report_test::hostile_models(), report_test::hostile_data()), !Contains("#claim"));
}

TEST_CASE("where nothing is measured the page says so, and how to measure") {
    const gpunet::registry r = gpunet::registry::builtin();
    const std::string page = report_html(r.models(), report_test::data());
    CHECK_THAT(page, Contains("Nothing is measured on this machine yet.") && Contains("gpunet bench --save"));
    CHECK_THAT(page, Contains("on NVIDIA A100, by published figures"));
    CHECK_THAT(page, !Contains("<strong>measured here</strong>") && !Contains("most accurate model on this machine"));
    const std::vector<gpunet::model> unknown = {model("a", 80, {})};
    for (const std::string& none : {report_html({}, report_test::data()), report_html(unknown, report_test::data())}) {
        CHECK_THAT(none, Contains("Nothing is measured on this machine yet.") && Contains("All models"));
        CHECK_THAT(none, !Contains("<figure") && !Contains("nan"));
    }
}

TEST_CASE("the page has every model, published beside measured, spread, noise, batches, sources") {
    gpunet::report_data d = report_test::data();
    const auto models = report_test::measured_models();
    const std::string page = report_html(models, d);
    for (const gpunet::model& m : models) CHECK_THAT(page, Contains("<th scope=\"row\">" + m.name + "</th>"));
    for (const char* part :
         {"<strong>measured here</strong>", "NVIDIA V100, TensorRT 8, fp16, published", "latency in milliseconds",
          "ImageNet top-1 in per cent", "<em class=\"flag\">noisy</em> 62.7", "1 measurement is noisy", "\u00b10.54",
          "<th scope=\"col\">batch 64</th>", "GPUNet reference implementation, NVIDIA DeepLearningExamples, 2022",
          "https://arxiv.org/abs/2205.00841", "Licences of the models: Apache-2.0 (38 models)", "2026-03-01",
          "<dt>oneDNN</dt><dd>2.6.3</dd>", "Intel Xeon Platinum 8259CL"})
        CHECK_THAT(page, Contains(part));
    CHECK_THAT(page, !Contains("Time of each layer"));
    d.layers = report_test::some_layers();
    CHECK_THAT(report_html(models, d), Contains("Time of each layer of GPUNet-0") && Contains("15 tail"));
    CHECK(count(page, "<script") == 1);
}

TEST_CASE("a page is the same for the same data, and its title and date are the caller's") {
    gpunet::report_data d = report_test::data();
    const auto models = report_test::many_models();
    CHECK(report_html(models, d) == report_html(models, d));
    d.title = "Ours & theirs";
    d.date = "1999-12-31";
    const std::string page = report_html(models, d);
    CHECK(count(page, "<title>Ours &amp; theirs</title>") == 1);
    CHECK(count(page, "1999-12-31") == 1);
}

TEST_CASE("nothing that a record or a caller says becomes markup") {
    const std::string page = report_html(report_test::hostile_models(), report_test::hostile_data());
    CHECK(count(page, "<script") == 1);
    CHECK(count(page, "</script") == 1);
    CHECK_THAT(page,
               !Contains("<img") && !Contains("<b>") && !Contains("href=\"javascript") && !Contains("href=\"http"));
    CHECK_THAT(page, Contains("&lt;img src=x onerror=&#39;alert(2)&#39;&gt;&quot;&amp;amp;"));
    CHECK(page.find('\x01') == std::string::npos);
    CHECK(page.find('\xff') == std::string::npos);
    CHECK(page.find("\xe2\x80\xae") == std::string::npos);
}

TEST_CASE("there may be more groups and families than the style sheet has classes") {
    std::vector<gpunet::model> models;
    for (int i = 0; i < 20; ++i) {
        models.push_back(
            model(("m" + std::to_string(i)).c_str(), 70 + i, {measured_record(1 + i), measured_record(9 + i, 2 + i)}));
        models.back().family = "family " + std::to_string(i);
    }
    const std::string page = report_html(models, report_test::data());
    CHECK(count(page, "<figure") == report::most_views);
    CHECK_THAT(page, Contains("id=\"view-11\"") && !Contains("id=\"view-12\""));
    CHECK_THAT(page, Contains(">family 10 (1)</label>") && Contains(">others (9)</label>"));
    CHECK_THAT(page, Contains("id=\"family-12\"") && !Contains("id=\"family-13\""));
    for (const std::string style : {"#view-11:checked", "#family-12:checked) .f:not(.f11)"})
        CHECK_THAT(page, Contains(style));
    CHECK_THAT(page, !Contains("class=\"pt f f12"));
    CHECK_THAT(page, Contains("<th scope=\"col\">batch 21</th>")); // all of them are in the table
}

TEST_CASE("extreme latencies and accuracies make no impossible drawing") {
    const std::vector<gpunet::model> models = {
        model("a", 0.001, {measured_record(1e-9)}), model("b", 100, {measured_record(1e9)}),
        model("c", 50, {record("D", "E", "fp16", 1, 1)}), model("d", 50, {record("D", "E", "fp16", 1, 1)})};
    const std::string page = report_html(models, report_test::data());
    CHECK_THAT(page, !Contains("nan") && !Contains("inf,") && !Contains("\"inf"));
    CHECK(page.size() < 200000);
    CHECK(report::log_ticks(1e-9, 1e9, 20).size() <= 20);
}

TEST_CASE("layers are timed by their medians, without the runs that warm up") {
    struct fake {
        gpunet::graph::network net = gpunet::lower(gpunet::registry::builtin().find("GPUNet-0").network);
        int runs = 0;
        const gpunet::graph::network& graph() const { return net; }
        gpunet::shape input_shape() const { return {2, 3, 8, 8}; }
        gpunet::shape output_shape() const { return {2, 1000}; }
        void profile(std::span<const float> images, std::span<float> scores, std::span<double> times) {
            CHECK(images.size() == 2 * 3 * 8 * 8);
            CHECK(scores.size() == 2 * 1000);
            ++runs;
            for (std::size_t i = 0; i < times.size(); ++i)
                times[i] = (runs <= 10 ? 1000.0 : 1.0) * static_cast<double>(i + 1);
        }
    } context;
    gpunet::measure_options o;
    o.min_warmup_runs = 10;
    o.warmup = o.duration = o.max_warmup = milliseconds(0);
    o.min_runs = o.max_runs = 15;
    const auto layers = gpunet::measure_layers(context, o);
    REQUIRE(layers.size() == context.net.blocks.size());
    for (std::size_t i = 0; i < layers.size(); ++i) {
        CHECK(layers[i].layer == context.net.blocks[i].layer);
        CHECK(layers[i].median.count() == static_cast<double>(i + 1));
        CHECK(layers[i].multiply_adds == 2 * gpunet::graph::count(context.net.blocks[i]).multiply_adds);
    }
}

// For check_report.py and check_report_in_browser.py: pages in the folder $GPUNET_REPORT_PAGES.
TEST_CASE("write pages", "[.pages]") {
    const char* folder = std::getenv("GPUNET_REPORT_PAGES");
    REQUIRE(folder);
    std::filesystem::create_directories(folder);
    const auto write = [&](const char* name, const std::string& page) {
        std::ofstream file(std::filesystem::path(folder) / name, std::ios::binary);
        file << page;
        REQUIRE(file.flush());
    };
    gpunet::report_data d = report_test::data();
    d.layers = report_test::some_layers();
    write("measured.html", report_html(report_test::measured_models(), d));
    const gpunet::registry published = gpunet::registry::builtin();
    write("published.html", report_html(published.models(), report_test::data()));
    write("many.html", report_html(report_test::many_models(), report_test::data()));
    write("families.html", report_html(report_test::gpu_models(), report_test::gpu_data()));
    write("hostile.html", report_html(report_test::hostile_models(), report_test::hostile_data()));
    write("empty.html", report_html({}, report_test::data()));
}

} // namespace test_report
