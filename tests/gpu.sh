#!/usr/bin/env bash
# Everything that needs a GPU, in one call of at most ten minutes: build, tests, goldens, sanitizers, latency beside PyTorch.
#   tests/gpu.sh [options]            on a machine with an NVIDIA GPU, CUDA's nvcc, cuDNN, PyTorch, CMake, Ninja, g++
#   tests/gpu.sh --prepare [DIR]      on a connected Debian 12 before: gathers what that machine lacks into DIR (.gpu-deps)
#   tests/gpu.sh --dry-run [options]  without a GPU: does what needs none, and says what it skips
# Options:
#   --time-limit S      for everything (570; dry run 3600)
#   --steps a,b,...     of build doctor tests answer goldens sanitizer latency (all)
#   --models a,b,...    (the seven GPUNets)      --batches a,b,... in the order of their importance (1,64,8)
#   --build DIR         (build/gpu); what is built there already is used
#   --deps DIR          what --prepare gathered (.gpu-deps)
#   --results DIR       (bench/results/<device>-<date>)
#   --python PROGRAM    one that has PyTorch and numpy (python3)
#   --tuning S          for tuning our plans and measuring them tuned (75); of the time in which PyTorch compiles
# Results, logs and summary.md are left in the results' folder; where $OUT is set, the most important and an archive of all
# go there too. Exit status 1 if a step failed. No setting of the GPU is changed. See docs/gpu-measuring.md.
set -uo pipefail
cd "$(dirname "$0")/.."

usage() { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0"; }

dry=false limit='' steps=build,doctor,tests,answer,goldens,sanitizer,latency build=build/gpu deps=.gpu-deps results=
models=GPUNet-0,GPUNet-1,GPUNet-2,GPUNet-P0,GPUNet-P1,GPUNet-D1,GPUNet-D2 batches=1,64,8 python=python3 tuning=75
while [ $# -gt 0 ]; do
    case $1 in
    --prepare) exec scripts/gpu_deps.sh gather "${2:-.gpu-deps}" ;;
    --dry-run) dry=true && shift && continue ;;
    --time-limit) limit=${2:?} ;;
    --steps) steps=${2:?} ;;
    --models) models=${2:?} ;;
    --batches) batches=${2:?} ;;
    --build) build=${2:?} ;;
    --deps) deps=${2:?} ;;
    --results) results=${2:?} ;;
    --python) python=${2:?} ;;
    --tuning) tuning=${2:?} ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
    esac
    shift 2
done

left() { echo $((limit - SECONDS)); }
say() { echo "== $* (${SECONDS} s)"; }
has() { "$python" -c "import $1" 2>/dev/null; }

gpu=$(nvidia-smi --query-gpu=name --format=csv,noheader 2>/dev/null | head -1)
device=cuda:0 where=$gpu patience=1
if $dry; then
    device=cpu where="dry run on $(uname -m)" patience=8 # a small machine, perhaps a busy one
    : "${limit:=3600}"
elif [ -z "$gpu" ]; then
    echo "gpu.sh: expected an NVIDIA GPU, found none (nvidia-smi names no device); --dry-run does what needs none" >&2
    exit 1
fi
: "${limit:=570}" "${results:=bench/results/$(tr -c 'A-Za-z0-9\n' - <<<"${where#NVIDIA }")-$(date -u +%Y-%m-%dT%H%M)}"
mkdir -p "$results/logs"
results=$(cd "$results" && pwd)
work=$(mktemp -d)
torch_pid=
finish() {
    [ -n "$torch_pid" ] && kill "$torch_pid" 2>/dev/null && wait "$torch_pid" 2>/dev/null
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

# record STEP RESULT SECONDS; step STEP SECONDS-AT-MOST COMMAND...
: >"$work/steps"
failures=0
record() {
    printf '%s {"step": "%s", "result": "%s", "seconds": %d}' "$([ -s "$work/steps" ] && echo ,)" "$1" "$2" "$3" >>"$work/steps"
    echo "[$(cat "$work/steps")]" >"$results/steps.json"
    echo "   $1: $2 ($3 s)"
}
wanted() { [[ ,$steps, == *,$1,* ]]; }
step() {
    local name=$1 most=$(($2 * patience)) begin=$SECONDS status=0
    shift 2
    if [ "$(left)" -lt 5 ]; then
        record "$name" "skipped: the time is over" 0
        failures=$((failures + 1))
        return 1
    fi
    [ "$most" -gt "$(left)" ] && most=$(left)
    say "$name"
    timeout --kill-after=5 "$most" "$@" >"$results/logs/${name// /-}.log" 2>&1 || status=$?
    case $status in
    0) record "$name" passed $((SECONDS - begin)) ;;
    124 | 137) record "$name" "failed: over its $most s" $((SECONDS - begin)) ;;
    *) record "$name" "failed: exit status $status" $((SECONDS - begin)) ;;
    esac
    if [ $status -ne 0 ]; then
        failures=$((failures + 1))
        tail -n 15 "$results/logs/${name// /-}.log" | sed 's/^/     /'
    fi
    return $status
}
skip() { record "$1" "skipped: $2" 0; }

