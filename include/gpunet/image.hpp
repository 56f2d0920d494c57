// Pictures: from a file or a frame to a network's input, and from its output to names.
#pragma once

#include <gpunet/image/decode.hpp>
#include <gpunet/image/exif.hpp>
#include <gpunet/image/format.hpp>
#include <gpunet/image/image.hpp>
#include <gpunet/image/interpolation.hpp>
#include <gpunet/image/labels.hpp>
#include <gpunet/image/preprocess.hpp>
#include <gpunet/image/resize.hpp>
#include <gpunet/image/topk.hpp>
