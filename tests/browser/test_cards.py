"""Cards: feedback acknowledged before it shows, undo, reasons and their evidence, pictures, hostile text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.chat import ask, card, panel, press, say, settled, titles

if TYPE_CHECKING:
    from tests.browser.conftest import Api

pytestmark = pytest.mark.browser

DOT = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
HOSTILE = (
    "<img src=x onerror=alert(1)> ![p](https://evil.test/a.png) [l](javascript:alert(2)) "
    "${alert(3)} {{constructor}} <script>alert(4)</script>"
)


class TestFeedback:
    def test_not_for_me_is_acknowledged_believed_and_heeded(self, page: Page) -> None:
        before = ask(page, "Recommend some wines")
        press(card(page, 0), "Not for me")
        expect(card(page, 0).get_by_text("Saved: not for me")).to_be_visible()
        expect(panel(page)).to_contain_text(before[0])
        after = ask(page, "Recommend some wines")
        assert len(after) == 5
        assert before[0] not in after

    @pytest.mark.parametrize(
        ("button", "done"),
        [("Like", "liked"), ("Seen it", "seen"), ("Save", "for later"), ("Not for me", "not for me")],
    )
    def test_each_is_taken_back(self, page: Page, button: str, done: str) -> None:
        before = ask(page, "Recommend some wines")
        press(card(page, 1), button)
        expect(card(page, 1).get_by_text(f"Saved: {done}")).to_be_visible()
        expect(panel(page)).to_contain_text("1 in the history")
        press(card(page, 1), "Undo")
        expect(card(page, 1).get_by_role("button", name=button)).to_be_visible()
        expect(panel(page)).to_contain_text("nothing known yet")
        assert ask(page, "Recommend some wines") == before

    def test_the_keyboard_goes_all_the_way(self, page: Page) -> None:
        say(page, "Recommend some wines")
        settled(page)
        card(page, 0).get_by_role("button", name="Like").focus()
        page.keyboard.press("Enter")
        expect(card(page, 0).get_by_role("button", name="Undo")).to_be_focused()
        page.keyboard.press("Space")
        expect(card(page, 0).get_by_role("button", name="Like")).to_be_visible()
        assert page.evaluate("document.activeElement.closest('.cr-card') !== null"), "focus stays on the card"

    def test_an_earlier_slate_can_still_be_judged(self, page: Page) -> None:
        ask(page, "Recommend some wines")
        ask(page, "Syrah wines, please")
        earlier = page.locator(".cr-turn").first.locator(".cr-card").nth(2)
        press(earlier, "Save")
        expect(earlier.get_by_text("Saved: for later")).to_be_visible()
        expect(panel(page)).to_contain_text("Saved for later")

    def test_a_press_during_the_answer_stays(self, page: Page, api: Api) -> None:
        api.engine.pause = 0.3
        try:
            say(page, "Recommend some wines")
            expect(page.locator(".cr-card")).to_have_count(5)
            press(card(page, 2), "Seen it")
            expect(card(page, 2).get_by_text("Saved: seen")).to_be_visible()
        finally:
            api.engine.pause = 0.0
        settled(page)
        expect(card(page, 2).get_by_text("Saved: seen")).to_be_visible()

    def test_what_was_not_stored_is_not_shown_as_done(self, page: Page, api: Api) -> None:
        ask(page, "Recommend some wines")
        api.stop()
        try:
            press(card(page, 0), "Like")
            expect(card(page, 0).get_by_text("Not saved")).to_be_visible()
        finally:
            api.start()
        press(card(page, 0), "Like")
        expect(card(page, 0).get_by_text("Saved: liked")).to_be_visible()

    def test_an_item_that_the_session_was_not_shown_cannot_be_judged(self, page: Page, api: Api) -> None:
        """Whatever a page's script is made to send: places beyond the slate do nothing, ids are not read."""
        ask(page, "Recommend some wines")
        shown = card(page, 0).get_by_role("button", name="Like")
        shown.evaluate("b => { b.dataset.place = '17'; b.dataset.item_id = 'w29'; b.dataset.itemId = 'w29'; }")
        shown.click()
        page.wait_for_timeout(500)
        expect(panel(page)).to_contain_text("nothing known yet")


