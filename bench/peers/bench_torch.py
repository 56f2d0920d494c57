#!/usr/bin/env python3
"""Latency and error of the networks in PyTorch, on a GPU: the peer of `gpunet bench`.

    python3 bench/peers/bench_torch.py --output torch.json [--time-limit SECONDS] [--models ...] [--batches 1,64,8]

Peers, all fp16, channels last, inference mode, cudnn.benchmark, warm:
    eager        batch norm folded into the convolutions
    eager_norms  batch norm as it is
    graph        eager, captured in one CUDA graph and replayed
    compile      torch.compile(mode="max-autotune"), which has CUDA graphs; batch norm folded
Each row says median_ms, p95_ms, p99_ms (CUDA events around one call, device idle before it) and queued_ms (median distance
of calls issued without waiting: what the device takes where the host can keep up).

Compiling takes minutes, so every network and batch size is compiled in a process of its own, batch 1 of all first, which
then waits with the result until it is its turn to be measured; nothing is compiled while anything is measured. Tuning picks
by the minimum of many runs, which neighbours do not change: without MPS kernels of several processes take turns.
With --wait-for FILE compiling goes on until FILE exists; a file `all-compiled` in --work says that there is nothing left
to compile. --before is run when nothing compiles any more and nothing has been measured yet. Results are saved after each row; what is not done when the time
is over is listed under "skipped". `errors`: relative L2 of PyTorch's logits against tests/data/goldens at each precision.
"""
import argparse
import copy
import datetime
import json
import math
import multiprocessing
import os
import pathlib
import platform
import signal
import subprocess
import sys
import tempfile
import time

import torch

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import gpunet_torch
import synthetic

START = time.monotonic()
GOLDENS = pathlib.Path(__file__).resolve().parents[2] / "tests" / "data" / "goldens"
GPUNETS = ["GPUNet-0", "GPUNet-1", "GPUNet-2", "GPUNet-P0", "GPUNet-P1", "GPUNet-D1", "GPUNet-D2"]
PEERS = ["eager", "compile", "graph", "eager_norms"]
WRONG = 0.2  # relative L2 of fp16 logits from which a row says that it is wrong


def say(text):
    print(f"[{time.monotonic() - START:6.1f} s] {text}", file=sys.stderr, flush=True)


def on_gpu(device):
    return device.startswith("cuda")


def settings():
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = True


def network(model, device, norms=False):
    net = gpunet_torch.build(model)
    if not norms:
        net = gpunet_torch.folded(net)
    kind = torch.float16 if on_gpu(device) else torch.float32
    return net.to(device=device, dtype=kind, memory_format=torch.channels_last)


def pictures(net, batch, device):
    side = net.resolution
    height, width = side if isinstance(side, list) else (side, side)
    kind = torch.float16 if on_gpu(device) else torch.float32
    x = torch.from_numpy(synthetic.picture((batch, 3, height, width)))
    return x.to(device=device, dtype=kind, memory_format=torch.channels_last)


def error_of_first(model, logits, resolution):
    """Relative L2 of the first picture's logits against the golden at native size; None where there is none."""
    file = GOLDENS / f"{model}_b1_r{resolution}.json"
    if not file.exists():
        return None
    return synthetic.relative_l2(logits[0].float().cpu().numpy(), json.loads(file.read_text())["logits"])


def quantile(sorted_times, q):
    return sorted_times[min(len(sorted_times) - 1, math.ceil(q * len(sorted_times)) - 1)]


