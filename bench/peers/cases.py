"""What is measured: the files that all engines load, and how each engine is started on them."""
import json
import os
import pathlib
import subprocess
import sys

import numpy

import ratios
import synthetic
from worker_process import WorkerProcess

HERE = pathlib.Path(__file__).resolve().parent
ENGINES = [ratios.OURS, "onnxruntime", "openvino"]
SAME = 1e-4  # of the largest logit


class Files:
    """A model's files for all engines, kept until the programs that made them are newer."""

    def __init__(self, folder, program, worker):
        self.folder, self.program, self.worker = folder, program, worker
        folder.mkdir(parents=True, exist_ok=True)
        listed = subprocess.run([program, "list", "--json"], check=True, capture_output=True, text=True).stdout
        self.inputs = {m["name"]: m["input"] for m in json.loads(listed)}

    def onnx(self, model, batch):
        return self._made(f"{model}-{batch}.onnx", self.program, lambda path: [
            self.program, "export", model, path, "--weights", "synthetic", "--batch", batch])

    def weights(self, model):
        return self._made(f"{model}.safetensors", self.worker, lambda path: [self.worker, "weights", model, path])

    def images(self, model, batch):
        path = self.folder / f"{model}-{batch}.npy"
        if model not in self.inputs:
            raise RuntimeError(f"expected a model of {', '.join(self.inputs)}, found {model}")
        size = self.inputs[model]
        numpy.save(path, synthetic.picture((batch, size["channels"], size["height"], size["width"])))
        return path

    def _made(self, name, maker, command):
        path = self.folder / name
        if not path.exists() or path.stat().st_mtime < maker.stat().st_mtime:
            subprocess.run([str(c) for c in command(path)], check=True, stdout=subprocess.DEVNULL)
        return path


class Case:
    """A model, a batch and a number of threads: how each engine's process is started."""

    def __init__(self, files, model, batch, threads, given):
        images = files.images(model, batch)
        peer = [sys.executable, "-B", HERE / "cpu_worker.py"]
        self.commands = {e: [*peer, e, files.onnx(model, batch), images, threads] for e in ENGINES[1:]}
        self.commands[ratios.OURS] = [files.worker, "serve", model, files.weights(model), images, threads]
        self.cores, self.folder = given.cores[:threads], files.folder
        self.ours_environment = dict(setting.split("=", 1) for setting in given.ours_environment)

    def start(self, engine):
        settings = self.ours_environment if engine == ratios.OURS else {}
        return WorkerProcess(self.commands[engine], self.cores, {**os.environ, **settings})

    def difference(self, workers):
        """The largest one of any peer's logits from ours, of our largest."""
        logits = {}
        for engine, worker in workers.items():
            path = self.folder / f"scores-{engine}.npy"
            worker.save_scores(path)
            logits[engine] = numpy.load(path).astype(numpy.float64)
        ours = logits.pop(ratios.OURS)
        found = max(float(numpy.abs(peer - ours).max() / numpy.abs(ours).max()) for peer in logits.values())
        if not found < SAME:
            raise RuntimeError(f"the engines' logits differ by {found:.1e} of the largest, allowed {SAME:.0e}")
        return found
