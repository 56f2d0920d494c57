#!/usr/bin/env python3
"""Makes the seeds that the fuzzers start from: a folder for each target with small good files.

    make_seeds.py FOLDER
"""
import hashlib
import io
import json
import pathlib
import pickle
import struct
import sys
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
SMALL = 3000  # bytes; larger files make slow fuzzers


def write(folder, target, contents):
    (folder / target).mkdir(parents=True, exist_ok=True)
    for content in contents:
        name = hashlib.sha256(content).hexdigest()[:16]
        (folder / target / name).write_bytes(content)


def compact(value):
    return json.dumps(value, separators=(",", ":")).encode()


def spec_lists():
    for path in sorted((ROOT / "models").glob("*.json"))[::4]:
        yield json.loads(path.read_text())["network"]


def specs():
    yield b'[{"layer_type":"data","img_resolution":64},{"layer_type":"tail","num_in_channels":3,"num_out_channels":8}]'
    for layers in spec_lists():
        kinds = {}
        for layer in layers:
            kinds.setdefault(layer["layer_type"], layer)
        chain, given = [], None
        for layer in kinds.values():  # one of each kind, its channels made to chain
            layer = dict(layer)
            if layer["layer_type"] != "data":
                if given is not None:
                    layer["num_in_channels"] = given
                given = layer["num_out_channels"]
            chain.append(layer)
        yield compact(chain)


def models():
    for path in sorted((ROOT / "models").glob("*.json"))[::4]:
        model = json.loads(path.read_text())
        model["goldens"] = [dict(g, logits=g["logits"][:3]) for g in model.get("goldens", [])[:1]]
        model["latency"], model["weights"] = model["latency"][:2], model["weights"][:2]
        model["network"] = [model["network"][0], {"layer_type": "head", "num_in_channels": 3, "num_out_channels": 8},
                            {"layer_type": "tail", "num_in_channels": 8, "num_out_channels": 8, "num_classes": 2}]
        yield compact(model)


def safetensors():
    def made(header, data):
        text = header if isinstance(header, bytes) else compact(header)
        return struct.pack("<Q", len(text)) + text + data

    yield made({}, b"")
    yield made({"a": {"dtype": "F32", "shape": [2, 1], "data_offsets": [0, 8]}}, bytes(8))
    yield made({"__metadata__": {"made by": "gpunet"}, "b": {"dtype": "BF16", "shape": [], "data_offsets": [0, 2]},
                "c": {"dtype": "I64", "shape": [0, 3], "data_offsets": [2, 2]},
                "d": {"dtype": "F16", "shape": [3], "data_offsets": [2, 8]}}, bytes(8))


def text(s):
    return b"X" + struct.pack("<I", len(s)) + s.encode()


def tensor(key, kind="FloatStorage", count=4, sizes=(2, 2), strides=(2, 1)):
    """The opcodes by which PyTorch writes a tensor."""
    def numbers(values):
        return b"(" + b"".join(b"K" + bytes([v]) for v in values) + b"t"

    storage = b"(" + text("storage") + b"ctorch\n" + kind.encode() + b"\n" + text(key) + text("cpu")
    storage += b"K" + bytes([count]) + b"tQ"
    return (b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\0" + numbers(sizes) + numbers(strides)
            + b"\x89ccollections\nOrderedDict\n)RtR")


def state_dicts():
    one = b"}q\0(" + text("w") + tensor("0") + b"u"
    yield b"\x80\x02" + one + b"."
    yield b"\x80\x02}(" + text("state_dict") + one + text("epoch") + b"K\x05u."
    yield b"\x80\x02ccollections\nOrderedDict\n]](" + text("w") + tensor("0") + b"ea\x85R."
    yield b"\x80\x02ccollections\nOrderedDict\n)Rq\1(" + text("module.w") + tensor("0") + text("module.n") + tensor(
        "1", "LongStorage", 1, (), ()) + b"u}" + text("_metadata") + b"}sb."
    yield (b"\x80\x02}(" + text("state_dict_ema") + b"N" + text("model") + b"}" + text("args")
           + b"cargparse\nNamespace\n)\x81}" + text("lr") + b"G?\xf0\0\0\0\0\0\0" + b"sbu.")


