"""Takes the README's screenshots from a running demo with Chromium: `python scripts/screenshots.py`.

Needs playwright (the extra `dev`) and a Chromium on the PATH. It talks as a person of the demo, then takes back
what it pressed and deletes what it said. PNGs of more than 300 KB are refused: they would weigh on every clone.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

OUT = Path(__file__).parent / "reports" / "screenshots"
LARGEST = 300_000  # bytes
PATIENCE_MS = 180_000
DESKTOP, PHONE = {"width": 1360, "height": 860}, {"width": 390, "height": 844}


def main() -> None:
    """Read the flags and take them all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000/ui/", help="the chat page of a running demo")
    parser.add_argument("--operator", default="", help="the operator's page; not taken where empty")
    parser.add_argument("--user", default="405", help="who speaks")
    parser.add_argument("--message", default="something like Alien but funnier")
    parser.add_argument("--out", type=Path, default=OUT)
    flags = parser.parse_args()
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        parser.error("no Chromium is on the PATH (Debian: apt-get install chromium)")
    flags.out.mkdir(parents=True, exist_ok=True)

    def talk(page: Page) -> Page:
        return _talk(page, flags.user, flags.message)

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        _take(browser, flags.url, flags.out / "desktop.png", talk, viewport=DESKTOP)
        _take(browser, flags.url, flags.out / "dark.png", talk, viewport=DESKTOP, color_scheme="dark")
        phone = {"viewport": PHONE, "is_mobile": True, "has_touch": True, "device_scale_factor": 2}
        _take(browser, flags.url, flags.out / "phone.png", talk, **phone)
        _take(browser, flags.url, flags.out / "newcomer.png", _meet, viewport=DESKTOP)
        if flags.operator:
            _take(
                browser,
                flags.url,
                flags.out / "operator.png",
                lambda page: _operate(talk(page), flags.operator),
                viewport=DESKTOP,
            )
        browser.close()


def _take(browser: Browser, url: str, file: Path, show: Callable[[Page], Page], **options: object) -> None:
    """One screenshot of a browser session of its own, of the page that `show` ends on."""
    context = browser.new_context(**options)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(url)
    show(page).screenshot(path=file)
    _take_back(page)
    context.close()
    size = file.stat().st_size
    print(f"{file.name}: {size / 1000:.0f} KB")
    if size > LARGEST:
        raise SystemExit(f"{file} has more than {LARGEST} bytes; take a smaller one")


def _take_back(page: Page) -> None:
    """Leaves the ledger's profile and list of conversations as they were."""
    for undo in page.get_by_role("button", name="Undo").all():
        undo.click()
        undo.wait_for(state="detached")
    for _ in range(page.locator(".cr-starter[aria-pressed=true]").count()):
        page.locator(".cr-starter[aria-pressed=true]").first.click()
        page.wait_for_timeout(500)
    if page.locator(".cr-open[aria-current]").count():
        _open_drawer(page)
        page.locator("li:has(> .cr-open[aria-current]) [data-act=deleting]").click()
        page.locator("[data-act=delete-yes]").click()
        page.locator(".cr-said").wait_for(state="detached")


def _open_drawer(page: Page) -> None:
    """On a small screen the list of conversations is behind a button."""
    way = page.get_by_role("button", name="Conversations")
    if way.is_visible():
        way.click()


def _talk(page: Page, user: str, message: str) -> Page:
    """An answer with a card liked and the reasons of another opened."""
    page.locator(".cr-chip").first.wait_for()
    _open_drawer(page)
    picker = page.get_by_label("Who is speaking")
    picker.fill(user)
    page.keyboard.press("Enter")
    page.locator(".cr-person").filter(has_text=f"{user}:").wait_for(state="attached")
    page.keyboard.press("Escape")
    page.locator(".cr-message textarea").fill(message)
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Retry").wait_for()
    cards = page.locator(".cr-card")
    cards.nth(0).get_by_role("button", name="Why?").click()
    cards.nth(0).locator(".cr-carriers").wait_for()
    page.get_by_text("Looking at what carried it").wait_for(state="detached")
    cards.nth(1).get_by_role("button", name="Like").click()
    cards.nth(1).get_by_role("button", name="Undo").wait_for()
    return _settled(page)


def _meet(page: Page) -> Page:
    """A newcomer who has tapped two things."""
    for place in (0, 3):
        starter = page.locator(".cr-starter").nth(place)
        starter.click()
        page.locator(f"[data-key=starter-{place}] [aria-pressed=true]").wait_for()
    return _settled(page)


def _operate(chat: Page, url: str) -> Page:
    """The operator's page beside a conversation that is still there; plots take a while to be drawn."""
    page = chat.context.new_page()
    page.goto(url)
    page.wait_for_timeout(8_000)
    return _settled(page)


def _settled(page: Page) -> Page:
    page.evaluate("window.scrollTo(0, 0)")
    page.mouse.move(2, 2)
    page.wait_for_timeout(700)
    return page


if __name__ == "__main__":
    main()
