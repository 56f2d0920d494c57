// EXPECT: (no matching function|no viable constructor).*network
#include <gpunet/network.hpp>

namespace network_given_no_backend {

template <class Device>
concept accepted = requires(const gpunet::spec::network& spec, const gpunet::tensor_store& weights, Device device) {
    gpunet::network{spec, weights, device};
};
static_assert(!accepted<int> && !accepted<const char*>);

#ifdef MISUSE
auto make(const gpunet::spec::network& spec, const gpunet::tensor_store& weights) {
    return gpunet::network{spec, weights, "cpu"};
}
#else
template <gpunet::backend B>
auto make(const gpunet::spec::network& spec, const gpunet::tensor_store& weights, B device) {
    return gpunet::network{spec, weights, device};
}
#endif

} // namespace network_given_no_backend
