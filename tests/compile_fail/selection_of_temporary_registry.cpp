// EXPECT: (deleted|explicitly deleted).*select
#include <gpunet/hub/registry.hpp>

namespace selection_of_temporary_registry {

gpunet::selection choose(const gpunet::selection_query& q) {
#ifdef MISUSE
    return gpunet::registry::builtin().select(q);
#else
    static const auto hub = gpunet::registry::builtin();
    return hub.select(q);
#endif
}

} // namespace selection_of_temporary_registry
