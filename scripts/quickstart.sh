#!/usr/bin/env bash
# On a fresh Debian 12: installs what is needed, builds the gpunet program, fetches the pretrained weights of
# EfficientNet-Lite0, 1 and 2, and classifies two photographs with the best of them that takes at most a second here.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh
[ ! -d build/cuda ] || . build/cuda/bin/activate # by scripts/setup.sh cuda
cmake --preset program >/dev/null
cmake --build --preset program
cache=${GPUNET_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/gpunet}
python3 scripts/fetch_assets.py --weights "$cache/weights" --pictures build/pictures
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive} # other programs may want the same cores
# --offline: of the models whose weights are at hand.
build/program/gpunet classify --offline --budget 1s build/pictures/chelsea.png build/pictures/coffee.png
