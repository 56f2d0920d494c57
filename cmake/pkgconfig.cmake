# For builds without CMake: gpunet.pc is the core, gpunet-NAME.pc a component with what is linked for it. There is none
# for the GPU backend, whose toolkit pkg-config does not know.

file(RELATIVE_PATH gpunet_pc_include ${CMAKE_INSTALL_FULL_DATADIR}/pkgconfig ${CMAKE_INSTALL_FULL_INCLUDEDIR})

# gpunet_pkg_config(NAME WHAT [REQUIRES packages] [CFLAGS flags] [LIBS flags])
function(gpunet_pkg_config name what)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "REQUIRES;CFLAGS;LIBS" "")
  file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/${name}.pc @ONLY CONTENT [[
includedir=${pcfiledir}/@gpunet_pc_include@

Name: @name@
Description: @PROJECT_DESCRIPTION@ (@what@; C++20)
Version: @PROJECT_VERSION@
Requires: @arg_REQUIRES@
Cflags: @arg_CFLAGS@
Libs: @arg_LIBS@
]])
  install(FILES ${PROJECT_BINARY_DIR}/${name}.pc DESTINATION ${CMAKE_INSTALL_DATADIR}/pkgconfig)
endfunction()

gpunet_pkg_config(gpunet "the core" REQUIRES "nlohmann_json >= 3.11" CFLAGS "-I\${includedir}")
set(gpunet_core "gpunet = ${PROJECT_VERSION}")
if(TARGET gpunet::cpu)
  gpunet_pkg_config(gpunet-cpu "the CPU backend" REQUIRES "${gpunet_core}" LIBS "-ldnnl -ldl")
endif()
if(TARGET gpunet::hub)
  gpunet_pkg_config(gpunet-hub "the hub" REQUIRES "${gpunet_core}, libcurl >= 7.85, libcrypto >= 3.0, libzip >= 1.7")
endif()
if(TARGET gpunet::image)
  gpunet_pkg_config(gpunet-image "pictures" REQUIRES "${gpunet_core}, libturbojpeg, libpng")
endif()
if(TARGET gpunet::onnx)
  gpunet_pkg_config(gpunet-onnx "export to ONNX" REQUIRES "${gpunet_core}, protobuf >= 3.21"
                    CFLAGS "-DONNX_NAMESPACE=onnx -DONNX_ML=1" LIBS "-lonnx_proto")
endif()
