# Packages the source tree that this folder is part of.
set(VCPKG_BUILD_TYPE release) # headers alone
get_filename_component(SOURCE_PATH "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)

vcpkg_check_features(OUT_FEATURE_OPTIONS FEATURE_OPTIONS
    FEATURES
        cpu GPUNET_WITH_CPU
        cudnn GPUNET_WITH_CUDNN
        hub GPUNET_WITH_HUB
        image GPUNET_WITH_IMAGE
        onnx GPUNET_WITH_ONNX
)
vcpkg_find_acquire_program(PKGCONFIG)
vcpkg_cmake_configure(
    SOURCE_PATH "${SOURCE_PATH}"
    OPTIONS
        ${FEATURE_OPTIONS}
        -DGPUNET_BUILD_TOOLS=OFF
        -DGPUNET_BUILD_EXAMPLES=OFF
        -DGPUNET_BUILD_TESTS=OFF
        "-DGPUNET_INSTALL_CMAKEDIR=share/${PORT}"
        "-DPKG_CONFIG_EXECUTABLE=${PKGCONFIG}"
)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup()
vcpkg_fixup_pkgconfig()
file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/share/doc")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
file(INSTALL "${CMAKE_CURRENT_LIST_DIR}/usage" DESTINATION "${CURRENT_PACKAGES_DIR}/share/${PORT}")
