// EXPECT: (could not convert|no viable conversion).*any_network
#include <gpunet/any_network.hpp>

namespace any_network_of_a_spec {

#ifdef MISUSE
gpunet::any_network erase(const gpunet::spec::network& spec) { return spec; }
#else
template <gpunet::backend B>
gpunet::any_network erase(const gpunet::network<B>& net) {
    return net;
}
#endif

} // namespace any_network_of_a_spec
