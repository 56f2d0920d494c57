# What find_package(gpunet ...) answers: which targets it gives and what it says where it cannot.
include(${CMAKE_CURRENT_LIST_DIR}/common.cmake)
file(REMOVE_RECURSE ${BUILD}/requests)

# request(REQUEST HIDDEN... says TEXTS...): the answer must contain each of the texts.
function(request request)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "FROM" "HIDDEN;SAYS")
  execute_process(COMMAND ${CMAKE_COMMAND} -S ${SOURCE}/requests -B ${BUILD}/requests ${configure_arguments}
                          "-DREQUEST=${request}" "-DHIDDEN=${arg_HIDDEN}" -Ugpunet_turbojpeg* -Ugpunet_libzip*
                          -Ugpunet_protobuf* -U__pkg_config*
                          -Dgpunet_DIR=${arg_FROM} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  string(REGEX REPLACE "[ \n]+" " " line "${output}") # CMake breaks its messages into lines
  foreach(text IN LISTS arg_SAYS)
    string(FIND "${line}" "${text}" at)
    expect([[NOT at EQUAL -1]] "find_package(gpunet ${request}), hidden '${arg_HIDDEN}': expected '${text}' in:\n${output}")
  endforeach()
endfunction()

set(core "gpunet::gpunet")
set(json "nlohmann_json::nlohmann_json")
list(JOIN COMPONENTS ", " installed)

request("0.1 REQUIRED" SAYS "[found 1] [${core}")
request("0.1 REQUIRED COMPONENTS gpunet" SAYS "[found 1] [${core} ${json}]")
request("0.1 REQUIRED COMPONENTS hub" SAYS "[found 1] [${core} gpunet::hub ${json}]")
request("REQUIRED COMPONENTS teapot"
        SAYS "component teapot is not in this installation, which has ${installed}" "CMake Error")
request("COMPONENTS teapot hub" SAYS "component teapot is not in this installation" "[found 0]")
request("OPTIONAL_COMPONENTS teapot" SAYS "component teapot is not in this installation" "[found 1] [${core} ${json}]")
request("REQUIRED" HIDDEN nlohmann_json SAYS "nlohmann_json" "CMake Error")
request("0.2" SAYS "[found 0] []" "version: ${VERSION}")
request("1.0" SAYS "[found 0] []" "version: ${VERSION}")
request("${VERSION} EXACT REQUIRED" SAYS "[found 1]")

if(cpu IN_LIST COMPONENTS)
  request("0.1 REQUIRED COMPONENTS cpu" SAYS "[found 1] [${core} gpunet::cpu ${json} DNNL::dnnl]")
  request("REQUIRED COMPONENTS hub" HIDDEN gpunet_onednn gpunet_cudnn PNG
          SAYS "[found 1] [${core} gpunet::hub ${json}]")
  request("REQUIRED COMPONENTS cpu" HIDDEN gpunet_onednn SAYS "component cpu needs oneDNN" "libdnnl-dev" "CMake Error")
  request("REQUIRED" HIDDEN gpunet_onednn gpunet_cudnn PNG PkgConfig
          SAYS "component cpu needs oneDNN" "component hub needs libzip" "[found 1] [${core} ${json}]")
endif()
if(hub IN_LIST COMPONENTS)
  request("REQUIRED COMPONENTS hub" HIDDEN CURL SAYS "component hub needs libcurl" "CMake Error")
  request("REQUIRED COMPONENTS hub" HIDDEN OpenSSL SAYS "component hub needs OpenSSL" "CMake Error")
  request("REQUIRED COMPONENTS hub" HIDDEN PkgConfig SAYS "component hub needs libzip" "CMake Error")
endif()
if(cudnn IN_LIST COMPONENTS)
  set(needs "gpunet_cudnn::headers gpunet_cudnn::runtime")
  request("0.1 REQUIRED COMPONENTS cudnn" SAYS "[found 1] [${core} gpunet::cudnn ${json} ${needs}]")
  request("REQUIRED COMPONENTS cudnn" HIDDEN gpunet_cudnn
          SAYS "component cudnn needs CUDA 12.8 or later and cuDNN 9.8 or later" "CMake Error")
endif()
if(image IN_LIST COMPONENTS)
  set(needs "PNG::PNG PkgConfig::gpunet_turbojpeg")
  request("0.1 REQUIRED COMPONENTS image" SAYS "[found 1] [${core} gpunet::image ${json} ${needs}]")
  request("REQUIRED COMPONENTS image" HIDDEN PNG SAYS "component image needs libpng" "libpng-dev" "CMake Error")
  request("REQUIRED COMPONENTS image" HIDDEN PkgConfig SAYS "component image needs libturbojpeg" "CMake Error")
  request("REQUIRED COMPONENTS image" HIDDEN libturbojpeg SAYS "component image needs libturbojpeg" "CMake Error")
endif()
if(onnx IN_LIST COMPONENTS)
  request("0.1 REQUIRED COMPONENTS onnx" SAYS "[found 1] [${core} gpunet::onnx ${json} gpunet_onnx::proto]")
  request("REQUIRED COMPONENTS onnx" HIDDEN gpunet_onnx SAYS "component onnx needs ONNX 1.12" "libonnx-dev" "CMake Error")
  request("REQUIRED COMPONENTS onnx" HIDDEN PkgConfig SAYS "component onnx needs ONNX 1.12" "CMake Error")
endif()

# An installation that was made where oneDNN, cuDNN, libpng and ONNX were missing.
set(small ${BUILD}/small)
run("configuring without oneDNN" ${CMAKE_COMMAND} -S ${GPUNET} -B ${small} ${configure_arguments}
    -D GPUNET_BUILD_TOOLS=OFF -D GPUNET_BUILD_EXAMPLES=OFF -D GPUNET_BUILD_TESTS=OFF
    -D CMAKE_DISABLE_FIND_PACKAGE_gpunet_onednn=TRUE -D CMAKE_DISABLE_FIND_PACKAGE_gpunet_cudnn=TRUE
    -D CMAKE_DISABLE_FIND_PACKAGE_PNG=TRUE -D CMAKE_DISABLE_FIND_PACKAGE_gpunet_onnx=TRUE)
run("installing without oneDNN" ${CMAKE_COMMAND} --install ${small} --prefix ${small}/prefix)
set(from FROM ${small}/prefix/share/cmake/gpunet)
request("REQUIRED" ${from} SAYS "[found 1] [${core} gpunet::hub ${json}]")
request("REQUIRED COMPONENTS hub cpu" ${from}
        SAYS "component cpu is not in this installation, which has gpunet, hub" "CMake Error")

# A component that is insisted on; one that is left out although its libraries may be here.
execute_process(COMMAND ${CMAKE_COMMAND} -S ${GPUNET} -B ${small} -D GPUNET_WITH_CPU=ON
                RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
string(REGEX REPLACE "[ \n]+" " " line "${output}")
expect([[NOT status EQUAL 0 AND line MATCHES "GPUNET_WITH_CPU: expected oneDNN ?, not found: no CPU backend"]] "${output}")
run("leaving the hub out" ${CMAKE_COMMAND} -S ${GPUNET} -B ${small} -D GPUNET_WITH_CPU=AUTO -D GPUNET_WITH_HUB=OFF)
expect([[output MATCHES "gpunet::hub: off \\(GPUNET_WITH_HUB is OFF\\)"]] "${output}")
