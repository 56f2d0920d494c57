#!/usr/bin/env python3
"""Puts into models/*.json what timm says of the models whose weights have timm's names: parameters, multiply-adds at the
native size, and a golden: the logits, in float64, of the synthetic input with synthetic weights.

The names of models to do may follow; otherwise all are. A model is known to timm by an alias; what timm leaves undefined of
EfficientNet-X is built of timm's stages with the model's own multipliers. Run tools/embed_models.py after it. Needs PyPI's
torch, timm and numpy:

    tools/make_timm_goldens.py [EfficientNet-B0 ...]
"""
import json
import pathlib
import re
import sys

import numpy
import timm
import timm.models.efficientnet
import torch

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "bench/peers"))
import synthetic

HEIGHT, WIDTH = 75, 66  # feature maps of odd and even sides, none of them square


def build(record):
    """timm's model of a record, and what timm calls it."""
    for alias in record["aliases"]:
        if timm.is_model(alias):
            return timm.create_model(alias, pretrained=False), alias
    data = record["network"][0]
    assert record["family"] == "EfficientNet-X", record["name"]
    squeeze = data.get("se_ratio", 0.25)
    decode = timm.models.efficientnet.decode_arch_def
    timm.models.efficientnet.decode_arch_def = lambda stages, *rest, **named: decode(
        [[block.replace("se0.25", f"se{squeeze}") for block in stage] for stage in stages], *rest, **named)
    try:
        net = timm.models.efficientnet._gen_efficientnet_x(
            "efficientnet_x_b3", channel_multiplier=data["width_multiplier"], depth_multiplier=data["depth_multiplier"])
    finally:
        timm.models.efficientnet.decode_arch_def = decode
    name = f"efficientnet_x of width {data['width_multiplier']} and depth {data['depth_multiplier']}"
    return net, name + (f" with squeeze ratio {squeeze}" if squeeze != 0.25 else "")


def counts(record):
    """Learnable parameters, and multiply-adds of convolutions and matrix products for one picture."""
    with torch.device("meta"):
        net = build(record)[0].eval()
        work = []

        def hook(module, inputs, output):
            outputs = output.numel() if isinstance(module, torch.nn.Conv2d) else module.out_features
            work.append(outputs * module.weight[0].numel())

        for module in net.modules():
            if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
                module.register_forward_hook(hook)
        size = record["input"]
        net(torch.empty(1, 3, size["height"], size["width"]))
    return sum(p.numel() for p in net.parameters()), sum(work)


def golden(record):
    net, name = build(record)
    weights = {key: torch.from_numpy(synthetic.parameter(key, tuple(value.shape))) for key, value in net.state_dict().items()}
    net.load_state_dict(weights)
    with torch.inference_mode():
        logits = net.double().eval()(torch.from_numpy(synthetic.picture((1, 3, HEIGHT, WIDTH))).double())
    return {
        "weights": "synthetic",
        "input": {"scheme": "synthetic", "batch": 1, "height": HEIGHT, "width": WIDTH},
        "source": f"timm {timm.__version__}'s {name} in float64, torch {torch.__version__.split('+')[0]}",
        "logits": [float(f"{x:.7g}") for x in logits.flatten().tolist()],
    }


def put(text, record):
    """The model's file with its figures, and nothing else changed."""
    parameters, multiply_adds = counts(record)
    text = re.sub(r'"parameters": \d+', f'"parameters": {parameters}', text, count=1)
    text = re.sub(r'"multiply_adds": \d+', f'"multiply_adds": {multiply_adds}', text, count=1)
    lines = text.splitlines()
    if '  "goldens": [' in lines:
        start = lines.index('  "goldens": [')
        del lines[start:lines.index("  ],", start) + 1]
    place = lines.index('  "network": [')
    made = golden(record)
    head = json.dumps({key: value for key, value in made.items() if key != "logits"})
    numbers = json.dumps(made["logits"], separators=(",", ":"))
    lines[place:place] = ['  "goldens": [', f'    {head[:-1]}, "logits": {numbers}}}', "  ],"]
    scale = float(numpy.std(made["logits"]))
    print(f"{record['name']}: {parameters} parameters, {multiply_adds} multiply-adds, logits' deviation {scale:.3g}", flush=True)
    return "\n".join(lines) + "\n"


def main():
    for path in sorted((ROOT / "models").glob("*.json")):
        text = path.read_text()
        record = json.loads(text)
        if record["network"][0].get("naming") == "timm" and (len(sys.argv) == 1 or record["name"] in sys.argv[1:]):
            path.write_text(put(text, record))


if __name__ == "__main__":
    main()
