#!/usr/bin/env bash
# Takes what the project is built with to a GPU machine that cannot install anything: Debian 12's packages, unpacked.
#   scripts/gpu_deps.sh gather [DIR]      on a connected Debian 12: fills DIR (.gpu-deps), about 20 MB; git ignores it
#   scripts/gpu_deps.sh unpack DIR TO     there: unpacks it below TO and prints the environment to build with, to be evaluated
# What runs needs only x86-64 Linux with the C library of Debian 12 (2.36) or a later one.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(nlohmann-json3-dev libcli11-dev catch2 libdnnl-dev libdnnl2 libxbyak-dev ocl-icd-libopencl1 libpng-dev libpng16-16
          libturbojpeg0-dev libturbojpeg0 zlib1g-dev zlib1g libcurl4-openssl-dev libssl-dev libzip-dev pkgconf-bin libpkgconf3)
with_all_they_need=(libcurl4 libzip4) # and the libraries that these load, but for the C library

fetch_packages() {
    local needed
    needed=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces \
        --no-enhances "${with_all_they_need[@]}" | grep '^[a-z]' | grep -vE '^(libc6|gcc-.*-base|libgcc-s1)$' | sort -u)
    # shellcheck disable=SC2086 # words on purpose
    apt-get download -qq "${packages[@]}" $needed
}

gather() {
    local to scratch
    mkdir -p "$1"
    to=$(cd "$1" && pwd)
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' RETURN
    mkdir "$scratch/debs" "$scratch/root"
    chmod 755 "$scratch" # apt fetches as a user of its own
    cd "$scratch/debs"
    fetch_packages 2>"$scratch/log" || { apt-get update -qq && fetch_packages; } || { cat "$scratch/log" >&2; return 1; }
    for deb in *.deb; do dpkg -x "$deb" "$scratch/root"; done
    cd "$scratch/root"
    rm -rf usr/share/doc usr/share/man usr/share/lintian usr/share/bug
    find usr -name "*.a" -delete
    # Some libraries are in /lib, which is a link to /usr/lib on the machines themselves.
    if [ -d lib ]; then cp -a lib/. usr/lib/ && rm -rf lib; fi
    # No link may lead out of the folder.
    find usr -type l -lname '/*' | while read -r link; do ln -sf "$(basename "$(readlink "$link")")" "$link"; done
    tar -czf "$scratch/deps.tar.gz" usr
    mv "$scratch/deps.tar.gz" "$to/deps.tar.gz"
    (cd "$scratch/debs" && printf '%s\n' *.deb) >"$to/manifest.txt"
    echo '*' >"$to/.gitignore"
    du -h "$to/deps.tar.gz" >&2
}

unpack() {
    local archive=$1/deps.tar.gz usr
    [ -f "$archive" ] || { echo "gpu_deps.sh: $archive: expected a gathered archive, found none" >&2; return 1; }
    mkdir -p "$2"
    usr=$(cd "$2" && pwd)/usr
    tar -xzf "$archive" -C "$2" --no-same-owner
    sed -i "s|^prefix=.*|prefix=$usr|; s|=/usr/|=$usr/|" "$usr"/lib/x86_64-linux-gnu/pkgconfig/*.pc "$usr"/share/pkgconfig/*.pc
    local libraries=$usr/lib/x86_64-linux-gnu
    cat <<EOF
export CMAKE_PREFIX_PATH='$usr'\${CMAKE_PREFIX_PATH:+:\$CMAKE_PREFIX_PATH}
export LD_LIBRARY_PATH='$libraries'\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}
export PKG_CONFIG_PATH='$libraries/pkgconfig:$usr/share/pkgconfig'
command -v pkg-config >/dev/null || export PKG_CONFIG='$usr/bin/pkgconf'
EOF
}

case "${1:-}" in
gather) gather "${2:-.gpu-deps}" ;;
unpack) unpack "${2:?expected the folder that was gathered}" "${3:?expected where to unpack}" ;;
*)
    sed -n '2,5s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
