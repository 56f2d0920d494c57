#!/usr/bin/env python3
"""A peer of ../worker.cpp: loads an ONNX file, says how long that took, then does what it is told on standard input.

    cpu_worker.py onnxruntime|openvino MODEL.onnx INPUT.npy THREADS

The protocol is that of worker_process.py. Loading is timed from after the imports to the first answer.
"""
import pathlib
import sys
import time

import numpy


def peak_bytes():
    """The most memory this process has had so far. Linux only."""
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/self/status: expected a line VmHWM, found none")


class OnnxRuntime:
    def __init__(self):
        import onnxruntime
        self.library = onnxruntime
        self.version = f"onnxruntime {onnxruntime.__version__}"

    def load(self, path, images, threads):
        settings = self.library.SessionOptions()
        settings.intra_op_num_threads, settings.inter_op_num_threads = threads, 1
        settings.graph_optimization_level = self.library.GraphOptimizationLevel.ORT_ENABLE_ALL
        self.session = self.library.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
        self.outputs = [self.session.get_outputs()[0].name]
        self.feed = {self.session.get_inputs()[0].name: images}

    def run(self):
        return self.session.run(self.outputs, self.feed)[0]


class OpenVino:
    def __init__(self):
        import openvino
        self.library = openvino
        self.version = f"openvino {openvino.__version__}"

    def load(self, path, images, threads):
        core = self.library.Core()
        settings = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": "1", "INFERENCE_NUM_THREADS": str(threads),
                    "INFERENCE_PRECISION_HINT": "f32"}  # else bfloat16 where the processor has it
        self.compiled = core.compile_model(path, "CPU", settings)
        self.request = self.compiled.create_infer_request()
        self.request.set_input_tensor(self.library.Tensor(images, shared_memory=True))

    def run(self):
        self.request.infer()
        return self.request.get_output_tensor(0).data


ENGINES = {"onnxruntime": OnnxRuntime, "openvino": OpenVino}


def answer(command, engine, scores):
    """What is said to a command."""
    word, _, rest = command.partition(" ")
    if word == "run":
        times = []
        for _ in range(int(rest)):
            start = time.perf_counter()
            engine.run()
            times.append((time.perf_counter() - start) * 1000)
        return " ".join(map(repr, times))
    if word == "memory":
        return str(peak_bytes())
    if word == "scores":
        numpy.save(rest, scores)
        return "saved"
    raise SystemExit(f"expected run, memory, scores or quit, found {command!r}")


def main():
    name, path, input_path, threads = sys.argv[1:]
    images = numpy.load(input_path)
    engine = ENGINES[name]()
    baseline = peak_bytes()
    start = time.perf_counter()
    engine.load(path, images, int(threads))
    first = engine.run()
    loaded = (time.perf_counter() - start) * 1000
    print(f"engine {engine.version}\nready {loaded} {baseline}", flush=True)
    scores = numpy.array(first)
    while (command := sys.stdin.readline().strip()) not in ("", "quit"):
        print(answer(command, engine, scores), flush=True)


if __name__ == "__main__":
    main()
