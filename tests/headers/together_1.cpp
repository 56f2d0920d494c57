// Everything, the core first.
#include <gpunet/gpunet.hpp>

#ifdef WITH_cpu
#include <gpunet/cpu.hpp>
#endif
#ifdef WITH_cudnn
#include <gpunet/cudnn.hpp>
#endif
#ifdef WITH_hub
#include <gpunet/hub.hpp>
#endif
#ifdef WITH_image
#include <gpunet/image.hpp>
#endif
#ifdef WITH_onnx
#include <gpunet/onnx.hpp>
#endif

#include "together.hpp"

#include <iostream>

TOGETHER(first)

namespace second {
together::answers ask();
}

int main() {
    const auto here = first::ask(), there = second::ask();
    std::cout << here.parameters << " parameters\n";
    return here == there && here.parameters > 0 ? 0 : 1;
}
