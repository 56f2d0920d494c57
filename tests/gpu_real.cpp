#include "gpu_support.hpp"

#include <gpunet/cuda/device.hpp>

using gpu_test::release_devices;
CATCH_REGISTER_LISTENER(release_devices)

namespace gpu_test {

const std::string& why_not() {
    static const std::string why = gpunet::cuda::why_no_device();
    return why;
}
bool fake() { return false; }

} // namespace gpu_test
