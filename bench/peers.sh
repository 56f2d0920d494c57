#!/usr/bin/env bash
# Compares us with ONNX Runtime and OpenVINO on this machine's CPU: fetches them from PyPI into build/peers/python,
# builds what is needed in build/release, and runs peers/cpu.py with the same arguments; --help lists them.
set -euo pipefail
cd "$(dirname "$0")/.."

peers=(onnxruntime==1.32.0 openvino==2026.4.1 numpy==2.4.6)
venv=build/peers/python

if [ "$(cat $venv/installed 2>/dev/null)" != "${peers[*]}" ]; then
    echo "fetching ${peers[*]}" >&2
    rm -rf $venv
    python3 -m venv $venv
    $venv/bin/pip install -q --disable-pip-version-check --only-binary=:all: "${peers[@]}"
    echo "${peers[*]}" >$venv/installed
fi

cmake --preset release >build/peers/configure.log || { cat build/peers/configure.log >&2; exit 1; }
cmake --build --preset release --target gpunet-cli gpunet_bench_worker >&2
exec $venv/bin/python -B bench/peers/cpu.py "$@"
