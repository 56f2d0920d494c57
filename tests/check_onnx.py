#!/usr/bin/env python3
"""Exports networks with the gpunet program and runs them in ONNX Runtime: ONNX's checker with full shape inference, and
outputs against those of `gpunet run`.

    check_onnx.py PROGRAM [--specs DIR] [--full]

Needs onnx, onnxruntime and numpy, of this interpreter or of build/python (scripts/setup.sh test makes that). Every model
of the registry runs on a small input, one at its own size; --full runs all at their own. Without it, of the families other
than GPUNet those alone that have no more than 10 million parameters.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
VENV = ROOT / "build" / "python" / "bin" / "python"

try:
    import numpy as np
    import onnx
    import onnxruntime
except ImportError as missing:
    if VENV.exists() and os.environ.get("GPUNET_REEXECUTED") != "1":
        os.environ["GPUNET_REEXECUTED"] = "1"
        os.execv(VENV, [str(VENV), *sys.argv])
    print(f"skipped: {missing} (scripts/setup.sh test installs it)")
    sys.exit(0)

EXACT, HALF, INT8 = 1e-5, 1e-2, 0.15  # of the largest number of an output
PICTURES = ROOT / "tests" / "data" / "images"

# What no released network has: each activation, TensorFlow's padding with an odd size, groups, gates of other kinds.
OWN = """[
 {{"layer_type": "data", "img_resolution": [23, 34], "padding": "same"}},
 {{"layer_type": "head", "num_in_channels": 3, "num_out_channels": 8, "act": "{act}"}},
 {{"layer_type": "conv", "num_in_channels": 8, "num_out_channels": 12, "stride": 2, "kernel_size": 5, "groups": 4,
   "act": "{act}", "stage": 1}},
 {{"layer_type": "irb", "num_in_channels": 12, "num_out_channels": 12, "stride": 1, "kernel_size": 3, "expansion": 2,
   "act": "{act}", "use_se": true, "se_act": "swish", "se_gate": "hard_sigmoid", "stage": 2}},
 {{"layer_type": "fused_irb", "num_in_channels": 12, "num_out_channels": 16, "stride": 2, "kernel_size": 3,
   "expansion": 3, "act": "{act}", "use_se": true, "stage": 2}},
 {{"layer_type": "tail", "num_in_channels": 16, "num_out_channels": 24, "num_classes": 7}}]"""
ACTIVATIONS = ["identity", "relu", "relu6", "swish", "hard_swish", "sigmoid", "hard_sigmoid", "gelu"]


class Checks:
    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        self.failures = self.compared = 0
        self.worst = {EXACT: 0.0, HALF: 0.0, INT8: 0.0}

    def gpunet(self, *arguments):
        command = [self.program, *map(str, arguments), "--threads", "1"]
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "GPUNET_OFFLINE": "1", "OMP_WAIT_POLICY": "passive"}
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder, env=environment)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)}: {done.stderr}")
        return done.stdout

    def quantized(self, model):
        """Synthetic weights in int8, by a few pictures."""
        photos = self.folder / "photos"
        photos.mkdir(exist_ok=True)
        for name in "jpg_444.jpg", "jpg_420.jpg", "png_rgb8.png":
            shutil.copy(PICTURES / name, photos)
        self.gpunet("quantize", model, "int8.safetensors", "--weights", "synthetic", "--images", "photos")
        return "int8.safetensors"

    def expected(self, model, images, features=False, weights="synthetic"):
        """Our own logits, or every layer's output by its name in the exported file."""
        np.save(self.folder / "x.npy", images)
        into = self.folder / "features"
        self.gpunet("run", model, "--weights", weights, "--device", "cpu", "--input", "x.npy", "--output", "y.npy",
                    *(["--features", "features"] if features else []))
        outputs = {"logits": np.load(self.folder / "y.npy")}
        if features:
            outputs |= {f"layer{f.stem}": np.load(f) for f in into.iterdir()}
            del outputs[max(outputs, key=lambda name: int(name[5:]) if name != "logits" else 0)]  # the tail's
            for f in into.iterdir():
                f.unlink()
        return outputs

    def session(self, model, size, *options, weights="synthetic"):
        """Exports, checks and loads."""
        out = self.folder / "net.onnx"
        self.gpunet("export", model, out, "--weights", weights, "--size", f"{size[0]}x{size[1]}", *options)
        onnx.checker.check_model(str(out), full_check=True)
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = settings.inter_op_num_threads = 1
        settings.log_severity_level = 3
        return onnxruntime.InferenceSession(str(out), settings, providers=["CPUExecutionProvider"])

    def compare(self, what, session, images, expected, tolerance=EXACT):
        given = session.get_inputs()[0]
        dtype = np.float16 if given.type == "tensor(float16)" else np.float32
        names = [o.name for o in session.get_outputs()]
        if sorted(names) != sorted(expected):
            return self.fail(f"{what}: expected outputs {sorted(expected)}, found {sorted(names)}")
        for name, found in zip(names, session.run(None, {given.name: images.astype(dtype)})):
            wanted = expected[name]
            if found.shape != wanted.shape or not np.isfinite(found).all():
                return self.fail(f"{what}: {name}: expected {wanted.shape}, all finite, found {found.shape}")
            error = np.abs(found.astype(np.float64) - wanted).max() / np.abs(wanted).max()
            self.compared += 1
            self.worst[tolerance] = max(self.worst[tolerance], error)
            if not error < tolerance:
                self.fail(f"{what}: {name}: off by {error:.1e} of the largest, allowed {tolerance:.0e}")

    def fail(self, what):
        print(what)
        self.failures += 1


