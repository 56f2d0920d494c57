// Counts what a network has and does.
#include <gpunet/graph/count.hpp>
#include <gpunet/graph/lower.hpp>
#include <gpunet/spec/read.hpp>

#include <iostream>

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    const auto counts = gpunet::graph::count(gpunet::lower(gpunet::read_spec(argv[1])));
    std::cout << counts.parameters << " parameters, " << counts.multiply_adds << " multiply-adds\n";
    return counts.parameters == 11885432 ? 0 : 1;
}
