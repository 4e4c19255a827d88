from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Locator, Page, expect

if TYPE_CHECKING:
    from tests.browser.conftest import Api

pytestmark = pytest.mark.browser


def _say(page: Page, message: str) -> None:
    page.get_by_placeholder("What are you in the mood for?").fill(message)
    page.keyboard.press("Enter")


def _ask(page: Page, message: str) -> list[str]:
    """Say something, wait for the whole answer, and return the titles of the cards."""
    turns = page.locator(".cr-said").count()
    _say(page, message)
    expect(page.locator(".cr-said")).to_have_count(turns + 1)
    _settled(page)
    return _titles(page)


def _settled(page: Page) -> None:
    expect(page.get_by_role("button", name="Retry")).to_be_visible(timeout=20_000)


def _titles(page: Page) -> list[str]:
    """The titles on the cards, without their ranks."""
    return [re.sub(r"^\d+\s*", "", text) for text in page.locator(".cr-card h3").all_inner_texts()]


def _card(page: Page, index: int) -> Locator:
    return page.locator(".cr-slot").nth(index)


def _press(card: Locator, label: str) -> None:
    card.get_by_role("button", name=label).click()


class TestTalking:
    def test_cards_come_before_the_prose_has_ended_and_show_what_is_known(self, page: Page, api: Api) -> None:
        api.engine.pause = 0.3
        try:
            _say(page, "Riesling wines, please")
            expect(page.locator(".cr-card")).to_have_count(5)
            expect(page.get_by_role("button", name="Stop")).to_be_visible()
        finally:
            api.engine.pause = 0.0
        _settled(page)
        assert page.locator(".cr-prose").inner_text().strip()
        first = _card(page, 0).inner_text()
        assert re.search(r"\d+% match", first)
        assert re.search(r"\d+ · Riesling", first)
        assert page.locator(".cr-why").count() == 5

    def test_an_example_asks(self, page: Page) -> None:
        page.get_by_role("button", name="Show me 10 wines").click()
        expect(page.locator(".cr-card")).to_have_count(10)
        _settled(page)
        assert page.locator(".cr-said").inner_text() == "Show me 10 wines"
        expect(page.get_by_role("button", name="Show me 10 wines")).to_have_count(0)

    def test_twenty_cards(self, page: Page) -> None:
        assert len(set(_ask(page, "Show me 20 wines"))) == 20

    def test_stop_keeps_the_cards_and_retry_asks_again(self, page: Page, api: Api) -> None:
        api.engine.pause = 3.0
        try:
            _say(page, "Recommend some wines")
            expect(page.locator(".cr-card")).to_have_count(5)
            page.get_by_role("button", name="Stop").click()
            expect(page.get_by_text("Stopped.")).to_be_visible(timeout=2_500)
        finally:
            api.engine.pause = 0.0
        assert page.locator(".cr-card").count() == 5
        page.get_by_role("button", name="Retry").click()
        expect(page.get_by_text("Stopped.")).to_have_count(0)
        _settled(page)
        assert page.locator(".cr-said").count() == 1, "the answer was asked for again, not a second time"
        assert page.locator(".cr-prose").inner_text().strip()

    def test_a_new_conversation_is_empty_even_while_an_answer_streams(self, page: Page, api: Api) -> None:
        _ask(page, "Recommend some wines")
        api.engine.pause = 0.3
        try:
            _say(page, "more")
            expect(page.locator(".cr-said")).to_have_count(2)
            page.get_by_role("button", name="New conversation").click()
            expect(page.get_by_role("button", name="Recommend some wines")).to_be_visible()
        finally:
            api.engine.pause = 0.0
        page.wait_for_timeout(1500)
        assert page.locator(".cr-card").count() == page.locator(".cr-said").count() == 0

    def test_what_is_typed_while_an_answer_streams_stays(self, page: Page, api: Api) -> None:
        api.engine.pause = 0.3
        try:
            _say(page, "Recommend some wines")
            expect(page.locator(".cr-card")).to_have_count(5)
            page.get_by_placeholder("What are you in the mood for?").press_sequentially("and then", delay=60)
        finally:
            api.engine.pause = 0.0
        _settled(page)
        assert page.get_by_placeholder("What are you in the mood for?").input_value() == "and then"

    def test_a_slate_without_its_language_model_says_so(self, page: Page, api: Api) -> None:
        api.engine.fail = True
        try:
            assert len(_ask(page, "Recommend some wines")) == 5
            expect(page.get_by_text("Degraded:")).to_be_visible()
        finally:
            api.engine.fail = False


