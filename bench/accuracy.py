#!/usr/bin/env python3
"""Every golden of tests/data at every precision, through the gpunet program: logits, and which layer departs first.

    python3 bench/accuracy.py --program build/gpu/gpunet --output accuracy.json [--torch torch.json] [--device cuda:0]

fp32 must be within 1e-4 relative L2 (1e-5 on the CPU); tf32, fp16 and bf16 within twice PyTorch's own error at that precision
on the same device, as bench_torch.py --errors measured it (the smaller one of batch norm folded and as it is). Where nothing
of PyTorch is known such a row is "not judged". Needs numpy. Exit status 1 where a row failed, or was not judged although --torch was given.

With --tune the same limits hold for tuned plans; a row that there was no time for is "not run", which is no failure. --measured
FILE, of ours.py latency, takes the models and batch sizes of that file instead: the golden's picture at native size so many
times, each of whose logits are compared.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

import numpy

HERE = pathlib.Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE / "peers"))
import synthetic

GOLDENS = HERE.parent / "tests" / "data" / "goldens"
LATE = "the time is over"
# By how much of a layer's standard deviation its mean, its deviation and single values may be off before it departs.
LAYER_TOLERANCE = {"fp32": 1e-3, "tf32": 2e-2, "fp16": 4e-2, "bf16": 3e-1}


class Runner:
    def __init__(self, given):
        self.given = given
        self.lock = threading.Lock()
        self.deadline = time.monotonic() + given.time_limit

    def picture(self, golden, times, scratch):
        path = scratch / f"{times}x{golden['batch']}x{golden['resolution']}.npy"
        with self.lock:
            if not path.exists():
                side = golden["resolution"]
                numpy.save(path, numpy.tile(synthetic.picture((golden["batch"], 3, side, side)), (times, 1, 1, 1)))
        return path

    def run(self, golden, times, precision, scratch, output, features=None):
        """@raises RuntimeError with the program's message"""
        command = [str(self.given.program), "run", golden["variant"], "--weights", "synthetic", "--device",
                   self.given.device, "--precision", precision, "--input",
                   str(self.picture(golden, times, scratch)), "--output", str(output)]
        if self.given.tune:
            command.append("--tune")
        if features is not None:
            command += ["--features", str(features)]
        left = max(5.0, self.deadline - time.monotonic())
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=left)
        except subprocess.TimeoutExpired:
            raise RuntimeError(LATE) from None
        if done.returncode != 0:
            lines = (done.stderr.strip() or done.stdout.strip()).splitlines() or ["no message"]
            raise RuntimeError(f"exit status {done.returncode}: {lines[-1]}")

    def golden(self, file, times, precision, scratch):
        """One row, without a judgement."""
        golden = json.loads(file.read_text())
        row = {"golden": file.stem, "times": times, "model": golden["variant"], "precision": precision}
        output = scratch / f"{file.stem}-{times}-{precision}.npy"
        begin = time.monotonic()
        if begin > self.deadline:
            return {**row, "failed": LATE}
        try:
            self.run(golden, times, precision, scratch, output)
            row["rel_l2"] = max(synthetic.relative_l2(part, golden["logits"])
                                for part in numpy.split(numpy.load(output), times))
        except (RuntimeError, OSError, ValueError) as error:
            row["failed"] = str(error)
        row["seconds"] = round(time.monotonic() - begin, 2)
        return row

    def departing_layer(self, file, precision, scratch):
        """The first layer whose output's statistics are off, in words."""
        golden = json.loads(file.read_text())
        with tempfile.TemporaryDirectory(dir=scratch) as features:
            try:
                self.run(golden, 1, precision, scratch, pathlib.Path(features) / "logits.npy", features)
            except RuntimeError as error:
                return f"not found: {error}"
            for number, module in enumerate(golden["modules"], 2):
                path = pathlib.Path(features) / f"{number}.npy"
                name = f"layer {number} ({module['name'].strip()})"
                if not path.exists():
                    return f"{name}: not written"
                wrong = compare_layer(numpy.load(path), module, LAYER_TOLERANCE[precision])
                if wrong:
                    return f"{name}: {wrong}"
        return "none: every layer's statistics are within tolerance"


def compare_layer(values, module, tolerance):
    """What is wrong with a layer's output, or nothing. The tail's logits may be N x classes x 1 x 1 in the golden."""
    if values.size != numpy.prod(module["shape"]):
        return f"expected shape {module['shape']}, found {list(values.shape)}"
    values = values.astype(numpy.float64).ravel()
    if not numpy.isfinite(values).all():
        return f"{numpy.count_nonzero(~numpy.isfinite(values))} values are not finite"
    scale = module["std"]
    ends = numpy.concatenate([values[:8], values[-8:]]) - numpy.array(module["first8"] + module["last8"])
    found = {"mean": abs(values.mean() - module["mean"]) / scale, "deviation": abs(values.std() - scale) / scale,
             "norm": abs(numpy.linalg.norm(values) / module["l2"] - 1), "single values": abs(ends).max() / scale}
    worst = max(found, key=found.get)
    return f"{worst} off by {found[worst]:.1e} of the deviation" if found[worst] > tolerance else None


