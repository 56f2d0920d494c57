# How many megabytes of its own memory g++ 12 takes to include <gpunet/gpunet.hpp>: at most MOST.
if(NOT COMPILER_IS MATCHES "^GNU-12\\.")
  message("skipped: the bound is for g++ 12, this is ${COMPILER_IS}")
  return()
endif()
list(TRANSFORM OTHERS PREPEND -I)
execute_process(COMMAND ${COMPILER} -std=c++20 -O0 -fsyntax-only -ftime-report -I ${INCLUDE} ${OTHERS}
                        -x c++ ${INCLUDE}/gpunet/gpunet.hpp
                RESULT_VARIABLE status ERROR_VARIABLE report)
if(NOT status EQUAL 0 OR NOT report MATCHES "TOTAL +: +[0-9.]+ +[0-9.]+ +[0-9.]+ +([0-9]+)M")
  message(FATAL_ERROR "expected g++'s report on its time and memory, found\n${report}")
endif()
if(CMAKE_MATCH_1 GREATER MOST)
  message(FATAL_ERROR "expected at most ${MOST} MB to include the core, found ${CMAKE_MATCH_1}")
endif()
message("${CMAKE_MATCH_1} MB of at most ${MOST}")
