// plan: what would run on a GPU that need not be here.
#include "commands.hpp"
#include "precisions.hpp"

#include <gpunet/execution_plan.hpp>
#include <gpunet/graph/lower.hpp>

#include <iomanip>
#include <iostream>

namespace gpunet::tool {

namespace {

struct plan_arguments {
    std::string model, gpu;
    std::int64_t batch = 1;
};

/// Everything but the numbers of the weights, which planning does not read.
constants no_weights(const graph::network& g) {
    constants all;
    for (const graph::block& b : g.blocks)
        graph::for_each_operation(b, [&](const auto& operation) { all[operation.weights]; });
    return all;
}

void plan(const plan_arguments& a, const options& o) {
    const model m = open_model(open_registry(), a.model);
    const std::string precision = o.precision.empty() ? "fp16" : detail::lower_case(o.precision);
    const std::size_t failed = with_precision(precision, o, [&]<class T>(T, const cudnn::options& with) {
        using backend = cudnn::backend<T>;
        const auto device = [&] {
            try {
                return backend::offline(a.gpu, with);
            } catch (const argument_error& e) {
                throw usage_error(std::string("--") + e.what()); // "gpu: expected ..."
            }
        }();
        const graph::network g = lower(m.network);
        const constants weights = no_weights(g);
        typename backend::packed packed;
        const execution_plan<backend> planned(device, g, a.batch, taps::none, weights, packed, {});
        const cudnn::gpu_model& gpu = device.device().target().model();
        double floor = 0;
        std::int64_t bytes = 0, multiply_adds = 0;
        std::size_t missing = 0;
        auto rows = detail::ordered_json::array();
        for (const layer_step& s : planned.steps()) {
            const double least =
                cudnn::floor_microseconds(gpu, backend::type, with.tf32, s.info.bytes, s.info.multiply_adds);
            floor += least;
            bytes += s.info.bytes;
            multiply_adds += s.info.multiply_adds;
            missing += s.info.status.starts_with("no plan");
            rows.push_back({{"layer", s.layer},
                            {"operation", s.info.operation},
                            {"implementation", s.info.implementation},
                            {"status", s.info.status},
                            {"workspace", s.info.workspace},
                            {"bytes", s.info.bytes},
                            {"multiply_adds", s.info.multiply_adds},
                            {"floor_us", least}});
        }
        if (o.json) {
            print({{"model", m.name},
                   {"gpu", gpu.name},
                   {"architecture", gpu.architecture()},
                   {"precision", precision},
                   {"batch", a.batch},
                   {"engine", device.name()},
                   {"arena_bytes", planned.map().bytes},
                   {"bytes", bytes},
                   {"multiply_adds", multiply_adds},
                   {"floor_us", floor},
                   {"operations", std::move(rows)}});
            return missing;
        }
        std::cout << m.name << " on " << gpu.name << " (" << gpu.architecture() << "), " << precision << ", batch "
                  << a.batch << ", " << device.name() << '\n'
                  << "layer  " << std::left << std::setw(62) << "operation" << std::setw(34) << "engine or kernel"
                  << std::right << std::setw(10) << "workspace" << std::setw(11) << "KiB" << std::setw(11) << "MMAC"
                  << std::setw(10) << "floor us"
                  << "  status\n"
                  << std::fixed << std::setprecision(1);
        for (const auto& r : rows)
            std::cout << std::setw(5) << r["layer"].get<std::int64_t>() << "  " << std::left << std::setw(62)
                      << r["operation"].get<std::string>() << std::setw(34) << r["implementation"].get<std::string>()
                      << std::right << std::setw(10) << r["workspace"].get<std::size_t>() << std::setw(11)
                      << static_cast<double>(r["bytes"].get<std::int64_t>()) / 1024 << std::setw(11)
                      << static_cast<double>(r["multiply_adds"].get<std::int64_t>()) / 1e6 << std::setw(10)
                      << r["floor_us"].get<double>() << "  " << r["status"].get<std::string>() << '\n';
        std::cout << rows.size() << " launches, " << static_cast<double>(bytes) / 1e6 << " MB, "
                  << static_cast<double>(multiply_adds) / 1e6 << " million multiply-adds, floor " << floor
                  << " us; arena " << static_cast<double>(planned.map().bytes) / 1e6 << " MB\n";
        return missing;
    });
    if (failed > 0) {
        std::cerr << "gpunet: " << m.name << ": " << failed << " operations have neither plan nor kernel\n";
        throw partial_failure();
    }
}

} // namespace

void add_plan(CLI::App& app, options& common) {
    auto* command = app.add_subcommand("plan", "What would run on a GPU; needs none");
    auto a = std::make_shared<plan_arguments>();
    command->add_option("MODEL", a->model, "a registry name or a spec file")->required();
    command->add_option("--gpu", a->gpu, "sm_75 to sm_120, or a name: sm_90, H100")->required();
    command->add_option("--batch", a->batch, "pictures at once")
        ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 16));
    command->add_flag("--json", common.json, "as JSON");
    command->callback([a, &common] { plan(*a, common); });
}

} // namespace gpunet::tool