def legacy(state):
    keys = [key for key in ("0", "1") if text(key) in state]
    preamble = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03."
    preamble += pickle.dumps({"protocol_version": 1001, "little_endian": True}, 2)
    data = b""
    for key in keys:
        count, size = (4, 16) if key == "0" else (1, 8)
        data += struct.pack("<Q", count) + bytes(size)
    return preamble + state + pickle.dumps(keys, 2) + data


def zipped(members, method=zipfile.ZIP_STORED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, method)
    return out.getvalue()


def checkpoints():
    for state in state_dicts():
        yield legacy(state)
        yield zipped({"a/data.pkl": state, "a/byteorder": b"little", "a/data/0": bytes(16), "a/data/1": bytes(8)})
    yield from safetensors()


def pickles():
    yield from state_dicts()
    values = {"a": [1, -1, 1 << 70, 1.5, None, True, b"bytes", "\u00e9"], "b": (1, (2,), ())}
    for protocol in (2, 3, 4, 5):
        yield pickle.dumps(values, protocol)


def npys():
    def made(version, header, data):
        header = header.encode() + b"\n"
        size = struct.pack("<H" if version == 1 else "<I", len(header))
        return b"\x93NUMPY" + bytes([version, 0]) + size + header + data

    yield made(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }", bytes(8))
    yield made(2, "{'descr': '<f4', 'fortran_order': False, 'shape': (), }", bytes(4))
    yield made(3, "{'shape': (3,), 'fortran_order': False, 'descr': '<f4'}", bytes(12))


def pictures():
    for path in sorted((ROOT / "tests/data/images").iterdir()):
        if path.suffix in (".jpg", ".png", ".jpeg") and path.stat().st_size < SMALL:
            yield path.read_bytes()


def measured(**more):
    record = {"model": "GPUNet-0", "device": "NVIDIA A100", "engine": "cuDNN 9.8", "precision": "fp16", "batch": 1,
              "latency_ms": 0.65, "kind": "measured", "source": "gpunet 0.1.0", "date": "2026-01-01T00:00:00Z"}
    return dict(record, **more)


def records():
    yield compact({"schema": 2, "records": []})
    yield compact({"schema": 1, "records": [measured()]})
    yield compact({"schema": 2, "records": [measured(threads=4, runs=10, p95_ms=1, p99_ms=2.5, spread_ms=0.1, noisy=True,
                                                     uuid="GPU-1", driver="580", host_ms=1e-3), measured(batch=8)]})


def plans():
    plan = {"schema": 3, "key": "k", "engine": "e", "engine_index": 3, "knobs": "", "runtime_compiled": True,
            "tensor_core": False, "microseconds": 12.5, "crc32": 0, "plan": ""}
    yield compact(plan)
    yield compact(dict(plan, rival="32x64/4"))


def sources():
    digest = {"sha256": "0" * 64, "size": 5, "first_use": True}
    yield compact(dict(digest, schema=1, source="https://a.example/b", when="2026-01-01T00:00:00Z",
                       members={"a.pth": digest, "": digest}))


def indexes():
    wheel = "pkg-1.0-py3-none-any.whl"
    yield compact({"files": [{"filename": wheel, "url": "https://files.example/" + wheel,
                              "hashes": {"sha256": "0" * 64}}]})
    yield f'<!DOCTYPE html><a href="../../{wheel}#sha256={"0" * 64}">{wheel}</a>'.encode()
    yield f"<a href='//host/a&amp;b'> {wheel} </a><a >x</a>".encode()


def archives():
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        inner = zipped({"weights.pth": b"weights"}, method)
        yield inner
        yield zipped({"d/": b"", "d/inner.zip": inner, "other": b"x" * 100}, method)
    yield zipped({"a/data.pkl": b"\x80\x02}."})


def main():
    folder = pathlib.Path(sys.argv[1])
    for target, seeds in {
            "spec": specs(), "model": models(), "safetensors": safetensors(), "checkpoint": checkpoints(),
            "pickle": pickles(), "npy": npys(), "picture": pictures(), "records": records(), "plan": plans(),
            "labels": [b"cat\ndog\n", "\ufeffchat\r\n\u00e9t\u00e9\n\n".encode()], "source_record": sources(),
            "index": indexes(), "archive": archives()}.items():
        write(folder, target, seeds)


main()
