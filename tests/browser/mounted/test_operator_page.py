from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from tests.browser.accessibility import serious

if TYPE_CHECKING:
    from tests.browser.mounted.conftest import Operated

pytestmark = pytest.mark.browser

HOSTILE = "<b onmouseover=alert(1)>${7*7}</b> *Reserve*"


def _open(tab: Page, operated: Operated) -> None:
    tab.goto(f"{operated.pages}operator")
    tab.get_by_label("Admin key").fill(operated.admin)
    tab.keyboard.press("Enter")
    expect(tab.get_by_role("heading", name="Turns and how long they take")).to_be_visible(timeout=20_000)


def _heard(operated: Operated) -> None:
    """Slates, and feedback on them: on the wine with a hostile title too."""
    for person in ("person-a", "person-b"):
        asked = {"user_id": person, "candidates": ["w29", "w01", "w07"]}
        slate = operated.ask("POST", "/v1/recommendations", json=asked)
        for kind, item_id in (("like", "w29"), ("dislike", "w01")):
            event = {"user_id": person, "type": kind, "item_id": item_id, "impression_id": slate["impression_id"]}
            operated.ask("POST", "/v1/feedback", json=event)


def test_the_key_opens_this_tab_alone_until_it_is_forgotten(tab: Page, operated: Operated) -> None:
    tab.goto(f"{operated.pages}operator")
    tab.get_by_label("Admin key").fill("convrec-wrong")
    tab.get_by_role("button", name="Open").click()
    expect(tab.get_by_role("alert")).to_contain_text("this API key is not known")
    tab.get_by_label("Admin key").fill(operated.page)
    tab.get_by_role("button", name="Open").click()
    expect(tab.get_by_role("alert")).to_contain_text("this needs the scope admin")
    assert tab.get_by_role("button", name="Promote").count() == 0
    _open(tab, operated)
    tab.reload()
    expect(tab.get_by_role("button", name="Promote")).to_be_visible(timeout=20_000)
    assert tab.evaluate("JSON.stringify({...localStorage}) + document.cookie").find(operated.admin) == -1
    other = tab.context.new_page()
    other.goto(f"{operated.pages}operator")
    expect(other.get_by_label("Admin key")).to_be_visible(timeout=20_000)
    expect(other.get_by_role("button", name="Promote")).to_have_count(0)
    other.close()
    tab.get_by_role("button", name="Forget the key").click()
    expect(tab.get_by_label("Admin key")).to_be_visible()
    tab.reload()
    expect(tab.get_by_label("Admin key")).to_be_visible(timeout=20_000)
    expect(tab.get_by_role("button", name="Promote")).to_have_count(0)


def test_it_shows_what_happened_and_what_it_led_to(tab: Page, operated: Operated) -> None:
    _heard(operated)
    _open(tab, operated)
    stages = tab.get_by_role("table", name="Stages of the last 1,000 slates")
    expect(stages.get_by_role("row", name=re.compile(r"ranking .*ms"))).to_be_visible()
    led = tab.get_by_role("table", name="What slates led to")
    expect(led.get_by_role("row", name=re.compile(r"base 2 2 100\.0 \[\d+\.\d, 100\.0\]"))).to_be_visible()
    latest = tab.get_by_role("table", name="Latest feedback")
    expect(latest.get_by_role("row", name=f"person-b like {HOSTILE}")).to_be_visible()
    assert tab.locator("[onmouseover]").count() == 0
    expect(tab.locator("canvas, svg.marks")).to_have_count(3)  # times, slates, and match of what asked nothing
    _heard(operated)
    expect(latest.get_by_role("row", name="dislike")).to_have_count(4, timeout=20_000)  # by itself
    tab.get_by_label("Versions of").click()
    tab.get_by_role("option", name="the prompt").click()
    expect(led.get_by_role("row", name="rank.v3 4")).to_be_visible()