def torch_errors(path, goldens, wait):
    """{(golden, precision): error}, the smaller of PyTorch's two; waits until all goldens are there, or `wait` seconds."""
    end, entries = time.monotonic() + wait, []
    while path is not None:
        try:
            entries = json.loads(path.read_text())["errors"]
        except (OSError, ValueError, KeyError):
            pass
        if {e["golden"] for e in entries} >= set(goldens) or time.monotonic() > end:
            break
        time.sleep(1)
    found = {}
    for e in entries:
        key = e["golden"], e["precision"]
        found[key] = min(e["rel_l2"], found.get(key, float("inf")))
    return found


def judge(row, reference, device, tune):
    if "failed" in row:
        return "not run" if tune and row["failed"] == LATE else "failed"
    if row["precision"] == "fp32":
        row["limit"] = 1e-5 if device == "cpu" else 1e-4
    elif (row["golden"], row["precision"]) in reference:
        row["torch_rel_l2"] = reference[row["golden"], row["precision"]]
        row["limit"] = 2 * row["torch_rel_l2"]
    else:
        return "not judged"
    return "passed" if row["rel_l2"] <= row["limit"] else "failed"


def measured_goldens(path, files):
    """(file, times) of the shapes that ours.py measured, in its order."""
    native = {}
    for file in files:
        golden = json.loads(file.read_text())
        spec = json.loads((HERE.parent / "models" / f"{golden['variant']}.json").read_text())["input"]
        if golden["batch"] == 1 and spec["height"] == spec["width"] == golden["resolution"]:
            native[golden["variant"]] = file
    return [(native[row["model"]], row["batch"]) for row in json.loads(path.read_text()) if row["model"] in native]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=pathlib.Path, required=True)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--torch", type=pathlib.Path, help="what bench_torch.py --errors wrote, or is writing")
    parser.add_argument("--wait", type=float, default=60, help="seconds to wait for all of it")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--precisions", default="fp32,tf32,fp16,bf16")
    parser.add_argument("--models", help="with commas; all by default")
    parser.add_argument("--tune", action="store_true", help="tuned plans: gpunet's --tune")
    parser.add_argument("--measured", type=pathlib.Path, metavar="FILE", help="the shapes of FILE's rows")
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("--time-limit", type=float, default=240)
    given = parser.parse_args()

    runner = Runner(given)
    models = given.models.split(",") if given.models else None
    files = [f for f in sorted(GOLDENS.glob("*_b*_r*.json")) if models is None or f.stem.split("_")[0] in models]
    if not files:
        parser.error(f"--models: expected models with goldens, found {given.models}")
    shapes = [(f, 1) for f in files]
    if given.measured:
        try:
            shapes = measured_goldens(given.measured, files)
        except (OSError, ValueError, KeyError, TypeError) as error:
            parser.error(f"--measured {given.measured}: expected rows of ours.py, found {error}")
    jobs = [(*shape, p) for p in given.precisions.split(",") for shape in shapes]
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        with concurrent.futures.ThreadPoolExecutor(given.jobs) as pool:
            rows = list(pool.map(lambda job: runner.golden(*job, scratch), jobs))
        reference = torch_errors(given.torch, [f.stem for f in files], given.wait)
        for (file, times, precision), row in zip(jobs, rows):
            row["verdict"] = judge(row, reference, given.device, given.tune)
            if row["verdict"] == "failed" and "rel_l2" in row and times == 1 and time.monotonic() < runner.deadline:
                row["departs"] = runner.departing_layer(file, precision, scratch)
    for row in rows:
        print(f"{row['verdict']:10} {row['golden']:18} x{row['times']:<2} {row['precision']}  " +
              (row["failed"] if "failed" in row else f"relative L2 {row['rel_l2']:.2e}") +
              (f", limit {row['limit']:.2e}" if "limit" in row else "") +
              (f"; departs first: {row['departs']}" if "departs" in row else ""))
    part = given.output.with_name(given.output.name + ".part")
    part.write_text(json.dumps(rows, indent=1) + "\n")
    os.replace(part, given.output)
    count = {v: sum(r["verdict"] == v for r in rows) for v in ("passed", "failed", "not judged", "not run")}
    print(", ".join(f"{n} {verdict}" for verdict, n in count.items()))
    return 1 if count["failed"] or (count["not judged"] and given.torch) else 0


if __name__ == "__main__":
    sys.exit(main())
