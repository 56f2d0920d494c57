"""The pages a reader sees, README.md and docs/*.md, taken apart: fenced blocks, indented blocks, code within lines."""
import dataclasses
import pathlib
import re


@dataclasses.dataclass
class Block:
    page: pathlib.Path
    line: int  # of the first line of its text, from 1
    language: str  # what stands after the fence; "" for an indented block
    lines: list
    given: str = ""  # of the comment above it: <!-- given: ... -->

    @property
    def text(self):
        return "\n".join(self.lines) + "\n"

    @property
    def where(self):
        return f"{self.page}:{self.line}"


def blocks_of(page):
    """All code blocks of a page, and the page's lines with those of its fenced blocks made empty."""
    lines = pathlib.Path(page).read_text(encoding="utf-8").split("\n")
    rest, blocks, given, i = list(lines), [], "", 0
    while i < len(lines):
        fence = re.fullmatch(r"( *)```(\w*) *", lines[i])
        comment = re.fullmatch(r"<!-- given: (.*) -->", lines[i].strip())
        if fence:
            end = next((j for j in range(i + 1, len(lines)) if lines[j].strip() == "```"), None)
            if end is None:
                raise SystemExit(f"{page}:{i + 1}: expected the end of a block that begins here, found none")
            indent = len(fence[1])
            blocks.append(Block(page, i + 2, fence[2], [l[indent:] for l in lines[i + 1 : end]], given))
            rest[i : end + 1] = [""] * (end + 1 - i)
            i = end
        elif lines[i].startswith("    ") and (i == 0 or not lines[i - 1].strip()):
            end = i
            while end < len(lines) and lines[end].startswith("    "):
                end += 1
            blocks.append(Block(page, i + 1, "", [l[4:] for l in lines[i:end]]))
            i = end - 1
        given = comment[1] if comment else given if not lines[i].strip() else ""
        i += 1
    return blocks, rest


def read_pages(paths):
    return {p: blocks_of(p) for p in map(pathlib.Path, paths)}