class Clock:
    """Times calls, by CUDA events on a GPU."""

    def __init__(self, device):
        self.gpu = on_gpu(device)

    def synchronize(self):
        if self.gpu:
            torch.cuda.synchronize()

    def one_by_one(self, call, runs):
        """Milliseconds of each of `runs` calls, the device idle before each."""
        times = []
        for _ in range(runs):
            if self.gpu:
                begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
                begin.record()
                call()
                end.record()
                end.synchronize()
                times.append(begin.elapsed_time(end))
            else:
                begin = time.perf_counter()
                call()
                times.append(1e3 * (time.perf_counter() - begin))
        return times

    def queued(self, call, runs):
        """Milliseconds between the ends of calls issued without waiting, 50 at a time."""
        if not self.gpu:
            return self.one_by_one(call, runs)
        times = []
        while len(times) < runs:
            marks = [torch.cuda.Event(enable_timing=True) for _ in range(51)]
            marks[0].record()
            for mark in marks[1:]:
                call()
                mark.record()
            torch.cuda.synchronize()
            times += [a.elapsed_time(b) for a, b in zip(marks[1:], marks[2:])]
        return times


def measure(call, device, runs, seconds):
    """Warms up, then takes `runs` times or as many as fit into `seconds`, at least 20."""
    clock = Clock(device)
    begin, calls = time.monotonic(), 0
    while calls < 20 or (time.monotonic() - begin < 0.5 and calls < 500):
        call()
        calls += 1
        if calls % 10 == 0:
            clock.synchronize()
        if time.monotonic() - begin > seconds / 3:
            break
    clock.synchronize()
    each = sum(clock.one_by_one(call, 5)) / 5e3
    runs = int(max(20, min(runs, 0.7 * seconds / each)))
    times = sorted(clock.one_by_one(call, runs))
    queued = sorted(clock.queued(call, max(20, min(runs, 500))))
    return {"runs": runs, "median_ms": quantile(times, 0.5), "p95_ms": quantile(times, 0.95),
            "p99_ms": quantile(times, 0.99), "min_ms": times[0], "queued_ms": quantile(queued, 0.5)}


