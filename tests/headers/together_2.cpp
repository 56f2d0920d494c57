// Everything, the core last.
#ifdef WITH_onnx
#include <gpunet/onnx.hpp>
#endif
#ifdef WITH_image
#include <gpunet/image.hpp>
#endif
#ifdef WITH_hub
#include <gpunet/hub.hpp>
#endif
#ifdef WITH_cudnn
#include <gpunet/cudnn.hpp>
#endif
#ifdef WITH_cpu
#include <gpunet/cpu.hpp>
#endif

#include <gpunet/gpunet.hpp>

#include "together.hpp"

TOGETHER(second)
