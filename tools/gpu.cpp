// The CUDA backend's part of the commands.
#include "gpu.hpp"
#include "precisions.hpp"

#include <gpunet/cuda/device.hpp>
#include <gpunet/cuda/nvrtc.hpp>
#include <gpunet/network.hpp>

#include <iostream>

namespace gpunet::tool::gpu {

namespace {

/// What opening a library says, or its version and place.
template <class Describe>
std::string state_of(Describe&& describe) {
    try {
        return describe();
    } catch (const error& e) {
        return e.what();
    }
}

} // namespace

std::string why_not() { return cudnn::why_unavailable(); }

int count() { return cuda::device_count(); }

std::string name(int ordinal) { return cuda::describe_device(ordinal).name; }

std::vector<std::string> precisions(int ordinal) {
    if (cuda::describe_device(ordinal).capability < cuda::capability{8, 0}) return {"fp32", "fp16"};
    return {"fp32", "tf32", "fp16", "bf16"};
}

any_network open(const spec::network& net, const tensor_store& weights, int ordinal, const std::string& precision,
                 const options& asked) {
    return with_precision(precision, asked, [&]<class T>(T, cudnn::options o) -> any_network {
        o.device = ordinal;
        return network(net, weights, cudnn::backend<T>(o));
    });
}

device describe(int ordinal, const std::string& precision) { return cudnn::describe_device(ordinal, precision); }

measurable open_measurable(const spec::network& net, const tensor_store& weights, int ordinal,
                           const std::string& precision, const options& asked) {
    return with_precision(precision, asked, [&]<class T>(T, cudnn::options o) -> measurable {
        o.device = ordinal;
        const network opened(net, weights, cudnn::backend<T>(o));
        return {opened, [opened](const context_options& shape, const measure_options& how) {
                    return measure_network(opened, shape, how);
                }};
    });
}

void doctor() {
    const int devices = count();
    std::cout << "CUDA     backend on, fp32, tf32, fp16, bf16\n";
    if (devices == 0) std::cout << "         " << cuda::why_no_device() << '\n';
    for (int i = 0; i < devices; ++i)
        std::cout << "         cuda:" << i << ' ' << state_of([&] {
            const cuda::device_info d = cuda::describe_device(i);
            return d.name + ", " + d.capability.architecture() + ", " + std::to_string(d.multiprocessors) +
                   " multiprocessors, " + std::to_string(d.memory >> 20) + " MiB, driver for CUDA " +
                   std::to_string(d.driver_version / 1000) + '.' + std::to_string(d.driver_version % 1000 / 10) + ", " +
                   d.uuid;
        }) << '\n';
    std::cout << "         cuDNN: " << state_of([] {
        const auto l = cudnn::library::open();
        return cudnn::version_text(l->version()) + " (" + std::string(l->path()) + ")";
    }) << '\n';
    std::cout << "         NVRTC: " << state_of([] {
        const cuda::nvrtc n = cuda::nvrtc::open();
        return n.version() + " (" + n.path() + ")";
    }) << '\n';
}

} // namespace gpunet::tool::gpu