def captured(net, x):
    """A CUDA graph of the network on x; returns (replay, output)."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            net(x)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        output = net(x)
    return graph.replay, output


def row_of(model, peer, batch, device, call, output, resolution, runs, seconds):
    result = {"model": model, "peer": peer, "precision": "fp16" if on_gpu(device) else "fp32", "batch": batch,
              "batch_norm": "as it is" if peer == "eager_norms" else "folded"}
    result.update(measure(call, device, runs, seconds))
    error = error_of_first(model, output(), resolution)
    if error is not None:
        result["rel_l2"] = error
        result["correct"] = error < WRONG
    return result


# Compiled networks, each in a process of its own


def compile_worker(model, batch, device, threads, log, pipe):
    """Compiles, says so, waits for its turn, measures, and ends."""
    os.setsid()
    with open(log, "a") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    try:
        begin = time.monotonic()
        torch.set_num_threads(1 if on_gpu(device) else threads)
        settings()
        net = network(model, device)
        x = pictures(net, batch, device)
        if hasattr(torch._dynamo, "mark_static_address"):
            torch._dynamo.mark_static_address(x)  # no copy of the input before each replay
        compiled = torch.compile(net, mode="max-autotune", fullgraph=True, dynamic=False)

        def call():
            with torch.inference_mode():
                return compiled(x)

        for _ in range(4):  # compile, warm up, record, replay
            call()
        Clock(device).synchronize()
        try:
            from torch._inductor.async_compile import shutdown_compile_workers
            shutdown_compile_workers()
        except Exception:  # noqa: BLE001: they then wait idly until this process ends
            pass
        if on_gpu(device):
            torch.cuda.empty_cache()
        pipe.send({"compile_s": time.monotonic() - begin})
        runs, seconds = pipe.recv()
        row = row_of(model, "compile", batch, device, call, lambda: call().clone(), net.resolution, runs, seconds)
        pipe.send(row)
    except EOFError:
        pass
    except Exception as error:  # noqa: BLE001: goes into the results
        pipe.send({"failed": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:300]})


class Compilation:
    """The compiling processes: at most `limit` at work at once; those that are done keep waiting."""

    def __init__(self, jobs, device, limit, directory):
        self.waiting, self.device, self.limit, self.directory = list(jobs), device, limit, directory
        self.working, self.ready, self.failed = {}, {}, {}
        self.context = multiprocessing.get_context("spawn")
        self.threads = max(2, (os.cpu_count() or 2) // max(1, min(limit, len(self.waiting) or 1)))
        self.all = []

    def start(self, job):
        ours, theirs = self.context.Pipe()
        os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = str(self.threads)
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(self.directory / "inductor")
        log = self.directory / f"compile-{pathlib.Path(job[0]).stem}-b{job[1]}.log"
        process = self.context.Process(target=compile_worker, args=(*job, self.device, self.threads, str(log), theirs))
        process.start()
        theirs.close()
        self.working[job] = (process, ours)
        self.all.append(process)

    def poll(self):
        """Starts what may start, notes what has ended. @return whether any work is left"""
        for job, (process, pipe) in list(self.working.items()):
            message = None
            try:
                if pipe.poll():
                    message = pipe.recv()
                elif not process.is_alive():
                    message = {"failed": f"the process ended with status {process.exitcode}"}
            except EOFError:
                message = {"failed": "the process ended"}
            if message is None:
                continue
            del self.working[job]
            if "failed" in message:
                self.failed[job] = message["failed"]
                say(f"compile {job[0]} batch {job[1]}: {message['failed']}")
            else:
                self.ready[job] = (process, pipe, message["compile_s"])
                say(f"compiled {job[0]} batch {job[1]} in {message['compile_s']:.0f} s")
        while self.waiting and len(self.working) < self.limit:
            self.start(self.waiting.pop(0))
        return bool(self.waiting or self.working)

    @staticmethod
    def end(process):
        if process.is_alive():
            try:
                os.killpg(process.pid, signal.SIGKILL)  # it leads a group: its own helpers end with it
            except (ProcessLookupError, PermissionError):
                process.kill()
        process.join(10)

    def stop_unfinished(self):
        for job, (process, _) in list(self.working.items()):
            self.end(process)
            self.failed[job] = "not compiled in time"
        for job in self.waiting:
            self.failed[job] = "not compiled in time"
        self.working, self.waiting = {}, []

    def measure(self, job, runs, seconds, patience):
        process, pipe, compile_s = self.ready.pop(job)
        try:
            pipe.send((runs, seconds))
            if not pipe.poll(patience):
                return {"failed": "no answer in time"}
            row = pipe.recv()
            return row if "failed" in row else {**row, "compile_s": compile_s}
        except (EOFError, BrokenPipeError):
            return {"failed": "the process ended"}
        finally:
            self.end(process)

    def close(self):
        for process in self.all:
            self.end(process)


# Errors


def measure_errors(model, device):
    """Relative L2 of PyTorch's logits against the float64-made goldens; with batch norm as it is, and folded."""
    entries = []
    precisions = ["fp32", "tf32", "fp16", "bf16"] if on_gpu(device) else ["fp32", "bf16"]
    torch.backends.cudnn.benchmark = False
    built = gpunet_torch.build(model)
    nets = {"as it is": built, "folded": gpunet_torch.folded(built)}
    for file in sorted(GOLDENS.glob(f"{pathlib.Path(model).stem}_b*_r*.json")):
        golden = json.loads(file.read_text())
        images = torch.from_numpy(synthetic.picture((golden["batch"], 3, golden["resolution"], golden["resolution"])))
        for precision in precisions:
            kind = {"fp16": torch.float16, "bf16": torch.bfloat16}.get(precision, torch.float32)
            torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
            for norms, net in nets.items():
                # From fp32 anew each time: a network once rounded stays so.
                where = {"device": device, "dtype": kind, "memory_format": torch.channels_last}
                rounded = copy.deepcopy(net).to(**where)
                with torch.inference_mode():
                    logits = rounded(images.to(**where)).float().cpu().numpy()
                entries.append({"golden": file.stem, "model": model, "batch": golden["batch"],
                                "resolution": golden["resolution"], "precision": precision, "batch_norm": norms,
                                "rel_l2": synthetic.relative_l2(logits, golden["logits"])})
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    return entries


# All together


