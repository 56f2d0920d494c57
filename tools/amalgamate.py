#!/usr/bin/env python3
"""Writes the library's headers as one.

    tools/amalgamate.py [--output FILE] [--depend FILE] core | all | COMPONENT...

COMPONENT is cpu, cudnn, hub, image, onnx or quantize; each brings the core with it, and needs its libraries as ever.
Each header appears once, before the first that includes it; the includes of other libraries stay. A header that is
included under an #if stays under it, but what others include as well comes before the #if. Included text that is no
header of its own (.cuh, the kernels' sources) is put in wherever it is included.
"""
import argparse
import os
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
COMPONENTS = ["cpu", "cudnn", "hub", "image", "onnx", "quantize"]
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"](gpunet/[^>"]+)[>"]')
OTHER_INCLUDE = re.compile(r"^\s*#\s*include\s*(<[^>]+>)")
CONDITION = re.compile(r"^\s*#\s*(if|ifdef|ifndef)\b")
CONDITION_ELSE = re.compile(r"^\s*#\s*(else|elif)\b")
CONDITION_END = re.compile(r"^\s*#\s*endif\b")
ONCE = re.compile(r"^\s*#\s*pragma\s+once\b")


class Headers:
    """The headers below a folder, as lines."""

    def __init__(self, folder):
        self.folder = folder
        self.lines = {}

    def __getitem__(self, name):
        if name not in self.lines:
            path = self.folder / name
            if not path.is_file():
                sys.exit(f"{path}: expected a header, found none")
            self.lines[name] = path.read_text().splitlines()
        return self.lines[name]

    def once(self, name):
        return any(ONCE.match(line) for line in self[name])

    def includes(self, name):
        """(header, whether under an #if) for each include of one of the library's own."""
        depth = 0
        for line in self[name]:
            depth += bool(CONDITION.match(line)) - bool(CONDITION_END.match(line))
            if found := INCLUDE.match(line):
                yield found[1], depth > 0

    def reached(self, names, with_conditional):
        """All headers that those named include, themselves among them."""
        todo, known = list(names), set()
        while todo:
            name = todo.pop()
            if name not in known:
                known.add(name)
                todo += [i for i, conditional in self.includes(name) if with_conditional or not conditional]
        return known


class Branches:
    """Follows the #if lines of a file: `opened` is the line of the outermost branch that is open, 0 for none."""

    def __init__(self):
        self.depth = self.opened = 0

    def follow(self, number, line):
        if CONDITION.match(line):
            self.depth += 1
        if self.depth == 1 and (CONDITION.match(line) or CONDITION_ELSE.match(line)):
            self.opened = number
        if CONDITION_END.match(line):
            self.depth -= 1
            self.opened = self.opened if self.depth else 0


class Amalgamation:
    def __init__(self, headers, roots):
        self.headers = headers
        self.unconditional = headers.reached(roots, with_conditional=False)
        self.where = {}  # of each header put out: the branch ("file:line") it stands in, or None
        self.seen_others = set()
        self.out = []
        for root in roots:
            self.header(root, None)

    def header(self, name, branch):
        """Puts out a header that stands in a branch, unless it is there."""
        if name in self.where:
            if self.where[name] not in (None, branch):
                sys.exit(f"{name}: expected in one branch of an #if, found in {self.where[name]} and in {branch}")
            return
        self.where[name] = branch
        before, self.out = self.out, []
        self.body(name, branch, before)
        self.out = [*before, f"// ---- {name}", *strip(self.out), ""]

    def body(self, name, branch, before):
        """Puts out a header's lines; what it includes outside of its own #ifs comes `before` it."""
        branches = Branches()
        for number, line in enumerate(self.headers[name], 1):
            if CONDITION.match(line) and branches.depth == 0 and branch is None:
                self.into(before, self.hoist, name, number)
            branches.follow(number, line)
            inner = branch or (f"{name}:{branches.opened}" if branches.depth else None)
            found = INCLUDE.match(line)
            if found and not self.headers.once(found[1]):
                self.text(found[1], [name])
            elif found and branches.depth == 0:
                self.into(before, self.header, found[1], branch)
            elif found:
                self.header(found[1], inner)
            elif not ONCE.match(line) and not self.is_repeated(line, inner):
                self.out.append(line)

    def text(self, name, within):
        """Puts out the lines of what is no header, in place."""
        if name in within:
            sys.exit(f"{name}: expected no text that includes itself, found it in {' > '.join(within)}")
        for line in self.headers[name]:
            found = INCLUDE.match(line)
            if found:
                self.text(found[1], within + [name])
            else:
                self.out.append(line)

    def hoist(self, name, number):
        """Puts out what the #if at a line includes and others include without one."""
        branches, below = Branches(), []
        for n, line in enumerate(self.headers[name][number - 1:], number):
            branches.follow(n, line)
            below += [found[1]] if (found := INCLUDE.match(line)) else []
            if branches.depth == 0:
                break
        for header in sorted(self.headers.reached(below, with_conditional=True) & self.unconditional):
            self.header(header, None)

    def into(self, out, put, *arguments):
        """Calls put with `out` in the place of the lines put out."""
        inner, self.out = self.out, out
        put(*arguments)
        out[:] = self.out
        self.out = inner

    def is_repeated(self, line, branch):
        """Whether it includes what has been included for all that follows."""
        found = OTHER_INCLUDE.match(line)
        if not found or found[1] in self.seen_others:
            return bool(found)
        if branch is None:
            self.seen_others.add(found[1])
        return False


def strip(lines):
    """Without empty lines at the ends."""
    return "\n".join(lines).strip("\n").split("\n")


def version_of(headers):
    return re.search(r'version = "([^"]+)"', "\n".join(headers["gpunet/version.hpp"]))[1]


def amalgamate(components):
    headers = Headers(ROOT / "include")
    roots = ["gpunet/gpunet.hpp"] + [f"gpunet/{c}.hpp" for c in components]
    made = Amalgamation(headers, roots)
    names = " and ".join(["the core", *components])
    title = [f"// GPUNet {version_of(headers)} in one header: {names}. Made by tools/amalgamate.py; do not edit.",
             "// SPDX-License-Identifier: Apache-2.0", "#pragma once", ""]
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(title + made.out)).rstrip("\n") + "\n"
    return text, sorted(str(headers.folder / name) for name in headers.lines)


def write(path, text):
    part = path.with_name(path.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    part.write_text(text)
    os.replace(part, path)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("what", nargs="+", choices=["core", "all", *COMPONENTS], metavar="core|all|COMPONENT")
    arguments.add_argument("--output", type=pathlib.Path, default=pathlib.Path("gpunet.hpp"))
    arguments.add_argument("--depend", type=pathlib.Path, help="also write what was read, as a Makefile's rule")
    given = arguments.parse_args()
    components = COMPONENTS if "all" in given.what else [c for c in COMPONENTS if c in given.what]
    text, read = amalgamate(components)
    write(given.output, text)
    if given.depend:
        write(given.depend, f"{given.output}: {' '.join(read)}\n")


if __name__ == "__main__":
    main()
