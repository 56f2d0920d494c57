# Finds ONNX's protobuf messages, in which networks are exported: gpunet_onnx::proto, gpunet_onnx_VERSION. Opset 17 came
# with ONNX 1.12, whose IR version is 8. (ONNX's own CMake package, as Debian 12 has it, names protobuf's targets without
# finding them, and its version file takes any request for met.)
include(FindPackageHandleStandardArgs)

find_path(GPUNET_ONNX_INCLUDE_DIR onnx/onnx-ml.pb.h)
find_library(GPUNET_ONNX_PROTO_LIBRARY onnx_proto)
mark_as_advanced(GPUNET_ONNX_INCLUDE_DIR GPUNET_ONNX_PROTO_LIBRARY)

find_package(PkgConfig QUIET)
if(PkgConfig_FOUND AND NOT TARGET PkgConfig::gpunet_protobuf)
  pkg_check_modules(gpunet_protobuf QUIET IMPORTED_TARGET GLOBAL protobuf>=3.21)
endif()

# The header tells the IR version that its release of ONNX introduced last.
set(gpunet_onnx_VERSION)
if(GPUNET_ONNX_INCLUDE_DIR)
  file(STRINGS ${GPUNET_ONNX_INCLUDE_DIR}/onnx/onnx-ml.pb.h gpunet_onnx_line REGEX "^ *IR_VERSION = [0-9]+")
  string(REGEX MATCH "[0-9]+" gpunet_onnx_VERSION "${gpunet_onnx_line}")
endif()

set(gpunet_onnx_protobuf FALSE)
if(TARGET PkgConfig::gpunet_protobuf)
  set(gpunet_onnx_protobuf TRUE)
endif()
find_package_handle_standard_args(gpunet_onnx REQUIRED_VARS GPUNET_ONNX_PROTO_LIBRARY GPUNET_ONNX_INCLUDE_DIR
                                  gpunet_onnx_protobuf VERSION_VAR gpunet_onnx_VERSION)

if(gpunet_onnx_FOUND AND NOT TARGET gpunet_onnx::proto)
  add_library(gpunet_onnx::proto UNKNOWN IMPORTED)
  set_target_properties(gpunet_onnx::proto PROPERTIES
                        IMPORTED_LOCATION ${GPUNET_ONNX_PROTO_LIBRARY}
                        INTERFACE_INCLUDE_DIRECTORIES ${GPUNET_ONNX_INCLUDE_DIR}
                        INTERFACE_COMPILE_DEFINITIONS "ONNX_NAMESPACE=onnx;ONNX_ML=1"
                        INTERFACE_LINK_LIBRARIES PkgConfig::gpunet_protobuf)
endif()
