#!/usr/bin/env python3
"""Writes tests/data/images: small pictures, and what Pillow makes of them, for the tests of gpunet/image.

Needs Pillow 13 or later (its order of resampling passes is newer than that of 12), NumPy and libturbojpeg.so.0 (for the JPEG kinds that Pillow cannot write). The folder is written anew, and
index.txt lists it, one line each:

    decode     INPUT EXPECTED            Image.open(INPUT).convert("RGB"), EXIF orientation left alone
    upright    INPUT EXPECTED            the same after ImageOps.exif_transpose
    resize     INPUT W H FILTER EXPECTED
    resize_rows_first INPUT W H FILTER EXPECTED   as Pillow before version 13 does it: always rows before columns
    preprocess INPUT H W CROP FILTER EXPECTED     timm's evaluation transform, up to the tensor conversion

Expected pixels are binary PPM. One departure from Pillow: of 16-bit grey it clips values above 255, here as for every
other 16-bit kind the high byte is expected.
"""
import argparse
import ctypes
import io
import math
import os
import pathlib
import struct
import zlib

import numpy
import PIL
from PIL import Image, ImageOps

FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def picture(width, height, seed=1):
    """Smooth colours with edges and some noise: exercises chroma upsampling as well as rounding."""
    random = numpy.random.RandomState(seed)
    y, x = numpy.mgrid[0:height, 0:width] / 8.0
    planes = [127 + 90 * numpy.sin(x * a + y * b + c) for a, b, c in ((1.0, 0.3, 0), (0.4, 1.3, 1), (0.9, -0.8, 2))]
    pixels = numpy.stack(planes, 2)
    pixels[height // 3 : height // 2, width // 4 : width // 2] = (250, 10, 40)
    pixels += random.randint(-25, 26, pixels.shape)
    return numpy.clip(pixels, 0, 255).astype(numpy.uint8)


# --- JPEG -------------------------------------------------------------------------------------------------------------


def turbojpeg(pixels, subsampling, pixel_format, environment=()):
    """Compresses with TurboJPEG; `pixels` is height x width x channels."""
    library = ctypes.CDLL("libturbojpeg.so.0")
    library.tjInitCompress.restype = ctypes.c_void_p
    handle = ctypes.c_void_p(library.tjInitCompress())
    out, size = ctypes.POINTER(ctypes.c_ubyte)(), ctypes.c_ulong(0)
    source = numpy.ascontiguousarray(pixels)
    for name in environment:
        os.environ[name] = "1"
    library.tjCompress2.argtypes = [ctypes.c_void_p, ctypes.c_void_p] + [ctypes.c_int] * 4 + [
        ctypes.c_void_p, ctypes.c_void_p] + [ctypes.c_int] * 3
    status = library.tjCompress2(handle, source.ctypes.data, source.shape[1], 0, source.shape[0], pixel_format,
                                 ctypes.byref(out), ctypes.byref(size), subsampling, 88, 0)
    for name in environment:
        del os.environ[name]
    assert status == 0
    data = ctypes.string_at(out, size.value)
    library.tjFree(out)
    library.tjDestroy(handle)
    return data


def jpeg(pixels, **options):
    out = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(out, "JPEG", **{"quality": 88, **options})
    return out.getvalue()


def tiff_orientation(value, order="<", type=3):
    value = struct.pack(order + "HH", value, 0) if type == 3 else struct.pack(order + "I", value)
    mark = b"II" if order == "<" else b"MM"
    entries = [struct.pack(order + "HHI", 0x0100, 3, 1) + struct.pack(order + "HH", 7, 0),
               struct.pack(order + "HHI", 0x0112, type, 1) + value]
    return mark + struct.pack(order + "HI", 42, 8) + struct.pack(order + "H", len(entries)) + b"".join(entries) + bytes(4)


def with_app1(data, tiff):
    body = b"Exif\0\0" + tiff
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]


def jpegs():
    rgb = picture(37, 29)
    yield "444", jpeg(rgb, subsampling=0)
    yield "422", jpeg(rgb, subsampling=1)
    yield "420", jpeg(rgb, subsampling=2)
    yield "420_low", jpeg(rgb, subsampling=2, quality=20)
    yield "440", turbojpeg(rgb, 4, 0)
    yield "411", turbojpeg(rgb, 5, 0)
    yield "arithmetic", turbojpeg(rgb, 2, 0, ["TJ_ARITHMETIC"])
    yield "progressive", jpeg(rgb, progressive=True)
    yield "restart", jpeg(rgb, restart_marker_blocks=2)
    yield "rgb", jpeg(rgb, keep_rgb=True)
    yield "grey", jpeg(Image.fromarray(rgb).convert("L"))
    cmyk = numpy.concatenate([picture(37, 29, 2), picture(37, 29, 3)[:, :, :1]], 2)
    yield "cmyk", jpeg(Image.fromarray(cmyk, "CMYK"))
    yield "ycck", turbojpeg(cmyk, 0, 11)
    yield "ycck_420", turbojpeg(cmyk, 2, 11)
    for width, height in ((1, 1), (1, 40), (40, 1), (2, 3), (15, 17), (16, 16), (33, 8)):
        yield f"{width}x{height}", jpeg(picture(width, height), subsampling=2)
    for orientation in range(1, 9):
        yield f"orientation{orientation}", with_app1(jpeg(picture(13, 7), subsampling=0),
                                                     tiff_orientation(orientation, "<>"[orientation % 2]))
    yield "orientation6_long", with_app1(jpeg(picture(13, 7), subsampling=0), tiff_orientation(6, ">", 4))


