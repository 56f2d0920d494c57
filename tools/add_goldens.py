#!/usr/bin/env python3
"""Puts each model's goldens into models/*.json, before its layers, and changes nothing else there.

A golden is what the reference implementation makes of the synthetic input. GPUNet's come from tests/data/goldens/<model>_b1_r<native
size>.json, EfficientNet-Lite0's from EfficientNet-Lite0_input.json there (tests/make_eval_golden.py). The other families' are
tools/make_timm_goldens.py's. Run tools/embed_models.py after it.
"""
import json
import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent
GOLDENS = ROOT / "tests/data/goldens"
REFERENCE = "GPUNet reference implementation, NVIDIA DeepLearningExamples, in float64"


def goldens(model):
    if model["name"] == "EfficientNet-Lite0":
        return json.loads((GOLDENS / "EfficientNet-Lite0_input.json").read_text())
    height, width = model["input"]["height"], model["input"]["width"]
    golden = json.loads((GOLDENS / f"{model['name']}_b1_r{height}.json").read_text())
    assert (golden["batch"], golden["resolution"], golden["weight_salt"], height) == (1, height, "", width)
    picture = {"scheme": "synthetic", "batch": 1, "height": height, "width": width}
    return [{"weights": "synthetic", "input": picture, "source": REFERENCE, "logits": golden["logits"]}]


def lines(entries):
    """One golden a line, between the brackets."""
    def line(golden):
        head = json.dumps({key: value for key, value in golden.items() if key != "logits"})
        return f'    {head[:-1]}, "logits": {json.dumps(golden["logits"], separators=(",", ":"))}}}'
    return ['  "goldens": [', *(line(g) + "," * (g is not entries[-1]) for g in entries), "  ],"]


def main():
    for path in sorted((ROOT / "models").glob("*.json")):
        if json.loads(path.read_text())["network"][0].get("naming") == "timm":
            continue
        text = path.read_text().splitlines()
        if '  "goldens": [' in text:
            start = text.index('  "goldens": [')
            del text[start:text.index("  ],", start) + 1]
        place = text.index('  "network": [')
        text[place:place] = lines(goldens(json.loads(path.read_text())))
        json.loads("\n".join(text))
        path.write_text("\n".join(text) + "\n")


if __name__ == "__main__":
    main()
