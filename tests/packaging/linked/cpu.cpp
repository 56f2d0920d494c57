// Calls what the CPU backend links.
#include <gpunet/cpu/operations.hpp>

int main() {
    const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
    return engine.get_kind() == dnnl::engine::kind::cpu ? 0 : 1;
}
