// Runs a small network; the expected number is the reference implementation's.
#include <gpunet/cpu.hpp>

#include <cmath>
#include <cstdlib>
#include <iostream>

int main() {
    const gpunet::spec::network spec = gpunet::read_spec(std::getenv("SPEC"));
    const gpunet::network net{spec, gpunet::synthetic_weights(gpunet::lower(spec)), gpunet::cpu::backend{}};
    gpunet::tensor<float> pictures{{2, 3, 64, 64}};
    gpunet::synthetic_input(pictures.elements());
    const float score = net(pictures).elements()[0];
    std::cout << net.device().name() << ": " << score << '\n';
    return std::fabs(score - 0.25655234F) < 1e-5F ? EXIT_SUCCESS : EXIT_FAILURE;
}
