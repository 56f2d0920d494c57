# What this project's own programs and tests are compiled with. Nothing here reaches a user's targets.

add_library(gpunet_development INTERFACE)
target_compile_options(gpunet_development INTERFACE -Wall -Wextra -Wpedantic -Wconversion -Wshadow
                                                    $<$<BOOL:${GPUNET_WARNINGS_AS_ERRORS}>:-Werror>)

find_program(GPUNET_CCACHE ccache)
if(GPUNET_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${GPUNET_CCACHE})
endif()
