#!/usr/bin/env bash
# Installs what the tests need and runs all of them: g++, g++ with address and undefined-behaviour sanitizers, clang++.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh test
python3 scripts/fetch_assets.py --weights build/assets --pictures build/assets
export GPUNET_TEST_ASSETS=$PWD/build/assets
export OMP_WAIT_POLICY=passive # tests run side by side; threads that spin while they wait would take turns doing so
jobs=$(nproc)

step() { echo "== $* (at $SECONDS s)"; }

step "generated header and formatting"
python3 tools/embed_models.py --check
git ls-files '*.hpp' '*.cpp' | xargs clang-format --dry-run --Werror

step "g++"
cmake --preset release >/dev/null
cmake --build --preset release
ctest --preset release -j "$jobs"

step "g++ with sanitizers"
cmake --preset asan >/dev/null
cmake --build --preset asan
ctest --preset asan -j "$jobs" -LE packaging

step "clang++"
cmake --preset clang >/dev/null
cmake --build --preset clang
ctest --preset clang -j "$jobs" -LE packaging
step "done"
