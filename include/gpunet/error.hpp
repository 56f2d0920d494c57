// The exceptions of the library. Each message is one line: where, what was expected, what was found.
#pragma once

#include <stdexcept>
#include <string>

namespace gpunet {

/// Root of everything this library throws on purpose (std::bad_alloc excepted).
class error : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// A caller passed arguments that cannot be meant: a span of the wrong length, a batch of zero.
class argument_error : public error {
  public:
    using error::error;
};

/// An architecture spec or a model record is malformed or inconsistent.
class spec_error : public error {
  public:
    using error::error;
};

/// A weights file is malformed, or does not fit the network.
class weights_error : public error {
  public:
    using error::error;
};

/// The request is understood, and this build, backend or device cannot do it.
class unsupported_error : public error {
  public:
    using error::error;
};

/// A picture cannot be decoded or processed.
class image_error : public error {
  public:
    using error::error;
};

/// A file cannot be read or written, or is not of the format it should be.
class io_error : public error {
  public:
    using error::error;
};

/// A call to the CUDA runtime failed.
class cuda_error : public error {
  public:
    using error::error;
};

/// A call to cuDNN failed, or cuDNN has no plan for an operation.
class cudnn_error : public error {
  public:
    using error::error;
};

} // namespace gpunet
