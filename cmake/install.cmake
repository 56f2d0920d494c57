# Installs the headers, the models, the licence, the program where it is built, and a CMake package in which each
# component has its own set of targets, so that a user needs only the libraries of the components he asks for.

include(CMakePackageConfigHelpers)

install(DIRECTORY include/gpunet DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        FILES_MATCHING PATTERN "*.hpp" PATTERN "*.cuh")
install(DIRECTORY models DESTINATION ${CMAKE_INSTALL_DATADIR}/gpunet FILES_MATCHING PATTERN "*.json")
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/gpunet)
if(TARGET gpunet-cli)
  install(TARGETS gpunet-cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

set(GPUNET_INSTALL_CMAKEDIR ${CMAKE_INSTALL_DATADIR}/cmake/gpunet CACHE STRING "Where the CMake package is installed")
set(gpunet_package_dir ${GPUNET_INSTALL_CMAKEDIR})
foreach(target IN LISTS GPUNET_COMPONENTS)
  install(TARGETS ${target} EXPORT ${target}Targets)
  install(EXPORT ${target}Targets NAMESPACE gpunet:: DESTINATION ${gpunet_package_dir})
endforeach()

# Before 1.0 a new minor version may break its users.
set(gpunet_compatibility SameMajorVersion)
if(PROJECT_VERSION VERSION_LESS 1)
  set(gpunet_compatibility SameMinorVersion)
endif()
write_basic_package_version_file(${PROJECT_BINARY_DIR}/gpunetConfigVersion.cmake
                                 COMPATIBILITY ${gpunet_compatibility} ARCH_INDEPENDENT)

list(TRANSFORM GPUNET_COMPONENTS REPLACE "^gpunet_" "" OUTPUT_VARIABLE gpunet_installed_components)
set(gpunet_models_dir ${CMAKE_INSTALL_DATADIR}/gpunet/models)
configure_package_config_file(cmake/gpunetConfig.cmake.in ${PROJECT_BINARY_DIR}/gpunetConfig.cmake
                              INSTALL_DESTINATION ${gpunet_package_dir} PATH_VARS gpunet_models_dir)
install(FILES ${PROJECT_BINARY_DIR}/gpunetConfig.cmake ${PROJECT_BINARY_DIR}/gpunetConfigVersion.cmake
              cmake/Findgpunet_onednn.cmake cmake/Findgpunet_cudnn.cmake cmake/Findgpunet_onnx.cmake
        DESTINATION ${gpunet_package_dir})

include(${CMAKE_CURRENT_LIST_DIR}/pkgconfig.cmake)