# What the machine lacks, from the gathered archive.
library_path=${LD_LIBRARY_PATH:-}
lacks() {
    local header
    for header in nlohmann/json.hpp catch2/catch.hpp CLI/CLI.hpp oneapi/dnnl/dnnl.hpp png.h turbojpeg.h \
        curl/curl.h openssl/evp.h zip.h; do
        echo "#include <$header>" | g++ -std=c++17 -E -x c++ - >/dev/null 2>&1 || { echo "$header" && return 0; }
    done
    command -v pkg-config >/dev/null || { echo pkg-config && return 0; }
    return 1
}
used_deps=none
if missing=$(lacks); then
    if [ -f "$deps/deps.tar.gz" ]; then
        eval "$(LD_LIBRARY_PATH='' scripts/gpu_deps.sh unpack "$deps" "$build-deps")"
        library_path=$LD_LIBRARY_PATH
        export LD_LIBRARY_PATH='' # PyTorch's Python needs none of it
        used_deps="$deps (the machine lacks $missing)"
    else
        echo "gpu.sh: the machine lacks $missing, and $deps holds nothing gathered: see tests/gpu.sh --prepare" >&2
    fi
fi

# Where CUDA and cuDNN are: nvcc's toolkit, and PyPI's packages that PyTorch came with.
nvcc=$(command -v nvcc || ls /usr/local/cuda/bin/nvcc 2>/dev/null)
[ -n "$nvcc" ] && export CUDA_HOME=${CUDA_HOME:-$(dirname "$(dirname "$(readlink -f "$nvcc")")")}
packages=$("$python" -c 'import nvidia.cudnn as c; print(list(c.__path__)[0])' 2>/dev/null)
if [ -n "$packages" ] && [ -e "$packages/lib/libcudnn.so.9" ]; then
    export CUDNN_ROOT=${CUDNN_ROOT:-$packages} GPUNET_CUDNN_LIBRARY=${GPUNET_CUDNN_LIBRARY:-$packages/lib/libcudnn.so.9}
    library_path=$library_path:$packages/lib:${packages%/cudnn}/cu13/lib
