# What the scripts share. ${BUILD}/prefix is where the library is installed for them.
cmake_policy(VERSION 3.25)
string(REPLACE "+" ";" COMPONENTS "${COMPONENTS}")
list(TRANSFORM COMPONENTS REPLACE "^gpunet_" "")
set(ENV{CXXFLAGS} "")
set(ENV{LDFLAGS} "")
set(ENV{CMAKE_PREFIX_PATH} "")

set(configure_arguments -G ${GENERATOR} -D CMAKE_MAKE_PROGRAM=${MAKE_PROGRAM} -D CMAKE_CXX_COMPILER=${CXX_COMPILER}
                        -D CMAKE_CXX_COMPILER_LAUNCHER=${LAUNCHER} -D CMAKE_PREFIX_PATH=${BUILD}/prefix
                        -D CMAKE_FIND_USE_PACKAGE_REGISTRY=OFF)

# run(WHAT command...): fails with everything the command said; sets `output` to it.
function(run what)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    message("${output}")
    message(FATAL_ERROR "${what} failed (${status})")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

# expect(CONDITION TEXT): fails with the text where the condition, written as for if(), does not hold.
function(expect condition text)
  set(holds FALSE)
  cmake_language(EVAL CODE "
    if(${condition})
      set(holds TRUE)
    endif()")
  if(NOT holds)
    message("${text}")
    message(FATAL_ERROR "expected: ${condition}")
  endif()
endfunction()