class TestFeedback:
    def test_not_for_me_is_acknowledged_believed_and_heeded(self, page: Page) -> None:
        before = _ask(page, "Recommend some wines")
        _press(_card(page, 0), "Not for me")
        expect(_card(page, 0).get_by_text("Saved: not for me")).to_be_visible()
        expect(page.locator(".cr-person")).to_contain_text(before[0])
        after = _ask(page, "Recommend some wines")
        assert len(after) == 5
        assert before[0] not in after

    def test_undo_takes_it_back(self, page: Page) -> None:
        before = _ask(page, "Recommend some wines")
        _press(_card(page, 1), "Like")
        expect(_card(page, 1).get_by_text("Saved: liked")).to_be_visible()
        expect(page.locator(".cr-person")).to_contain_text("1 in the history")
        _press(_card(page, 1), "Undo")
        expect(_card(page, 1).get_by_role("button", name="Like")).to_be_visible()
        expect(page.locator(".cr-person")).to_contain_text("nothing known yet")
        assert _ask(page, "Recommend some wines") == before

    def test_a_press_during_the_answer_stays(self, page: Page, api: Api) -> None:
        api.engine.pause = 0.3
        try:
            _say(page, "Recommend some wines")
            expect(page.locator(".cr-card")).to_have_count(5)
            _press(_card(page, 2), "Seen it")
            expect(_card(page, 2).get_by_text("Saved: seen")).to_be_visible()
        finally:
            api.engine.pause = 0.0
        _settled(page)
        expect(_card(page, 2).get_by_text("Saved: seen")).to_be_visible()

    def test_what_was_not_stored_is_not_shown_as_done(self, page: Page, api: Api) -> None:
        _ask(page, "Recommend some wines")
        api.stop()
        try:
            _press(_card(page, 0), "Like")
            expect(_card(page, 0).get_by_text("Not saved")).to_be_visible()
        finally:
            api.start()
        _press(_card(page, 0), "Like")
        expect(_card(page, 0).get_by_text("Saved: liked")).to_be_visible()


class TestPeople:
    def test_a_known_person_comes_with_what_is_believed(self, page: Page) -> None:
        _ask(page, "Recommend some wines")
        page.get_by_label("Who is speaking").click()
        page.get_by_role("option", name="drinker2").click()
        expect(page.locator(".cr-person")).to_contain_text("drinker2: 8 in the history")
        assert page.locator(".cr-card").count() == 0

    def test_a_name_can_be_typed_and_a_new_person_made(self, page: Page) -> None:
        picker = page.get_by_label("Who is speaking")
        picker.fill("<i>ann</i>")
        page.keyboard.press("Enter")
        expect(page.locator(".cr-person")).to_contain_text("<i>ann</i>: nothing known yet")
        picker.click()
        page.get_by_role("option", name="New person").click()
        expect(page.locator(".cr-person")).to_contain_text(re.compile(r"person-\w+: nothing known yet"))


def test_a_hostile_title_is_inert(page: Page) -> None:
    hostile = "<b onmouseover=alert(1)>${7*7}</b> *Reserve*"
    titles = _ask(page, "Show me 10 Chardonnay wines")
    assert hostile in titles
    card = _card(page, titles.index(hostile))
    card.locator("h3").hover()
    assert card.locator("b").count() == card.locator("em").count() == 0
    _press(card, "Like")
    expect(card.get_by_text("Saved: liked")).to_be_visible()
    expect(page.locator(".cr-person")).to_contain_text(hostile)
    _ask(page, "Recommend some wines")
    expect(page.locator(".cr-titles").filter(has_text=hostile)).to_be_visible()
    assert page.locator(".cr-titles [onmouseover]").count() == 0


def test_a_page_without_an_api_says_so_and_recovers(page: Page, api: Api) -> None:
    api.stop()
    try:
        _say(page, "Recommend some wines")
        expect(page.get_by_role("alert")).to_contain_text("does not answer")
        late = page.context.new_page()
        late.goto(page.url)
        expect(late.get_by_role("alert")).to_contain_text(f"The API at {api.url} does not answer")
    finally:
        api.start()
    expect(late.get_by_role("button", name="Recommend some wines")).to_be_visible(timeout=15_000)
    expect(late.get_by_role("alert")).to_have_count(0)
    assert len(_ask(late, "Recommend some wines")) == 5
    page.get_by_role("button", name="Retry").click()
    expect(page.locator(".cr-card")).to_have_count(5)
    _settled(page)


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_screen(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    _ask(page, "Recommend some wines")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    expect(_card(page, 0).get_by_role("button", name="Not for me")).to_be_in_viewport(ratio=0)
    assert page.get_by_role("button", name="Send").bounding_box() is not None
