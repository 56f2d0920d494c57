# Compiles SOURCE, whose first line is "// EXPECT: <regular expression>", without and with MISUSE.
cmake_policy(VERSION 3.25)

file(STRINGS ${SOURCE} expected LIMIT_COUNT 1)
if(NOT expected MATCHES "^// EXPECT: (.+)$")
  message(FATAL_ERROR "${SOURCE}: its first line says not what is expected")
endif()
set(expected "${CMAKE_MATCH_1}")
set(ENV{LC_ALL} C)

macro(compile)
  execute_process(COMMAND ${CXX_COMPILER} -std=c++20 -fsyntax-only -Wall -Wextra -Werror -I ${INCLUDE} ${ARGN} ${SOURCE}
                  RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
endmacro()

compile()
if(NOT status EQUAL 0)
  message("${output}")
  message(FATAL_ERROR "the right use does not compile")
endif()

compile(-D MISUSE)
if(status EQUAL 0)
  message(FATAL_ERROR "the misuse compiles")
endif()
if(NOT output MATCHES "${expected}")
  message("${output}")
  message(FATAL_ERROR "expected from the compiler: ${expected}")
endif()
