from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from tests.browser.accessibility import serious

if TYPE_CHECKING:
    from tests.browser.mounted.conftest import Operated

pytestmark = pytest.mark.browser

HOSTILE = "<b onmouseover=alert(1)>${7*7}</b> *Reserve*"


def _ask(tab: Page, operated: Operated, message: str, mixed: bool = False) -> None:
    tab.goto(f"{operated.pages}compare")
    expect(tab.get_by_label("Another version")).to_have_value("wines@2", timeout=20_000)
    if mixed:
        tab.get_by_label("Mixed").check()
    tab.get_by_label("Message").fill(message)
    tab.keyboard.press("Enter")


def _contests(operated: Operated, how: str) -> list[tuple[int, int, int]]:
    found = [of for of in operated.ask("GET", "/v1/stats")["contests"] if of["how"] == how]
    return [(of["wins"], of["losses"], of["ties"]) for of in found]


def test_a_vote_is_stored_and_only_then_told_whose_answers_they_were(tab: Page, operated: Operated) -> None:
    _ask(tab, operated, "a red one")
    expect(tab.get_by_role("heading", name="Answer A")).to_be_visible(timeout=20_000)
    for side in ("left", "right"):
        assert tab.locator(f"#cm-{side} li").count() == 6
        assert tab.locator(f"#cm-{side} p").inner_text().strip()
    assert "wines@" not in tab.locator("#cm-left").inner_text() + tab.locator("#cm-right").inner_text()
    assert _contests(operated, "votes") == []
    tab.get_by_role("button", name="B is better").click()
    outcome = tab.locator("#cm-outcome")
    expect(outcome).to_contain_text("Answer B: wines@")
    expect(tab.get_by_role("button", name="B is better")).to_have_count(0)
    first = "Answer B: wines@1" in outcome.inner_text()
    assert _contests(operated, "votes") == [(int(first), int(not first), 0)]
    tab.get_by_role("button", name="Ask both").click()
    tab.get_by_role("button", name="As good as each other").click(timeout=20_000)
    expect(outcome).to_contain_text("Stored.")
    assert _contests(operated, "votes") == [(int(first), int(not first), 1)]


def test_a_click_on_a_mixed_slate_decides(tab: Page, operated: Operated) -> None:
    _ask(tab, operated, "a Chardonnay", mixed=True)
    takes = tab.get_by_role("button", name="I would take")
    expect(takes).to_have_count(6, timeout=20_000)
    assert "wines@" not in tab.locator("main").inner_text().replace("wines@1\n", "")
    assert _contests(operated, "clicks") == []
    tab.get_by_role("button", name=f"I would take {HOSTILE}").click()
    outcome = tab.locator("#cm-outcome")
    expect(outcome).to_contain_text(f"{HOSTILE} was put there by wines@")
    assert tab.locator("[onmouseover]").count() == 0
    expect(takes).to_have_count(5)
    first = "by wines@1" in outcome.inner_text()
    assert _contests(operated, "clicks") == [(int(first), int(not first), 0)]


def test_what_cannot_be_compared_is_said(tab: Page, operated: Operated) -> None:
    tab.set_viewport_size({"width": 390, "height": 844})
    tab.goto(f"{operated.pages}compare")
    expect(tab.get_by_label("Another version")).to_have_value("wines@2", timeout=20_000)
    tab.get_by_label("Another version").click()
    tab.get_by_role("option", name="wines@1").click()
    tab.get_by_label("Message").fill("a red one")
    tab.get_by_role("button", name="Ask both").click()
    expect(tab.get_by_role("alert")).to_contain_text("the same version")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    tab.context.set_extra_http_headers({"accept-language": "zh"})
    tab.reload()
    expect(tab.get_by_role("button", name="同时提问")).to_be_enabled(timeout=20_000)
    assert tab.evaluate("document.documentElement.lang") == "zh"


@pytest.mark.parametrize("look", ["light", "dark"])
def test_no_serious_accessibility_violation(tab: Page, operated: Operated, axe: str, look: str) -> None:
    tab.emulate_media(color_scheme=look, reduced_motion="reduce")
    _ask(tab, operated, "a red one")
    tab.get_by_role("button", name="B is better").click(timeout=20_000)
    expect(tab.locator("#cm-outcome")).to_contain_text("Answer B: wines@")
    assert serious(tab, axe) == []
    _ask(tab, operated, "a Chardonnay", mixed=True)
    expect(tab.get_by_role("button", name="I would take")).to_have_count(6, timeout=20_000)
    assert serious(tab, axe) == []
