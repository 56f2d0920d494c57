#!/usr/bin/env python3
"""Compiles every C++ block of the pages, all of them in one translation unit, without generating code.

    check_code_blocks.py --compiler CXX [--flags FILE] [--header HEADER]... [--without NAME,...] PAGE...

A block with `int main(` is a whole program. Any other is a fragment: the body of a function, whose parameters are what
the comment above the block says is given:

    <!-- given: const gpunet::spec::network& spec, const gpunet::tensor_store& weights -->

Each block is a namespace of its own; its #include lines come first, after the headers that all may count on (--header).
A block that names a component that is not built (--without) is left out, which is said. Errors name page and line.
"""
import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True  # pages.py is beside this file, in the source tree
from pages import read_pages  # noqa: E402


def body(block, number):
    """The block as a namespace: lines of the page keep their numbers."""
    lines = [l if not l.startswith("#include") else "" for l in block.lines]
    here = f'#line {block.line} "{block.page}"\n'
    text = "\n".join(lines) + "\n"
    program = re.search(r"^int main\(", text, re.MULTILINE)
    if program:
        text = re.sub(r"^int main\(", "int whole_program(", text, flags=re.MULTILINE)
        return f"namespace block_{number} {{\n{here}{text}}}\n"
    return f"namespace block_{number} {{\n{here}void fragment({block.given}) {{\n{here}{text}}}\n}}\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--flags", help="a file with the compiler's flags, one a line")
    parser.add_argument("--header", action="append", default=[])
    parser.add_argument("--without", default="", help="components that are not built")
    parser.add_argument("pages", nargs="+")
    a = parser.parse_args()

    blocks = [b for found, _ in read_pages(a.pages).values() for b in found if b.language == "cpp"]
    if not blocks:
        sys.exit("expected C++ blocks in " + ", ".join(a.pages) + ", found none")
    absent = [w for w in a.without.split(",") if w]
    kept = []
    for b in blocks:
        missing = [w for w in absent if re.search(rf"\b{w}(\.hpp|::)", b.text + b.given)]
        if missing:
            print(f"{b.where}: left out: it needs gpunet::{missing[0]}, which is off")
        else:
            kept.append(b)
    if not kept:
        sys.exit("expected C++ blocks for the components that are on, found none")

    includes = [f"#include <{h}>\n" for h in a.header]
    for b in kept:
        for i, line in enumerate(b.lines):
            if line.startswith("#include"):
                includes.append(f'#line {b.line + i} "{b.page}"\n{line}\n')
    source = "".join(includes) + "using namespace std::chrono_literals;\n" * bool(a.header)
    source += "".join(body(b, i) for i, b in enumerate(kept))
    flags = pathlib.Path(a.flags).read_text().split("\n") if a.flags else []
    with tempfile.TemporaryDirectory() as folder:
        unit = pathlib.Path(folder, "blocks.cpp")
        unit.write_text(source, encoding="utf-8")
        # A fragment need not use all it makes, main may end without a return, and options are named one by one.
        command = [a.compiler, "-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-Wno-unused",
                   "-Wno-return-type", "-Wno-missing-field-initializers", *[f for f in flags if f], str(unit)]
        failed = subprocess.run(command).returncode != 0
    if failed:
        sys.exit("C++ blocks: see above")
    print(f"{len(kept)} C++ blocks compile")


if __name__ == "__main__":
    main()
