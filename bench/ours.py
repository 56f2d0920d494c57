#!/usr/bin/env python3
"""Runs the gpunet program's own measurements, model by model, and keeps what is there when the time is over.

    python3 bench/ours.py latency --program P --output ours.json [--batches 1,64,8] [--tune] [--time-limit S]
    python3 bench/ours.py first-answer --program P --output first_answer.json

With --tune the first row of a model and batch size tunes and then measures; what it chose is kept in the cache directory, so
that a later run only measures. Where that is cut off, what was chosen until then is kept too.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import numpy

HERE = pathlib.Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE / "peers"))
import synthetic

GPUNETS = ["GPUNet-0", "GPUNet-1", "GPUNet-2", "GPUNet-P0", "GPUNet-P1", "GPUNet-D1", "GPUNet-D2"]


def save(path, value):
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(value, indent=1) + "\n")
    os.replace(part, path)


def last_line(done):
    return ((done.stderr.strip() or done.stdout.strip()).splitlines() or ["no message"])[-1]


def wanted_rows(given):
    """(batch, model), the batch sizes in the order of their importance; with --again only what that file has."""
    rows = [(int(batch), model) for batch in given.batches.split(",") for model in given.models.split(",")]
    if given.again is None:
        return rows
    try:
        known = {(row["batch"], row["model"]) for row in json.loads(given.again.read_text())}
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"skipped: all: {given.again}: expected rows of an earlier run, found {error}")
        return []
    return [(batch, model) for batch, model in rows if (batch, model) in known]


def latency(given, left):
    """`gpunet bench` for one model and batch size at a time. A row says whether it is tuned, and the seconds it took."""
    rows, failed = [], 0
    for batch, model in wanted_rows(given):
        if left() < 2:
            print(f"skipped: {model} batch {batch}: the time is over")
            continue
        command = [given.program, "bench", "--device", given.device, "--precision", given.precision, "--batch",
                   str(batch), *(["--tune"] if given.tune else []), *(["--runs", str(given.runs)] if given.runs else []),
                   "--json", model]
        begin = time.monotonic()
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=left())
        except subprocess.TimeoutExpired:
            print(f"skipped: {model} batch {batch}: the time is over")
            continue
        seconds = round(time.monotonic() - begin, 1)
        if done.returncode != 0:
            failed += 1
            print(f"failed: {model} batch {batch}: {last_line(done)}")
            continue
        for row in json.loads(done.stdout):
            rows.append({**row, "tuned": given.tune, "seconds": seconds})
            print(f"{row['model']} batch {row['batch']}{', tuned' if given.tune else ''}: median {row['median_ms']:.4f} ms, "
                  f"p99 {row['p99_ms']:.4f}; in {seconds} s", flush=True)
        save(given.output, rows)
    save(given.output, rows)
    return failed


def first_answer(given, left):
    """From the start of the process to the logits on disk, with an empty cache and with the one that left."""
    rows, failed = [], 0
    with tempfile.TemporaryDirectory() as scratch:
        for model in given.models.split(","):
            if left() < 10:
                print(f"skipped: {model}: the time is over")
                continue
            shutil.rmtree(f"{scratch}/cache", ignore_errors=True)
            spec = json.loads((HERE.parent / "models" / f"{model}.json").read_text())["input"]
            numpy.save(f"{scratch}/x.npy", synthetic.picture((1, spec["channels"], spec["height"], spec["width"])))
            command = [given.program, "run", model, "--weights", "synthetic", "--device", given.device, "--precision",
                       given.precision, "--input", f"{scratch}/x.npy", "--output", f"{scratch}/y.npy"]
            seconds = []
            try:
                for _ in range(4):
                    begin = time.monotonic()
                    done = subprocess.run(command, capture_output=True, text=True, timeout=left(),
                                          env={**os.environ, "GPUNET_CACHE": f"{scratch}/cache"})
                    seconds.append(round(time.monotonic() - begin, 3))
                    if done.returncode != 0:
                        break
            except subprocess.TimeoutExpired:
                print(f"skipped: {model}: the time is over")
                continue
            if done.returncode != 0:
                failed += 1
                print(f"failed: {model}: {last_line(done)}")
                continue
            rows.append({"model": model, "precision": given.precision, "cold_s": seconds[0], "warm_s": min(seconds[1:])})
            print(f"{model}: first answer {seconds[0]:.2f} s with an empty cache, then {min(seconds[1:]):.2f} s")
            save(given.output, rows)
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["latency", "first-answer"])
    parser.add_argument("--program", required=True)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--models", default=",".join(GPUNETS))
    parser.add_argument("--batches", default="1,64,8")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--precision", default="fp16")
    parser.add_argument("--tune", action="store_true", help="latency of tuned plans: gpunet's --tune")
    parser.add_argument("--again", type=pathlib.Path, metavar="FILE", help="latency of the rows that FILE has, no others")
    parser.add_argument("--runs", type=int, help="latency of so many runs only: a trial")
    parser.add_argument("--time-limit", type=float, default=120)
    given = parser.parse_args()
    end = time.monotonic() + given.time_limit
    run = latency if given.what == "latency" else first_answer
    return 1 if run(given, lambda: max(0.1, end - time.monotonic())) else 0


if __name__ == "__main__":
    sys.exit(main())
