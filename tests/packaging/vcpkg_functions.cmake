# Stand-ins for what vcpkg's functions do for this port, by their documentation: CMake is run as vcpkg runs it, for a
# release alone, into CURRENT_PACKAGES_DIR. They accept no other arguments than those here.

function(vcpkg_check_features)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "OUT_FEATURE_OPTIONS" "FEATURES")
  expect([["${arg_UNPARSED_ARGUMENTS}" STREQUAL ""]] "vcpkg_check_features: ${arg_UNPARSED_ARGUMENTS}")
  set(options)
  while(arg_FEATURES)
    list(POP_FRONT arg_FEATURES feature variable)
    if(feature IN_LIST FEATURES)
      list(APPEND options -D${variable}=ON)
    else()
      list(APPEND options -D${variable}=OFF)
    endif()
  endwhile()
  set(${arg_OUT_FEATURE_OPTIONS} ${options} PARENT_SCOPE)
endfunction()

function(vcpkg_find_acquire_program program)
  expect([[program STREQUAL "PKGCONFIG"]] "vcpkg_find_acquire_program: ${program}")
  find_program(PKG_CONFIG pkg-config REQUIRED)
  set(${program} ${PKG_CONFIG} PARENT_SCOPE)
endfunction()

function(vcpkg_cmake_configure)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "SOURCE_PATH" "OPTIONS")
  expect([["${arg_UNPARSED_ARGUMENTS}" STREQUAL ""]] "vcpkg_cmake_configure: ${arg_UNPARSED_ARGUMENTS}")
  run("vcpkg_cmake_configure" ${CMAKE_COMMAND} -S ${arg_SOURCE_PATH} -B ${CURRENT_BUILDTREES_DIR} ${configure_arguments}
      -D CMAKE_BUILD_TYPE=Release -D CMAKE_INSTALL_PREFIX=${CURRENT_PACKAGES_DIR} ${arg_OPTIONS})
  string(FIND "${output}" "not used by the project" at)
  expect([[at EQUAL -1]] "the port sets what CMake does not know:\n${output}")
endfunction()

function(vcpkg_cmake_install)
  run("vcpkg_cmake_install" ${CMAKE_COMMAND} --build ${CURRENT_BUILDTREES_DIR} --target install)
endfunction()

# vcpkg wants the files of find_package(PORT) where this one expects them, and none for debugging.
function(vcpkg_cmake_config_fixup)
  expect([[EXISTS ${CURRENT_PACKAGES_DIR}/share/${PORT}/${PORT}Config.cmake]] "no ${PORT}Config.cmake in share/${PORT}")
endfunction()

function(vcpkg_fixup_pkgconfig)
  file(GLOB found ${CURRENT_PACKAGES_DIR}/share/pkgconfig/*.pc)
  expect([[found]] "no .pc file in share/pkgconfig")
endfunction()

function(vcpkg_install_copyright)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "FILE_LIST" "")
  file(INSTALL ${arg_FILE_LIST} DESTINATION ${CURRENT_PACKAGES_DIR}/share/${PORT} RENAME copyright)
endfunction()
