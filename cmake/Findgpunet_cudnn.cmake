# Finds what the GPU component is compiled with: the CUDA runtime's headers and static library, and the headers of NVRTC
# and cuDNN, which are opened when a program runs. Asks for no nvcc, which CMake's FindCUDAToolkit insists on. Looks in
# $CUDA_HOME, $CUDA_PATH, /usr/local/cuda, /opt/cuda, for cuDNN in $CUDNN_ROOT too, then among PyPI's packages in the
# active virtual environment ($VIRTUAL_ENV), and before all in gpunet_cudnn_ROOT.
# Gives gpunet_cudnn::headers and gpunet_cudnn::runtime, gpunet_cudnn_VERSION (of cuDNN) and gpunet_cudnn_CUDA_VERSION;
# where something is not there, gpunet_cudnn_MISSING says what.
include(FindPackageHandleStandardArgs)

set(gpunet_cudnn_roots ENV CUDA_HOME ENV CUDA_PATH /usr/local/cuda /opt/cuda)
if(DEFINED ENV{VIRTUAL_ENV})
  file(GLOB gpunet_cudnn_packages "$ENV{VIRTUAL_ENV}/lib/python3*/site-packages/nvidia")
  list(APPEND gpunet_cudnn_roots ${gpunet_cudnn_packages})
endif()
find_path(GPUNET_CUDART_INCLUDE_DIR cuda_runtime_api.h HINTS ${gpunet_cudnn_roots} PATH_SUFFIXES include cu13/include)
find_path(GPUNET_NVRTC_INCLUDE_DIR nvrtc.h HINTS ${gpunet_cudnn_roots} PATH_SUFFIXES include cu13/include)
find_path(GPUNET_CUDNN_INCLUDE_DIR cudnn.h HINTS ENV CUDNN_ROOT ${gpunet_cudnn_roots}
          PATH_SUFFIXES include cudnn/include)
find_library(GPUNET_CUDART_LIBRARY NAMES libcudart_static.a HINTS ${gpunet_cudnn_roots}
             PATH_SUFFIXES lib64 lib cu13/lib)
mark_as_advanced(GPUNET_CUDART_INCLUDE_DIR GPUNET_NVRTC_INCLUDE_DIR GPUNET_CUDNN_INCLUDE_DIR GPUNET_CUDART_LIBRARY)
find_package(Threads QUIET)

# cudaLibraryLoadData and its like are part of the runtime as of CUDA 12.8.
set(gpunet_cudnn_MISSING)
set(gpunet_cudnn_CUDA_VERSION)
if(GPUNET_CUDART_INCLUDE_DIR)
  file(STRINGS ${GPUNET_CUDART_INCLUDE_DIR}/cuda_runtime_api.h gpunet_cudnn_number REGEX "^#define CUDART_VERSION +[0-9]+")
  string(REGEX REPLACE "[^0-9]" "" gpunet_cudnn_number "${gpunet_cudnn_number}")
  math(EXPR gpunet_cudnn_major "0${gpunet_cudnn_number} / 1000")
  math(EXPR gpunet_cudnn_minor "0${gpunet_cudnn_number} % 1000 / 10")
  set(gpunet_cudnn_CUDA_VERSION ${gpunet_cudnn_major}.${gpunet_cudnn_minor})
  if(gpunet_cudnn_CUDA_VERSION VERSION_LESS 12.8)
    list(APPEND gpunet_cudnn_MISSING
         "CUDA 12.8 or later (${GPUNET_CUDART_INCLUDE_DIR} has ${gpunet_cudnn_CUDA_VERSION})")
  endif()
  if(NOT EXISTS ${GPUNET_CUDART_INCLUDE_DIR}/crt/host_defines.h)
    list(APPEND gpunet_cudnn_MISSING "crt/host_defines.h (PyPI: nvidia-cuda-crt)")
  endif()
else()
  list(APPEND gpunet_cudnn_MISSING "cuda_runtime_api.h")
endif()
if(NOT GPUNET_CUDART_LIBRARY)
  list(APPEND gpunet_cudnn_MISSING "libcudart_static.a")
endif()
if(NOT GPUNET_NVRTC_INCLUDE_DIR)
  list(APPEND gpunet_cudnn_MISSING "nvrtc.h")
endif()

set(gpunet_cudnn_VERSION)
if(GPUNET_CUDNN_INCLUDE_DIR AND EXISTS ${GPUNET_CUDNN_INCLUDE_DIR}/cudnn_version.h)
  file(STRINGS ${GPUNET_CUDNN_INCLUDE_DIR}/cudnn_version.h gpunet_cudnn_lines
       REGEX "^#define CUDNN_(MAJOR|MINOR|PATCHLEVEL) +[0-9]+")
  list(TRANSFORM gpunet_cudnn_lines REPLACE "[^0-9]" "")
  list(JOIN gpunet_cudnn_lines "." gpunet_cudnn_VERSION)
  if(gpunet_cudnn_VERSION VERSION_LESS 9.8 OR gpunet_cudnn_VERSION VERSION_GREATER_EQUAL 10)
    list(APPEND gpunet_cudnn_MISSING
         "cuDNN 9.8 or later, before 10 (${GPUNET_CUDNN_INCLUDE_DIR} has ${gpunet_cudnn_VERSION})")
  endif()
else()
  list(APPEND gpunet_cudnn_MISSING "cudnn.h")
endif()
list(JOIN gpunet_cudnn_MISSING ", " gpunet_cudnn_MISSING)

set(gpunet_cudnn_COMPLETE TRUE)
if(gpunet_cudnn_MISSING)
  set(gpunet_cudnn_COMPLETE FALSE)
endif()
find_package_handle_standard_args(gpunet_cudnn REQUIRED_VARS gpunet_cudnn_COMPLETE Threads_FOUND
                                  VERSION_VAR gpunet_cudnn_VERSION REASON_FAILURE_MESSAGE "${gpunet_cudnn_MISSING}")

if(gpunet_cudnn_FOUND AND NOT TARGET gpunet_cudnn::runtime)
  add_library(gpunet_cudnn::headers INTERFACE IMPORTED)
  set_target_properties(gpunet_cudnn::headers PROPERTIES INTERFACE_INCLUDE_DIRECTORIES
                        "${GPUNET_CUDART_INCLUDE_DIR};${GPUNET_NVRTC_INCLUDE_DIR};${GPUNET_CUDNN_INCLUDE_DIR}")
  add_library(gpunet_cudnn::runtime STATIC IMPORTED)
  set_target_properties(gpunet_cudnn::runtime PROPERTIES IMPORTED_LOCATION ${GPUNET_CUDART_LIBRARY}
                                              INTERFACE_LINK_LIBRARIES "Threads::Threads;${CMAKE_DL_LIBS};rt")
endif()
