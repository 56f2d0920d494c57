// EXPECT: (conversion|could not convert).*tensor_view<const float>
#include <gpunet/tensor.hpp>

namespace tensor_view_drops_const {

#ifdef MISUSE
gpunet::tensor_view<float> convert(const gpunet::tensor_view<const float>& v) { return v; }
#else
gpunet::tensor_view<const float> convert(const gpunet::tensor_view<float>& v) { return v; }
#endif

} // namespace tensor_view_drops_const
