#include "gpu_support.hpp"

#include <fake_device.hpp>

using gpu_test::release_devices;
CATCH_REGISTER_LISTENER(release_devices)

namespace gpu_test {

const std::string& why_not() {
    static const std::string never = [] {
        gpunet_fake::install();
        return std::string();
    }();
    return never;
}
bool fake() { return true; }

} // namespace gpu_test