class TestReasons:
    def test_a_card_opens_to_what_carried_it(self, page: Page) -> None:
        page.get_by_label("Who is speaking").click()
        page.get_by_role("option", name="drinker2").click()
        expect(panel(page)).to_contain_text("drinker2")
        ask(page, "Recommend some wines")
        press(card(page, 0), "Why?")
        evidence = card(page, 0).locator(".cr-evidence")
        expect(evidence.locator(".cr-carriers")).to_contain_text("which you liked")
        assert float(evidence.locator(".cr-carriers b").first.inner_text()) > 0
        expect(card(page, 0).get_by_role("button", name="Close")).to_have_attribute("aria-expanded", "true")
        press(card(page, 0), "Close")
        expect(page.locator(".cr-evidence")).to_have_count(0)

    def test_a_picture_of_its_own_is_shown_where_it_asks_no_other_host(self, page: Page, api: Api) -> None:
        for item_id, picture in (
            ("dot", DOT),
            ("far", "https://evil.test/poster.png"),
            ("far2", "//evil.test/x.png"),
        ):
            body = {"title": f"Pictured {item_id}", "attributes": {"grape": [f"Grape{item_id}"], "image": picture}}
            httpx.put(f"{api.url}/v1/items/{item_id}", json=body, trust_env=False).raise_for_status()
        try:
            ask(page, "Grapedot wines, please")
            expect(card(page, 0).locator("img.cr-picture")).to_have_attribute("src", DOT)
            for other in ("far", "far2"):
                ask(page, f"Grape{other} wines, please")
                expect(card(page, 0).locator("svg.cr-picture")).to_be_visible()
                expect(card(page, 0).locator("img")).to_have_count(0)
        finally:
            for item_id in ("dot", "far", "far2"):
                httpx.delete(f"{api.url}/v1/items/{item_id}", trust_env=False)


def test_a_hostile_title_is_inert(page: Page) -> None:
    hostile = "<b onmouseover=alert(1)>${7*7}</b> *Reserve*"
    shown = ask(page, "Show me 10 Chardonnay wines")
    assert hostile in shown
    one = card(page, shown.index(hostile))
    one.locator("h3").hover()
    assert one.locator("b").count() == one.locator("em").count() == 0
    press(one, "Like")
    expect(one.get_by_text("Saved: liked")).to_be_visible()
    expect(panel(page)).to_contain_text(hostile)
    ask(page, "Recommend some wines")
    expect(page.locator(".cr-card h3").filter(has_text=hostile)).to_be_visible()
    assert page.locator("[onmouseover]").count() == 0


def test_a_hostile_catalogue_is_inert(page: Page, api: Api) -> None:
    """HTML, templates, markdown's images and links, in titles, facets, messages and names: all of it is text."""
    body = {
        "title": HOSTILE,
        "attributes": {"grape": ["Zweigelt", "<i>Zweigelt</i>"], "price": 3, "image": "javascript:alert(5)"},
    }
    httpx.put(f"{api.url}/v1/items/evil", json=body, trust_env=False).raise_for_status()
    try:
        shown = ask(page, "Zweigelt wines, please")
        assert HOSTILE in shown
        one = card(page, shown.index(HOSTILE))
        expect(one.locator(".cr-facets")).to_contain_text("<i>Zweigelt</i>")
        assert one.locator("a, img, i:not([style]), script").count() == 0
        press(one, "Like")
        expect(one.get_by_text("Saved: liked")).to_be_visible()
        expect(panel(page)).to_contain_text(HOSTILE)
        assert panel(page).locator("a, img, script").count() == 0
        ask(page, HOSTILE)
        expect(page.locator(".cr-said").last).to_contain_text(HOSTILE)
        expect(page.locator(".cr-open")).to_have_count(1)
        assert page.locator(".cr-page a, .cr-page img, .cr-page script").count() == 0
        page.wait_for_timeout(300)  # an alert would be a fault of the context by now
        assert "alert" not in titles(page)
    finally:
        httpx.delete(f"{api.url}/v1/items/evil", trust_env=False)