def smi(query):
    try:
        text = subprocess.run(["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"], capture_output=True,
                              text=True, timeout=20, check=True).stdout
        return text.splitlines()[0].strip()
    except (OSError, subprocess.SubprocessError, IndexError):
        return None


def facts(device):
    cuda = on_gpu(device)
    try:
        import triton
        triton_version = triton.__version__
    except ImportError:
        triton_version = None
    return {"device": torch.cuda.get_device_name(device) if cuda else platform.processor() or platform.machine(),
            "driver": smi("driver_version") if cuda else None, "torch": torch.__version__, "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(), "triton": triton_version, "python": platform.python_version(),
            "clocks_at_start": smi("clocks.sm,clocks.mem,clocks_throttle_reasons.active,power.draw") if cuda else None,
            "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")}


class Results:
    def __init__(self, path, device):
        self.path = path
        self.data = {"schema": 1, "facts": facts(device), "latency": [], "errors": [], "skipped": []}
        self.save()

    def save(self):
        part = self.path.with_name(self.path.name + ".part")
        part.write_text(json.dumps(self.data, indent=1) + "\n")
        os.replace(part, self.path)

    def row(self, row):
        self.data["latency"].append(row)
        self.save()
        say(f"{row['model']} {row['peer']} batch {row['batch']}: median {row['median_ms']:.3f} ms, p99 "
            f"{row['p99_ms']:.3f}, queued {row['queued_ms']:.3f} ({row['runs']} runs)")
        if row.get("correct") is False:
            say(f"  its logits are wrong: relative L2 {row['rel_l2']:.2e}")

    def skip(self, model, peer, batch, why):
        self.data["skipped"].append({"model": model, "peer": peer, "batch": batch, "why": why})
        self.save()
        say(f"skipped: {model} {peer} batch {batch}: {why}")


class Bench:
    def __init__(self, given, results):
        self.given, self.results, self.device = given, results, given.device
        self.deadline = START + given.time_limit
        self.networks = {}

    def left(self):
        return self.deadline - time.monotonic()

    def seconds(self, batch, rows_after):
        """What a row may take: the first batch size as much as it needs, the others their share of the rest."""
        share = self.left() / (rows_after + 1)
        return self.given.seconds if batch == self.given.batches[0] else max(1.0, min(self.given.seconds, share))

    def network(self, model, norms):
        if (model, norms) not in self.networks:
            self.networks[model, norms] = network(model, self.device, norms)
        return self.networks[model, norms]

    def run(self, model, peer, batch, seconds):
        net = self.network(model, peer == "eager_norms")
        with torch.inference_mode():
            x = pictures(net, batch, self.device)
            if peer == "graph":
                replay, output = captured(net, x)
                replay()
                row = row_of(model, peer, batch, self.device, replay, lambda: output, net.resolution,
                             self.given.runs, seconds)
            else:
                row = row_of(model, peer, batch, self.device, lambda: net(x), lambda: net(x), net.resolution,
                             self.given.runs, seconds)
        del x
        if on_gpu(self.device):
            torch.cuda.empty_cache()
        return row

    def all(self, compilation):
        rows = [(peer, batch, model) for batch in self.given.batches for peer in self.given.peers if peer != "eager_norms"
                for model in self.given.models]
        if "eager_norms" in self.given.peers:
            rows += [("eager_norms", batch, model) for batch in self.given.batches for model in self.given.models]
        for i, (peer, batch, model) in enumerate(rows):
            after = len(rows) - i - 1
            try:
                if self.left() < 2:
                    self.results.skip(model, peer, batch, "the time is over")
                elif peer == "graph" and not on_gpu(self.device):
                    self.results.skip(model, peer, batch, "needs a GPU")
                elif peer != "compile":
                    self.results.row(self.run(model, peer, batch, self.seconds(batch, after)))
                elif (model, batch) in compilation.ready:
                    row = compilation.measure((model, batch), self.given.runs, self.seconds(batch, after),
                                              max(5.0, self.left()))
                    if "failed" in row:
                        self.results.skip(model, peer, batch, row["failed"])
                    else:
                        self.results.row(row)
                else:
                    self.results.skip(model, peer, batch, compilation.failed.get((model, batch), "not compiled"))
            except Exception as error:  # noqa: BLE001: the next row may work
                self.results.skip(model, peer, batch, f"{type(error).__name__}: {error}"[:300])


