// Looks for a GPU; a program that is linked with everything starts where there is none.
#include <gpunet/cudnn.hpp>

#include <cstdlib>
#include <iostream>

int main() {
    const int devices = gpunet::cuda::device_count();
    std::cout << devices << " GPUs " << gpunet::cuda::why_no_device() << '\n';
    return (devices == 0) == !gpunet::cuda::why_no_device().empty() ? EXIT_SUCCESS : EXIT_FAILURE;
}