# --- PNG --------------------------------------------------------------------------------------------------------------


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def scanlines(samples, depth, random):
    """Packs and filters the rows of height x width x channels samples, each row with another of PNG's five filters."""
    if samples.size == 0:
        return b""
    height, width, channels = samples.shape
    bytes_per_pixel = max(1, channels * depth // 8)
    out, above = b"", None
    for y in range(height):
        if depth == 16:
            row = samples[y].astype(">u2").tobytes()
        elif depth == 8:
            row = samples[y].astype(numpy.uint8).tobytes()
        else:
            bits = "".join(format(int(v), f"0{depth}b") for v in samples[y].ravel())
            bits += "0" * (-len(bits) % 8)
            row = bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))
        above = above or bytes(len(row))
        filter = random.randint(0, 5)
        filtered = bytearray()
        for i, value in enumerate(row):
            a = row[i - bytes_per_pixel] if i >= bytes_per_pixel else 0
            b = above[i]
            c = above[i - bytes_per_pixel] if i >= bytes_per_pixel else 0
            paeth = min((abs(b - c), 0, a), (abs(a - c), 1, b), (abs(a + b - 2 * c), 2, c))[2]
            filtered.append(value - (0, a, b, (a + b) // 2, paeth)[filter] & 255)
        out += bytes([filter]) + filtered
        above = row
    return out


def png(samples, depth, kind, interlaced=False, before=(), after=()):
    random = numpy.random.RandomState(5)
    height, width, _ = samples.shape
    passes = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
    parts = [samples[y::dy, x::dx] for y, x, dy, dx in passes] if interlaced else [samples]
    data = zlib.compress(b"".join(scanlines(part, depth, random) for part in parts), 9)
    head = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, int(interlaced))
    half = len(data) // 2
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + b"".join(chunk(*c) for c in before) +
            chunk(b"IDAT", data[:half]) + chunk(b"IDAT", data[half:]) + b"".join(chunk(*c) for c in after) +
            chunk(b"IEND", b""))


def pngs():
    width, height = 19, 11
    random = numpy.random.RandomState(3)
    for kind, name, channels, depths in ((0, "grey", 1, (1, 2, 4, 8, 16)), (2, "rgb", 3, (8, 16)),
                                         (3, "palette", 1, (1, 2, 4, 8)), (4, "grey_alpha", 2, (8, 16)),
                                         (6, "rgba", 4, (8, 16))):
        for depth in depths:
            colours = 2**depth
            samples = random.randint(0, colours, (height, width, channels))
            palette = [(b"PLTE", random.randint(0, 256, colours * 3).astype(numpy.uint8).tobytes())] if kind == 3 else []
            yield f"{name}{depth}", png(samples, depth, kind, False, palette)
            yield f"{name}{depth}_interlaced", png(samples, depth, kind, True, palette)
            if kind == 3:
                alpha = (b"tRNS", random.randint(0, 256, colours - 1).astype(numpy.uint8).tobytes())
                yield f"{name}{depth}_transparent", png(samples, depth, kind, False, palette + [alpha])
            if kind in (0, 2):
                key = (b"tRNS", samples[0, 0].astype(">u2").tobytes())
                yield f"{name}{depth}_transparent", png(samples, depth, kind, False, [key])
    rgb = picture(13, 7)
    yield "gamma", png(rgb, 8, 2, False, [(b"gAMA", struct.pack(">I", 100000))])
    yield "1x1", png(rgb[:1, :1], 8, 2)
    yield "1x9_interlaced", png(picture(1, 9), 8, 2, True)
    yield "orientation6", png(rgb, 8, 2, False, [(b"eXIf", tiff_orientation(6, ">"))])
    yield "orientation3_late", png(rgb, 8, 2, False, [], [(b"eXIf", tiff_orientation(3, "<"))])


# --- timm's transform -------------------------------------------------------------------------------------------------


