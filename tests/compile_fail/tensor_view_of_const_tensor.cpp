// EXPECT: (conversion|could not convert).*tensor_view<const float>
#include <gpunet/tensor.hpp>

namespace tensor_view_of_const_tensor {

#ifdef MISUSE
gpunet::tensor_view<float> view(const gpunet::tensor<float>& t) { return t.view(); }
#else
gpunet::tensor_view<float> view(gpunet::tensor<float>& t) { return t.view(); }
#endif

} // namespace tensor_view_of_const_tensor
