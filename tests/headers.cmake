# Every public header compiles alone and without warnings; all of them link together; the core needs no vendor's header.
# The tests build a project of their own (headers/), which compiles again only what has changed.

set(headers_build ${CMAKE_CURRENT_BINARY_DIR}/headers)
cmake_host_system_information(RESULT headers_jobs QUERY NUMBER_OF_LOGICAL_CORES)

# clang++, which takes half the time, where there is one: the standard library is the same.
find_program(GPUNET_HEADERS_COMPILER clang++)
mark_as_advanced(GPUNET_HEADERS_COMPILER)
if(NOT GPUNET_HEADERS_COMPILER)
  set(GPUNET_HEADERS_COMPILER ${CMAKE_CXX_COMPILER})
endif()

# headers_test(NAME command...)
function(headers_test name)
  add_test(NAME "headers: ${name}" COMMAND ${ARGN})
  set_tests_properties("headers: ${name}" PROPERTIES LABELS packaging TIMEOUT 900 RESOURCE_LOCK gpunet_headers
                       SKIP_REGULAR_EXPRESSION "skipped:")
endfunction()

headers_test(configure ${CMAKE_COMMAND} -S ${CMAKE_CURRENT_SOURCE_DIR}/headers -B ${headers_build}
             -G ${CMAKE_GENERATOR} -D CMAKE_MAKE_PROGRAM=${CMAKE_MAKE_PROGRAM}
             -D CMAKE_CXX_COMPILER=${GPUNET_HEADERS_COMPILER})
set_property(TEST "headers: configure" PROPERTY FIXTURES_SETUP gpunet_headers)

foreach(component gpunet cpu cudnn image hub onnx)
  set(name "each of ${component} compiles alone")
  if(TARGET gpunet::${component})
    headers_test(${name} ${CMAKE_COMMAND} --build ${headers_build} --target headers_${component}
                 --parallel ${headers_jobs})
    set_tests_properties("headers: ${name}" PROPERTIES FIXTURES_REQUIRED gpunet_headers PROCESSORS ${headers_jobs})
  else()
    headers_test(${name} ${CMAKE_COMMAND} -E echo "skipped: gpunet::${component} is off")
  endif()
endforeach()

headers_test("build two translation units of everything"
             ${CMAKE_COMMAND} --build ${headers_build} --target together --parallel ${headers_jobs})
set_tests_properties("headers: build two translation units of everything" PROPERTIES
                     FIXTURES_REQUIRED gpunet_headers FIXTURES_SETUP gpunet_together PROCESSORS ${headers_jobs})
headers_test("two translation units of everything agree" ${headers_build}/together)
set_property(TEST "headers: two translation units of everything agree" PROPERTY FIXTURES_REQUIRED gpunet_together)

# The library in one header (tools/amalgamate.py).
headers_test("amalgamated, the core and everything compile"
             ${CMAKE_COMMAND} --build ${headers_build} --target amalgamated_core amalgamated_found --parallel ${headers_jobs})
set_tests_properties("headers: amalgamated, the core and everything compile" PROPERTIES
                     FIXTURES_REQUIRED gpunet_headers FIXTURES_SETUP gpunet_amalgamated PROCESSORS ${headers_jobs})
headers_test("amalgamated, the core runs" ${headers_build}/amalgamated_core)
set_tests_properties("headers: amalgamated, the core runs" PROPERTIES FIXTURES_REQUIRED gpunet_amalgamated
                     ENVIRONMENT SPEC=${PROJECT_SOURCE_DIR}/models/GPUNet-0.json)

# What the core includes, by the compiler's own list. (cuda/element.hpp, plain names of types, is the core's.)
headers_test("the core includes no vendor's header"
             ${CMAKE_CXX_COMPILER} -std=c++20 -M -I ${PROJECT_SOURCE_DIR}/include -I
             "$<JOIN:$<TARGET_PROPERTY:nlohmann_json::nlohmann_json,INTERFACE_INCLUDE_DIRECTORIES>,;-I;>"
             ${PROJECT_SOURCE_DIR}/include/gpunet/gpunet.hpp)
set_tests_properties("headers: the core includes no vendor's header" PROPERTIES
                     PASS_REGULAR_EXPRESSION "nlohmann/json\\.hpp"
                     FAIL_REGULAR_EXPRESSION "cuda[^/];cuda/[^e];cuda/e[^l];cudnn;nvrtc;dnnl;[/ ]CL/;png;jpeg;gpunet/hub/;gpunet/image/;gpunet/cpu/;onnx;protobuf;error:")

# What including the core costs a compiler. Time is measured by bench/compile_time.sh; what holds it here is the memory
# that g++ 12 takes, which goes with its time and is the same in every run.
headers_test("including the core costs g++ what it did"
             ${CMAKE_COMMAND} -D COMPILER=${CMAKE_CXX_COMPILER} -D COMPILER_IS=${CMAKE_CXX_COMPILER_ID}-${CMAKE_CXX_COMPILER_VERSION}
             -D INCLUDE=${PROJECT_SOURCE_DIR}/include -D MOST=520
             "-DOTHERS=$<JOIN:$<TARGET_PROPERTY:nlohmann_json::nlohmann_json,INTERFACE_INCLUDE_DIRECTORIES>,;>"
             -P ${CMAKE_CURRENT_SOURCE_DIR}/headers/memory.cmake)
