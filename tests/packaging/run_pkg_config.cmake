# Compiles and runs small programs with what pkg-config says, without CMake: the core's consumer, without RTTI; a program
# for each component that links all its libraries.
include(${CMAKE_CURRENT_LIST_DIR}/common.cmake)

find_program(PKG_CONFIG pkg-config)
if(NOT PKG_CONFIG)
  message("skipped: no pkg-config here")
  return()
endif()
set(ENV{PKG_CONFIG_PATH} ${BUILD}/prefix/share/pkgconfig)
set(tree ${BUILD}/pkg_config)
file(REMOVE_RECURSE ${tree})
file(MAKE_DIRECTORY ${tree})

# use(PACKAGE FILE FLAGS...): compiles and runs FILE with the package's flags; no warning may come of its headers.
function(use package file)
  run("pkg-config" ${PKG_CONFIG} --cflags --libs ${package})
  separate_arguments(flags UNIX_COMMAND "${output}")
  run("compiling with ${package}" ${CXX_COMPILER} -std=c++20 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror
      ${ARGN} ${file} -o ${tree}/${package} ${flags})
  run("running what was compiled with ${package}" ${tree}/${package})
endfunction()

set(ENV{SPEC} ${GPUNET}/models/GPUNet-0.json)
set(ENV{PICTURE} ${GPUNET}/tests/data/images/png_1x1.png)
use(gpunet ${SOURCE}/consumer/gpunet.cpp -fno-rtti)
foreach(component IN ITEMS cpu hub onnx)
  if(component IN_LIST COMPONENTS)
    use(gpunet-${component} ${SOURCE}/linked/${component}.cpp)
  endif()
endforeach()
if("image" IN_LIST COMPONENTS)
  use(gpunet-image ${SOURCE}/consumer/image.cpp)
endif()

file(GLOB found RELATIVE ${BUILD}/prefix/share/pkgconfig ${BUILD}/prefix/share/pkgconfig/*)
set(expected gpunet.pc)
foreach(component IN ITEMS cpu hub image onnx)
  if(component IN_LIST COMPONENTS)
    list(APPEND expected gpunet-${component}.pc)
  endif()
endforeach()
list(SORT expected)
expect([[found STREQUAL expected]] "pkg-config: expected ${expected}, found ${found}")
