"""Looks at the reports of a folder with Chromium, without a window: see tests/browser/run.

    check.py CHROMIUM FOLDER [--pictures]

Every file, light and dark, 400 and 1400 pixels wide: nothing goes wrong in it, nothing is asked of a
network, nothing is wider than the page, every text stands out from what is behind it (4.5:1, WCAG 2.1),
and Tab reaches all that can be used, in its order. Then what each kind can do. With --pictures they
stay in the folder. Python's standard library alone.
"""

import base64
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

WIDTHS, THEMES = (400, 1400), ("light", "dark")


class Browser:
    """Chromium's DevTools protocol over two pipes: JSON, each ended by a zero byte."""

    def __init__(self, program):
        self.profile = tempfile.TemporaryDirectory()
        to_browser, self.out = os.pipe()
        self.into, from_browser = os.pipe()
        # The browser reads from descriptor 3 and writes to 4.
        self.process = subprocess.Popen(
            ["sh", "-c", f'exec "$@" 3<&{to_browser} 4>&{from_browser}', "sh", program, "--headless",
             "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
             "--disable-background-networking", "--remote-debugging-pipe",
             f"--user-data-dir={self.profile.name}", "about:blank"],
            pass_fds=(to_browser, from_browser), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)
        self.rest, self.number, self.session, self.events = b"", 0, None, []
        targets = self("Target.getTargets")["targetInfos"]
        page = next(target for target in targets if target["type"] == "page")
        self.session = self("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self(f"{domain}.enable")

    def read(self):
        while b"\0" not in self.rest:
            more = os.read(self.into, 1 << 16)
            if not more:
                raise RuntimeError("the browser has ended")
            self.rest += more
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def __call__(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.write(message)
        while True:
            answer = self.read()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def write(self, message):
        text = json.dumps(message).encode() + b"\0"
        while text:
            text = text[os.write(self.out, text):]

    def js(self, expression):
        result = self("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def open(self, path, width, theme):
        self("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        self("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
        self.events.clear()
        self("Page.navigate", url=path.as_uri())
        for _ in range(600):
            if self.js("document.readyState === 'complete' && location.protocol === 'file:'"):
                break
            time.sleep(0.05)

    def key(self, key, code=None, text=None, virtual=0):
        extra = {"text": text} if text else {}
        for kind in ("keyDown", "keyUp"):
            self("Input.dispatchKeyEvent", type=kind, key=key, code=code or key, windowsVirtualKeyCode=virtual,
                 **(extra if kind == "keyDown" else {}))

    def click(self, x, y):
        self("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        for kind in ("mousePressed", "mouseReleased"):
            self("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def picture(self, path):
        size = self("Page.getLayoutMetrics")["cssContentSize"]
        image = self("Page.captureScreenshot", captureBeyondViewport=True,
                     clip={"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 6000), "scale": 1})
        path.write_bytes(base64.b64decode(image["data"]))

    def close(self):
        self("Browser.close")
        self.process.wait(timeout=30)
        self.profile.cleanup()


# Texts that do not stand out: each with its colours and their contrast.
CONTRAST = r"""(() => {
    const parse = (text) => { const n = (text.match(/[\d.]+/g) || []).map(Number); return [n[0], n[1], n[2], n.length > 3 ? n[3] : 1]; };
    const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
    const light = (c) => [0.2126, 0.7152, 0.0722].reduce((sum, weight, i) => {
        const share = c[i] / 255;
        return sum + weight * (share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4);
    }, 0);
    const opacity = (element) => { let all = 1; for (; element; element = element.parentElement) all *= Number(getComputedStyle(element).opacity); return all; };
    // What an element paints: a shape its fill, anything else its background.
    const paint = (element) => {
        const style = getComputedStyle(element);
        if (element instanceof SVGGeometryElement) {
            if (style.fill === "none") return null;
            const colour = parse(style.fill);
            colour[3] *= Number(style.fillOpacity) * opacity(element);
            return colour;
        }
        return element instanceof SVGElement ? null : parse(style.backgroundColor);
    };
    const bad = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node; (node = walker.nextNode());) {
        const element = node.parentElement;
        if (!node.textContent.trim() || ["SCRIPT", "STYLE", "NOSCRIPT", "OPTION"].includes(element.tagName) || !element.getClientRects().length) continue;
        element.scrollIntoView({ block: "center", behavior: "instant" });
        const range = document.createRange();
        range.selectNodeContents(node);
        const box = range.getBoundingClientRect(), x = box.left + box.width / 2, y = box.top + box.height / 2;
        if (x < 0 || y < 0 || x >= innerWidth || y >= innerHeight) continue;
        const stack = document.elementsFromPoint(x, y), at = stack.indexOf(element);
        // Scrolled out of a box, or behind something: nobody sees it there.
        if (at < 0 && !element.closest("svg")) continue;
        const clip = element.closest(".scroll, .chart");
        if (clip) { const c = clip.getBoundingClientRect(); if (x < c.left || x > c.right || y < c.top || y > c.bottom) continue; }
        const layers = [];
        for (const below of stack.slice(Math.max(0, at))) {
            const colour = paint(below);
            if (colour) { layers.push(colour); if (colour[3] >= 0.999) break; }
        }
        let background = getComputedStyle(document.documentElement).colorScheme && parse(getComputedStyle(document.body).backgroundColor);
        for (const layer of layers.reverse()) background = over(layer, background);
        const style = getComputedStyle(element);
        const ink = parse(element instanceof SVGElement ? style.fill : style.color);
        ink[3] *= opacity(element);
        const colour = over(ink, background);
        const [a, b] = [light(colour), light(background)].sort((p, q) => q - p);
        const contrast = (a + 0.05) / (b + 0.05);
        if (contrast < 4.5) bad.push(`'${node.textContent.trim().slice(0, 40)}': ${contrast.toFixed(2)}, ${colour.map(Math.round)} on ${background.map(Math.round)}`);
    }
    document.querySelectorAll(".scroll").forEach((box) => box.scrollTo(0, 0));
    scrollTo(0, 0);
    return [...new Set(bad)].slice(0, 10);
})()"""

# Whatever can be used, as Tab should reach it.
TABBABLE = r"""window.tabbable = () => [...document.querySelectorAll("a[href], button, input, select, summary, [tabindex='0']")]
    .filter((e) => !e.disabled && e.getClientRects().length && e.tabIndex >= 0)"""

# Things that can be clicked and that no key reaches.
MOUSE_ONLY = r"""[...document.querySelectorAll("*")].filter((e) => e.onclick && e.tabIndex < 0 &&
    !(e.parentNode.querySelector(":scope > [tabindex='0']")) && !["A", "BUTTON", "INPUT", "SELECT", "SUMMARY"].includes(e.tagName)).length"""


class Check:
    def __init__(self):
        self.failures = 0

    def __call__(self, right, what):
        if not right:
            self.failures += 1
            print(f"browser: {what}")


def check_everything(browser, check, path, width, theme):
    where = f"{path.name}, {width} pixels, {theme}"
    browser.open(path, width, theme)
    for event in browser.events:
        kind, said = event.get("method"), event.get("params", {})
        if kind == "Runtime.exceptionThrown":
            check(False, f"{where}: {said['exceptionDetails'].get('exception', {}).get('description', said)}")
        elif kind == "Log.entryAdded" and said["entry"]["level"] in ("error", "warning"):
            check(False, f"{where}: {said['entry']['text']}")
        elif kind == "Runtime.consoleAPICalled":
            check(False, f"{where}: the console says {said['args']}")
        elif kind == "Network.requestWillBeSent":
            url = said["request"]["url"]
            check(url.startswith("data:") or url == path.as_uri(), f"{where}: asks for {url[:100]}")
    wide = browser.js("document.documentElement.scrollWidth")
    check(wide <= width, f"{where}: is {wide} pixels wide")
    for text in browser.js(CONTRAST):
        check(False, f"{where}: does not stand out: {text}")
    check(browser.js("typeof hacked") == "undefined", f"{where}: a name was taken for a script")


def check_keys(browser, check, path):
    browser.open(path, 1400, "light")
    browser.js(TABBABLE)
    count = browser.js("tabbable().length")
    browser.js("document.activeElement.blur(); scrollTo(0, 0); window.seen = []")
    for _ in range(count):
        browser.key("Tab", virtual=9)
        browser.js("seen.push(document.activeElement)")
    missed = browser.js("tabbable().filter((e) => !seen.includes(e)).map((e) => e.outerHTML.slice(0, 90))")
    check(not missed, f"{path.name}: Tab does not reach {missed[:3]}")
    ordered = browser.js("seen.every((e, i) => i === 0 || seen[i - 1].compareDocumentPosition(e) & 4)")
    check(ordered, f"{path.name}: Tab goes in another order than the page")
    check(browser.js(MOUSE_ONLY) == 0, f"{path.name}: something can be clicked that no key reaches")
    unnamed = browser.js("tabbable().filter((e) => !(e.textContent.trim() || e.getAttribute('aria-label') || "
                         "e.getAttribute('aria-labelledby') || e.labels && e.labels.length)).map((e) => e.outerHTML.slice(0, 90))")
    check(not unnamed, f"{path.name}: has no name: {unnamed[:3]}")


def check_mapping(browser, check, path):
    browser.open(path, 1400, "light")
    # Arrows go through the timeline, Enter picks: in all three views.
    browser.js("document.querySelector('#timeline-chart .item[tabindex=\"0\"]').focus()")
    before = browser.js("document.activeElement.getAttribute('aria-label')")
    browser.key("ArrowRight", virtual=39)
    after = browser.js("document.activeElement.getAttribute('aria-label')")
    check(before and after and before != after, f"{path.name}: an arrow leads nowhere in the timeline")
    browser.js("document.querySelector('#layers-table button.plain[type=button]').closest('table').querySelector('tbody button').focus()")
    browser.key("Enter", code="Enter", text="\r", virtual=13)
    for chart in ("#timeline-chart", "#graph-chart", "#layers-table"):
        check(browser.js(f"document.querySelectorAll('{chart} .selected').length") > 0,
              f"{path.name}: a picked layer is not marked in {chart}")
    # A box under the pointer says what it is.
    x, y, name = browser.js("(() => { const item = document.querySelector('#timeline-chart .item');"
                            "item.scrollIntoView({block: 'center'}); const box = item.querySelector('rect').getBoundingClientRect();"
                            "return [box.left + box.width / 2, box.top + box.height / 2, item.getAttribute('aria-label')]; })()")
    time.sleep(0.2)  # scrolling puts it away
    browser("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    said = browser.js("document.getElementById('tip').hidden ? '' : document.querySelector('#tip b').textContent")
    check(said and name.startswith(said), f"{path.name}: the tooltip of '{name}' says '{said}'")
    # Zooming changes the timeline, and a plain wheel does not.
    axis = "document.querySelector('#timeline-chart .axis').textContent"
    whole = browser.js(axis)
    browser.js("document.querySelector('#timeline-tools button').click()")
    check(browser.js(axis) != whole, f"{path.name}: + does not zoom")
    browser.js("document.querySelector('#timeline-tools button:last-child').click()")
    check(browser.js(axis) == whole, f"{path.name}: the whole does not come back")
    # Filter and sort.
    rows = "[...document.querySelectorAll('#layers-table tbody tr')].filter((row) => !row.hidden)"
    names = f"{rows}.map((row) => row.querySelector('button').textContent)"
    first = browser.js(names)
    find = "(text) => { const find = document.getElementById('find'); find.value = text; find.dispatchEvent(new Event('input')); }"
    browser.js(f"({find})({json.dumps(first[-1])})")
    check(first[-1] in browser.js(names) and len(browser.js(names)) < max(2, len(first)),
          f"{path.name}: the filter leaves {browser.js(names)}")
    browser.js(f"({find})('')")
    browser.js("document.querySelectorAll('#layers-table thead button')[4].click()")
    times = browser.js(f"{rows}.map((row) => Number(row.cells[4].textContent.replace(/,/g, '')))")
    check(times == sorted(times), f"{path.name}: sorted by duration the rows are {times[:8]}")


def check_front(browser, check, path):
    browser.open(path, 1400, "light")
    where = "document.getElementById('where').textContent"
    layers = "document.getElementById('layers-table').textContent"
    before, table = browser.js(where), browser.js(layers)
    x, y = browser.js("(() => { const dots = [...document.querySelectorAll('#front-chart .dot')];"
                      "const dot = dots.sort((a, b) => a.getBoundingClientRect().left - b.getBoundingClientRect().left)[0];"
                      "dot.scrollIntoView({block: 'center'}); const box = dot.getBoundingClientRect();"
                      "return [box.left + box.width / 2, box.top + box.height / 2]; })()")
    browser.click(x, y)
    check(browser.js(where) != before, f"{path.name}: a click on a point does not open it: {browser.js(where)}")
    check(browser.js(layers) != table, f"{path.name}: a click on a point leaves the old table")
    check(browser.js("document.querySelectorAll('#timeline-chart .box').length") > 0, f"{path.name}: no timeline")
    opened = browser.js(where)
    browser.js("document.querySelector('#front-chart .item[tabindex=\"0\"]').focus()")
    for _ in range(5):
        browser.key("ArrowRight", virtual=39)
    browser.key("Enter", code="Enter", text="\r", virtual=13)
    check(browser.js(where) != opened, f"{path.name}: keys do not open another point than {opened}")


def check_validation(browser, check, path):
    browser.open(path, 1400, "light")
    check(browser.js("document.querySelectorAll('#validation-chart .diagonal').length") == 1, f"{path.name}: no diagonal")
    browser.js("document.querySelectorAll('#validation-mappings tbody button')[1].click()")
    check(browser.js("document.getElementById('validation-of').textContent") != "Layers of chosen",
          f"{path.name}: another mapping's layers do not open")


def check_sweep(browser, check, path):
    browser.open(path, 1400, "light")
    answer = "document.getElementById('sweep-answer').textContent"
    chosen = "document.querySelectorAll('#sweep-chart .dot.selected').length"
    slide = "(to) => { const slider = document.querySelector('#sweep-sliders input'); slider.value = to; slider.dispatchEvent(new Event('input')); }"
    before = browser.js(answer)
    check("us" in before and "proven" in before, f"{path.name}: the first answer is {before}")
    browser.js(f"({slide})(2)")
    check(browser.js(answer) != before, f"{path.name}: a slider changes nothing: {before}")
    check(browser.js(chosen) == 1, f"{path.name}: {browser.js(chosen)} points are chosen")
    slid = browser.js(answer)
    x, y = browser.js("(() => { const dot = document.querySelector('#sweep-chart .dot:not(.selected)');"
                      "dot.scrollIntoView({block: 'center'}); const box = dot.getBoundingClientRect();"
                      "return [box.left + box.width / 2, box.top + box.height / 2]; })()")
    browser.click(x, y)
    check(browser.js(answer) != slid, f"{path.name}: a click on a point does not choose it")
    check(browser.js("document.getElementById('sweep-file').textContent").startswith("hetmap: mapping/1"),
          f"{path.name}: no mapping")
    rows = "[...document.querySelectorAll('#cells-table tbody tr')].filter((row) => !row.hidden).length"
    check(browser.js(rows) == 72, f"{path.name}: {browser.js(rows)} cells")
    browser.js("(() => { const find = document.getElementById('find-cells'); find.value = 'refused'; find.dispatchEvent(new Event('input')); })()")
    check(browser.js(rows) == 24, f"{path.name}: {browser.js(rows)} cells are refused")


def main():
    folder, pictures = pathlib.Path(sys.argv[2]).resolve(), "--pictures" in sys.argv
    browser, check = Browser(sys.argv[1]), Check()
    files = sorted(folder.glob("*.html"))
    for path in files:
        for theme in THEMES:
            for width in WIDTHS:
                check_everything(browser, check, path, width, theme)
                if pictures:
                    browser.picture(path.with_name(f"{path.stem}-{width}-{theme}.png"))
        check_keys(browser, check, path)
        if path.stem in ("map", "front", "hostile", "validate"):
            check_mapping(browser, check, path)
        if path.stem == "front":
            check_front(browser, check, path)
        if path.stem == "sweep":
            check_sweep(browser, check, path)
        if path.stem == "validate":
            check_validation(browser, check, path)
    browser.close()
    print(f"browser: {len(files)} reports, {check.failures} faults")
    return 1 if check.failures or not files else 0


sys.exit(main())