def make_images(batch, size):
    """Any numbers will do, but always the same."""
    return np.random.default_rng(batch).uniform(-2, 2, (batch, 3, *size)).astype(np.float32)


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def check_model(checks, model, size):
    """Folded with any batch, of which 1 and 3 are tried; not folded with a fixed one."""
    one, three = make_images(1, size), make_images(3, size)
    for_one, for_three = checks.expected(model, one), checks.expected(model, three)
    folded = checks.session(model, size)
    checks.compare(f"{model}, batch 1", folded, one, for_one)
    checks.compare(f"{model}, batch 3", folded, three, for_three)
    checks.compare(f"{model}, unfolded", checks.session(model, size, "--unfolded", "--batch", "3"), three, for_three)


def check_variants(checks, model, size):
    """Half precision, other outputs, weights in a file of their own."""
    images = make_images(2, size)
    layers = checks.expected(model, images, features=True)
    logits = {"logits": layers["logits"]}
    probabilities = {"probabilities": softmax(layers["logits"].astype(np.float64))}
    for form in [], ["--unfolded"]:
        for io in "fp16", "fp32":
            session = checks.session(model, size, "--precision", "fp16", "--io", io, *form)
            checks.compare(f"{model}, fp16, io {io} {form}", session, images, logits, HALF)
    session = checks.session(model, size, "--precision", "fp16", "--io", "fp32", "--outputs", "softmax")
    checks.compare(f"{model}, fp16, softmax", session, images, probabilities, HALF)
    checks.compare(f"{model}, softmax", checks.session(model, size, "--outputs", "softmax"), images, probabilities)
    checks.compare(f"{model}, features", checks.session(model, size, "--outputs", "features"), images, layers)
    for outputs in "stages", "pyramid":
        session = checks.session(model, size, "--outputs", outputs)
        names = [o.name for o in session.get_outputs()]
        checks.compare(f"{model}, {outputs}", session, images, {n: layers[n] for n in names if n in layers})
    checks.compare(f"{model}, external data", checks.session(model, size, "--external-data"), images, logits)
    (checks.folder / "net.onnx.data").unlink()


def check_quantized(checks, model, size):
    """Rounded to int8 here and there: halves tip to either side, and our run may round no feature map at all."""
    weights, images = checks.quantized(model), make_images(2, size)
    expected = checks.expected(model, images, weights=weights)
    checks.compare(f"{model}, int8", checks.session(model, size, weights=weights), images, expected, INT8)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program", type=lambda p: str(pathlib.Path(p).resolve()))
    parser.add_argument("--specs", type=pathlib.Path, default=ROOT / "tests" / "data" / "checkpoints")
    parser.add_argument("--full", action="store_true", help="every model at its own size")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        checks = Checks(arguments.program, pathlib.Path(folder))
        records = json.loads(checks.gpunet("list", "--json"))
        for record in records:
            if record["family"] != "GPUNet" and record["parameters"] > 10_000_000 and not arguments.full:
                continue
            own = record["input"]["height"], record["input"]["width"]
            check_model(checks, record["name"], own if arguments.full or record["name"] == "GPUNet-P0" else (72, 65))
        for spec in "small0", "smallD", "smallP", "timm_efficientnet", "timm_mobilenet":
            check_model(checks, arguments.specs / f"{spec}.json", (64, 64))
            check_variants(checks, arguments.specs / f"{spec}.json", (64, 61))
            check_quantized(checks, arguments.specs / f"{spec}.json", (64, 61))
        for act in ACTIVATIONS:
            path = checks.folder / f"{act}.json"
            path.write_text(OWN.format(act=act))
            check_model(checks, path, (23, 34))
            check_quantized(checks, path, (23, 34))
        check_variants(checks, checks.folder / "gelu.json", (23, 34))
        check_variants(checks, "GPUNet-0", (96, 96))
        check_quantized(checks, "GPUNet-0", (96, 96))
    print(f"{len(records)} models, {checks.compared} outputs compared with ONNX Runtime {onnxruntime.__version__}, "
          f"worst {checks.worst[EXACT]:.1e} in fp32, {checks.worst[HALF]:.1e} in fp16, "
          f"{checks.worst[INT8]:.1e} in int8, {checks.failures} failures")
    return 1 if checks.failures else 0


if __name__ == "__main__":
    sys.exit(main())
