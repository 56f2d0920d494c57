// EXPECT: (class template argument deduction failed|no viable constructor or deduction guide).*context
#include <gpunet/network.hpp>

namespace context_of_a_spec {

#ifdef MISUSE
auto make() { return gpunet::context{gpunet::spec::network{}}; }
#else
template <gpunet::backend B>
auto make(const gpunet::network<B>& net) {
    return gpunet::context{net};
}
#endif

} // namespace context_of_a_spec