fi
library_path=${CUDA_HOME:+$CUDA_HOME/lib64:}${library_path#:}
native=(env "LD_LIBRARY_PATH=$library_path")
sanitizer=$(PATH=$PATH:${CUDA_HOME:-/usr/local/cuda}/bin:${CUDA_HOME:-/usr/local/cuda}/compute-sanitizer command -v compute-sanitizer)
export GPUNET_CACHE=$work/cache # nothing from before

environment() {
    "$python" - "$results/environment.json" <<EOF
import json, sys
json.dump({"gpu": """$gpu""", "date": "$(date -u +%Y-%m-%dT%H:%M:%SZ)", "dry_run": "$dry",
           "driver": """$(nvidia-smi --query-gpu=driver_version --format=csv,noheader 2>/dev/null | head -1)""",
           "nvcc": """$([ -n "$nvcc" ] && "$nvcc" --version | sed -n 's/.*release //p')""",
           "compiler": """$(g++ --version | head -1)""", "cmake": """$(cmake --version | head -1)""",
           "cores": "$(nproc)", "kernel": """$(uname -r)""", "commit": """$(git rev-parse HEAD 2>/dev/null)""",
           "changed": """$(git status --porcelain 2>/dev/null | wc -l) files""", "carried": """$used_deps""",
           "cudnn": """${GPUNET_CUDNN_LIBRARY:-where the program finds it}"""}, open(sys.argv[1], "w"), indent=1)
EOF
}
say "environment"
environment || { echo "gpu.sh: $python: expected a Python 3 to work with" >&2; exit 1; }
cat "$results/environment.json"; echo

# PyTorch compiles while everything else builds and tests; it measures when told to go. Kept for what follows, in this order:
# ours untuned 70 s, tuning and ours tuned 75, PyTorch 130, ours again tuned 30 and untuned 20, tuned goldens 20, PyTorch's start
# and the summary 10. That is 355 of 570: PyTorch compiles for 215 s. If it is told later, tuning gets less; if earlier, more.
measure_untuned=70 measure_torch=130 tuned_again=30 untuned_again=20 tuned_goldens=20
after_torch=$((tuned_again + untuned_again + tuned_goldens + 10))
measuring=$((measure_untuned + tuning + measure_torch + after_torch))
program=$PWD/$build/gpunet
[[ $build == /* ]] && program=$build/gpunet
go=$work/go # holds the seconds that tuning gets
ours=("${native[@]}" "$python" bench/ours.py latency --program "$program" --models "$models" --batches "$batches")
start_torch() {
    local what=(--errors --peers "")
    wanted latency && what=(--errors --wait-for "$go" --batches "$batches" --before
        "${ours[*]@Q} --output '$results/ours-before.json' --time-limit $measure_untuned;
        ${ours[*]@Q} --output '$results/ours-before-tuned.json' --tune --time-limit \$(cat '$go')")
    PYTHONUNBUFFERED=1 nice -n 5 "$python" bench/peers/bench_torch.py --output "$results/torch.json" --work "$work/torch" \
        --models "$models" --time-limit $(($(left) - after_torch)) "${what[@]//$'\n'/ }" >"$results/logs/torch.log" 2>&1 &
    torch_pid=$!
}
if ! has torch || ! has numpy; then
    echo "gpu.sh: $python has no PyTorch or no numpy: nothing to compare with" >&2
elif ! $dry && { wanted latency || wanted goldens; }; then
    start_torch
fi

# build: the program, and what the GPU's tests are made of.
configure_and_build() {
    set -e
    if [ ! -f "$build/CMakeCache.txt" ]; then
        cmake -S . -B "$build" -G Ninja -D CMAKE_BUILD_TYPE=Release -D CMAKE_CXX_FLAGS_RELEASE="-O2 -DNDEBUG" \
            -D GPUNET_BUILD_EXAMPLES=OFF -D GPUNET_WARNINGS_AS_ERRORS=OFF
    fi
    local targets=${GPUNET_GPU_TARGETS:-}
    [ -n "$targets" ] || targets=$(ninja -C "$build" -t targets all | sed -n 's/^\(test_[a-z_]*\(gpu\|cuda\|cudnn\)[a-z_]*\): .*/\1/p' | grep -v fake | sort -u)
    echo "targets: gpunet-cli $targets"
    # shellcheck disable=SC2086 # words on purpose
    cmake --build "$build" --target gpunet-cli $targets
}
export -f configure_and_build
export build
built=true
if wanted build; then
    step build 300 "${native[@]}" bash -c configure_and_build || built=false
fi
[ -x "$program" ] || { built=false && echo "gpu.sh: $program was not built" >&2; }

if wanted doctor && $built; then
    step doctor 60 "${native[@]}" "$program" doctor
    cat "$results/logs/doctor.log"
fi

if wanted tests && $built; then
    of_gpu='^(gpu|cuda|cudnn)$' # CTest's labels; the target pattern of the build names the same programs
    if ctest --test-dir "$build" -L "$of_gpu" -N 2>/dev/null | grep -q 'Test *#'; then
        step "gpu tests" 180 "${native[@]}" ctest --test-dir "$build" -L "$of_gpu" -j 4 --timeout 170 --output-on-failure
        grep -E 'tests passed|\*\*\*|Skipped' "$results/logs/gpu-tests.log" | head -20
    else
        skip "gpu tests" "no test has one of the labels $of_gpu"
    fi
fi

if wanted answer && $built; then
    if $dry; then
        skip "first answer" "needs a GPU"
    else
        step "first answer" 60 "${native[@]}" "$python" bench/ours.py first-answer --program "$program" --models GPUNet-0,GPUNet-2 \
            --output "$results/first_answer.json" --time-limit 55
        cat "$results/logs/first-answer.log"
    fi
fi

if wanted goldens && $built; then
    precisions=fp32,tf32,fp16,bf16
    $dry && precisions=fp32
    torch_errors=()
    [ -n "$torch_pid" ] && torch_errors=(--torch "$results/torch.json" --wait 60)
    step goldens 160 "${native[@]}" "$python" bench/accuracy.py --program "$program" --device $device --precisions $precisions \
        --models "$models" --output "$results/accuracy.json" --time-limit $((120 * patience)) "${torch_errors[@]}"
    tail -n 1 "$results/logs/goldens.log"
    $dry && skip "goldens in tf32, fp16, bf16" "needs a GPU"
fi

# The sanitizers: small networks of both grammars, after a plain run has filled the caches.
sanitize() {
    local tool=$1 spec=$2 precision=$3 only=()
    # cuDNN and the capture of graphs try calls that may fail, and take another way: memory is what is looked at here.
    [ "$tool" != memcheck ] || only=(--report-api-errors no)
    "$sanitizer" --tool "$tool" "${only[@]}" --error-exitcode 9 --print-limit 20 "$program" run "tests/data/checkpoints/$spec.json" \
        --weights synthetic --device cuda:0 --precision "$precision" --input "$work/small.npy" --output "$work/$tool-$spec.npy"
}
export -f sanitize
export sanitizer program work
if wanted sanitizer && $built; then
    if $dry; then
        skip sanitizer "needs a GPU"
    elif [ -z "$sanitizer" ]; then
        skip sanitizer "no compute-sanitizer on this machine"
    else
        "$python" -c "import sys; sys.dont_write_bytecode = True; sys.path.insert(0, 'bench/peers'); import numpy, synthetic
numpy.save('$work/small.npy', synthetic.picture((2, 3, 64, 64)))"
        say "sanitizers"
        begin=$SECONDS pids=()
        for case in small0:fp16 smallD:fp16 small0:fp32; do
            "${native[@]}" timeout 60 "$program" run "tests/data/checkpoints/${case%:*}.json" --weights synthetic --device cuda:0 \
                --precision "${case#*:}" --input "$work/small.npy" --output "$work/plain.npy" >/dev/null 2>&1
        done
        cases=(memcheck:small0:fp16 racecheck:small0:fp16 initcheck:small0:fp16 memcheck:smallD:fp16 memcheck:small0:fp32)
        for case in "${cases[@]}"; do
            IFS=: read -r tool spec precision <<<"$case"
            {
                "${native[@]}" timeout --kill-after=5 120 bash -c 'sanitize "$@"' _ "$tool" "$spec" "$precision" \
                    >"$results/logs/${case//:/-}.log" 2>&1
                echo $? >"$work/${case//:/-}.status"
            } &
            pids+=($!)
        done
        wait "${pids[@]}"
        for case in "${cases[@]}"; do
            status=$(cat "$work/${case//:/-}.status")
            if [ "$status" -eq 0 ]; then
                record "${case//:/ }" passed $((SECONDS - begin))
            else
                record "${case//:/ }" "failed: exit status $status" $((SECONDS - begin))
                failures=$((failures + 1))
                grep -E '=========' "$results/logs/${case//:/-}.log" | head -n 15 | sed 's/^/     /'
            fi
        done
    fi
fi

# latency: ours untuned and tuned, PyTorch, ours again.
if wanted latency && $built; then
    if $dry; then
        skip "latency of the GPU" "needs a GPU"
        small=("${native[@]}" "$python" bench/ours.py latency --program "$program" --device cpu --precision fp32
            --models "$PWD/tests/data/checkpoints/small0.json" --batches "1,8" --time-limit $((60 * patience)))
        step "latency tools" 120 "${small[@]}" --output "$results/ours-cpu.json"
        step "latency tools tuned" 120 "${small[@]}" --tune --again "$results/ours-cpu.json" \
            --output "$results/ours-cpu-tuned.json"
    else
        # Untuned plans need no quiet GPU: they are made while PyTorch compiles.
        most=$(($(left) - measuring))
        [ "$most" -gt 60 ] && most=60
        [ "$most" -lt 10 ] || step "plans" "$most" "${ours[@]}" --runs 1 --output "$work/plans.json" --time-limit $((most - 5))
        if [ -n "$torch_pid" ]; then
            say "PyTorch compiles until $((limit > measuring ? limit - measuring : 0)) s at the latest"
            while [ "$(left)" -gt $measuring ] && [ ! -e "$work/torch/all-compiled" ] && kill -0 "$torch_pid" 2>/dev/null; do
                sleep 1
            done
            now=$(($(left) - measuring + tuning))
            echo $((now < 0 ? 0 : now > 2 * tuning ? 2 * tuning : now)) >"$go.part"
            mv "$go.part" "$go"
            begin=$SECONDS
            say "latency: ours untuned, tuned in $(cat "$go") s, then PyTorch"
            if wait "$torch_pid"; then
                record "latency of ours and PyTorch" "done" $((SECONDS - begin))
            else
                record "latency of ours and PyTorch" "failed: exit status $?" $((SECONDS - begin))
                failures=$((failures + 1))
                tail -n 15 "$results/logs/torch.log" | sed 's/^/     /'
            fi
            torch_pid=
            cp "$work"/torch/compile-*.log "$results/logs/" 2>/dev/null
        else
            skip "latency of PyTorch" "no PyTorch here"
        fi
        if [ ! -f "$results/ours-before.json" ]; then # nobody has measured yet
            step "latency ours" $((measure_untuned + 5)) "${ours[@]}" --output "$results/ours-before.json" \
                --time-limit $measure_untuned
            most=$(($(left) > after_torch ? $(left) - after_torch : 0))
            step "latency ours tuned" $((most + 5)) "${ours[@]}" --output "$results/ours-before-tuned.json" --tune \
                --time-limit $most
        fi
        step "latency ours tuned again" $tuned_again "${ours[@]}" --output "$results/ours-after-tuned.json" --tune \
            --again "$results/ours-before-tuned.json" --time-limit $((tuned_again - 2))
        step "latency ours again" $untuned_again "${ours[@]}" --output "$results/ours-after.json" \
            --time-limit $((untuned_again - 2))
    fi
elif [ -n "$torch_pid" ]; then
    wait "$torch_pid"
    torch_pid=
fi

# The goldens again, as tuning may choose other engines; where latency was measured, of those shapes, which are tuned already.
if wanted goldens && $built; then
    if $dry; then
        skip "goldens tuned" "needs a GPU"
    elif [ -f "$results/ours-before-tuned.json" ] && ! grep -q '"model"' "$results/ours-before-tuned.json"; then
        skip "goldens tuned" "there was no time for tuning"
    else
        what=() most=$tuned_goldens
        [ -f "$results/ours-before-tuned.json" ] && what=(--measured "$results/ours-before-tuned.json")
        [ "$(left)" -gt 120 ] && most=$(($(left) - 60 < 180 ? $(left) - 60 : 180))
        step "goldens tuned" "$most" "${native[@]}" "$python" bench/accuracy.py --program "$program" --tune --precisions \
            "fp16$([ "$most" -gt 50 ] && echo ,tf32)" --models "$models" --output "$results/accuracy-tuned.json" \
            --time-limit $((most - 8)) "${torch_errors[@]}" --wait 1 "${what[@]}"
        tail -n 1 "$results/logs/goldens-tuned.log"
    fi
fi

if $dry; then
    if has torch && has numpy; then
        step "PyTorch peer against the goldens" 150 "$python" bench/peers/test_gpunet_torch.py
        step "PyTorch peer bench on the CPU" 60 "$python" bench/peers/bench_torch.py --device cpu --batches 1 --peers eager \
            --models tests/data/checkpoints/small0.json --output "$results/torch.json" --work "$work/torch" --time-limit $((50 * patience))
    else
        skip "PyTorch peer" "$python has no PyTorch"
    fi
    skip "PyTorch peer on the GPU, torch.compile" "needs a GPU"
fi

say "summary"
"$python" bench/summary.py "$results" || failures=$((failures + 1))
if [ -n "${OUT:-}" ]; then
    tar -czf "$OUT/results.tar.gz" -C "$(dirname "$results")" "$(basename "$results")"
    for file in summary.md torch.json accuracy{,-tuned}.json ours-{before,after}{,-tuned}.json first_answer.json steps.json; do
        [ -f "$results/$file" ] && cp "$results/$file" "$OUT/"
    done
fi
say "$failures failed; results in $results"
[ "$failures" -eq 0 ]
