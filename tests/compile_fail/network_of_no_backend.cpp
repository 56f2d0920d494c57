// EXPECT: (the satisfaction of 'backend<|does not satisfy 'backend')
#include <gpunet/network.hpp>

namespace network_of_no_backend {

struct no_backend {};

#ifdef MISUSE
using type = gpunet::network<no_backend>;
#else
template <gpunet::backend B>
using type = gpunet::network<B>;
#endif

} // namespace network_of_no_backend