def resize_target(image, scale_h, scale_w):
    """The size torchvision's Resize (square) or timm's ResizeKeepRatio (else) gives an image: (width, height)."""
    width, height = image.size
    if scale_h == scale_w:
        short, long = min(width, height), max(width, height)
        longer = int(scale_h * long / short)
        return (scale_h, longer) if width <= height else (longer, scale_h)
    ratio = min(height / scale_h, width / scale_w)
    return round(width / ratio), round(height / ratio)


def center_crop(image, crop_h, crop_w):
    """torchvision's CenterCrop."""
    width, height = image.size
    if crop_w > width or crop_h > height:
        padded = Image.new("RGB", (max(width, crop_w), max(height, crop_h)))
        padded.paste(image, (max(crop_w - width, 0) // 2, max(crop_h - height, 0) // 2))
        image, (width, height) = padded, padded.size
    top, left = int(round((height - crop_h) / 2.0)), int(round((width - crop_w) / 2.0))
    return image.crop((left, top, left + crop_w, top + crop_h))


def preprocess(image, height, width, crop, filter):
    scale_h, scale_w = math.floor(height / crop), math.floor(width / crop)
    return center_crop(image.resize(resize_target(image, scale_h, scale_w), FILTERS[filter]), height, width)


# --- the folder -------------------------------------------------------------------------------------------------------


def expected_decode(data, name):
    image = Image.open(io.BytesIO(data))
    if image.mode.startswith("I;16"):
        grey = (numpy.asarray(image) >> 8).astype(numpy.uint8)
        return Image.fromarray(grey).convert("RGB")
    return image.convert("RGB")


def main():
    here = pathlib.Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=pathlib.Path, default=here / "tests/data/images")
    folder = parser.parse_args().folder
    assert int(PIL.__version__.split(".")[0]) >= 13, "Pillow 13 or later is needed"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    index = [f"# made by tools/make_image_goldens.py with Pillow {PIL.__version__}"]

    def write(name, image):
        image.save(folder / name, "PPM")
        return name

    for extension, files in (("jpg", jpegs()), ("png", pngs())):
        for name, data in files:
            file = f"{extension}_{name}.{extension}"
            (folder / file).write_bytes(data)
            image = expected_decode(data, name)
            index.append(f"decode {file} " + write(f"{file}.ppm", image))
            if "orientation" in name:
                turned = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
                index.append(f"upright {file} " + write(f"{file}.upright.ppm", turned))

    sources = {}
    for width, height in ((61, 47), (1, 1), (1, 23), (23, 1), (3, 2), (90, 20), (20, 90)):
        sources[width, height] = name = f"source_{width}x{height}.ppm"
        write(name, Image.fromarray(picture(width, height, width)))
    opened = {size: Image.open(folder / name).convert("RGB") for size, name in sources.items()}
    for size, targets in {(61, 47): ((61, 47), (61, 20), (20, 47), (30, 23), (60, 46), (7, 5), (1, 1), (75, 90), (40, 70)),
                          (1, 1): ((1, 1), (5, 4)), (1, 23): ((7, 7), (1, 10)), (23, 1): ((7, 7), (30, 1)),
                          (3, 2): ((11, 13),)}.items():
        for width, height in targets:
            for name, filter in FILTERS.items():
                out = write(f"resize_{size[0]}x{size[1]}_{width}x{height}_{name}.ppm",
                            opened[size].resize((width, height), filter))
                index.append(f"resize {sources[size]} {width} {height} {name} {out}")
    for width, height in ((10, 45), (5, 30)):
        for name, filter in FILTERS.items():
            out = write(f"resize_rows_first_{width}x{height}_{name}.ppm",
                        opened[20, 90].resize((width, 90), filter).resize((width, height), filter))
            index.append(f"resize_rows_first {sources[20, 90]} {width} {height} {name} {out}")
    for size, source in sources.items():
        for height, width, crop, filter in ((32, 32, 0.875, "bicubic"), (31, 31, 0.875, "bilinear"),
                                            (24, 24, 1.0, "bicubic"), (25, 25, 0.96, "bicubic"), (24, 24, 1.15, "bicubic"),
                                            (25, 25, 1.2, "bilinear"), (20, 32, 0.9, "bicubic"), (33, 19, 1.0, "bicubic")):
            out = write(f"preprocess_{size[0]}x{size[1]}_{height}x{width}_{crop}_{filter}.ppm",
                        preprocess(opened[size], height, width, crop, filter))
            index.append(f"preprocess {source} {height} {width} {crop} {filter} {out}")
    (folder / "index.txt").write_text("\n".join(index) + "\n")
    print(len(index), "lines,", sum(f.stat().st_size for f in folder.iterdir()), "bytes")


if __name__ == "__main__":
    main()
