// EXPECT: (cannot convert|no viable conversion).*half.*float
#include <gpunet/float16.hpp>

namespace half_becomes_float {

#ifdef MISUSE
float widen(gpunet::half x) { return x; }
#else
float widen(gpunet::half x) { return float(x); }
#endif

} // namespace half_becomes_float
