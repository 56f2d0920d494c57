#!/usr/bin/env python3
"""Writes tests/data/checkpoints/timm_*: two small networks of timm's builders with random weights, as timm's own code saves
them, one of each kind of head; and timm.json, what they make of the synthetic input in float64.

Needs PyPI's torch, timm, safetensors and numpy:

    tests/make_timm_checkpoints.py
"""
import json
import pathlib
import sys
from functools import partial

import safetensors.torch
import timm
import torch
from timm.models._efficientnet_blocks import SqueezeExcite
from timm.models._efficientnet_builder import decode_arch_def, round_channels
from timm.models.efficientnet import EfficientNet
from timm.models.mobilenetv3 import MobileNetV3

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = ROOT / "tests/data/checkpoints"
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "bench/peers"))
import synthetic

HEIGHT, WIDTH = 45, 52


def efficientnet():
    stages = [["ds_r2_k3_s1_e1_c8_se0.25_d1"], ["er_r2_k3_s2_e4_c8_se0.25_nre"], ["ir_r2_k5_s2_e3_c16_se0.25"],
              ["cn_r2_k3_s1_e1_c16_skip"]]
    net = EfficientNet(decode_arch_def(stages), num_classes=10, num_features=24, stem_size=8, act_layer=torch.nn.SiLU)
    block = {"stride": 1, "use_se": True}
    return net, [
        {"layer_type": "data", "img_resolution": 64, "naming": "timm", "padding": "symmetric", "bn_epsilon": 1e-5, "act": "swish"},
        {"layer_type": "head", "num_in_channels": 3, "num_out_channels": 8},
        {"layer_type": "separable", "repeat": 2, "num_out_channels": 32, "kernel_size": 3, **block, "space_to_depth": True, "stage": 1},
        {"layer_type": "fused_irb", "repeat": 2, "num_out_channels": 8, "kernel_size": 3, **block, "expansion": 4,
         "first_expansion": 1, "act": "relu", "stage": 2},
        {"layer_type": "irb", "repeat": 2, "num_out_channels": 16, "kernel_size": 5, **block, "stride": 2, "expansion": 3, "stage": 3},
        {"layer_type": "conv", "repeat": 2, "num_out_channels": 16, "kernel_size": 3, "stride": 1, "residual": "where_possible", "stage": 4},
        {"layer_type": "tail", "num_out_channels": 24, "num_classes": 10}]


def mobilenet():
    stages = [["ds_r2_k3_s1_e1_c8"], ["ir_r1_k5_s2_e4_c16_se0.25"],
              ["uir_r1_a5_k3_s2_e3_c16", "uir_r1_a3_k0_s1_e4_c16", "uir_r1_a0_k0_s1_e2_c16"], ["cn_r1_k1_s1_c32"]]
    gate = partial(SqueezeExcite, gate_layer="hard_sigmoid", rd_round_fn=partial(round_channels, round_limit=0.95))
    net = MobileNetV3(decode_arch_def(stages), num_classes=10, num_features=24, stem_size=8, head_norm=True, se_layer=gate,
                      se_from_exp=False, act_layer=torch.nn.Hardswish)
    return net, [
        {"layer_type": "data", "img_resolution": 64, "naming": "timm", "padding": "symmetric", "bn_epsilon": 1e-5, "act": "hard_swish",
         "se_gate": "hard_sigmoid", "se_divisor": 8, "se_round_limit": 0.95},
        {"layer_type": "head", "num_in_channels": 3, "num_out_channels": 8},
        {"layer_type": "separable", "repeat": 2, "num_out_channels": 8, "kernel_size": 3, "stride": 1, "stage": 1},
        {"layer_type": "irb", "num_out_channels": 16, "kernel_size": 5, "stride": 2, "expansion": 4, "use_se": True, "stage": 2},
        {"layer_type": "uib", "num_out_channels": 16, "start_kernel_size": 5, "kernel_size": 3, "stride": 2, "expansion": 3, "stage": 3},
        {"layer_type": "uib", "num_out_channels": 16, "start_kernel_size": 3, "kernel_size": 0, "stride": 1, "expansion": 4, "stage": 3},
        {"layer_type": "uib", "num_out_channels": 16, "kernel_size": 0, "stride": 1, "expansion": 2, "stage": 3},
        {"layer_type": "conv", "num_out_channels": 32, "kernel_size": 1, "stride": 1, "stage": 4},
        {"layer_type": "tail", "num_out_channels": 24, "num_classes": 10, "tail_form": "pool_conv_linear", "pooled_norm": True}]


def main():
    torch.manual_seed(1)
    index = {"made_by": f"timm {timm.__version__} in float64, torch {torch.__version__.split('+')[0]}", "networks": []}
    for name, (net, layers) in {"timm_efficientnet": efficientnet(), "timm_mobilenet": mobilenet()}.items():
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                torch.nn.init.uniform_(module.weight, 0.5, 1.5)
                torch.nn.init.normal_(module.bias, 0, 0.2)
                torch.nn.init.normal_(module.running_mean, 0, 0.2)
                torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
        (TARGET / f"{name}.json").write_text("[\n  " + ",\n  ".join(json.dumps(layer) for layer in layers) + "\n]\n")
        torch.save(net.state_dict(), TARGET / f"{name}.pth")
        safetensors.torch.save_file(net.state_dict(), TARGET / f"{name}.safetensors")
        with torch.inference_mode():
            logits = net.double().eval()(torch.from_numpy(synthetic.picture((2, 3, HEIGHT, WIDTH))).double())
        index["networks"].append({"name": name, "batch": 2, "height": HEIGHT, "width": WIDTH,
                                  "parameters": sum(p.numel() for p in net.parameters()),
                                  "logits": [float(f"{x:.9g}") for x in logits.flatten().tolist()]})
    (TARGET / "timm.json").write_text(json.dumps(index) + "\n")


if __name__ == "__main__":
    main()
