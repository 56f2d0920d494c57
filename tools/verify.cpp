// verify: whether models compute here what their reference implementations compute.
#include "commands.hpp"
#include "progress.hpp"

#include <gpunet/graph/lower.hpp>
#include <gpunet/hub/parameters_sha256.hpp>
#include <gpunet/hub/verify.hpp>
#include <gpunet/weights/fold_quantized.hpp>
#include <gpunet/weights/synthetic.hpp>

#include <iomanip>
#include <iostream>

namespace gpunet::tool {

namespace {

/// One line of the table.
struct row {
    const model* what = nullptr;
    const golden* reference = nullptr;
    std::optional<verification> result;
    std::string error; // where there is no result
    std::string engine;
};

row verify_golden(const model& m, const golden& g, const tensor_store& weights, const device_choice& device,
                  const options& o) {
    row r{&m, &g, {}, {}, {}};
    try {
        const any_network net = open_network(m, weights, o);
        r.engine = net.engine();
        r.result = verify(net, g, device.precision);
    } catch (const error& e) {
        r.error = e.what();
    }
    return r;
}

/// With synthetic weights, and with pretrained ones that are at hand and have a golden.
std::vector<row> verify_model(const model& m, const device_choice& device, const options& o) {
    std::vector<row> rows;
    const graph::network g = lower(m.network);
    std::optional<tensor_store> pretrained;
    std::string identity;
    for (const golden& reference : m.goldens) {
        if (reference.synthetic()) {
            rows.push_back(verify_golden(m, reference, synthetic_weights(g), device, o));
            continue;
        }
        try {
            if (!pretrained && has_weights(m)) {
                load_options at_hand;
                at_hand.offline = true;
                pretrained = load_weights(m, at_hand);
                if (!is_quantized(g, *pretrained)) identity = parameters_sha256(g, *pretrained); // int8 has no golden
            }
            if (identity == reference.weights) rows.push_back(verify_golden(m, reference, *pretrained, device, o));
        } catch (const error& e) {
            rows.push_back({&m, &reference, {}, e.what(), {}});
        }
    }
    return rows;
}

std::string weights_name(const golden& g) { return g.synthetic() ? "synthetic" : "pretrained"; }

void print_row(const row& r) {
    std::cout << std::left << std::setw(19) << r.what->name << ' ';
    if (!r.reference) {
        std::cout << "no golden\n" << std::flush;
        return;
    }
    std::cout << std::setw(12) << weights_name(*r.reference) << std::setw(11)
              << (std::to_string(r.reference->size.height) + "x" + std::to_string(r.reference->size.width));
    if (r.result) {
        const logits_difference& d = r.result->difference;
        std::cout << std::right << std::scientific << std::setprecision(1) << std::setw(11) << d.relative_l2
                  << std::setw(9) << r.result->tolerance << std::setw(11) << d.max_abs << "  " << std::left
                  << std::setw(7) << (d.same_top1 ? "same" : "differs") << (r.result->ok ? "ok" : "FAILED") << '\n';
    } else {
        std::cout << "FAILED: " << r.error << '\n';
    }
    std::cout << std::right << std::flush;
}

detail::ordered_json row_json(const row& r, const device_choice& device) {
    detail::ordered_json out = {{"model", r.what->name}, {"device", name_of(device)}, {"precision", device.precision}};
    if (!r.reference) {
        out["ok"] = nullptr;
        out["error"] = "no golden";
        return out;
    }
    const golden& g = *r.reference;
    out["golden"] = detail::to_json(g);
    out["weights"] = weights_name(g);
    out["ok"] = r.result && r.result->ok;
    if (r.result) {
        out["engine"] = r.engine;
        out["relative_l2"] = r.result->difference.relative_l2;
        out["max_abs"] = r.result->difference.max_abs;
        out["top1_same"] = r.result->difference.same_top1;
        out["tolerance"] = r.result->tolerance;
    } else {
        out["error"] = r.error;
    }
    return out;
}

void verify_models(const std::vector<std::string>& names, const options& o) {
    const device_choice device = choose_device(o);
    const registry known = open_registry();
    std::vector<model> models;
    for (const std::string& name : names) models.push_back(open_model(known, name));
    if (models.empty()) models.assign(known.begin(), known.end());

    auto results = detail::ordered_json::array();
    if (!o.json)
        std::cout << name_of(device) << ", " << device.precision << '\n'
                  << "model               weights     input      relative L2  allowed    largest  top-1\n"
                  << std::flush;
    std::size_t checked = 0, failed = 0, missing = 0;
    for (const model& m : models) {
        std::vector<row> rows;
        {
            progress_line line("verifying");
            line.show(static_cast<double>(&m - models.data()) / static_cast<double>(models.size()), m.name);
            rows = verify_model(m, device, o);
        }
        if (rows.empty()) {
            rows.push_back({&m, nullptr, {}, {}, {}});
            ++missing;
        }
        for (const row& r : rows) {
            if (r.reference) ++checked;
            if (r.reference && !(r.result && r.result->ok)) ++failed;
            if (o.json)
                results.push_back(row_json(r, device));
            else
                print_row(r);
        }
    }
    if (o.json) print(results);
    std::cout.flush();
    if (failed > 0) std::cerr << "gpunet: " << failed << " of " << checked << " goldens failed\n";
    if (missing > 0)
        std::cerr << "gpunet: " << missing << (missing == 1 ? " model has" : " models have")
                  << " no golden to compare with\n";
    // Who asks for a model wants a proof; of the registry as a whole some may have none.
    if (failed > 0 || (missing > 0 && (checked == 0 || !names.empty()))) throw partial_failure();
}

} // namespace

void add_verify(CLI::App& app, options& common) {
    auto* command = app.add_subcommand("verify", "Compare with the models' goldens on this device");
    auto names = std::make_shared<std::vector<std::string>>();
    command->add_option("MODEL", *names, "registry names; all of the registry by default");
    command->add_flag("--json", common.json, "as JSON");
    command->callback([names, &common] { verify_models(*names, common); });
}

} // namespace gpunet::tool
