# The library as one header, as releases carry it: `cmake --build BUILD --target amalgamated` writes
# BUILD/amalgamated/core/gpunet.hpp and BUILD/amalgamated/all/gpunet.hpp.
find_package(Python3 QUIET COMPONENTS Interpreter)

# gpunet_amalgamate(NAME WHAT...): BUILD/amalgamated/NAME/gpunet.hpp with the core and the components WHAT.
function(gpunet_amalgamate name)
  set(tool ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../tools/amalgamate.py)
  set(header ${PROJECT_BINARY_DIR}/amalgamated/${name}/gpunet.hpp)
  add_custom_command(OUTPUT ${header} DEPENDS ${tool} DEPFILE ${header}.d VERBATIM
                     COMMAND ${Python3_EXECUTABLE} ${tool} --output ${header} --depend ${header}.d ${ARGN})
endfunction()

if(Python3_FOUND)
  gpunet_amalgamate(core core)
  gpunet_amalgamate(all all)
  add_custom_target(amalgamated DEPENDS ${PROJECT_BINARY_DIR}/amalgamated/core/gpunet.hpp
                                        ${PROJECT_BINARY_DIR}/amalgamated/all/gpunet.hpp)
endif()
