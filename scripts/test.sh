#!/usr/bin/env bash
# Installs what the tests need and runs all of them: compiled by g++, then by clang++ with address and undefined-behaviour
# sanitizers; those of threads with the thread sanitizer too.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { echo "== $* ($SECONDS s)"; }

step "what is needed"
scripts/setup.sh test
[ ! -d build/cuda ] || . build/cuda/bin/activate # by scripts/setup.sh cuda
python3 scripts/fetch_assets.py --weights build/assets --pictures build/assets
export GPUNET_TEST_ASSETS=$PWD/build/assets
export OMP_WAIT_POLICY=passive # tests run side by side; threads that spin while they wait would take turns doing so
jobs=$(nproc)
few=(-D GPUNET_FEW_TEST_PROGRAMS=ON -D CMAKE_UNITY_BUILD_BATCH_SIZE=0) # what is compiled from nothing compiles as few files

step "generated header, formatting"
python3 tools/embed_models.py --check
git ls-files '*.hpp' '*.cpp' | xargs clang-format --dry-run --Werror
if git grep -nE 'TEST_CASE\("[^"]*;' -- tests; then echo "CTest cuts names at semicolons, and runs nothing" >&2; exit 1; fi

step "g++"
cmake --preset test "${few[@]}" >/dev/null
cmake --build --preset test
ctest --preset test -j "$jobs"

step "clang++ with sanitizers"
cmake --preset asan "${few[@]}" >/dev/null
cmake --build --preset asan
ctest --preset asan -j "$jobs" -LE 'packaging|plans|peers|pages|docs|tidy'

step "clang++ with the thread sanitizer, of which nothing is suppressed"
cmake --preset tsan >/dev/null
cmake --build --preset tsan
ctest --preset tsan

step "done"
