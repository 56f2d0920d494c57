#!/usr/bin/env bash
# Installs what GPUNet is built and tested with on Debian 12, and nothing that is there already.
#   scripts/setup.sh          to build the program
#   scripts/setup.sh test     to run the tests as well; what they compare with comes from PyPI into build/python
#   scripts/setup.sh cuda     to build with the GPU backend where no CUDA toolkit with cuDNN is: they come from PyPI
#                             (1 GB to fetch) into the virtual environment build/cuda, in which
#                                 . build/cuda/bin/activate
#                             both CMake and the program find them
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(g++ cmake ninja-build ccache pkg-config libdnnl-dev libxbyak-dev nlohmann-json3-dev libcli11-dev
          libturbojpeg0-dev libpng-dev libcurl4-openssl-dev libssl-dev libzip-dev libonnx-dev libprotobuf-dev
          python3 python3-pip ca-certificates)
if [ "${1:-}" = test ]; then
    packages+=(catch2 git clang clang-format clang-tidy libclang-rt-dev openssl chromium doxygen python3-venv)
elif [ "${1:-}" = cuda ]; then
    packages+=(python3-venv)
fi

install_packages() {
    local missing=() package status as_root=()
    for package in "${packages[@]}"; do
        status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
        [ "$status" = "install ok installed" ] || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    echo "installing ${missing[*]}" >&2
    [ "$(id -u)" -eq 0 ] || as_root=(sudo)
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" \
        >/dev/null
}

# CUDA 13.0, which runs on every driver for CUDA 13, and the cuDNN that the tests run with.
wheels=(nvidia-cuda-runtime==13.0.96 nvidia-cuda-crt==13.0.88 nvidia-cuda-nvrtc==13.0.88 nvidia-cublas==13.1.0.3
        nvidia-cudnn-cu13==9.19.0.56)

have_toolkit() {
    local root include
    for root in "${CUDA_HOME:-}" "${CUDA_PATH:-}" /usr/local/cuda /opt/cuda; do
        for include in "$root" "${CUDNN_ROOT:-$root}" /usr; do
            if [ -n "$root" ] && [ -f "$root/include/nvrtc.h" ] && [ -f "$include/include/cudnn.h" ]; then
                echo "a CUDA toolkit with cuDNN is here: $root" >&2
                return 0
            fi
        done
    done
    return 1
}

# The driver's stub, which a toolkit has and PyPI has not: each function answers CUDA_ERROR_STUB_LIBRARY. `gpunet plan`
# needs one where no driver is.
make_stub() {
    mkdir -p "$1/lib/stubs"
    grep -oE '\bcu[A-Z]\w*' "$1/include/cuda.h" | sort -u | sed 's/.*/int &(void) { return 34; }/' |
        gcc -x c -shared -fPIC -fno-builtin -Wl,-soname,libcuda.so.1 -o "$1/lib/stubs/libcuda.so" -
}

install_cuda() {
    local installed="${wheels[*]}"
    if have_toolkit || [ "$(cat build/cuda/installed 2>/dev/null)" = "$installed" ]; then
        return
    fi
    echo "fetching $installed" >&2
    rm -rf build/cuda
    python3 -m venv build/cuda
    build/cuda/bin/pip install -q --disable-pip-version-check --no-deps --only-binary=:all: "${wheels[@]}"
    make_stub build/cuda/lib/python3*/site-packages/nvidia/cu13
    echo "$installed" >build/cuda/installed
}

# What exported networks are checked and run with (tests/check_onnx.py), and what the recipe in packaging/ is tested with.
python_packages=(onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6 conan==2.34.0)

install_python() {
    local installed="${python_packages[*]}"
    [ "$(cat build/python/installed 2>/dev/null)" != "$installed" ] || return 0
    echo "fetching $installed" >&2
    rm -rf build/python
    python3 -m venv build/python
    build/python/bin/pip install -q --disable-pip-version-check --only-binary=:all: "${python_packages[@]}"
    echo "$installed" >build/python/installed
}

install_packages
[ "${1:-}" != test ] || install_python
[ "${1:-}" != cuda ] || install_cuda
