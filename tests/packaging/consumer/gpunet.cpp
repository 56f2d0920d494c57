// Counts what a published network has and does.
#include <gpunet/gpunet.hpp>

#include <cstdlib>
#include <iostream>

int main() {
    const gpunet::spec::network spec = gpunet::read_spec(std::getenv("SPEC"));
    const gpunet::graph::counts n = gpunet::graph::count(gpunet::lower(spec));
    std::cout << n.parameters << " parameters, " << n.multiply_adds << " multiply-adds\n";
    return n == gpunet::graph::counts{11885432, 3254209280} ? EXIT_SUCCESS : EXIT_FAILURE;
}
