#!/usr/bin/env python3
"""Opens pages of `gpunet report` in headless Chromium, on a large and on a small screen, light and dark, with and
without scripts, and uses them as people do.

    check_report_in_browser.py PAGE... [--screenshots FOLDER]
"""
import argparse
import pathlib
import sys

from browser import Browser, executable

SCREENS = {"light": (1100, False), "dark": (1100, True), "phone": (360, False)}

OVERLAPS = """
[...document.querySelectorAll('svg.plot')].filter(s => s.getClientRects().length).flatMap(svg => {
  const boxes = kind => [...svg.querySelectorAll(kind)].map(e => [e.textContent || kind, e.getBoundingClientRect()]);
  const names = boxes('.name'), marks = boxes('.pt .m'), found = [];
  const meet = (a, b, slack) => a.left + slack < b.right && b.left + slack < a.right &&
                                a.top + slack < b.bottom && b.top + slack < a.bottom;
  names.forEach(([name, box], i) => {
    for (const [other, b] of names.slice(i + 1)) if (meet(box, b, 2)) found.push(name + ' over ' + other);
    for (const [, b] of marks) if (meet(box, b, 4)) found.push(name + ' over a point');
  });
  return found;
})
"""


class Problems:
    def __init__(self):
        self.count = 0

    def expect(self, holds, what):
        if not holds:
            print(what)
            self.count += 1


def check_quiet(browser, url, where, problems):
    """Nothing is loaded but the page, nothing is complained of."""
    for request in browser.of("Network.requestWillBeSent"):
        problems.expect(request["request"]["url"].split("#")[0] == url, f"{where}: asks for {request['request']['url']}")
    for entry in browser.of("Log.entryAdded"):
        problems.expect(False, f"{where}: {entry['entry']['level']}: {entry['entry']['text']}")
    for exception in browser.of("Runtime.exceptionThrown"):
        problems.expect(False, f"{where}: {exception['exceptionDetails']['text']}")
    for call in browser.of("Runtime.consoleAPICalled"):
        problems.expect(False, f"{where}: console.{call['type']}")
    problems.expect(not browser.of("Page.javascriptDialogOpening"), f"{where}: a dialog opens")


def check_names(browser, where, problems):
    """Everything that can be focused says what it is."""
    browser.call("Accessibility.enable")
    for node in browser.call("Accessibility.getFullAXTree")["nodes"]:
        focusable = any(p["name"] == "focusable" and p["value"]["value"] for p in node.get("properties", []))
        role = node.get("role", {}).get("value")
        if focusable and not node.get("ignored") and role != "RootWebArea":
            problems.expect(node.get("name", {}).get("value"), f"{where}: a {role} without a name can be focused")
    browser.call("Accessibility.disable")


def check_screen(browser, url, name, script, problems):
    width, dark = SCREENS[name]
    where = f"{url.rsplit('/', 1)[-1]}, {name}{'' if script else ', no scripts'}"
    browser.open(url, width, 800, dark, script)
    get = browser.evaluate
    problems.expect(get("document.documentElement.scrollWidth") <= width, f"{where}: wider than the screen")
    problems.expect(get("document.body.getBoundingClientRect().height") > 600, f"{where}: hardly anything to see")
    ground = get("getComputedStyle(document.body).backgroundColor")
    problems.expect(ground == ("rgb(18, 21, 26)" if dark else "rgb(255, 255, 255)"), f"{where}: background {ground}")
    shown = "[...document.querySelectorAll('figure.view')].filter(f => f.getClientRects().length).length"
    views = get("document.querySelectorAll('figure.view').length")
    for view in range(views):
        if views > 1:
            get(f"document.querySelector('label[for=view-{view}]').click()")
        problems.expect(get(shown) == 1, f"{where}: {get(shown)} plots at once with choice {view}")
        drawings = get("[...document.querySelectorAll('svg.plot')].filter(s => s.closest('figure') "
                       "?.getClientRects().length).filter(s => s.getClientRects().length).length")
        problems.expect(drawings == 1, f"{where}: {drawings} drawings of choice {view}")
        for overlap in get(OVERLAPS):
            problems.expect(False, f"{where}: choice {view}: {overlap}")
    if views > 1:
        get("document.querySelector('label[for=view-0]').click()")
    check_names(browser, where, problems)
    button = get("document.getElementById('theme').getClientRects().length")
    problems.expect((button > 0) == script, f"{where}: the switch for light and dark is {'hidden' if script else 'dead'}")
    check_quiet(browser, url, where, problems)


