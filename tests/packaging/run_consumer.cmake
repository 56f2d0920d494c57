# Configures, builds and runs the project in the folder HOW: a user's project, which gets the library in that way.
include(${CMAKE_CURRENT_LIST_DIR}/common.cmake)

set(tree ${BUILD}/${HOW})
file(REMOVE_RECURSE ${tree})
list(JOIN COMPONENTS "+" components)
run("configuring" ${CMAKE_COMMAND} -S ${SOURCE}/${HOW} -B ${tree} ${configure_arguments}
    -D GPUNET_SOURCE=${GPUNET} -D GPUNET_EXPECTED_COMPONENTS=${components})
cmake_host_system_information(RESULT cores QUERY NUMBER_OF_LOGICAL_CORES)
run("building" ${CMAKE_COMMAND} --build ${tree} --parallel ${cores})
string(FIND "${output}" "warning:" at)
expect([[at EQUAL -1]] "the user's project is built with warnings he did not ask for:\n${output}")
run("running" ${CMAKE_CTEST_COMMAND} --test-dir ${tree} --output-on-failure --no-tests=error)
message("${output}")

# The user installs his project and gets nothing of ours.
run("installing" ${CMAKE_COMMAND} --install ${tree} --prefix ${tree}/prefix)
file(GLOB_RECURSE installed RELATIVE ${tree}/prefix ${tree}/prefix/*)
expect([[installed STREQUAL "share/theirs.txt"]] "installed: expected only share/theirs.txt, found ${installed}")
