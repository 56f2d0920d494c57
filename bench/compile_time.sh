#!/usr/bin/env bash
# What including each umbrella header costs: user time of the compiler's front end, in seconds, the best of three.
#   bench/compile_time.sh [HEADER...]        gpunet.hpp and all others unless named; compilers: $COMPILERS or g++ clang++
# Headers whose libraries are not here are left out, visibly. Extra flags: $CXXFLAGS.
set -euo pipefail
cd "$(dirname "$0")/.."

read -ra compilers <<<"${COMPILERS:-g++ clang++}"
read -ra flags <<<"-std=c++20 -O0 -fsyntax-only -I include -DONNX_NAMESPACE=onnx -DONNX_ML=1 ${CXXFLAGS:-}"
headers=("$@")
[ ${#headers[@]} -gt 0 ] || headers=(gpunet.hpp cpu.hpp hub.hpp image.hpp onnx.hpp quantize.hpp cudnn.hpp)
for root in "${CUDA_HOME:-}" build/cuda/lib/python3*/site-packages/nvidia/{cu13,cudnn}; do
    [ ! -d "$root/include" ] || flags+=(-isystem "$root/include")
done
source=$(mktemp --suffix=.cpp)
trap 'rm -f "$source"' EXIT

# user_time COMPILER: of one compilation of $source.
user_time() {
    local TIMEFORMAT=%U
    { time "$1" "${flags[@]}" "$source" 2>/dev/null; } 2>&1
}

printf '%-14s' header
printf '%10s' "${compilers[@]}"
printf '\n'
for header in "${headers[@]}"; do
    printf '#include <gpunet/%s>\n' "$header" >"$source"
    printf '%-14s' "$header"
    for compiler in "${compilers[@]}"; do
        best=-
        for _ in 1 2 3; do
            if ! took=$(user_time "$compiler"); then break; fi
            if [ "$best" = - ] || [ "$(printf '%s\n' "$took" "$best" | sort -g | head -1)" = "$took" ]; then best=$took; fi
        done
        printf '%10s' "$best"
    done
    printf '\n'
done
echo "- : does not compile here"
