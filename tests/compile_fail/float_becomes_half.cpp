// EXPECT: (could not convert|no viable conversion|conversion from).*float.*half
#include <gpunet/float16.hpp>

namespace float_becomes_half {

#ifdef MISUSE
gpunet::half round(float x) { return x; }
#else
gpunet::half round(float x) { return gpunet::half(x); }
#endif

} // namespace float_becomes_half
