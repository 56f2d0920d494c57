// Which models tests of every model take.
#pragma once

#include <gpunet/hub/model.hpp>

namespace gpunet_test {

/// GPUNet's, and of the other families the small ones.
inline bool small(const gpunet::model& m) { return m.family == "GPUNet" || m.parameters < 9'000'000; }

/// All where this program is optimised; otherwise a small one or more of each family, for the others would take
/// minutes.
inline bool affordable([[maybe_unused]] const gpunet::model& m) {
#ifdef __OPTIMIZE__
    return true;
#else
    return m.name == "GPUNet-0" || (m.family != "GPUNet" && small(m));
#endif
}

} // namespace gpunet_test
