#!/usr/bin/env python3
"""What the pages say one can type, and where they point, exists.

    check_pages.py --program GPUNET PAGE...

- Each `gpunet COMMAND --option`, in a block or within a line, and each option by itself that begins a table's row: the
  command and the option are in the program's --help. (A program without the GPU backend has no `plan`: left out.)
- Each ```json block, and each R"(...)" of a C++ block that begins as JSON does: parses, and where it is a whole network
  or model, the program reads it and knows all its keys. JSON in an indented block is an error: nobody would check it.
- Each link to a file of this project: the file is there, and so is the heading it names.
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True  # pages.py is beside this file, in the source tree
from pages import read_pages  # noqa: E402

OPTIONAL_COMMANDS = {"plan"}
found = {"command": 0, "JSON text": 0, "link": 0}
errors = []


class Program:
    def __init__(self, path):
        self.path, self.known = path, {}

    def help(self, *command):
        """(subcommands, options) of the program or of one of its commands."""
        if command not in self.known:
            run = subprocess.run([self.path, *command, "--help"], capture_output=True, text=True, timeout=60)
            if run.returncode != 0:
                raise SystemExit(f"gpunet {' '.join(command)} --help: exit status {run.returncode}: {run.stderr}")
            _, _, tail = run.stdout.partition("\nSubcommands:\n")
            options = set(re.findall(r"^ {2}(?:-\w,)?(--[\w-]+)", run.stdout, re.MULTILINE))
            options |= set(re.findall(r"^ {2}(-\w),--", run.stdout, re.MULTILINE))
            self.known[command] = (set(re.findall(r"^ {2}(\w+)", tail, re.MULTILINE)), options)
        return self.known[command]

    def all_options(self):
        options = set(self.help()[1])
        for command in self.help()[0]:
            options |= self.help(command)[1]
            for part in self.help(command)[0]:
                options |= self.help(command, part)[1]
        return options


def check_command(program, text, where):
    """`text` is what follows "gpunet "."""
    words = re.split(r" {2,}| [#>&|;]|\]$", text)[0].replace("[", " ").replace("]", " ").split()
    if not words:
        return
    found["command"] += 1
    commands, options = program.help()
    if words[0] in OPTIONAL_COMMANDS - commands:
        print(f"{where}: left out: gpunet {text}: this program has no GPU backend")
        return
    paths = [()]
    if not words[0].startswith("-") and words[0] != "COMMAND":
        if words[0] not in commands:
            errors.append(f"{where}: gpunet has no command {words[0]}")
            return
        paths = [(words[0],)]
        if program.help(words[0])[0]:
            paths = [(words[0], part) for part in (words[1] if len(words) > 1 else "").split("|")]
            for path in paths:
                if path[1] not in program.help(words[0])[0]:
                    errors.append(f"{where}: gpunet {words[0]} has no command {path[1] or '(none given)'}")
                    return
    for path in paths:
        known = options | program.help(*path)[1]
        for word in words:
            option = re.match(r"--?[a-z][\w-]*", word)
            if option and option[0] not in known:
                errors.append(f"{where}: gpunet {' '.join(path)} has no option {option[0]}")


def check_commands(program, page, blocks, rest):
    for block in blocks:
        if block.language not in ("", "sh"):
            continue
        for i, line in enumerate(block.lines):
            if line.startswith("gpunet "):
                check_command(program, line[7:], f"{page}:{block.line + i}")
    for i, line in enumerate(rest):
        if line.startswith("    "):
            continue
        for span in re.findall(r"`([^`]+)`", line):
            if span.startswith("gpunet "):
                check_command(program, span[7:], f"{page}:{i + 1}")
        for option in re.findall(r"^\| `(--[\w-]+)", line):
            found["command"] += 1
            if option not in program.all_options():
                errors.append(f"{page}:{i + 1}: no command of gpunet has an option {option}")


def check_json(program, text, where):
    found["JSON text"] += 1
    try:
        value = json.loads(text)
    except ValueError as e:
        errors.append(f"{where}: not JSON: {e}")
        return
    layers = value.get("network") if isinstance(value, dict) else value
    if not isinstance(layers, list) or not layers or layers[0].get("layer_type") != "data":
        return
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "network.json")
        file.write_text(text, encoding="utf-8")
        run = subprocess.run([program.path, "show", str(file)], capture_output=True, text=True, timeout=60)
        if run.returncode != 0 or run.stderr:
            errors.append(f"{where}: {run.stderr.strip().replace(str(file), 'the network')}")


def anchors(page):
    """Of the page's headings, as they are shown on the web."""
    headings = re.findall(r"^#+ +(.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


def check_links(page, rest):
    for i, line in enumerate(rest):
        if line.startswith("    "):
            continue
        for target in re.findall(r"\]\(([^)\s]+)\)", line):
            if re.match(r"\w+:", target):
                continue
            found["link"] += 1
            file, _, anchor = target.partition("#")
            to = page.parent / file if file else page
            if not to.exists():
                errors.append(f"{page}:{i + 1}: no file {target}")
            elif anchor and anchor not in anchors(to):
                errors.append(f"{page}:{i + 1}: {to} has no heading #{anchor}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("pages", nargs="+")
    a = parser.parse_args()
    program = Program(a.program)
    for page, (blocks, rest) in read_pages(a.pages).items():
        check_commands(program, page, blocks, rest)
        check_links(page, rest)
        for b in blocks:
            if b.language == "json":
                check_json(program, b.text, b.where)
            elif b.language == "cpp":
                for m in re.finditer(r'R"\((\s*[\[{].*?)\)"', b.text, re.DOTALL):
                    check_json(program, m[1], f"{page}:{b.line + b.text[: m.start()].count(chr(10))}")
            elif b.language == "" and re.match(r'[\[{]\s*["\[{]', b.text):
                errors.append(f"{b.where}: JSON in an indented block: put it between ```json and ```")
    for what, count in found.items():
        if not count:
            errors.append(f"expected at least one {what} in the pages, found none")
    if errors:
        sys.exit("\n".join(errors))
    print(", ".join(f"{count} {what}s" for what, count in found.items()) + ": all right")


if __name__ == "__main__":
    main()
