// EXPECT: (could not convert|no viable conversion|conversion from).*float.*bfloat16
#include <gpunet/float16.hpp>

namespace float_becomes_bfloat16 {

#ifdef MISUSE
gpunet::bfloat16 round(float x) { return x; }
#else
gpunet::bfloat16 round(float x) { return gpunet::bfloat16(x); }
#endif

} // namespace float_becomes_bfloat16
