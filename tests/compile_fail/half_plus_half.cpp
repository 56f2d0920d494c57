// EXPECT: (no match for .operator\+|invalid operands to binary expression)
#include <gpunet/float16.hpp>

#ifdef MISUSE
auto sum(gpunet::half a, gpunet::half b) { return a + b; }
#else
auto sum(gpunet::half a, gpunet::half b) { return gpunet::half(float(a) + float(b)); }
#endif
