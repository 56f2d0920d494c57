// The layer over cuDNN's backend API, without a GPU: graphs, heuristics, plans for GPUs that are not here, the plan
// cache. Hidden cases ([.cudnn-all], [.cudnn-table]) go through every convolution of the published networks.
#include "core_support.hpp"
#include "weights_support.hpp"

#include <gpunet/cuda/driver_stub.hpp>
#include <gpunet/cudnn/device_properties.hpp>
#include <gpunet/cudnn/make_plan.hpp>
#include <gpunet/cudnn/plan_store.hpp>
#include <gpunet/cudnn/target.hpp>
#include <gpunet/cudnn/worker_pool.hpp>
#include <gpunet/graph/lower.hpp>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

namespace test_cudnn { // tests of a program are compiled together

namespace {

namespace fs = std::filesystem;
using namespace gpunet::cudnn;
using Catch::Contains;
using gpunet::activation;
using gpunet::cuda::element;
using gpunet_test::message_of;

/// Says so where this machine has no cuDNN.
bool have_cudnn() {
    try {
        return library::open() != nullptr;
    } catch (const gpunet::unsupported_error& e) {
        std::cout << "skipped: " << e.what() << '\n';
        return false;
    }
}

/// Run-time compilation needs a libcuda.so.1, if only CUDA's stub.
bool have_driver_library() {
    if (gpunet::cuda::open_driver_or_stub() != gpunet::cuda::driver_library::none) return true;
    std::cout << "skipped: neither a driver nor CUDA's driver stub is installed\n";
    return false;
}

/// 3 x 3 or 1 x 1, same padding.
convolution_problem square(element type, std::int64_t n, std::int64_t c, std::int64_t k, std::int64_t extent,
                           std::int64_t kernel, activation act) {
    convolution_problem p;
    p.type = type;
    p.n = n;
    p.c = c;
    p.h = p.w = p.oh = p.ow = extent;
    p.k = k;
    p.kernel = kernel;
    p.padding = {kernel / 2, kernel / 2, kernel / 2, kernel / 2};
    p.act = act;
    return p;
}

convolution_problem gated(element type, std::int64_t n) {
    convolution_problem p = square(type, n, 480, 80, 14, 1, activation::identity);
    p.gate = p.residual = true;
    return p;
}

constexpr element all_types[] = {element::float16, element::bfloat16, element::float32};

std::string read(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}
void write(const fs::path& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

} // namespace

TEST_CASE("a GPU is known by its names and its capability") {
    for (const char* spelling : {"sm_90", "sm90", "SM_90", "90", "9.0", "H100", "h100", "NVIDIA H100", "nvidia-h100",
                                 "NVIDIA H100 80GB HBM3"}) {
        INFO(spelling);
        CHECK(find_gpu(spelling).alias == "H100");
    }
    CHECK(find_gpu("RTX 5090").architecture() == "sm_120");
    CHECK(find_gpu("GeForce RTX 3090").architecture() == "sm_86");
    CHECK(find_gpu(8, 9)->alias == "L40S");
    CHECK(find_gpu(7, 0) == nullptr);
    for (const char* wrong : {"", "sm_70", "H", "100 H", "sm_"}) {
        const std::string message = message_of<gpunet::argument_error>([&] { find_gpu(wrong); });
        CHECK_THAT(message, Contains("gpu: expected one of sm_75 (T4), ") && Contains("sm_120 (RTX 5090)") &&
                                Contains("found \"" + std::string(wrong) + "\""));
    }
    for (const gpu_model& m : gpu_models) {
        const auto json = nlohmann::json::parse(properties_json(m));
        CHECK(json.size() == 23);
        CHECK(json["deviceVer"] == m.major * 100 + m.minor * 10);
        CHECK(json["deviceName"] == m.name);
        CHECK(json["multiProcessorCount"] == m.multiprocessors);
    }
}

TEST_CASE("the floor is launch, bytes or arithmetic, whichever is longest") {
    const gpu_model& h100 = find_gpu("H100");
    CHECK(floor_microseconds(h100, element::float16, false, 1000, 1000) == 1.5);
    CHECK(floor_microseconds(h100, element::float16, false, 30'000'000, 1000) == Approx(10));
    CHECK(floor_microseconds(h100, element::float16, false, 1000, 4'000'000'000) == Approx(10));
    CHECK(floor_microseconds(h100, element::float32, true, 1000, 4'000'000'000) == Approx(20));
    CHECK(floor_microseconds(h100, element::float32, false, 1000, 4'000'000'000) == Approx(8e3 / 67));
}

TEST_CASE("equal texts mean equal problems, and a contradictory problem is named") {
    const convolution_problem p = square(element::float16, 2, 64, 128, 28, 3, activation::swish);
    CHECK(p.text() == "conv fp16 n2 64x28x28 to 128x28x28 kernel 3 stride 1 padding 1,1,1,1 groups 1 bias swish");
    CHECK(p.multiply_adds() == 2 * 28 * 28 * 128 * 64 * 9);
    CHECK(p.bytes() == 2 * (2 * 28 * 28 * 64 + 128 * 64 * 9 + 2 * 28 * 28 * 128 + 128));
    std::vector<convolution_problem> all = {p};
    const auto add = [&](auto change) {
        convolution_problem q = p;
        change(q);
        all.push_back(q);
    };
    add([](auto& q) { q.type = element::bfloat16; });
    add([](auto& q) { q.tf32 = true; });
    add([](auto& q) { q.n = 22; });
    add([](auto& q) { q.c = 8; });
    add([](auto& q) { q.h = 8; });
    add([](auto& q) { q.w = 8; });
    add([](auto& q) { q.k = 8; });
    add([](auto& q) { q.oh = 8; });
    add([](auto& q) { q.ow = 8; });
    add([](auto& q) { q.kernel = 5; });
    add([](auto& q) { q.stride = 2; });
    add([](auto& q) { q.padding.top = 7; });
    add([](auto& q) { q.padding.bottom = 7; });
    add([](auto& q) { q.padding.left = 7; });
    add([](auto& q) { q.padding.right = 7; });
    add([](auto& q) { q.groups = 2; });
    add([](auto& q) { q.act = activation::hard_swish; });
    add([](auto& q) { q.bias = false; });
    add([](auto& q) { q.residual = true; });
    add([](auto& q) { q.gate = true; });
    std::set<std::string> texts;
    for (const auto& q : all) texts.insert(q.text());
    CHECK(texts.size() == all.size());

    CHECK_NOTHROW(validate(p));
    const auto refused = [&](auto change) {
        convolution_problem q = p;
        change(q);
        const std::string message = message_of<gpunet::argument_error>([&] { validate(q); });
        CHECK_THAT(message, Catch::StartsWith(q.text() + ": expected "));
        return message;
    };
    CHECK_THAT(refused([](auto& q) { q.oh = 27; }), Contains("output's extent"));
    CHECK_THAT(refused([](auto& q) { q.n = 0; }), Contains("positive sizes"));
    CHECK_THAT(refused([](auto& q) { q.stride = 0; }), Contains("stride"));
    CHECK_THAT(refused([](auto& q) { q.groups = 3; }), Contains("groups that divide"));
    CHECK_THAT(refused([](auto& q) { q.padding.left = -1; }), Contains("padding"));
    CHECK_THAT(refused([](auto& q) { q.tf32 = true; }), Contains("tf32"));
    CHECK_THAT(refused([](auto& q) { q.gate = true; }), Contains("gate"));
}

TEST_CASE("cuDNN says what it is, and errors name what failed") {
    if (!have_cudnn()) return;
    const auto l = library::open();
    CHECK(l == library::open());
    CHECK(l->version() >= minimum_version);
    CHECK(version_text(91900) == "9.19.0");
    CHECK_THAT(l->path(), Contains("libcudnn"));
    operation_graph g(l);
    CHECK_THAT(message_of<gpunet::cudnn_error>([&] { g.input(77, CUDNN_DATA_HALF, {}, {}); }),
               Contains("cuDNN tensor 77: CUDNN_STATUS_"));
    const auto x = g.input(1, CUDNN_DATA_HALF, {1, 64, 8, 8}, channels_last({1, 64, 8, 8}));
    const auto w = g.input(2, CUDNN_DATA_HALF, {64, 48, 3, 3}, channels_last({64, 48, 3, 3}));
    const auto y = g.output(3, CUDNN_DATA_HALF, {1, 64, 8, 8}, channels_last({1, 64, 8, 8}));
    CHECK_THAT(message_of<gpunet::cudnn_error>([&] {
                   g.convolution(x, w, y, 1, {1, 1, 1, 1});
               }),
               Contains("cuDNN convolution operation: CUDNN_STATUS_"));
    CHECK_THROWS_AS(target::offline("sm_1"), gpunet::argument_error);
}

TEST_CASE("plain, residual and strided convolutions have precompiled plans at one picture and at eight") {
    if (!have_cudnn()) return;
    for (const char* gpu : {"sm_80", "sm_90", "sm_100"}) {
        const target t = target::offline(gpu);
        CHECK_FALSE(t.present());
        CHECK_THAT(t.key(), Contains(std::string(t.model().name)) && Contains(gpu) && Contains("cuDNN 9."));
        for (const element type : all_types)
            for (const std::int64_t n : {1, 8}) {
                std::vector<convolution_problem> all = {square(type, n, 64, 128, 28, 3, activation::relu),
                                                        square(type, n, 40, 136, 14, 1, activation::identity),
                                                        square(type, n, 672, 80, 14, 1, activation::identity),
                                                        square(type, n, 64, 128, 28, 3, activation::identity)};
                all[2].residual = true;
                all[3].stride = 2;
                all[3].padding = {0, 1, 0, 1};
                all[3].oh = all[3].ow = 14;
                for (const convolution_problem& p : all) {
                    INFO(gpu << ": " << p.text());
                    const plan_result r = first_plan(t, p, preference::precompiled);
                    INFO(r.reason);
                    REQUIRE(r.plan);
                    CHECK(r.reason.empty());
                    CHECK(r.plan->status() == plan_status::ready);
                    CHECK_FALSE(r.plan->runtime_compiled());
                    CHECK(r.plan->engine() == "engine " + std::to_string(r.plan->engine_index()));
                    CHECK(r.plan->problem() == p);
                    if (type == element::float32) CHECK_FALSE(r.plan->tensor_core());
                    const auto json = nlohmann::json::parse(r.plan->json());
                    CHECK(json["cudnnVersion"] == t.library()->version());
                }
            }
    }
}

TEST_CASE("strict float32 never meets a tensor core, tf32 may") {
    if (!have_cudnn()) return;
    for (const char* gpu : {"sm_80", "sm_90", "sm_100"}) {
        const target t = target::offline(gpu);
        for (const std::int64_t n : {1, 8})
            for (const std::int64_t kernel : {1, 3})
                for (const activation act : {activation::relu, activation::identity, activation::swish}) {
                    convolution_problem p = square(element::float32, n, 64, 128, 28, kernel, act);
                    INFO(gpu << ": " << p.text());
                    const auto strict = plan_maker(t, p).proposals(preference::heuristic);
                    CHECK_FALSE(strict.empty());
                    for (const engine& e : strict) {
                        INFO(e.name() << " " << e.knobs);
                        CHECK_FALSE(e.notes(CUDNN_NUMERICAL_NOTE_TENSOR_CORE));
                        CHECK_FALSE(e.notes(CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS));
                    }
                    p.tf32 = true;
                    const auto relaxed = plan_maker(t, p).proposals(preference::heuristic);
                    CHECK(relaxed.size() > strict.size());
                    CHECK(std::any_of(relaxed.begin(), relaxed.end(), [](const engine& e) { return e.tensor_core(); }));
                    if (act == activation::swish) continue; // run-time compiled
                    p.tf32 = false;
                    const auto exact = first_plan(t, p, preference::precompiled).plan;
                    REQUIRE(exact);
                    CHECK_FALSE(exact->tensor_core());
                }
    }
}

TEST_CASE("every activation is proposed engines for, at one picture and at eight") {
    if (!have_cudnn() || !have_driver_library()) return;
    for (const char* gpu : {"sm_80", "sm_90"}) {
        const target t = target::offline(gpu);
        for (const element type : all_types)
            for (const std::int64_t n : {1, 8})
                for (int a = 0; a < static_cast<int>(gpunet::activation_names.size()); ++a) {
                    auto p = square(type, n, 64, 64, 14, 1, static_cast<activation>(a));
                    p.residual = n == 8;
                    INFO(gpu << ": " << p.text());
                    const auto all = plan_maker(t, p).proposals(preference::heuristic);
                    CHECK_FALSE(all.empty());
                    CHECK((type == element::float32 ||
                           std::any_of(all.begin(), all.end(), [](const engine& e) { return e.tensor_core(); })));
                }
    }
}

TEST_CASE("run-time-compiled engines compile against CUDA's driver stub") {
    if (!have_cudnn() || !have_driver_library()) return;
    const target t = target::offline("H100");
    const auto compiled = [&](const convolution_problem& p) {
        INFO(p.text());
        const plan_result r = first_plan(t, p);
        INFO(r.reason);
        REQUIRE(r.plan);
        CHECK(r.plan->runtime_compiled());
        CHECK_THAT(r.plan->engine(), Contains(", run-time compiled"));
        if (gpunet::cuda::open_driver_or_stub() == gpunet::cuda::driver_library::stub) {
            CHECK(r.plan->status() == plan_status::compiled_not_loaded);
            CHECK_THROWS_AS(r.plan->json(), gpunet::cudnn_error);
        }
    };
    for (const std::int64_t n : {1, 8}) {
        compiled(square(element::float16, n, 64, 64, 28, 3, activation::swish));
        compiled(gated(element::float16, n));
    }
    compiled(gated(element::bfloat16, 8));
    compiled(square(element::float32, 1, 32, 32, 14, 1, activation::swish)); // strict: engine 8
    compiled(square(element::float16, 1, 64, 64, 14, 1, activation::relu6));
}

TEST_CASE("where cuDNN has nothing, one line says for what, for which GPU, and of which version") {
    if (!have_cudnn()) return;
    const target t = target::offline("sm_90");
    const convolution_problem p = gated(element::float32, 8); // only tensor cores do this
    const plan_result r = first_plan(t, p);
    CHECK(r.plan == nullptr);
    CHECK_THAT(r.reason, Catch::StartsWith(p.text() + ": cuDNN 9.") && Contains(" has no plan for sm_90"));
    CHECK(r.reason.find('\n') == std::string::npos);
    convolution_problem grouped = square(element::bfloat16, 1, 128, 128, 28, 3, activation::swish);
    grouped.groups = 128;
    const plan_result none = first_plan(t, grouped);
    if (!none.plan) CHECK_THAT(none.reason, Contains("groups 128") && Contains("sm_90"));
    CHECK_THROWS_AS(first_plan(t, convolution_problem{}), gpunet::argument_error);
    plan_store store(t);
    CHECK(store.get(p).get().reason == r.reason);
    CHECK_THROWS_AS(store.get(convolution_problem{}).get(), gpunet::argument_error);
}

TEST_CASE("a plan on disk is loaded by the next store, a damaged or stale one is made again") {
    if (!have_cudnn()) return;
    const test::temporary_folder folder;
    const target t = target::offline("sm_90");
    const convolution_problem p = square(element::float16, 8, 64, 128, 28, 3, activation::relu);
    const plan_store_options o = {.directory = folder.path() / "plans", .order = preference::precompiled};
    const auto get = [&] { return plan_store(t, o).get(p).get(); };
    const auto first = get();
    REQUIRE(first.plan);
    CHECK_FALSE(first.from_disk);
    REQUIRE(std::distance(fs::directory_iterator(o.directory), {}) == 1);
    const fs::path file = fs::directory_iterator(o.directory)->path();
    CHECK(file.filename().string().ends_with(".plan.json"));

    const auto same = [&](const stored_plan& s) {
        REQUIRE(s.plan);
        CHECK(s.plan->status() == plan_status::ready);
        CHECK(s.plan->engine() == first.plan->engine());
        CHECK(s.plan->knobs() == first.plan->knobs());
        CHECK(s.plan->workspace() == first.plan->workspace());
        CHECK(s.plan->tensor_core() == first.plan->tensor_core());
    };
    const auto second = get();
    CHECK(second.from_disk);
    same(second);
    CHECK(second.plan->json() == first.plan->json());

    const std::string whole = read(file);
    const auto made_again = [&](const std::string& damaged) {
        REQUIRE(damaged != whole);
        write(file, damaged);
        const auto s = get();
        CHECK_FALSE(s.from_disk);
        same(s);
        CHECK(read(file) == whole);
        CHECK(get().from_disk);
    };
    made_again("");
    made_again("{}");
    made_again(whole.substr(0, whole.size() / 2));
    made_again(whole + "x");
    std::string changed = whole;
    changed[changed.find("GLOBAL") == std::string::npos ? whole.size() - 40 : changed.find("GLOBAL")] ^= 1;
    made_again(changed);
    const auto edited = [&](auto edit) {
        auto json = nlohmann::ordered_json::parse(whole);
        edit(json);
        return json.dump(1) + "\n";
    };
    made_again(edited([](auto& j) { j["schema"] = gpunet::cudnn::detail::plan_schema + 1; }));
    made_again(edited([](auto& j) { j["key"] = "another"; }));
    made_again(edited([](auto& j) { j["engine_index"] = "ten"; }));
    // A whole file whose plan cuDNN refuses.
    const plan_files files(o.directory);
    const std::string key = nlohmann::json::parse(whole)["key"];
    CHECK(files.file_of(key) == file);
    CHECK_THAT(key, Contains(t.key()) && Contains(p.text()));
    for (const auto& [from, to] : {std::pair<std::string, std::string>{"\"cudnnVersion\":", "\"cudnnVersion\":8"},
                                   {"{", ""},
                                   {"CUDNN_DATA_HALF", "CUDNN_DATA_HAIL"}}) {
        plan_record r = *files.read(key);
        r.json.replace(r.json.find(from), from.size(), to);
        files.write(key, r);
        made_again(read(file));
    }
    // Another GPU's plans lie beside.
    const auto other = plan_store(target::offline("sm_80"), o).get(p).get();
    CHECK_FALSE(other.from_disk);
    CHECK(std::distance(fs::directory_iterator(o.directory), {}) == 2);
}

TEST_CASE("a cache that cannot be written is no error") {
    if (!have_cudnn()) return;
    const test::temporary_folder folder;
    write(folder.path() / "file", "");
    plan_store store(target::offline("sm_90"), {.directory = folder.path() / "file", .order = preference::precompiled});
    CHECK(store.get(square(element::float16, 1, 64, 64, 14, 1, activation::identity)).get().plan);
    CHECK(folder.entries() == 1);
}

TEST_CASE("the plan that is fastest in the trial is kept, with its time") {
    if (!have_cudnn()) return;
    const test::temporary_folder folder;
    const target t = target::offline("sm_90");
    const convolution_problem p = square(element::float16, 1, 64, 128, 28, 3, activation::relu);
    std::atomic<int> at_once = 0, calls = 0;
    std::string best_knobs;
    plan_store_options o = {
        .directory = folder.path(), .order = preference::precompiled, .tune = true, .candidates = 5};
    o.trial = [&](const plan& candidate) -> trial_result {
        CHECK(++at_once == 1);
        const int call = ++calls;
        if (call == 3) best_knobs = candidate.knobs();
        --at_once;
        if (call == 2) return {.refused = "execution failed"};
        return {.microseconds = call == 3 ? 2.5 : 10 + call};
    };
    const auto tuned = plan_store(t, o).get(p).get();
    REQUIRE(tuned.plan);
    CHECK(calls == 6);
    CHECK(tuned.microseconds == 2.5);
    CHECK(tuned.plan->knobs() == best_knobs);
    const auto loaded = plan_store(t, o).get(p).get();
    CHECK(calls == 6);
    CHECK(loaded.from_disk);
    CHECK(loaded.microseconds == 2.5);
    CHECK(loaded.plan->knobs() == best_knobs);
    // An untuned choice is another file.
    plan_store_options plain = o;
    plain.tune = false;
    CHECK_FALSE(plan_store(t, plain).get(p).get().from_disk);
}

TEST_CASE("a rival that is faster than every plan is kept instead") {
    if (!have_cudnn()) return;
    const test::temporary_folder folder;
    const target t = target::offline("sm_90");
    const convolution_problem p = square(element::float16, 1, 64, 128, 28, 3, activation::relu);
    int begun = 0;
    plan_store_options o = {
        .directory = folder.path(), .order = preference::precompiled, .tune = true, .candidates = 2};
    o.trial = [](const plan&) -> trial_result { return {.microseconds = 5}; };
    const auto offer = [&](std::vector<std::pair<std::string, trial_result>> offered) {
        begun = 0;
        o.rivals = [&, offered](const convolution_problem& asked) {
            CHECK(asked == p);
            std::vector<rival> all;
            for (const auto& [name, result] : offered)
                all.push_back({name, [&begun, r = result]() -> std::function<trial_result()> {
                                   ++begun;
                                   return [r] { return r; };
                               }});
            return all;
        };
        return plan_store(t, o).get(p).get();
    };
    const stored_plan slower = offer({{"slow", {.microseconds = 6}}, {"broken", {.refused = "no", .microseconds = 1}}});
    CHECK(begun == 2);
    CHECK(slower.plan);
    CHECK(slower.rival.empty());
    CHECK(slower.microseconds == 5);
    o.directory = folder / "another";

    const auto faster = [&] {
        return offer({{"fast", {.microseconds = 3}}, {"faster", {.microseconds = 2}}, {"late", {.microseconds = 2}}});
    };
    for (const bool from_disk : {false, true}) {
        const stored_plan found = faster();
        CHECK(found.from_disk == from_disk);
        CHECK(begun == (from_disk ? 0 : 3));
        CHECK(found.rival == "faster");
        CHECK(found.plan == nullptr);
        CHECK(found.microseconds == 2);
    }
    o.rivals_version = "another kernel";
    CHECK_FALSE(faster().from_disk);
    CHECK(faster().from_disk);
    // A rival whose kernel knows no such cut any more: all is tried again.
    const stored_plan again = offer({{"other", {.microseconds = 9}}});
    CHECK(begun == 1);
    CHECK(again.plan);
    CHECK_FALSE(again.from_disk);
    // No memory for a rival is no reason to do without the plan.
    o.directory = folder / "without memory";
    const auto broken = [](const convolution_problem&) {
        const auto fails = []() -> trial_result { throw gpunet::cuda_error("cudaMalloc: out of memory"); };
        return std::vector<rival>{{"broken", [=]() -> std::function<trial_result()> { return fails; }}};
    };
    o.rivals = broken;
    CHECK(plan_store(t, o).get(p).get().plan);
    // Without a plan even a slow one will do.
    o.trial = [](const plan&) -> trial_result { return {.refused = "out of order"}; };
    o.directory = folder / "a third";
    CHECK(offer({{"slow", {.microseconds = 60}}}).rival == "slow");
    o.rivals = broken;
    o.directory.clear();
    CHECK_THROWS_AS(plan_store(t, o).get(p).get(), gpunet::cuda_error);
    // Untuned, nobody is timed.
    o.tune = false;
    CHECK(offer({{"slow", {.microseconds = 1}}}).rival.empty());
    CHECK(begun == 0);
}

TEST_CASE("untuned, the first plan that passes the trial is taken") {
    if (!have_cudnn()) return;
    const target t = target::offline("sm_90");
    const convolution_problem p = square(element::float16, 1, 64, 128, 28, 3, activation::relu);
    int calls = 0;
    plan_store_options o = {.order = preference::precompiled};
    o.trial = [&](const plan&) -> trial_result { return {.refused = ++calls == 3 ? "" : "out of order"}; };
    const auto found = plan_store(t, o).get(p).get();
    CHECK(calls == 3);
    REQUIRE(found.plan);
    const auto third = candidates(t, p, 3, preference::precompiled).at(2);
    CHECK(found.plan->engine() == third->engine());
    CHECK(found.plan->knobs() == third->knobs());
    CHECK(found.microseconds == 0);

    const auto none = plan_store(t, o).get(p).get(); // the third call is over
    CHECK(none.plan == nullptr);
    CHECK_THAT(none.reason, Contains(p.text()) && Contains("out of order"));

    // What is not a plan's fault is no reason to take another, and is forgotten.
    bool memory = false;
    o.trial = [&](const plan&) -> trial_result {
        ++calls;
        if (!memory) throw gpunet::cuda_error("cudaMalloc: out of memory");
        return {};
    };
    plan_store store(t, o);
    calls = 0;
    CHECK_THAT(message_of<gpunet::cuda_error>([&] { store.get(p).get(); }), Contains("out of memory"));
    CHECK(calls == 1);
    memory = true;
    CHECK(store.get(p).get().plan);
}

TEST_CASE("threads ask one store for equal and different plans, each is made once") {
    if (!have_cudnn()) return;
    const target t = target::offline("sm_90");
    std::mutex access;
    std::map<std::string, int> made;
    plan_store_options o = {.order = preference::precompiled, .threads = 8};
    o.trial = [&](const plan& p) -> trial_result {
        const std::scoped_lock lock(access);
        ++made[p.problem().text()];
        return {};
    };
    plan_store store(t, o);
    constexpr int problems = 24, askers = 8;
    std::vector<std::vector<std::shared_ptr<const plan>>> got(askers);
    std::vector<std::thread> threads;
    for (int a = 0; a < askers; ++a)
        threads.emplace_back([&, a] {
            for (int i = 0; i < problems; ++i) {
                const int which = (i + 3 * a) % problems;
                got[static_cast<std::size_t>(a)].push_back(
                    store.get(square(element::float16, 1 + which % 3, 64 + 8 * which, 64, 14, 1, activation::relu))
                        .get()
                        .plan);
            }
        });
    for (std::thread& thread : threads) thread.join();
    CHECK(made.size() == problems);
    CHECK(std::all_of(made.begin(), made.end(), [](const auto& m) { return m.second == 1; }));
    std::set<const plan*> distinct;
    for (const auto& plans : got)
        for (const auto& p : plans) {
            REQUIRE(p);
            distinct.insert(p.get());
        }
    CHECK(distinct.size() == problems);
}

TEST_CASE("run-time-compiled plans are made in parallel") {
    if (!have_cudnn() || !have_driver_library()) return;
    plan_store store(target::offline("sm_80"), {.threads = 4});
    std::vector<std::shared_future<stored_plan>> plans;
    for (std::int64_t i = 0; i < 4; ++i)
        plans.push_back(store.get(square(element::float16, 1, 64, 64 + 8 * i, 14, 1, activation::swish)));
    for (const auto& p : plans) {
        INFO(p.get().reason);
        CHECK(p.get().plan);
    }
}

TEST_CASE("a worker pool runs all it is given, hands on exceptions, and drops what it has not begun") {
    std::atomic<int> ran = 0;
    {
        worker_pool pool(3);
        std::vector<std::future<int>> results;
        for (int i = 0; i < 100; ++i)
            results.push_back(pool.run([&, i] {
                ++ran;
                if (i == 50) throw gpunet::error("fifty");
                return i;
            }));
        for (int i = 0; i < 100; ++i) {
            if (i == 50)
                CHECK_THROWS_AS(results[50].get(), gpunet::error);
            else
                CHECK(results[static_cast<std::size_t>(i)].get() == i);
        }
        CHECK(ran == 100);
    }
    std::vector<std::future<void>> late;
    {
        worker_pool pool(1);
        std::promise<void> begun;
        late.push_back(pool.run([&] {
            begun.set_value();
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
        }));
        begun.get_future().wait();
        late.push_back(pool.run([] {}));
    }
    CHECK_NOTHROW(late[0].get());
    CHECK_THROWS_AS(late[1].get(), std::future_error);
}

namespace {

/// The distinct dense convolutions of a network as cuDNN is asked for them: no stem (3 channels), no depthwise.
void collect(const gpunet::graph::network& net, element type, std::int64_t n,
             std::map<std::string, convolution_problem>& all) {
    const auto add = [&](const gpunet::graph::convolution& c, bool residual) {
        if (c.input.channels < 8 || c.depthwise()) return;
        const auto padded = [](std::int64_t channels) { return (channels + 7) / 8 * 8; };
        convolution_problem p;
        p.type = type;
        p.n = n;
        p.c = padded(c.input.channels);
        p.h = c.input.size.height;
        p.w = c.input.size.width;
        p.k = padded(c.output.channels);
        p.oh = c.output.size.height;
        p.ow = c.output.size.width;
        p.kernel = c.kernel;
        p.stride = c.stride;
        p.padding = c.padding;
        p.groups = c.groups;
        p.act = c.act;
        p.residual = residual;
        all.emplace(p.text(), p);
    };
    for (const auto& block : net.blocks) {
        bool residual = false;
        const gpunet::graph::convolution* last = nullptr;
        if (const auto* b = std::get_if<gpunet::graph::inverted_residual>(&block.body)) {
            residual = b->residual;
            last = &b->project;
        } else if (const auto* f = std::get_if<gpunet::graph::fused_inverted_residual>(&block.body)) {
            residual = f->residual;
            last = &f->project;
        }
        gpunet::graph::for_each_operation(block, [&](const auto& operation) {
            if constexpr (std::is_same_v<std::remove_cvref_t<decltype(operation)>, gpunet::graph::convolution>)
                add(operation, residual && &operation == last);
        });
    }
}

std::map<std::string, convolution_problem> all_problems(element type, std::int64_t n) {
    std::map<std::string, convolution_problem> all;
    for (const auto& v : core_test::variants) collect(gpunet::lower(core_test::published(v.name)), type, n, all);
    return all;
}

} // namespace

TEST_CASE("every convolution of the published networks has a precompiled plan without its activation", "[.cudnn-all]") {
    if (!have_cudnn()) return;
    for (const char* gpu : {"sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120"}) {
        const target t = target::offline(gpu);
        for (const element type : all_types)
            for (const std::int64_t n : {1, 8})
                for (auto [text, p] : all_problems(type, n)) {
                    if (p.act != activation::relu) p.act = activation::identity;
                    const plan_result r = first_plan(t, p, preference::precompiled);
                    INFO(gpu << ": " << p.text() << ": " << r.reason);
                    // Capability 7.5 knows no bfloat16, and cuDNN has nothing for it there.
                    const bool possible = type != element::bfloat16 || t.model().major >= 8;
                    CHECK((r.plan && !r.plan->runtime_compiled()) == possible);
                }
    }
}

TEST_CASE("table of the published networks' convolutions", "[.cudnn-table]") {
    if (!have_cudnn()) return;
    for (const char* gpu : {"sm_90", "sm_80"}) {
        const target t = target::offline(gpu);
        for (const auto& [text, fused] : all_problems(element::float16, 1)) {
            auto plain = fused;
            plain.act = activation::identity;
            for (const auto& p : {fused, plain}) {
                if (&p != &fused && plain == fused) continue;
                std::set<std::int64_t> precompiled, compiled;
                const auto all = plan_maker(t, p).proposals(preference::heuristic);
                for (const engine& e : all) (e.runtime_compiled() ? compiled : precompiled).insert(e.index);
                std::cout << gpu << " | " << p.text() << " | " << all.size() << " | " << precompiled.size() << " | "
                          << compiled.size() << " | " << (all.empty() ? "none" : all.front().name());
                if (!precompiled.empty()) {
                    const auto first = first_plan(t, p, preference::precompiled);
                    std::cout << " | " << (first.plan ? first.plan->engine() : first.reason) << " | "
                              << (first.plan ? first.plan->workspace() : 0);
                }
                std::cout << '\n';
            }
        }
    }
}

} // namespace test_cudnn
