#!/usr/bin/env python3
"""Proves gpunet_torch.py: the synthetic scheme bit by bit, checkpoint names, and logits and layers of every golden.

    python3 bench/peers/test_gpunet_torch.py        # or under pytest; needs torch and numpy, no GPU
"""
import json
import pathlib
import struct
import sys
import time

import numpy
import torch

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import gpunet_torch
import synthetic

DATA = pathlib.Path(__file__).resolve().parents[2] / "tests" / "data"
GPUNETS = ("GPUNet-0", "GPUNet-1", "GPUNet-2", "GPUNet-P0", "GPUNet-P1", "GPUNet-D1", "GPUNet-D2")


def read(path):
    return json.loads((DATA / path).read_text())


def bits(value):
    return struct.unpack("<I", struct.pack("<f", value))[0]


def test_scheme_vectors():
    vectors = read("goldens/scheme_vectors.json")
    for text, value in vectors["fnv1a"].items():
        assert synthetic.fnv1a(text) == int(value, 16), text
    for x, value in vectors["splitmix64"].items():
        assert int(synthetic.splitmix64(numpy.array([int(x, 16)], numpy.uint64))[0]) == int(value, 16), x
    for name, values in vectors["u"].items():
        assert synthetic.uniform(synthetic.fnv1a(name), len(values)).tolist() == values, name
    for vector in vectors["tensors"]:
        values = synthetic.parameter(vector["key"], vector["shape"]).ravel()
        assert [bits(v) for v in values[:4]] == [int(v, 16) for v in vector["first4_bits"]], vector["key"]
        assert bits(values[-1]) == int(vector["last_bits"], 16), vector["key"]
    # Beyond one piece of the generator.
    assert synthetic.uniform(7, (1 << 20) + 3)[-3:].tolist() == [
        float((int(synthetic.splitmix64(numpy.array([(7 + i * synthetic.GOLDEN_RATIO) & synthetic.MASK],
                                                    numpy.uint64))[0]) >> 40) * 2.0**-24)
        for i in range(1 << 20, (1 << 20) + 3)]


def test_names_and_shapes():
    expected = read("goldens/state_dict_keys.json")
    for name in GPUNETS:
        found = [[key, list(tensor.shape), str(tensor.dtype).split(".")[1]]
                 for key, tensor in gpunet_torch.build(name, weights=None).state_dict().items()]
        assert found == [list(entry) for entry in expected[name]], name


def check_layers(outputs, modules):
    assert len(outputs) == len(modules)
    for number, (tensor, golden) in enumerate(zip(outputs, modules), 2):
        where = f"layer {number} ({golden['name']})"
        assert list(tensor.shape) == golden["shape"], where
        values = tensor.double().numpy().ravel()
        scale = golden["std"]
        assert abs(values.mean() - golden["mean"]) < 1e-4 * scale, where
        assert abs(values.std() - scale) < 1e-4 * scale, where
        assert abs(numpy.linalg.norm(values) / golden["l2"] - 1) < 1e-4, where
        ends = numpy.concatenate([values[:8], values[-8:]])
        assert abs(ends - numpy.array(golden["first8"] + golden["last8"])).max() < 1e-4 * scale, where


def check_goldens(name):
    net = gpunet_torch.build(name)
    without_norms = gpunet_torch.folded(net)
    files = sorted((DATA / "goldens").glob(f"{name}_b*.json"))
    assert files, name
    for file in files:
        golden = read(file)
        side = golden["resolution"]
        x = torch.from_numpy(synthetic.picture((golden["batch"], 3, side, side)))
        with torch.inference_mode():
            outputs = net.forward_layers(x)
            error = synthetic.relative_l2(outputs[-1].numpy(), golden["logits"])
            error_folded = synthetic.relative_l2(without_norms(x).numpy(), golden["logits"])
        print(f"  {file.stem}: relative L2 {error:.2e}, batch norm folded {error_folded:.2e}", flush=True)
        assert error < 1e-5 and error_folded < 1e-5, file.stem
        check_layers(outputs, golden["modules"])


def test_goldens_0():
    check_goldens("GPUNet-0")


def test_goldens_1():
    check_goldens("GPUNet-1")


def test_goldens_2():
    check_goldens("GPUNet-2")


def test_goldens_p0():
    check_goldens("GPUNet-P0")


def test_goldens_p1():
    check_goldens("GPUNet-P1")


def test_goldens_d1():
    check_goldens("GPUNet-D1")


def test_goldens_d2():
    check_goldens("GPUNet-D2")


def test_small_networks():
    """Groups, kernels of 7, fractional expansions, squeeze-excite everywhere; salted weights."""
    done = set()
    for entry in read("checkpoints/index.json"):
        if "selections" not in entry or "values" in entry or "constant_tensor" in entry:
            continue  # weights that are not exactly the scheme's
        for selection in entry["selections"]:
            key = entry["spec"], selection["weight_salt"]
            if key in done:
                continue
            done.add(key)
            net = gpunet_torch.build(DATA / "checkpoints" / entry["spec"], salt=selection["weight_salt"])
            x = torch.from_numpy(synthetic.picture((entry["batch"], 3, entry["resolution"], entry["resolution"])))
            with torch.inference_mode():
                assert synthetic.relative_l2(net(x).numpy(), selection["logits"]) < 1e-5, key
    assert len(done) == 5


def test_same_padding():
    """EfficientNet-Lite0, whose padding depends on the input's size, against a plain reading of TensorFlow's rule."""
    net = gpunet_torch.build("EfficientNet-Lite0")
    keys = net.state_dict()
    assert "_blocks.15._project_conv.weight" in keys and "_blocks.0._expand_conv.weight" not in keys
    stem = net.layers[0][0]
    for height, width in ((224, 224), (37, 50)):
        x = torch.from_numpy(synthetic.picture((1, 3, height, width)))
        with torch.inference_mode():
            padded = torch.zeros(1, 3, height + 2, width + 2)
            top, left = (((-(-n // 2) - 1) * 2 + 3 - n) // 2 for n in (height, width))
            padded[:, :, top:top + height, left:left + width] = x
            expected = stem.conv(padded)[:, :, :-(-height // 2), :-(-width // 2)]
            found = stem(x)
            assert found.shape == expected.shape
            assert torch.allclose(found, stem.act(stem.norm(expected)), atol=1e-5)
            assert net(x).shape == (1, 1000)


def main():
    failed = 0
    tests = [(name, test) for name, test in globals().items() if name.startswith("test_")]
    for name, test in tests:
        start = time.monotonic()
        try:
            test()
            print(f"{name}: passed ({time.monotonic() - start:.1f} s)", flush=True)
        except Exception as error:  # noqa: BLE001: every test is reported
            failed += 1
            print(f"{name}: FAILED: {type(error).__name__}: {error}", flush=True)
    print(f"{len(tests) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
