# Finds oneDNN by its header and library: DNNL::dnnl, gpunet_onednn_VERSION. (Its own CMake package, as Debian 12 has it,
# insists on OpenCL's development files, which nothing here needs.)
include(FindPackageHandleStandardArgs)

find_path(GPUNET_ONEDNN_INCLUDE_DIR oneapi/dnnl/dnnl.hpp)
find_library(GPUNET_ONEDNN_LIBRARY dnnl)
mark_as_advanced(GPUNET_ONEDNN_INCLUDE_DIR GPUNET_ONEDNN_LIBRARY)

set(gpunet_onednn_VERSION)
if(GPUNET_ONEDNN_INCLUDE_DIR)
  file(STRINGS ${GPUNET_ONEDNN_INCLUDE_DIR}/oneapi/dnnl/dnnl_version.h gpunet_onednn_lines
       REGEX "^#define DNNL_VERSION_(MAJOR|MINOR|PATCH) +[0-9]+")
  list(TRANSFORM gpunet_onednn_lines REPLACE "[^0-9]" "")
  list(JOIN gpunet_onednn_lines "." gpunet_onednn_VERSION)
endif()

find_package_handle_standard_args(gpunet_onednn HANDLE_VERSION_RANGE
                                  REQUIRED_VARS GPUNET_ONEDNN_LIBRARY GPUNET_ONEDNN_INCLUDE_DIR
                                  VERSION_VAR gpunet_onednn_VERSION)

if(gpunet_onednn_FOUND AND NOT TARGET DNNL::dnnl)
  add_library(DNNL::dnnl UNKNOWN IMPORTED)
  set_target_properties(DNNL::dnnl PROPERTIES IMPORTED_LOCATION ${GPUNET_ONEDNN_LIBRARY}
                                              INTERFACE_INCLUDE_DIRECTORIES ${GPUNET_ONEDNN_INCLUDE_DIR})
endif()
