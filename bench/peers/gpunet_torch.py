"""The networks in PyTorch: a peer to measure against, written from docs/spec-format.md and proven by tests/data/goldens.

    net = gpunet_torch.build("models/GPUNet-0.json")     # with synthetic weights; state_dict() has NVIDIA's names
    scores = net(pictures)                               # N x 3 x H x W -> N x classes
    fast = gpunet_torch.folded(net)                      # batch norm folded into the convolutions
"""
import copy
import functools
import json
import math
import pathlib

import torch
from torch import nn
from torch.nn import functional

import synthetic

MODELS = pathlib.Path(__file__).resolve().parents[2] / "models"

ACTIVATIONS = {
    "identity": lambda x: x,
    "relu": functools.partial(functional.relu, inplace=True),
    "relu6": functools.partial(functional.relu6, inplace=True),
    "swish": functools.partial(functional.silu, inplace=True),
    "silu": functools.partial(functional.silu, inplace=True),
    "hard_swish": functools.partial(functional.hardswish, inplace=True),
    "sigmoid": torch.sigmoid,
    "hard_sigmoid": functional.hardsigmoid,
    "gelu": functional.gelu,
}

# (naming, layer) -> the name in a checkpoint of each part that owns parameters
LEAVES = {
    ("plain", "head"): {"0.conv": "net.0", "0.norm": "net.1"},
    ("plain", "conv"): {"0.conv": "conv", "0.norm": "bn1"},
    ("plain", "fused_irb"): {"expand.conv": "conv_exp", "expand.norm": "bn1", "gate.squeeze": "se.conv_reduce",
                             "gate.excite": "se.conv_expand", "project.conv": "conv_pwl", "project.norm": "bn2"},
    ("plain", "irb"): {"expand.conv": "conv_pw", "expand.norm": "bn1", "depthwise.conv": "conv_dw",
                       "depthwise.norm": "bn2", "gate.squeeze": "se.conv_reduce", "gate.excite": "se.conv_expand",
                       "project.conv": "conv_pwl", "project.norm": "bn3"},
    ("plain", "tail"): {"convolution.conv": "net.0", "convolution.norm": "net.1", "hidden": "net.4",
                        "classifier": "net.6"},
    ("distilled", "irb"): {"expand.conv": "body.0", "expand.norm": "body.1", "depthwise.conv": "body.3",
                           "depthwise.norm": "body.4", "project.conv": "body.6", "project.norm": "body.7"},
    ("distilled", "fused_irb"): {"expand.conv": "body.0", "expand.norm": "body.1", "project.conv": "body.3",
                                 "project.norm": "body.4"},
    ("distilled", "tail"): {"convolution.conv": "net.0", "convolution.norm": "net.1", "hidden": "net.4",
                            "classifier": "net.8"},
    ("efficientnet_pytorch", "head"): {"0.conv": "_conv_stem", "0.norm": "_bn0"},
    ("efficientnet_pytorch", "irb"): {"expand.conv": "_expand_conv", "expand.norm": "_bn0",
                                      "depthwise.conv": "_depthwise_conv", "depthwise.norm": "_bn1",
                                      "gate.squeeze": "_se_reduce", "gate.excite": "_se_expand",
                                      "project.conv": "_project_conv", "project.norm": "_bn2"},
    ("efficientnet_pytorch", "tail"): {"convolution.conv": "_conv_head", "convolution.norm": "_bn1",
                                       "classifier": "_fc"},
}
LEAVES["distilled", "head"] = LEAVES["plain", "head"]
for dialect in ("plain", "distilled"):
    LEAVES[dialect, "head_large"] = {f"{i}.{part}": f"net.{3 * i + j}"
                                     for i in range(3) for j, part in enumerate(("conv", "norm"))}


def read_spec(path):
    """The layers of a spec file or of a model file, the `data` entry first."""
    entries = json.loads(pathlib.Path(path).read_text())
    return entries["network"] if isinstance(entries, dict) else entries


def model_path(name):
    """Of a name in models/, or a path."""
    known = MODELS / f"{name}.json"
    return known if known.exists() else pathlib.Path(name)


