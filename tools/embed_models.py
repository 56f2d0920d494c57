#!/usr/bin/env python3
"""Writes include/gpunet/hub/builtin_models.hpp from models/*.json. --check: only say whether it is up to date."""

import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = ROOT / "include/gpunet/hub/builtin_models.hpp"
PIECE = 12000  # bytes per string literal; some compilers stop at 65,536


def literal(text):
    pieces = [text[i : i + PIECE] for i in range(0, len(text), PIECE)]
    assert ')json"' not in text and text.isascii()
    return "\n     ".join(f'R"json({piece})json"' for piece in pieces)


def view(document):
    """The document as a string_view; with its length, for compilers that count so many characters themselves give up."""
    compact = json.dumps(document, separators=(",", ":"))
    return f"{{{literal(compact)}, {len(compact)}}}"


def header():
    entries = []
    for path in sorted((ROOT / "models").glob("*.json")):
        model = json.loads(path.read_text())
        goldens = model.pop("goldens", [])
        entries.append(f'    {{"models/{path.name}",\n     {view(model)},\n     {view(goldens)}}},')
    return (
        "// Generated from models/ by tools/embed_models.py; do not edit.\n"
        "// clang-format off\n"
        "#pragma once\n\n"
        "#include <array>\n"
        "#include <string_view>\n\n"
        "namespace gpunet::detail {\n\n"
        "struct builtin_model {\n"
        "    std::string_view file;\n"
        "    std::string_view text;    // but for its goldens\n"
        "    std::string_view goldens; // a list\n"
        "};\n\n"
        f"inline constexpr std::array<builtin_model, {len(entries)}> builtin_models = {{{{\n"
        + "\n".join(entries)
        + "\n}};\n\n} // namespace gpunet::detail\n"
    )


def main():
    text = header()
    if "--check" in sys.argv[1:]:
        if not TARGET.exists() or TARGET.read_text() != text:
            sys.exit(f"{TARGET.relative_to(ROOT)} is stale: run tools/embed_models.py")
        return
    TARGET.write_text(text)


if __name__ == "__main__":
    main()
