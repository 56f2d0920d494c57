// Our side of bench/peers.sh: loads a model, says how long that took, then does what it is told on standard input.
// The peers' side is peers/cpu_worker.py; both speak the protocol of peers/worker_process.py.
#include <gpunet/cpu/backend.hpp>
#include <gpunet/gpunet.hpp>
#include <gpunet/hub/registry.hpp>
#include <gpunet/npy.hpp>
#include <gpunet/version.hpp>
#include <gpunet/weights/read.hpp>
#include <gpunet/weights/safetensors.hpp>
#include <gpunet/weights/synthetic.hpp>

#include <chrono>
#include <cstdint>
#include <exception>
#include <fstream>
#include <iostream>
#include <limits>
#include <string>
#include <string_view>

namespace {

using steady = std::chrono::steady_clock;

double milliseconds_since(steady::time_point start) {
    return std::chrono::duration<double, std::milli>(steady::now() - start).count();
}

/// The most memory this process has had so far. Linux only.
std::int64_t peak_bytes() {
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;) {
        if (word != "VmHWM:") continue;
        std::int64_t kilobytes = 0;
        status >> kilobytes;
        return kilobytes * 1024;
    }
    throw gpunet::io_error("/proc/self/status: expected a line VmHWM, found none");
}

/// What there is to start with: from the model's name and a file of weights to a context.
gpunet::context<gpunet::cpu::backend> load(const std::string& model, const std::string& weights, std::int64_t batch,
                                           int threads) {
    const auto known = gpunet::registry::builtin();
    const gpunet::network net(known.find(model).network, gpunet::read_weights(weights),
                              gpunet::cpu::backend({.threads = threads}));
    return gpunet::context(net, {.batch = batch});
}

void serve(const std::string& model, const std::string& weights, const std::string& input, int threads) {
    const gpunet::tensor<float> images = gpunet::read_npy(input);
    const std::int64_t baseline = peak_bytes();

    const auto start = steady::now();
    auto context = load(model, weights, images.shape()[0], threads);
    gpunet::tensor<float> scores(context.output_shape());
    context.run(images.elements(), scores.elements());
    const double loaded = milliseconds_since(start);
    std::cout << "engine gpunet " << gpunet::version << ", " << gpunet::cpu::backend().name() << '\n'
              << "ready " << loaded << ' ' << baseline << std::endl;

    for (std::string command; std::cin >> command && command != "quit";) {
        if (command == "run") {
            int count = 0;
            std::cin >> count;
            for (int i = 0; i < count; ++i) {
                const auto began = steady::now();
                context.run(images.elements(), scores.elements());
                std::cout << milliseconds_since(began) << ' ';
            }
        } else if (command == "memory") {
            std::cout << peak_bytes();
        } else if (command == "scores") {
            std::string file;
            std::getline(std::cin >> std::ws, file);
            gpunet::write_npy(file, scores.view());
            std::cout << "saved";
        } else {
            throw gpunet::argument_error("expected run, memory, scores or quit, found \"" + command + '"');
        }
        std::cout << std::endl;
    }
}

} // namespace

int main(int argc, char** argv) {
    const std::string_view first = argc > 1 ? argv[1] : "";
    const bool writes = first == "weights" && argc == 4;
    if (!writes && !(first == "serve" && argc == 6)) {
        std::cerr << "gpunet_bench_worker serve MODEL WEIGHTS INPUT.npy THREADS   the batch is the input's\n"
                     "gpunet_bench_worker weights MODEL OUT.safetensors            synthetic ones\n";
        return 2;
    }
    try {
        std::cout.precision(std::numeric_limits<double>::digits10);
        if (writes)
            gpunet::write_safetensors(
                argv[3], gpunet::synthetic_weights(gpunet::lower(gpunet::registry::builtin().find(argv[2]).network)));
        else
            serve(argv[2], argv[3], argv[4], std::stoi(argv[5]));
        return 0;
    } catch (const std::exception& e) {
        std::cerr << "gpunet_bench_worker: " << e.what() << '\n';
        return 1;
    }
}