def round_to_multiple_of_8(width):
    rounded = max(8, int(width + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * width else rounded


class Convolution(nn.Module):
    """Convolution, batch norm, activation."""

    def __init__(self, channels, kernel, stride=1, padding="valid", groups=1, epsilon=1e-3, act="identity"):
        super().__init__()
        sides = {"symmetric": kernel // 2, "valid": 0, "same": 0}.get(padding, padding)
        self.same = padding == "same"
        self.conv = nn.Conv2d(*channels, kernel, stride, sides, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(channels[1], eps=epsilon)
        self.act = ACTIVATIONS[act]

    def forward(self, x):
        if self.same:  # as many outputs as ceil(size / stride), the odd zero at the bottom and right
            total = [max(0, (math.ceil(n / s) - 1) * s + k - n)
                     for n, s, k in zip(x.shape[:1:-1], self.conv.stride[::-1], self.conv.kernel_size[::-1])]
            if any(total):
                x = functional.pad(x, [zeros for t in total for zeros in (t // 2, t - t // 2)])
        return self.act(self.norm(self.conv(x)))


class SqueezeExcite(nn.Module):
    def __init__(self, channels, squeezed, act, gate):
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.excite = nn.Conv2d(squeezed, channels, 1)
        self.act, self.gate = ACTIVATIONS[act], ACTIVATIONS[gate]

    def forward(self, x):
        return x * self.gate(self.excite(self.act(self.squeeze(x.mean((2, 3), keepdim=True)))))


class Residual(nn.Module):
    """irb and fused_irb: whichever of the parts are not None, one after the other."""

    def __init__(self, expand, depthwise, gate, project, residual):
        super().__init__()
        self.expand, self.depthwise, self.gate, self.project = expand, depthwise, gate, project
        self.residual = residual

    def forward(self, x):
        y = x
        for part in (self.expand, self.depthwise, self.gate, self.project):
            if part is not None:
                y = part(y)
        return x + y if self.residual else y


class Tail(nn.Module):
    def __init__(self, convolution, hidden, act, classifier):
        super().__init__()
        self.convolution, self.hidden, self.classifier = convolution, hidden, classifier
        self.act = ACTIVATIONS[act]

    def forward(self, x):
        x = self.convolution(x).mean((2, 3), keepdim=True)
        if self.hidden is not None:
            x = self.act(self.hidden(x))
        return self.classifier(x.flatten(1))


class Builder:
    """Makes a layer of its entry; what an entry leaves out is decided here."""

    def __init__(self, data):
        self.data = data
        self.distilled = bool(data.get("distill", False))

    def option(self, layer, key, default):
        value = layer.get(key)
        if value is None:
            value = self.data.get(key)
        return default if value is None else value

    def act(self, layer):
        kind = layer["layer_type"]
        if self.distilled and kind != "conv":
            return "relu"
        return layer.get("act", "swish" if kind.startswith("head") else "relu")

    def epsilon(self, layer):
        return self.option(layer, "bn_epsilon",
                           1e-5 if self.distilled and layer["layer_type"] != "fused_irb" else 1e-3)

    def padding(self, layer):
        # The reference asks for SAME here and loses it: a plain fused_irb of stride 2 has no padding at all.
        lost = not self.distilled and layer["layer_type"] == "fused_irb" and layer["stride"] == 2
        return self.option(layer, "padding", "valid" if lost else "symmetric")

    def convolution(self, layer, inputs, outputs, kernel=1, stride=1, padding="valid", groups=1, act=None):
        return Convolution((inputs, outputs), kernel, stride, padding, groups, self.epsilon(layer),
                           self.act(layer) if act is None else act)

    def head(self, layer):
        inputs, outputs = layer["num_in_channels"], layer["num_out_channels"]
        strides = [layer.get("stride", 2)] + ([1, 1] if layer["layer_type"] == "head_large" else [])
        return nn.Sequential(*(self.convolution(layer, inputs if i == 0 else outputs, outputs,
                                                layer.get("kernel_size", 3), s, self.padding(layer))
                               for i, s in enumerate(strides)))

    def conv(self, layer):
        return nn.Sequential(self.convolution(layer, layer["num_in_channels"], layer["num_out_channels"],
                                              layer["kernel_size"], layer["stride"], self.padding(layer),
                                              layer.get("groups", 1)))

    def width(self, layer):
        exact = layer["num_in_channels"] * layer["expansion"]
        rule = self.option(layer, "expansion_rounding", "exact" if self.distilled else "multiple_of_8")
        return round_to_multiple_of_8(exact) if rule == "multiple_of_8" else round(exact)

    def gate(self, layer, width):
        if not layer.get("use_se", False):
            return None
        squeezed = layer.get("se_channels") or max(1, round(width * (layer.get("se_ratio", 0.25) / layer["expansion"])))
        return SqueezeExcite(width, squeezed, layer.get("se_act", self.act(layer)), layer.get("se_gate", "sigmoid"))

    def block(self, layer):
        inputs, outputs, stride = layer["num_in_channels"], layer["num_out_channels"], layer["stride"]
        groups, width = layer.get("groups", 1), self.width(layer)
        spatial = {"kernel": layer["kernel_size"], "stride": stride, "padding": self.padding(layer)}
        depthwise = None
        if layer["layer_type"] == "fused_irb":
            expand = self.convolution(layer, inputs, width, groups=groups, **spatial)
        else:
            skip = layer["expansion"] == 1 and self.option(layer, "skip_unit_expansion", False)
            width = inputs if skip else width
            expand = None if skip else self.convolution(layer, inputs, width, groups=groups)
            depthwise = self.convolution(layer, width, width, groups=width, **spatial)
        residual = layer.get("residual", stride == 1 and inputs == outputs)
        return Residual(expand, depthwise, self.gate(layer, width),
                        self.convolution(layer, width, outputs, groups=groups, act="identity"), residual)

    def tail(self, layer):
        outputs = layer["num_out_channels"]
        form = layer.get("tail_form", "conv_pool_conv_linear" if self.distilled else "conv_pool_linear")
        hidden = form == "conv_pool_conv_linear"
        width = layer.get("num_mid_channels", 1152) if hidden else outputs
        return Tail(self.convolution(layer, layer["num_in_channels"], width),
                    nn.Conv2d(width, outputs, 1, bias=False) if hidden else None, self.act(layer),
                    nn.Linear(outputs, layer.get("num_classes", 1000)))

    def __call__(self, layer):
        make = {"head": self.head, "head_large": self.head, "conv": self.conv, "irb": self.block,
                "fused_irb": self.block, "tail": self.tail}
        return make[layer["layer_type"]](layer)


def naming(data):
    if data.get("naming") == "efficientnet_pytorch":
        return "efficientnet_pytorch"
    return "distilled" if data.get("distill", False) else "plain"


def prefix(names, layer, number, block):
    """What the checkpoint names of a layer's parameters begin with; `number` counts the JSON list from 1."""
    kind, stage = layer["layer_type"], layer.get("stage")
    if names == "efficientnet_pytorch":
        return f"_blocks.{block}." if kind == "irb" else ""
    if names == "distilled":
        return {"head": "network.head:.", "head_large": "network.head:.", "tail": "network.tail:."}.get(
            kind, f"network.stage: {stage} {kind}{number}.")
    return {"head": f"network.head: {number}.", "head_large": f"network.head: {number}.",
            "tail": f"network. layer{number}."}.get(kind, f"network.stage: {stage} layer{number}.")


class Network(nn.Module):
    """A network of a spec's layers. state_dict() and load_state_dict() use the names that checkpoints have."""

    def __init__(self, layers):
        super().__init__()
        make = Builder(layers[0])
        self.layers = nn.ModuleList(make(layer) for layer in layers[1:])
        self.resolution = layers[0]["img_resolution"]
        self.prefixes = {}  # name of a part here -> name in a checkpoint
        names, blocks = naming(layers[0]), 0
        for i, layer in enumerate(layers[1:]):
            for part, leaf in LEAVES[names, layer["layer_type"]].items():
                self.prefixes[f"layers.{i}.{part}"] = prefix(names, layer, i + 2, blocks) + leaf
            blocks += layer["layer_type"] in ("irb", "fused_irb")

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x

    def forward_layers(self, x):
        """Every layer's output."""
        outputs = []
        for layer in self.layers:
            x = layer(x)
            outputs.append(x)
        return outputs

    def checkpoint_name(self, name):
        part, _, leaf = name.rpartition(".")
        return f"{self.prefixes[part]}.{leaf}"

    def state_dict(self):
        return {self.checkpoint_name(name): tensor for name, tensor in super().state_dict().items()}

    def load_state_dict(self, state):
        """@raises KeyError, RuntimeError where names or shapes differ"""
        names = list(super().state_dict())
        unexpected = set(state) - {self.checkpoint_name(name) for name in names}
        if unexpected:
            raise KeyError(f"unexpected parameters: {sorted(unexpected)}")
        return super().load_state_dict({name: state[self.checkpoint_name(name)] for name in names})

    def load_synthetic(self, salt=""):
        state = self.state_dict()
        self.load_state_dict({name: torch.from_numpy(synthetic.parameter(name, tuple(tensor.shape), salt))
                              for name, tensor in state.items()})
        return self


def build(name_or_path, weights="synthetic", salt=""):
    """A network in evaluation mode. `weights`: "synthetic", a state_dict, or None for PyTorch's random ones."""
    net = Network(read_spec(model_path(name_or_path)))
    if weights == "synthetic":
        net.load_synthetic(salt)
    elif weights is not None:
        net.load_state_dict(weights)
    return net.eval()


def folded(net):
    """A copy with batch norm folded into the convolutions, in double precision."""
    net = copy.deepcopy(net)
    for part in net.modules():
        if isinstance(part, Convolution):
            part.conv = nn.utils.fusion.fuse_conv_bn_eval(part.conv.double(), part.norm.double()).float()
            part.norm = nn.Identity()
    return net