def test_a_training_is_started_followed_and_cancelled(tab: Page, operated: Operated) -> None:
    _open(tab, operated)
    tab.get_by_label("Name of the adapter").fill("<u>")
    tab.get_by_role("button", name="Start training").click()
    expect(tab.get_by_role("alert")).to_contain_text("name")
    plots = tab.locator("canvas, svg.marks").count()
    tab.get_by_label("Name of the adapter").fill("quick")
    tab.get_by_role("button", name="Start training").click()
    bar = tab.get_by_role("progressbar", name="Progress of the training")
    expect(bar).to_be_visible()
    expect(tab.locator("#op-progress")).to_contain_text("Training on <b>12</b> examples: loss 0.4")
    expect(tab.locator("canvas, svg.marks")).to_have_count(plots + 1)
    jobs = tab.get_by_role("table", name="The last trainings")
    ended = jobs.get_by_role("row", name="quick/1 operator done no <i>gain</i>")
    expect(ended).to_be_visible(timeout=20_000)
    expect(bar).to_be_hidden()
    tab.get_by_label("Name of the adapter").fill("forever")
    tab.get_by_role("button", name="Start training").click()
    expect(bar).to_be_visible()
    tab.reload()  # it is followed again, whoever started it
    expect(bar).to_be_visible(timeout=20_000)
    tab.get_by_role("button", name="Cancel training").click()
    expect(jobs.get_by_role("row", name="forever operator cancelled")).to_be_visible(timeout=20_000)
    expect(tab.get_by_role("button", name="Start training")).to_be_enabled()


def test_adapters_are_judged_promoted_and_rolled_back(tab: Page, operated: Operated) -> None:
    _open(tab, operated)
    shelf = tab.get_by_role("table", name="Adapter versions")
    verdict = tab.locator("#op-verdict")
    expect(verdict).to_contain_text("it is <i>worse</i>")
    expect(verdict.get_by_role("row", name="+0.0027 [+0.0012, +0.0043]")).to_be_visible()
    tab.get_by_role("button", name="Promote").click()
    expect(tab.get_by_role("alert")).to_contain_text("wines/3")
    tab.get_by_label("Version", exact=True).click()
    tab.get_by_role("option", name="wines/2").click()
    expect(verdict).to_contain_text("wines/2 accepted")
    tab.get_by_role("button", name="Promote").click()
    expect(shelf.get_by_role("row", name="wines/2 accepted active")).to_be_visible()
    expect(tab.get_by_role("alert")).to_have_count(0)
    assert [a["active"] for a in operated.ask("GET", "/v1/adapters")["data"]] == [False, True, False]
    tab.get_by_role("button", name="Roll back").click()
    expect(shelf.get_by_role("row", name="active")).to_have_count(0)
    assert not any(a["active"] for a in operated.ask("GET", "/v1/adapters")["data"])


def test_a_phone_shows_all_of_it_in_the_browser_s_language(tab: Page, operated: Operated) -> None:
    tab.context.set_extra_http_headers({"accept-language": "zh-CN,zh;q=0.9"})
    tab.set_viewport_size({"width": 390, "height": 844})
    tab.goto(f"{operated.pages}operator")
    tab.get_by_label("管理员密钥").fill(operated.admin)
    tab.get_by_role("button", name="打开").click()
    expect(tab.get_by_role("heading", name="对话轮次与耗时")).to_be_visible(timeout=20_000)
    expect(tab.get_by_role("button", name="开始训练")).to_be_visible()
    assert tab.evaluate("document.documentElement.lang") == "zh"
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("look", ["light", "dark"])
def test_no_serious_accessibility_violation(tab: Page, operated: Operated, axe: str, look: str) -> None:
    tab.emulate_media(color_scheme=look, reduced_motion="reduce")
    tab.goto(f"{operated.pages}operator")
    expect(tab.get_by_label("Admin key")).to_be_visible(timeout=20_000)
    assert serious(tab, axe) == []
    _heard(operated)
    _open(tab, operated)
    expect(tab.locator("#op-verdict")).to_contain_text("it is <i>worse</i>")
    assert serious(tab, axe) == []
