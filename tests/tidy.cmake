# clang-tidy over all headers, in one translation unit: what .clang-tidy lists is an error. Labelled "tidy".

find_program(GPUNET_CLANG_TIDY NAMES clang-tidy-14 clang-tidy)
mark_as_advanced(GPUNET_CLANG_TIDY)
set(tidy_dir ${CMAKE_CURRENT_BINARY_DIR}/tidy)

# What it is compiled with: a library that is never built, whose flags clang-tidy reads from beside the source.
add_library(gpunet_tidy_flags OBJECT EXCLUDE_FROM_ALL main.cpp)
target_link_libraries(gpunet_tidy_flags PRIVATE gpunet)
set(tidy_source "#include <gpunet/gpunet.hpp>\n#include <gpunet/quantize.hpp>\n")
foreach(component IN ITEMS cpu cudnn hub image onnx)
  if(TARGET gpunet::${component})
    target_link_libraries(gpunet_tidy_flags PRIVATE gpunet::${component})
    string(APPEND tidy_source "#include <gpunet/${component}.hpp>\n")
  endif()
endforeach()
file(CONFIGURE OUTPUT ${tidy_dir}/headers.cpp CONTENT "${tidy_source}")
set(includes "$<TARGET_PROPERTY:gpunet_tidy_flags,INCLUDE_DIRECTORIES>")
set(definitions "$<TARGET_PROPERTY:gpunet_tidy_flags,COMPILE_DEFINITIONS>")
set(others "$<FILTER:${includes},EXCLUDE,^${PROJECT_SOURCE_DIR}/include$>") # system headers
file(GENERATE OUTPUT ${tidy_dir}/compile_flags.txt CONTENT
     "-std=c++20
-I
${PROJECT_SOURCE_DIR}/include
-idirafter
$<JOIN:$<REMOVE_DUPLICATES:${others}>,
-idirafter
>
$<$<BOOL:${definitions}>:-D$<JOIN:${definitions},
-D>
>")

if(GPUNET_CLANG_TIDY)
  add_test(NAME "tidy: headers" COMMAND ${GPUNET_CLANG_TIDY} --quiet --config-file=${PROJECT_SOURCE_DIR}/.clang-tidy
                                        -p ${tidy_dir} ${tidy_dir}/headers.cpp)
else()
  add_test(NAME "tidy: headers" COMMAND ${CMAKE_COMMAND} -E echo "skipped: no clang-tidy here")
endif()
set_tests_properties("tidy: headers" PROPERTIES LABELS tidy TIMEOUT 600 SKIP_REGULAR_EXPRESSION "skipped:")
