// For builds without the CUDA backend.
#include "gpu.hpp"

#include <iostream>

#include <dlfcn.h>

namespace gpunet::tool {

namespace gpu {

std::string why_not() { return "this program was built without the CUDA backend"; }
int count() { return 0; }
std::string name(int) { throw unsupported_error(why_not()); }
std::vector<std::string> precisions(int) { throw unsupported_error(why_not()); }
any_network open(const spec::network&, const tensor_store&, int, const std::string&, const options&) {
    throw unsupported_error(why_not());
}
device describe(int, const std::string&) { throw unsupported_error(why_not()); }
measurable open_measurable(const spec::network&, const tensor_store&, int, const std::string&, const options&) {
    throw unsupported_error(why_not());
}
void doctor() {
    void* driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
    std::cout << "CUDA     backend not in this program; "
              << (driver ? "an NVIDIA driver is installed" : "no NVIDIA driver is installed (libcuda.so.1)") << '\n';
    if (driver) dlclose(driver);
}

} // namespace gpu

void add_plan(CLI::App& app, options&) {
    auto* command = app.add_subcommand("plan", "What would run on a GPU; needs none (not in this program)");
    command->fallthrough(false)->allow_extras(); // whatever is asked for, the answer is the same
    command->callback([] {
        throw unsupported_error("plan: " + gpu::why_not() + " (the headers of CUDA 12.8 and cuDNN 9.8, which " +
                                "scripts/setup.sh cuda gets): build it again with them");
    });
}

} // namespace gpunet::tool
