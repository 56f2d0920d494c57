#!/usr/bin/env python3
"""Writes what timm makes of EfficientNet-Lite0, which tests compare with and models/EfficientNet-Lite0.json carries:

tests/data/goldens/EfficientNet-Lite0_eval.json: timm's validation (its folder reader, evaluation transform, loader and
    accuracy, in float32) of 320 pictures cut from three photographs; the recipe of each picture, not the pictures.
tests/data/goldens/EfficientNet-Lite0_input.json: the logits, in float64, of the synthetic input with synthetic and with
    the pretrained weights (run tools/add_goldens.py after it).

The argument is a directory made by scripts/fetch_assets.py. Needs PyPI's torch, torchvision, timm, pillow and numpy:

    tests/make_eval_golden.py build/assets
"""
import hashlib
import json
import pathlib
import sys
import tempfile

import numpy
import PIL
import timm
import timm.data
import timm.utils
import torch
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "bench/peers"))
import synthetic

GOLDENS = ROOT / "tests/data/goldens"
COUNT = 320
# A photograph and the classes that it could be taken for; its pictures take turns among them.
SOURCES = [("chelsea.png", [281, 282, 285]), ("coffee.png", [967, 504]), ("rocket.jpg", [657, 744, 812])]


class Draws:
    """Numerical Recipes' generator, so that the recipe depends on nobody's library."""

    def __init__(self):
        self.state = 1

    def below(self, count):
        self.state = (self.state * 1664525 + 1013904223) % 2**32
        return (self.state >> 8) % count


def recipes(sizes):
    """A picture is every `step`-th pixel of a box, mirrored if `mirror`, rows and columns exchanged if `transpose`."""
    draw, rows = Draws(), []
    for number in range(COUNT):
        source = number % len(SOURCES)
        step = 1 + draw.below(2)
        width, height = (min(step * (96 + draw.below(193)), side) for side in sizes[source])
        left, top = draw.below(sizes[source][0] - width + 1), draw.below(sizes[source][1] - height + 1)
        classes = SOURCES[source][1]
        rows.append([source, left, top, width, height, step, draw.below(2), int(draw.below(8) == 0),
                     classes[number // len(SOURCES) % len(classes)]])
    return rows


def picture(sources, recipe):
    source, left, top, width, height, step, mirror, transpose, _ = recipe
    pixels = sources[source][top:top + height:step, left:left + width:step]
    pixels = pixels[:, ::-1] if mirror else pixels
    return pixels.transpose(1, 0, 2) if transpose else pixels


def renamed(weights, net):
    """A state_dict in timm's names: both list the same tensors in the same order."""
    theirs = net.state_dict()
    assert len(weights) == len(theirs)
    for (name, tensor), (other, expected) in zip(weights.items(), theirs.items()):
        assert tensor.shape == expected.shape and name.rsplit(".")[-1] == other.rsplit(".")[-1], (name, other)
    return dict(zip(theirs, weights.values()))


def parameters_sha256(weights):
    """As gpunet::parameters_sha256 has it: of every parameter, by name, as float32."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        if not name.endswith(".num_batches_tracked"):
            digest.update(name.encode() + b"\0" + weights[name].numpy().astype("<f4").tobytes())
    return digest.hexdigest()


def numbers(values):
    return [float(f"{x:.8g}") for x in values]


def made_by(precision):
    return f"timm {timm.__version__}'s tf_efficientnet_lite0 in {precision}, torch {torch.__version__}"


def validate(net, record, assets):
    files = [assets / name for name, _ in SOURCES]
    sources = [numpy.asarray(Image.open(file).convert("RGB")) for file in files]
    rows = recipes([(s.shape[1], s.shape[0]) for s in sources])
    synsets = timm.data.ImageNetInfo().label_names()
    with tempfile.TemporaryDirectory() as root:
        root = pathlib.Path(root)
        (root / "classes.txt").write_text("\n".join(synsets) + "\n")
        for number, row in enumerate(rows):
            folder = root / "pictures" / synsets[row[-1]]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(numpy.ascontiguousarray(picture(sources, row))).save(folder / f"{number:03}.png")
        config = timm.data.resolve_data_config(
            {"mean": record["input"]["mean"], "std": record["input"]["std"]}, model=net)
        assert config["crop_pct"] == record["input"]["crop"] and config["interpolation"] == record["input"]["interpolation"]
        dataset = timm.data.create_dataset("", root=root / "pictures", class_map=str(root / "classes.txt"))
        loader = timm.data.create_loader(dataset, batch_size=16, use_prefetcher=False, num_workers=0,
                                         persistent_workers=False, **config)
        names = [int(pathlib.Path(dataset.filename(i)).stem) for i in range(len(dataset))]
        logits, targets = [], []
        with torch.inference_mode():
            for images, target in loader:
                logits.append(net(images))
                targets.append(target)
    logits, targets = torch.cat(logits), torch.cat(targets)
    order = numpy.argsort(names)
    assert [int(t) for t in targets[order]] == [row[-1] for row in rows]
    hits = [round(float(share) * COUNT / 100) for share in timm.utils.accuracy(logits, targets, topk=(1, 5))]
    values, best = logits[order].topk(6)
    return {
        "model": "EfficientNet-Lite0", "made_by": made_by("float32") + f", Pillow {PIL.__version__}",
        "sources": [{"file": f.name, "sha256": hashlib.sha256(f.read_bytes()).hexdigest(),
                     "pixels_sha256": hashlib.sha256(s.tobytes()).hexdigest()} for f, s in zip(files, sources)],
        "columns": ["source", "left", "top", "width", "height", "step", "mirror", "transpose", "class"],
        "top1": hits[0], "top5": hits[1], "pictures": rows,
        "best": best.tolist(), "logits": [numbers(v) for v in values.tolist()],
    }


def main():
    assets = pathlib.Path(sys.argv[1])
    record = json.loads((ROOT / "models/EfficientNet-Lite0.json").read_text())
    net = timm.create_model("tf_efficientnet_lite0").eval()
    trained = torch.load(assets / "EfficientNet-Lite0.pth", map_location="cpu", weights_only=True)
    made = {name: torch.from_numpy(numpy.array(synthetic.parameter(name, tuple(tensor.shape))))
            for name, tensor in trained.items()}

    net.load_state_dict(renamed(trained, net))
    golden = validate(net, record, assets)
    (GOLDENS / "EfficientNet-Lite0_eval.json").write_text(json.dumps(golden) + "\n")
    print(f"top-1 {golden['top1']}, top-5 {golden['top5']} of {COUNT}")

    images = torch.from_numpy(synthetic.picture((1, 3, 224, 224))).double()
    entries = []
    for weights, identity in ((made, "synthetic"), (trained, parameters_sha256(trained))):
        net.load_state_dict(renamed(weights, net))
        net.double()
        with torch.inference_mode():
            logits = net(images)[0]
        net.float()
        entries.append({"weights": identity,
                        "input": {"scheme": "synthetic", "batch": 1, "height": 224, "width": 224},
                        "source": made_by("float64"), "logits": numbers(logits.tolist())})
    (GOLDENS / "EfficientNet-Lite0_input.json").write_text(json.dumps(entries) + "\n")


if __name__ == "__main__":
    main()
