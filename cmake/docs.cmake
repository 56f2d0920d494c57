# The API pages, by Doxygen where it is found: `cmake --build BUILD --target docs` writes them to BUILD/docs/html and
# fails where Doxygen warns.
find_package(Doxygen QUIET)
if(DOXYGEN_FOUND)
  set(gpunet_doxyfile ${PROJECT_BINARY_DIR}/docs/Doxyfile)
  file(CONFIGURE OUTPUT ${gpunet_doxyfile} @ONLY CONTENT [[
@INCLUDE = "@PROJECT_SOURCE_DIR@/docs/Doxyfile"
PROJECT_NUMBER = @PROJECT_VERSION@
OUTPUT_DIRECTORY = "@PROJECT_BINARY_DIR@/docs"
]])
  add_custom_target(docs COMMAND Doxygen::doxygen ${gpunet_doxyfile} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR} VERBATIM
                    COMMENT "API pages: ${PROJECT_BINARY_DIR}/docs/html/index.html")
endif()
