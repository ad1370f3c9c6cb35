"""Open pages in headless Chromium: no error on the console, no broken image, no broken link or anchor.

`python tests/browser.py PATH ...`, each a page or a folder of pages. Without Chromium and its driver it says so and
ends well: a machine without a browser can still check everything else.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = "return document.readyState === 'complete' && [...document.images].every(image => image.complete)"
LOOK = """
const broken = [...document.images].filter(image => image.naturalWidth === 0);
return {
  images: broken.map(image => image.currentSrc.slice(0, 200) || image.alt),
  wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
};
"""
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--allow-file-access-from-files",
    "--window-size=1280,1600",
)


class Reader(HTMLParser):
    """Collects what a page links to and what in it can be linked to."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the links and the names of a tag."""
        for name, value in attrs:
            if name == "href" and tag == "a" and value:
                self.links.append(value)
            if name == "id" or (name == "name" and tag == "a"):
                self.anchors.add(value or "")


def broken_links(pages: Iterable[Path]) -> Iterator[str]:
    """Yield what is wrong with the links between files."""
    read = {page: Reader(page) for page in pages}
    for page, reader in read.items():
        for link in reader.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            if not target.exists():
                yield f"{page}: broken link: {link}"
            elif parts.fragment and target in read and unquote(parts.fragment) not in read[target].anchors:
                yield f"{page}: no such place: {link}"


def pages_of(paths: list[str]) -> Iterator[Path]:
    """Yield every page in the folders, and the pages that were named."""
    for path in map(Path, paths):
        yield from sorted(path.resolve().rglob("*.html")) if path.is_dir() else [path.resolve()]


def main(paths: list[str]) -> int:
    """Check the pages; return the exit status."""
    browser = next(filter(None, map(shutil.which, CHROMIUM)), None)
    driver = shutil.which("chromedriver")
    if browser is None or driver is None:
        sys.stdout.write(
            "pages not opened: no Chromium with its driver here (Debian: apt-get install chromium-driver)\n"
        )
        return 0
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.support.wait import WebDriverWait

    options = ChromeOptions()
    options.binary_location = browser
    for argument in OPTIONS:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    pages = list(pages_of(paths))
    complaints = list(broken_links(pages))
    with tempfile.TemporaryDirectory() as profile:
        options.add_argument(f"--user-data-dir={profile}")
        chrome = Chrome(options=options, service=Service(driver))
        try:
            for page in pages:
                chrome.get(page.as_uri())
                WebDriverWait(chrome, 30).until(lambda driver: driver.execute_script(LOADED))
                look = chrome.execute_script(LOOK)
                errors = [entry["message"] for entry in chrome.get_log("browser") if entry["level"] == "SEVERE"]
                complaints += [f"{page}: console: {error}" for error in errors]
                complaints += [f"{page}: broken image: {image}" for image in look["images"]]
                if look["wide"] > 0:
                    complaints.append(f"{page}: {look['wide']} px wider than the window")
        finally:
            chrome.quit()
    for complaint in complaints:
        sys.stdout.write(complaint + "\n")
    sys.stdout.write(f"{len(pages)} pages opened, {len(complaints)} complaints\n")
    return 1 if complaints or not pages else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
