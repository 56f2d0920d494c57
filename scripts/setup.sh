#!/usr/bin/env bash
# Installs what GPUNet is built and tested with on Debian 12, and nothing that is there already.
#   scripts/setup.sh          to build the program
#   scripts/setup.sh test     to run the tests as well
set -euo pipefail

packages=(g++ cmake ninja-build ccache pkg-config libdnnl-dev nlohmann-json3-dev libcli11-dev libturbojpeg0-dev
          libpng-dev python3 python3-pip ca-certificates)
if [ "${1:-}" = test ]; then
    packages+=(catch2 git clang clang-format libclang-rt-dev)
fi

missing=()
for package in "${packages[@]}"; do
    status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
    [ "$status" = "install ok installed" ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

echo "installing ${missing[*]}" >&2
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    as_root=(sudo)
fi
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
