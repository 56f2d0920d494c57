#!/usr/bin/env python3
"""Our int8 against our float32 on this CPU: two processes in turns, batch 1; the table of docs/int8.md.

    build/peers/python/bin/python bench/peers/int8.py PICTURES [MODEL...]

Needs what bench/peers.sh has built and installed. Quantizes synthetic weights by a folder of pictures, which decide no
more than the scales.
"""
import contextlib
import os
import pathlib
import statistics
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from cases import Files
from worker_process import WorkerProcess

ROOT = HERE.parents[1]
ROUNDS, TURN_MS = 15, 150
PROGRAM, WORKER = ROOT / "build/release/gpunet", ROOT / "build/release/gpunet_bench_worker"


def rounds(commands, cores):
    """The median latency of each command in each round. Each round begins with another."""
    with contextlib.ExitStack() as running:
        workers = [running.enter_context(WorkerProcess(c, cores)) for c in commands]
        counts = [max(3, round(TURN_MS / statistics.median(w.run(5)))) for w in workers]
        found = []
        for i in range(ROUNDS):
            figures = {}
            for k in range(len(workers)):
                k = (k + i) % len(workers)
                workers[k].rest()
                workers[k].run(1)  # not counted: brings its weights back into the caches
                figures[k] = statistics.median(workers[k].run(counts[k]))
            found.append([figures[k] for k in range(len(workers))])
        return found


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__.strip())
    pictures, models = sys.argv[1], sys.argv[2:] or ["EfficientNet-Lite0", "GPUNet-0", "GPUNet-1", "GPUNet-2"]
    files, cores = Files(ROOT / "build/peers/models", PROGRAM, WORKER), sorted(os.sched_getaffinity(0))
    print("| model | threads | float32, ms | int8, ms | ratio | its quartiles |\n|---|---|---|---|---|---|")
    for model in models:
        exact, quantized = files.weights(model), files.folder / f"{model}-int8.safetensors"
        subprocess.run([PROGRAM, "quantize", model, quantized, "--weights", exact, "--images", pictures], check=True,
                       stdout=subprocess.DEVNULL)
        for threads in (1, 2):
            images = files.images(model, 1)
            found = rounds([[WORKER, "serve", model, w, images, threads] for w in (exact, quantized)], cores[:threads])
            low, middle, high = statistics.quantiles([b / a for a, b in found], n=4)
            print(f"| {model} | {threads} | {statistics.median(f[0] for f in found):.2f} "
                  f"| {statistics.median(f[1] for f in found):.2f} | **{middle:.2f}** | {low:.2f} - {high:.2f} |", flush=True)


if __name__ == "__main__":
    main()
