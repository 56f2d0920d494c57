// EXPECT: (no match for .operator\+|invalid operands to binary expression)
#include <gpunet/float16.hpp>

namespace half_plus_half {

#ifdef MISUSE
auto sum(gpunet::half a, gpunet::half b) { return a + b; }
#else
auto sum(gpunet::half a, gpunet::half b) { return gpunet::half(float(a) + float(b)); }
#endif

} // namespace half_plus_half