def check_use(browser, url, problems):
    """The keyboard, the tooltip, the families, the switch."""
    where = url.rsplit("/", 1)[-1]
    get = browser.evaluate
    browser.open(url, 1100, 800)
    browser.press("Tab")
    problems.expect(get("document.activeElement.className") == "skip", f"{where}: Tab first reaches no skip link")
    stops = 0
    while stops < 60 and not get("!!document.activeElement.closest('.pt')"):
        browser.press("Tab")
        stops += 1
    problems.expect(stops < 60, f"{where}: Tab reaches no point")
    tip = "(t => t.hidden ? '' : t.textContent)(document.getElementById('tip'))"
    settle = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done())))"
    get(settle)  # the page scrolls there
    first = get(tip)
    problems.expect("top-1" in first, f"{where}: no tooltip at a focused point: {first!r}")
    outline = get("getComputedStyle(document.activeElement.querySelector('.ring')).strokeWidth")
    problems.expect(outline == "3px", f"{where}: a focused point is not marked: {outline}")
    browser.press("ArrowRight")
    get(settle)
    problems.expect(get(tip) not in ("", first), f"{where}: the arrow key stays where it was")
    near = get("""(() => { const t = document.getElementById('tip').getBoundingClientRect();
        const p = document.activeElement.querySelector('.ring').getBoundingClientRect();
        return Math.max(t.top - p.bottom, p.top - t.bottom) < 20; })()""")
    problems.expect(near, f"{where}: the tooltip is not where its point is")
    browser.press("Escape")
    problems.expect(get(tip) == "", f"{where}: Escape leaves the tooltip")
    inside = get("""(() => { for (const p of document.querySelectorAll('.view-0 .wide .pt')) {
        p.dispatchEvent(new MouseEvent('mouseover', {bubbles: true}));
        const b = document.getElementById('tip').getBoundingClientRect();
        if (b.left < 0 || b.right > innerWidth) return false; } return true; })()""")
    problems.expect(inside, f"{where}: a tooltip is cut off")
    if get("!!document.getElementById('family-1')"):
        faint = """[...document.querySelectorAll('.view-0 .wide .pt')]
            .filter(p => getComputedStyle(p).opacity < 0.5).length"""
        before = get(faint)
        get("document.querySelector('label[for=family-1]').click()")
        problems.expect(before == 0 and get(faint) > 0, f"{where}: choosing a family changes nothing")
    before = get("getComputedStyle(document.body).backgroundColor")
    get("document.getElementById('theme').click()")
    problems.expect(get("getComputedStyle(document.body).backgroundColor") != before, f"{where}: the switch is dead")
    check_quiet(browser, url, where, problems)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("pages", nargs="+", type=pathlib.Path)
    arguments.add_argument("--screenshots", type=pathlib.Path)
    a = arguments.parse_args()
    if not (path := executable()):
        print("skipped: no Chromium here (Debian's chromium)")
        return
    problems = Problems()
    with Browser(path) as browser:
        for page in a.pages:
            url = page.resolve().as_uri()
            for name in SCREENS:
                for script in (True, False):
                    check_screen(browser, url, name, script, problems)
                if a.screenshots:
                    a.screenshots.mkdir(parents=True, exist_ok=True)
                    browser.screenshot(a.screenshots / f"{page.stem}-{name}.png")
            browser.open(url, 1100, 800)
            if browser.evaluate("!!document.querySelector('.pt')"):
                check_use(browser, url, problems)
    print(f"{len(a.pages)} pages used, {problems.count} problems")
    sys.exit(problems.count > 0)


main()
