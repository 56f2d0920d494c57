# What this project's own programs and tests are compiled with. Nothing here reaches a user's targets.

add_library(gpunet_development INTERFACE)
target_compile_options(gpunet_development INTERFACE -Wall -Wextra -Wpedantic -Wconversion -Wshadow
                                                    $<$<BOOL:${GPUNET_WARNINGS_AS_ERRORS}>:-Werror>)

find_program(GPUNET_CCACHE ccache)
if(GPUNET_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${GPUNET_CCACHE})
endif()

# gpunet_needs(RESULT WHAT LIBRARIES...): whether all targets are there; says of which WHAT is off.
function(gpunet_needs result what)
  set(${result} TRUE PARENT_SCOPE)
  foreach(library IN LISTS ARGN)
    if(NOT TARGET ${library})
      message(STATUS "${what}: off (it needs ${library})")
      set(${result} FALSE PARENT_SCOPE)
      return()
    endif()
  endforeach()
endfunction()
