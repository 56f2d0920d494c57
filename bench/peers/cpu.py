#!/usr/bin/env python3
"""Runs our networks and its peers, ONNX Runtime and OpenVINO, in turns on the same cores and compares them, in float32.

    bench/peers.sh [--models A,B] [--batches 1,8] [--threads 1,2] [--rounds 15] [--quick] [--output FILE]

peers.sh builds and installs what this needs. Writes FILE.md and FILE.json, by default bench/results/cpu-<cpu>-<date>,
after every case. Each case is a model, a batch and a number of threads. bench/README.md says how it is measured.
"""
import argparse
import contextlib
import datetime
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import time

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import machine
import peers_table
import ratios
from cases import ENGINES, Case, Files

ROOT = HERE.parents[1]
FEWEST, MOST = 2, 1000  # runs in a turn


def runs_of(worker, turn_ms):
    """Warms up; how many runs fill a turn."""
    def fitting(times):
        return min(max(math.ceil(turn_ms / statistics.median(times)), FEWEST), MOST)

    return fitting(worker.run(fitting(worker.run(3))))


def warm_rounds(workers, rounds, turn_ms):
    """A list of {engine: its median in ms}. Each round begins with another engine."""
    counts, measured = {}, []
    for engine, worker in workers.items():
        counts[engine] = runs_of(worker, turn_ms)
        worker.rest()
    for i in range(rounds):
        figures = {}
        for engine in ENGINES[i % len(ENGINES):] + ENGINES[:i % len(ENGINES)]:
            workers[engine].run(1)  # not counted: brings its weights back into the caches
            figures[engine] = statistics.median(workers[engine].run(counts[engine]))
            workers[engine].rest()
        measured.append({engine: figures[engine] for engine in ENGINES})
    return measured


@contextlib.contextmanager
def watched(workers, found):
    """Puts into found["others"] the share of all cores that other processes took, or the host of a virtual machine."""
    def elsewhere():
        return machine.busy_seconds() - sum(w.processor_seconds() for w in workers.values()) - time.process_time()

    before, start = elsewhere(), time.monotonic()
    yield
    found["others"] = max(0.0, elsewhere() - before) / ((time.monotonic() - start) * os.cpu_count())


def cold_start(case, engine):
    with case.start(engine) as worker:
        return {"load_ms": worker.load_ms, "baseline_bytes": worker.baseline_bytes, "peak_bytes": worker.peak_bytes()}


def measure(case, given):
    """All there is to say about a case, and the engines' versions."""
    with contextlib.ExitStack() as running:
        workers = {}
        for engine in ENGINES:
            workers[engine] = running.enter_context(case.start(engine))
            workers[engine].rest()
        versions = {engine: worker.version for engine, worker in workers.items()}
        found = {"difference": case.difference(workers)}
        with watched(workers, found):
            found["rounds"] = warm_rounds(workers, given.rounds, given.turn)
    found["cold"] = [{engine: cold_start(case, engine) for engine in ENGINES} for _ in range(given.cold_starts)]
    return found, versions


def save(result, output):
    output.parent.mkdir(parents=True, exist_ok=True)
    for ending, text in ((".json", json.dumps(result, indent=1) + "\n"), (".md", peers_table.markdown(result))):
        part = output.with_name(output.name + ending + ".part")
        part.write_text(text)
        os.replace(part, output.with_name(output.name + ending))


def arguments():
    parser = argparse.ArgumentParser(prog="peers.sh", description=__doc__.splitlines()[0])
    numbers = lambda text: [int(n) for n in text.split(",")]
    parser.add_argument("--models", type=lambda text: text.split(","), help="all of the registry by default")
    parser.add_argument("--batches", type=numbers, default=[1, 8])
    parser.add_argument("--threads", type=numbers, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--turn", type=float, default=150, help="milliseconds of an engine's turn in a round, about")
    parser.add_argument("--cold-starts", type=int, default=5, help="fresh processes of each engine and case")
    parser.add_argument("--cores", type=numbers, default=sorted(os.sched_getaffinity(0)),
                        help="of which the first are used, as many as there are threads")
    parser.add_argument("--quick", action="store_true", help="3 short rounds, 1 cold start: a trial, in build/peers")
    parser.add_argument("--ours-environment", metavar="NAME=VALUE", action="append", default=[],
                        help="for our process only, as OMP_WAIT_POLICY=passive; a trial, none by default")
    parser.add_argument("--output", type=pathlib.Path, help="without .md and .json")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release", help="where our programs are")
    if parser.parse_args().quick:
        parser.set_defaults(rounds=3, cold_starts=1, turn=50)
    given = parser.parse_args()
    given.output = given.output or (ROOT / "build" / "peers" / "quick" if given.quick
                                    else ROOT / "bench" / "results" / machine.result_name())
    if min(given.rounds, *given.batches, *given.threads) < 1:
        parser.error("--rounds, --batches, --threads: expected numbers from 1 on")
    if max(given.threads) > len(given.cores):
        parser.error(f"--threads: expected at most {len(given.cores)}, the number of cores, found {max(given.threads)}")
    return given


def main():
    given = arguments()
    for name in [n for n in os.environ if n.startswith(("OMP_", "GOMP_", "KMP_", "DNNL_", "ONEDNN_"))]:
        del os.environ[name]  # every engine as it is by itself
    files = Files(ROOT / "build" / "peers" / "models", given.build / "gpunet", given.build / "gpunet_bench_worker")
    result = {"date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="minutes"),
              "machine": machine.describe(), "versions": {}, "rounds": given.rounds, "turn_ms": given.turn,
              "cores": given.cores, "cases": []}
    if given.ours_environment:
        result["machine"]["environment of gpunet"] = " ".join(given.ours_environment)
    shapes = [(m, b, t) for m in given.models or files.inputs for b in given.batches for t in given.threads]
    start = time.monotonic()
    for done, (model, batch, threads) in enumerate(shapes, 1):
        found, versions = measure(Case(files, model, batch, threads, given), given)
        versions[ratios.OURS] += f", commit {machine.commit()}"
        result["versions"] = versions
        result["cases"].append({"model": model, "batch": batch, "threads": threads, **found})
        save(result, given.output)
        said = ratios.compare(found["rounds"])
        seconds, what = time.monotonic() - start, f"{model}, batch {batch}, threads {threads}"
        print(f"[{seconds:5.0f} s] {done} of {len(shapes)}: {what}: {said['ratio']:.3f} of {said['better_peer']}",
              file=sys.stderr, flush=True)
    print(peers_table.markdown(result))
    print(f"in {given.output}.md and .json", file=sys.stderr)


if __name__ == "__main__":
    try:
        main()
    except (RuntimeError, OSError, subprocess.CalledProcessError) as problem:
        sys.exit(f"peers.sh: {problem}")