def numbers(text):
    return [int(part) for part in text.split(",") if part]


def words(text):
    return [part for part in text.split(",") if part]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=pathlib.Path, required=True, help="the JSON to write")
    parser.add_argument("--models", type=words, default=GPUNETS, help="names in models/ or spec files, with commas")
    parser.add_argument("--batches", type=numbers, default=[1, 64, 8], help="in the order of their importance")
    parser.add_argument("--peers", type=words, default=PEERS, help=",".join(PEERS) + "; may be empty")
    parser.add_argument("--errors", action="store_true", help="PyTorch's errors against the goldens, before all else")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--time-limit", type=float, default=540, help="seconds from the start, for everything")
    parser.add_argument("--compile-limit", type=float, help="of these for compiling; two thirds by default")
    parser.add_argument("--wait-for", type=pathlib.Path, help="compile until this file exists, then measure")
    parser.add_argument("--before", help="a shell command to run before the first row")
    parser.add_argument("--compilers", type=int, default=max(2, (os.cpu_count() or 2) // 2),
                        help="compiling processes at a time")
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=5, help="at most for one row")
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path(tempfile.gettempdir()) / "gpunet-torch",
                        help="for what compiling leaves: logs, Inductor's cache")
    given = parser.parse_args()
    unknown = set(given.peers) - set(PEERS)
    if unknown:
        parser.error(f"--peers: expected some of {', '.join(PEERS)}, found {', '.join(sorted(unknown))}")
    return given


def main():
    given = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends the compiling processes on the way out
    if on_gpu(given.device) and not torch.cuda.is_available():
        print(f"bench_torch.py: {given.device}: PyTorch {torch.__version__} sees no GPU", file=sys.stderr)
        return 1
    given.output.parent.mkdir(parents=True, exist_ok=True)
    results = Results(given.output, given.device)
    bench = Bench(given, results)
    can_compile = "compile" in given.peers and hasattr(torch, "compile")
    jobs = [(m, b) for b in given.batches for m in given.models] if can_compile else []
    given.work.mkdir(parents=True, exist_ok=True)
    (given.work / "all-compiled").unlink(missing_ok=True)
    compilation = Compilation(jobs, given.device, given.compilers, given.work)
    if "compile" in given.peers and not can_compile:
        compilation.failed = {(m, b): f"PyTorch {torch.__version__} has no torch.compile"
                              for b in given.batches for m in given.models}
    try:
        compilation.poll()
        if given.errors:
            for model in given.models:
                results.data["errors"] += measure_errors(model, given.device)
                results.save()
        end = START + (given.compile_limit if given.compile_limit else 2 * given.time_limit / 3)
        while True:
            busy = compilation.poll()
            if not busy:
                (given.work / "all-compiled").touch()
            waits = given.wait_for is not None and not given.wait_for.exists()
            if bench.left() < 5 or (given.wait_for is not None and not waits):
                break
            if given.wait_for is None and (not busy or time.monotonic() > end):
                break
            time.sleep(0.2)
        compilation.stop_unfinished()
        if given.before:
            say(f"running {given.before}")
            subprocess.run(given.before, shell=True, stdout=sys.stderr, timeout=max(5, bench.left()), check=False)
        settings()
        bench.all(compilation)
    finally:
        compilation.close()
        results.data["facts"]["clocks_at_end"] = (
            smi("clocks.sm,clocks.mem,clocks_throttle_reasons.active,power.draw") if on_gpu(given.device) else None)
        results.data["facts"]["seconds"] = time.monotonic() - START
        results.save()
    return 0


if __name__ == "__main__":
    sys.exit(main())
