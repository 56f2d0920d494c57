#!/usr/bin/env python3
"""Checks the vcpkg port's manifest by the rules of its format, and that it says what CMake and the headers say.

    check_vcpkg.py ROOT
"""
import json
import pathlib
import re
import sys

# https://learn.microsoft.com/vcpkg/reference/vcpkg-json
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
RESERVED = re.compile(r"prn|aux|nul|con|lpt[1-9]|com[1-9]|core|default")
FIELDS = {"name": str, "version": str, "port-version": int, "description": str, "homepage": str, "documentation": str,
          "license": str, "supports": str, "dependencies": list, "features": dict, "default-features": list}
FEATURE_FIELDS = {"description": str, "dependencies": list, "supports": str, "license": str}
DEPENDENCY_FIELDS = {"name": str, "features": list, "host": bool, "default-features": bool, "platform": str,
                     "version>=": str}


class Checker:
    def __init__(self):
        self.wrong = []

    def expect(self, condition, text):
        if not condition:
            self.wrong.append(text)

    def equal(self, what, expected, found):
        self.expect(expected == found, f"{what}: expected {expected}, found {found}")

    def fields(self, where, value, known, required):
        for key in value:
            self.expect(key in known, f"{where}: field {key} is not known")
            self.expect(key not in known or isinstance(value[key], known[key]), f"{where}: {key} has the wrong type")
        for key in required:
            self.expect(key in value, f"{where}: {key} is missing")

    def name(self, where, text):
        self.expect(NAME.fullmatch(text) and not RESERVED.fullmatch(text), f"{where}: {text} is no name")

    def dependencies(self, where, values):
        names = []
        for value in values:
            value = {"name": value} if isinstance(value, str) else value
            self.fields(where, value, DEPENDENCY_FIELDS, ["name"])
            names.append(value.get("name", ""))
            for name in [names[-1], *value.get("features", [])]:
                self.name(where, name)
        self.equal(f"{where}: dependencies in order and once", sorted(set(names)), names)


def main(root):
    check = Checker()
    port = root / "packaging/vcpkg/gpunet"
    manifest = json.loads((port / "vcpkg.json").read_text())
    check.fields("vcpkg.json", manifest, FIELDS, ["name", "version", "description", "license", "dependencies"])
    check.equal("name", port.name, manifest["name"])
    check.name("vcpkg.json", manifest["name"])
    check.equal("version", re.search(r'version = "([^"]+)"', (root / "include/gpunet/version.hpp").read_text())[1],
                manifest["version"])
    check.equal("licence", "Apache-2.0", manifest["license"])
    check.expect("Apache License" in (root / "LICENSE").read_text(), "LICENSE is not Apache's")
    check.dependencies("vcpkg.json", manifest["dependencies"])
    for name, feature in manifest["features"].items():
        check.name("features", name)
        check.fields(f"feature {name}", feature, FEATURE_FIELDS, ["description"])
        check.dependencies(f"feature {name}", feature.get("dependencies", []))

    components = re.findall(r"^gpunet_component\((\w+)", (root / "cmake/targets.cmake").read_text(), re.M)
    check.equal("features", sorted(components), list(manifest["features"]))
    options = re.findall(r"^ +(\w+) GPUNET_WITH_(\w+)$", (port / "portfile.cmake").read_text(), re.M)
    check.equal("portfile.cmake: features", [(c, c.upper()) for c in sorted(components)], options)

    print(*check.wrong, sep="\n")
    return 1 if check.wrong else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
