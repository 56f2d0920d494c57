// EXPECT: (cannot convert|no viable conversion).*half.*float
#include <gpunet/float16.hpp>

#ifdef MISUSE
float widen(gpunet::half x) { return x; }
#else
float widen(gpunet::half x) { return float(x); }
#endif
