# conan create with its test package: offline, in a Conan home of its own, with all dependencies Debian's, which the
# profile says. Conan comes from PyPI (scripts/setup.sh test).
include(${CMAKE_CURRENT_LIST_DIR}/common.cmake)

set(conan ${GPUNET}/build/python/bin/conan)
if(NOT EXISTS ${conan})
  message("skipped: no Conan at build/python (scripts/setup.sh test gets it)")
  return()
endif()

set(tree ${BUILD}/conan)
file(REMOVE_RECURSE ${tree})
set(ENV{CONAN_HOME} ${tree}/home)
execute_process(COMMAND ${CXX_COMPILER} -dumpversion OUTPUT_VARIABLE version OUTPUT_STRIP_TRAILING_WHITESPACE)
string(REGEX MATCH "^[0-9]+" version "${version}")
set(compiler gcc)
if(CXX_COMPILER MATCHES "clang")
  set(compiler clang)
endif()
cmake_host_system_information(RESULT architecture QUERY OS_PLATFORM)
string(REPLACE "aarch64" "armv8" architecture "${architecture}")
file(COPY ${GPUNET}/packaging/conan/test_package DESTINATION ${tree}) # Conan builds it where it lies
file(WRITE ${tree}/profile "[settings]
os=Linux
arch=${architecture}
compiler=${compiler}
compiler.version=${version}
compiler.libcxx=libstdc++11
compiler.cppstd=20
build_type=Debug
[conf]
tools.build:compiler_executables={'cpp': '${CXX_COMPILER}'}
tools.cmake.cmaketoolchain:generator=${GENERATOR}
[platform_requires]
nlohmann_json/3.11.2
libcurl/7.88.1
openssl/3.0.11
libzip/1.7.3
libjpeg-turbo/2.1.5
libpng/1.6.39
onnx/1.12.0
protobuf/3.21.12
")

set(options)
foreach(component IN LISTS COMPONENTS)
  if(NOT component STREQUAL "gpunet")
    list(APPEND options -o "gpunet/*:${component}=True")
  endif()
endforeach()
run("conan create" ${conan} create ${GPUNET}/packaging/conan --no-remote --profile:all ${tree}/profile ${options}
    --test-folder ${tree}/test_package)
string(FIND "${output}" "11885432 parameters" at)
expect([[NOT at EQUAL -1]] "the test package's program did not run:\n${output}")
run("conan list" ${conan} list "gpunet/*")
string(FIND "${output}" "gpunet/${VERSION}" at)
expect([[NOT at EQUAL -1]] "expected gpunet/${VERSION} in:\n${output}")
