#!/usr/bin/env bash
# Fuzzes the readers of strangers' files, one target after the other, and says how each went. docs/fuzzing.md explains.
#   tests/fuzz/run.sh [-b BUILD] [-n EXECUTIONS] [-s SECONDS] [TARGET...]
set -euo pipefail
cd "$(dirname "$0")/../.."

build=build/fuzz executions=1000000 seconds=600
while getopts b:n:s: option; do
  case $option in
    b) build=$OPTARG ;;
    n) executions=$OPTARG ;;
    s) seconds=$OPTARG ;;
    *) sed -n 's/^#   /usage: /p' "$0" >&2; exit 2 ;;
  esac
done
shift $((OPTIND - 1))

program=$build/tests/fuzz/gpunet_fuzz
[ -f "$build/CMakeCache.txt" ] || cmake --preset fuzz -B "$build" >/dev/null
cmake --build "$build" --target gpunet_fuzz >&2
python3 tests/fuzz/make_seeds.py "$build/seeds"
[ $# -gt 0 ] || set -- $(cd tests/fuzz/dictionaries && ls *.dict | sed 's/\.dict$//')

failed=0
printf '%-14s %12s %10s %10s %10s\n' target executions per_second coverage peak_MB
for target; do
  corpus=$build/corpus/$target findings=$build/findings/$target
  log=$findings/log
  mkdir -p "$corpus" "$findings" "$build/seeds/$target"
  seeds=("$build/seeds/$target")
  [ ! -d "tests/data/fuzz/$target" ] || seeds+=("tests/data/fuzz/$target")
  status=0
  GPUNET_FUZZ_TARGET=$target "$program" -runs="$executions" -max_total_time="$seconds" -max_len=4096 -timeout=10 \
    -rss_limit_mb=1024 -malloc_limit_mb=256 -print_final_stats=1 \
    -dict="tests/fuzz/dictionaries/$target.dict" -artifact_prefix="$findings/" "$corpus" "${seeds[@]}" 2>"$log" || status=$?
  stat() { sed -n "s/^stat::$1: *//p" "$log"; }
  printf '%-14s %12s %10s %10s %10s\n' "$target" "$(stat number_of_executed_units)" "$(stat average_exec_per_sec)" \
    "$(sed -n 's/.*cov: \([0-9]*\) .*/\1/p' "$log" | tail -1)" "$(stat peak_rss_mb)"
  if [ "$status" -ne 0 ]; then
    failed=1
    grep -m 3 -E 'ERROR|SUMMARY|what\(\)' "$log" >&2 || true
    echo "$target: a finding lies in $findings" >&2
  fi
done
exit "$failed"
