"""Weights and inputs that are functions of their names alone, bit for bit those of include/gpunet/weights/synthetic.hpp.

Needs numpy only.
"""
import numpy

MASK = (1 << 64) - 1
GOLDEN_RATIO = 0x9E3779B97F4A7C15
RESIDUAL_BRANCH = (".conv_pwl.weight", ".body.6.weight", "._project_conv.weight", ".pw_proj.conv.weight")


def fnv1a(text):
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = ((value ^ byte) * 0x100000001B3) & MASK
    return value


def splitmix64(x):
    """One step for each element of an array of uint64."""
    x = x + numpy.uint64(GOLDEN_RATIO)
    x = (x ^ (x >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
    return x ^ (x >> numpy.uint64(31))


def uniform(seed, count):
    """The first elements of a seed's sequence: float32 in [0, 1), multiples of 2^-24."""
    values = numpy.empty(count, numpy.float32)
    piece = 1 << 20  # temporaries that stay in the cache
    for start in range(0, count, piece):
        index = numpy.arange(start, min(start + piece, count), dtype=numpy.uint64)
        bits = splitmix64(numpy.uint64(seed) + index * numpy.uint64(GOLDEN_RATIO)) >> numpy.uint64(40)
        values[start:start + piece] = bits.astype(numpy.float32) * numpy.float32(2.0**-24)
    return values


def gain(name):
    """How much stronger a weight's output is than its input, activations apart."""
    if name == "conv_stem.weight":
        return 14.0
    timm, branch = name.startswith("blocks."), name.endswith(RESIDUAL_BRANCH)
    if timm and name.endswith(".se.conv_expand.weight"):
        return 0.05
    if timm and branch and name.split(".")[2] != "0":
        return 0.15
    return 0.85 if branch and not timm else 1.4


def parameter(name, shape, salt=""):
    """A parameter or buffer of a checkpoint, by its name there."""
    if name.endswith(".num_batches_tracked"):
        return numpy.zeros(shape, numpy.int64)
    u = uniform(fnv1a(salt + name), int(numpy.prod(shape, dtype=numpy.int64)))
    one, two = numpy.float32(1), numpy.float32(2)
    if len(shape) >= 2:
        fan_in = float(numpy.prod(shape[1:], dtype=numpy.int64))
        values = (two * u - one) * numpy.float32((3.0 / fan_in)**0.5 * gain(name))
    elif name.endswith((".weight", ".running_var")):
        values = numpy.float32(0.75) + numpy.float32(0.5) * u
    else:
        values = (two * u - one) * numpy.float32(0.1)
    return values.reshape(shape)


def picture(shape):
    """An input in [-2, 2), N C H W."""
    u = uniform(fnv1a("input"), int(numpy.prod(shape, dtype=numpy.int64)))
    return (numpy.float32(4) * u - numpy.float32(2)).reshape(shape)


def relative_l2(found, expected):
    """|found - expected| / |expected|; infinite where anything is not finite or the sizes differ."""
    found, expected = numpy.ravel(found).astype(numpy.float64), numpy.ravel(expected).astype(numpy.float64)
    if found.shape != expected.shape or not numpy.isfinite(found).all():
        return float("inf")
    return float(numpy.linalg.norm(found - expected) / numpy.linalg.norm(expected))
