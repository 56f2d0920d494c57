# Runs the vcpkg port's portfile.cmake with stand-ins for vcpkg's functions, for the core alone and for all features whose
# libraries are here; looks at what is installed, and finds it as a user does.
include(${CMAKE_CURRENT_LIST_DIR}/common.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/vcpkg_functions.cmake)

set(PORT gpunet)
set(port_dir ${GPUNET}/packaging/vcpkg/gpunet)

# install(NAME FEATURES...): the port with these features, in ${BUILD}/vcpkg/NAME; sets CURRENT_PACKAGES_DIR.
macro(install name)
  set(FEATURES core ${ARGN})
  set(CURRENT_BUILDTREES_DIR ${BUILD}/vcpkg/${name}-build)
  set(CURRENT_PACKAGES_DIR ${BUILD}/vcpkg/${name})
  file(REMOVE_RECURSE ${CURRENT_BUILDTREES_DIR} ${CURRENT_PACKAGES_DIR})
  include(${port_dir}/portfile.cmake)
endmacro()

# request(COMPONENTS... SAYS TEXT): find_package of the package just installed.
function(request components says)
  file(REMOVE_RECURSE ${BUILD}/vcpkg/request)
  execute_process(COMMAND ${CMAKE_COMMAND} -S ${SOURCE}/requests -B ${BUILD}/vcpkg/request ${configure_arguments}
                          "-DREQUEST=CONFIG COMPONENTS ${components}" -DCMAKE_PREFIX_PATH=${CURRENT_PACKAGES_DIR}
                  OUTPUT_VARIABLE output ERROR_VARIABLE output)
  string(REGEX REPLACE "[ \n]+" " " line "${output}")
  string(FIND "${line}" "${says}" at)
  expect([[NOT at EQUAL -1]] "${components}: expected '${says}' in:\n${output}")
endfunction()

install(core)
file(GLOB_RECURSE headers RELATIVE ${CURRENT_PACKAGES_DIR}/include ${CURRENT_PACKAGES_DIR}/include/*.hpp)
expect([["gpunet/gpunet.hpp" IN_LIST headers]] "headers: ${headers}")
file(GLOB found RELATIVE ${CURRENT_PACKAGES_DIR} ${CURRENT_PACKAGES_DIR}/* ${CURRENT_PACKAGES_DIR}/share/*
     ${CURRENT_PACKAGES_DIR}/share/gpunet/* ${CURRENT_PACKAGES_DIR}/share/pkgconfig/*)
list(SORT found)
set(package Findgpunet_cudnn.cmake Findgpunet_onednn.cmake Findgpunet_onnx.cmake copyright gpunetConfig.cmake
            gpunetConfigVersion.cmake gpunetTargets.cmake models usage)
list(TRANSFORM package PREPEND share/gpunet/)
set(expected include share share/gpunet ${package} share/pkgconfig share/pkgconfig/gpunet.pc)
expect([[found STREQUAL expected]] "installed: expected ${expected}\nfound ${found}")
request(gpunet "[found 1] [gpunet::gpunet nlohmann_json::nlohmann_json]")
request(hub "component hub is not in this installation, which has gpunet")

set(features ${COMPONENTS})
list(REMOVE_ITEM features gpunet)
install(features ${features})
string(JOIN " " wanted ${features})
request("${wanted}" "[found 1]")
file(GLOB targets RELATIVE ${CURRENT_PACKAGES_DIR}/share/gpunet ${CURRENT_PACKAGES_DIR}/share/gpunet/*Targets.cmake)
list(TRANSFORM features REPLACE "(.+)" "gpunet_\\1Targets.cmake" OUTPUT_VARIABLE expected)
list(APPEND expected gpunetTargets.cmake)
list(SORT expected)
expect([[targets STREQUAL expected]] "targets: expected ${expected}\nfound ${targets}")
