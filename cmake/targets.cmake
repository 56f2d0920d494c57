# The header-only targets. Each component that cannot be had is left out, and CMake says what that costs; GPUNET_WITH_CPU
# and its like, AUTO unless set, leave it out where OFF and insist on it where ON, as packages do.

find_package(nlohmann_json 3.11 REQUIRED)

add_library(gpunet INTERFACE)
add_library(gpunet::gpunet ALIAS gpunet)
target_compile_features(gpunet INTERFACE cxx_std_20)
target_include_directories(gpunet INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                                            $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_link_libraries(gpunet INTERFACE nlohmann_json::nlohmann_json)
set(GPUNET_COMPONENTS gpunet)

# gpunet_component(NAME FOUND what-was-found what-it-costs libraries...)
function(gpunet_component name found what cost)
  string(TOUPPER GPUNET_WITH_${name} wanted)
  set(${wanted} AUTO CACHE STRING "Component ${name}: AUTO (where its libraries are found), ON or OFF")
  set_property(CACHE ${wanted} PROPERTY STRINGS AUTO ON OFF)
  if(NOT ${wanted})
    message(STATUS "gpunet::${name}: off (${wanted} is ${${wanted}})")
    return()
  endif()
  if(NOT found AND NOT ${wanted} STREQUAL "AUTO")
    message(FATAL_ERROR "${wanted}: expected ${what}, not found: ${cost}")
  endif()
  if(NOT found)
    message(STATUS "gpunet::${name}: off (${what} not found): ${cost}")
    return()
  endif()
  message(STATUS "gpunet::${name}: on (${what})")
  add_library(gpunet_${name} INTERFACE)
  add_library(gpunet::${name} ALIAS gpunet_${name})
  set_target_properties(gpunet_${name} PROPERTIES EXPORT_NAME ${name})
  target_link_libraries(gpunet_${name} INTERFACE gpunet ${ARGN})
  set(GPUNET_COMPONENTS ${GPUNET_COMPONENTS} gpunet_${name} PARENT_SCOPE)
endfunction()

message(STATUS "gpunet ${PROJECT_VERSION}: core on (nlohmann/json ${nlohmann_json_VERSION})")

list(APPEND CMAKE_MODULE_PATH ${CMAKE_CURRENT_LIST_DIR})
find_package(gpunet_onednn 2.6...<3 MODULE QUIET)
gpunet_component(cpu "${gpunet_onednn_FOUND}" "oneDNN ${gpunet_onednn_VERSION}" "no CPU backend; install libdnnl-dev"
                 DNNL::dnnl ${CMAKE_DL_LIBS})

find_package(gpunet_cudnn 9.8 MODULE QUIET)
set(gpunet_cudnn_what "CUDA and cuDNN")
if(gpunet_cudnn_FOUND)
  set(gpunet_cudnn_what "cuDNN ${gpunet_cudnn_VERSION}, CUDA ${gpunet_cudnn_CUDA_VERSION}")
elseif(gpunet_cudnn_MISSING)
  set(gpunet_cudnn_what ${gpunet_cudnn_MISSING})
endif()
gpunet_component(cudnn "${gpunet_cudnn_FOUND}" "${gpunet_cudnn_what}"
                 "no GPU backend; needs CUDA 12.8, cuDNN 9.8 or later: set CUDA_HOME, CUDNN_ROOT or run scripts/setup.sh cuda"
                 gpunet_cudnn::headers gpunet_cudnn::runtime)

find_package(PNG QUIET)
find_package(PkgConfig QUIET)
if(PkgConfig_FOUND)
  pkg_check_modules(gpunet_turbojpeg QUIET IMPORTED_TARGET GLOBAL libturbojpeg)
endif()
if(PNG_FOUND AND gpunet_turbojpeg_FOUND)
  set(GPUNET_IMAGE_FOUND TRUE)
endif()
gpunet_component(image "${GPUNET_IMAGE_FOUND}" "libjpeg-turbo ${gpunet_turbojpeg_VERSION}, libpng ${PNG_VERSION_STRING}"
                 "no decoding of pictures; install libturbojpeg0-dev, libpng-dev and pkg-config"
                 PkgConfig::gpunet_turbojpeg PNG::PNG)

find_package(CURL 7.85 QUIET)
if(PkgConfig_FOUND)
  find_package(OpenSSL 3.0 QUIET) # CMake's own module fails without pkg-config
  pkg_check_modules(gpunet_libzip QUIET IMPORTED_TARGET GLOBAL libzip>=1.7)
endif()
if(CURL_FOUND AND OPENSSL_FOUND AND gpunet_libzip_FOUND)
  set(GPUNET_HUB_FOUND TRUE)
endif()
gpunet_component(hub "${GPUNET_HUB_FOUND}"
                 "libcurl ${CURL_VERSION_STRING}, OpenSSL ${OPENSSL_VERSION}, libzip ${gpunet_libzip_VERSION}"
                 "no registry, no pretrained weights; install libcurl4-openssl-dev, libssl-dev, libzip-dev and pkg-config"
                 CURL::libcurl OpenSSL::Crypto PkgConfig::gpunet_libzip)

find_package(gpunet_onnx 8 MODULE QUIET)
gpunet_component(onnx "${gpunet_onnx_FOUND}" "ONNX with IR version ${gpunet_onnx_VERSION}, protobuf ${gpunet_protobuf_VERSION}"
                 "no export to ONNX; install libonnx-dev, libprotobuf-dev and pkg-config" gpunet_onnx::proto)
