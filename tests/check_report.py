#!/usr/bin/env python3
"""Checks pages of `gpunet report` without a browser: well formed, self-contained, accessible.

    check_report.py PAGE...
"""
import base64
import hashlib
import re
import sys
import xml.etree.ElementTree as tree
from html.parser import HTMLParser

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
# What may stand in a page at all; anything else, an <img> that came from a name, say, is an injection.
ELEMENTS = set("""html head meta title style body a header div h1 button p strong ol li span nav ul main section h2 h3
    fieldset legend input label figure svg desc g path circle text rect figcaption details summary table caption thead
    tbody tr th td small em code dl dt dd footer script""".split())


class Nesting(HTMLParser):
    """Elements as a browser sees them, which need not be as XML has them."""

    def __init__(self):
        super().__init__()
        self.open, self.problems = [], []

    def handle_starttag(self, tag, attributes):
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        if tag not in VOID and "svg" not in self.open:
            self.problems.append(f"<{tag}/> does not end there in HTML")

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"</{tag}> ends something else")


def contrast(a, b):
    def luminance(colour):
        channels = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
        r, g, b = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def check_colours(style):
    """Text and marks on each ground, in each set of colours: at least 4.5."""
    sets = [dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block)) for block in re.findall(r"{([^{}]*--page:[^{}]*)}", style)]
    if len(sets) != 4 or any(s.keys() != sets[0].keys() for s in sets):
        yield f"expected four sets of the same colours (light, dark twice, print), found {[len(s) for s in sets]}"
        return
    for colours in sets:
        for name in ["text", "soft", "link", "flag"] + [f"s{i}" for i in range(8)]:
            for ground in ("page", "card"):
                ratio = contrast(colours[name], colours[ground])
                if ratio < 4.5:
                    yield f"--{name} on --{ground}: contrast {ratio:.2f}, expected at least 4.5"


def check(text):
    """Yields what is wrong with a page."""
    nesting = Nesting()
    nesting.feed(text)
    yield from nesting.problems
    if nesting.open:
        yield f"not closed: {nesting.open}"
    if not text.startswith("<!DOCTYPE html>\n"):
        yield "no doctype"
    page = tree.fromstring(text.split("\n", 1)[1])
    parents = {child: parent for parent in page.iter() for child in parent}
    everything = list(page.iter())

    for e in everything:
        if e.tag not in ELEMENTS:
            yield f"<{e.tag}> has no place in a report"
        for name in e.attrib:
            if name.startswith("on") or name in ("style", "src", "srcset", "action", "formaction", "http", "ping"):
                yield f"<{e.tag} {name}>: nothing may run, load or be styled by an attribute"
        link = e.get("href")
        if link is not None and (e.tag != "a" or not re.fullmatch(r"#[\w-]+|https://arxiv\.org/abs/[\d.]+", link)):
            yield f"<{e.tag} href={link}>"
    style, script = [page.findall(f".//{tag}") for tag in ("style", "script")]
    if len(style) != 1 or len(script) != 1:
        yield f"expected one style sheet and one script, found {len(style)} and {len(script)}"
        return
    if re.search(r"url\(|@import|//", style[0].text):
        yield "the style sheet loads something"
    if re.search(r"fetch|XMLHttpRequest|import|WebSocket|https?:|innerHTML|eval", script[0].text):
        yield "the script loads or runs something"
    yield from check_colours(style[0].text)

    policy = page.find(".//meta[@http-equiv='Content-Security-Policy']").get("content")
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    for rule, element in (("style-src", style[0]), ("script-src", script[0])):
        digest = base64.b64encode(hashlib.sha256(element.text.encode()).digest()).decode()
        if rules[rule] != f"'sha256-{digest}'":
            yield f"{rule}: expected sha256-{digest}, found {rules[rule]}"
    if rules["default-src"] != "'none'":
        yield "default-src: expected 'none'"

    ids = [e.get("id") for e in everything if e.get("id")]
    for twice in {i for i in ids if ids.count(i) > 1}:
        yield f"id {twice} stands twice"
    for e in everything:
        named = (e.get("aria-labelledby") or "").split() + ([e.get("for")] if e.get("for") else [])
        named += [e.get("href")[1:]] if (e.get("href") or "").startswith("#") else []
        for i in named:
            if i not in ids:
                yield f"<{e.tag}> refers to #{i}, which is not there"

    headings = [(int(e.tag[1]), "".join(e.itertext())) for e in everything if re.fullmatch(r"h\d", e.tag)]
    if [level for level, _ in headings].count(1) != 1 or headings[0][0] != 1:
        yield "expected one h1, first"
    for (before, _), (level, heading) in zip(headings, headings[1:]):
        if level > before + 1:
            yield f"heading {heading!r} skips a level"
    for tag in ("header", "main", "footer", "nav"):
        if len(page.findall(f".//{tag}")) != 1:
            yield f"expected one <{tag}>"
    if page.get("lang") != "en" or page.find("body")[0].get("class") != "skip":
        yield "no language or no skip link first"

    for table in page.iter("table"):
        if table.find("caption") is None or not "".join(table.find("caption").itertext()).strip():
            yield "a table without a caption"
        for cell in table.iter("th"):
            if cell.get("scope") not in ("row", "col"):
                yield "a <th> without its scope"
        columns = len(table.find("thead/tr"))
        for row in table.find("tbody"):
            if len(row) != columns or row[0].tag != "th":
                yield f"a row of {len(row)} cells in a table of {columns}, or without a heading"
    for svg in page.iter("svg"):
        if svg.get("aria-hidden") == "true":
            continue
        if [child.tag for child in svg[:2]] != ["title", "desc"] or not svg[0].text or not svg[1].text:
            yield "an <svg> without title and desc"
        for number in re.findall(r'(?:nan|inf)', " ".join(v for e in svg.iter() for k, v in e.attrib.items()
                                                         if k in ("d", "x", "y", "cx", "cy", "width", "viewBox"))):
            yield f"{number} in a drawing"
        for point in svg.findall(".//g[@tabindex]"):
            if point.get("role") != "img" or point.find("title") is None:
                yield "a point that does not say what it is"
    for choice in page.iter("input"):
        if choice.get("type") != "radio" or page.find(f".//label[@for='{choice.get('id')}']") is None:
            yield "a choice without its label"
    if [e for e in page.iter("fieldset") if e[0].tag != "legend" or parents[e].tag == "form"]:
        yield "a <fieldset> without its legend"


def main():
    failed = False
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8") as file:
            for problem in check(file.read()):
                print(f"{path}: {problem}")
                failed = True
    if len(sys.argv) < 2:
        sys.exit("usage: check_report.py PAGE...")
    print(f"{len(sys.argv) - 1} pages checked")
    sys.exit(failed)


main()
