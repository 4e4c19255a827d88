"""Talking: slates, prose, stopping, asking again, what could come next, several conversations, no API."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chat import ask, card, latest, message_box, press, say, settled, titles

if TYPE_CHECKING:
    from tests.browser.conftest import Api, Watched

pytestmark = pytest.mark.browser


class TestTalking:
    def test_cards_come_before_the_prose_has_ended_and_show_what_is_known(self, page: Page, api: Api) -> None:
        api.engine.pause = 0.3
        try:
            say(page, "Riesling wines, please")
            expect(page.locator(".cr-card")).to_have_count(5)
            expect(page.get_by_role("button", name="Stop")).to_be_visible()
        finally:
            api.engine.pause = 0.0
        settled(page)
        assert page.locator(".cr-prose").inner_text().strip()
        first = card(page, 0).inner_text()
        assert re.search(r"\d+% match", first)
        assert re.search(r"\d+ · Riesling", first)
        assert page.locator(".cr-why").count() == 5
        assert page.locator(".cr-prose").bounding_box()["y"] > card(page, 4).bounding_box()["y"]

    def test_an_example_asks(self, page: Page) -> None:
        page.get_by_role("button", name="Show me 10 wines").click()
        expect(page.locator(".cr-card")).to_have_count(10)
        settled(page)
        assert page.locator(".cr-said").inner_text().endswith("Show me 10 wines")
        expect(page.get_by_role("button", name="Show me 10 wines", exact=True)).to_have_count(0)

    def test_twenty_cards(self, page: Page) -> None:
        assert len(set(ask(page, "Show me 20 wines"))) == 20

    def test_stop_keeps_the_cards_and_retry_asks_again(self, page: Page, api: Api) -> None:
        api.engine.pause = 3.0
        try:
            say(page, "Recommend some wines")
            expect(page.locator(".cr-card")).to_have_count(5)
            page.get_by_role("button", name="Stop").click()
            expect(page.get_by_text("Stopped.")).to_be_visible(timeout=2_500)
        finally:
            api.engine.pause = 0.0
        assert page.locator(".cr-card").count() == 5
        page.get_by_role("button", name="Retry").click()
        expect(page.get_by_text("Stopped.")).to_have_count(0)
        settled(page)
        assert page.locator(".cr-said").count() == 1, "the answer was asked for again, not a second time"
        assert page.locator(".cr-prose").inner_text().strip()

    def test_an_edited_message_takes_the_place_of_the_old_one_on_the_server_too(self, page: Page) -> None:
        ask(page, "Syrah wines, please")
        page.get_by_role("button", name="Edit").click()
        expect(message_box(page)).to_have_value("Syrah wines, please")
        expect(message_box(page)).to_be_focused()
        expect(page.locator(".cr-said")).to_have_count(0)
        message_box(page).fill("Malbec wines, please")
        page.keyboard.press("Enter")
        settled(page)
        assert all("Malbec" in title for title in titles(page))
        page.get_by_role("button", name="New conversation").click()
        expect(page.locator(".cr-open")).to_have_text("Malbec wines, please")
        page.locator(".cr-open").click()
        expect(page.locator(".cr-said")).to_have_count(1)

    def test_suggestions_follow_from_the_slate_and_are_understood(self, page: Page) -> None:
        before = ask(page, "Recommend some wines")
        chips = page.get_by_role("group", name="Suggestions").get_by_role("button")
        expect(chips.get_by_text("more like 2")).to_be_visible()
        said = chips.all_inner_texts()
        assert {"dearer", "cheaper"} & set(said)
        page.get_by_role("button", name="show me others", exact=True).click()
        expect(page.locator(".cr-said")).to_have_count(2)
        settled(page)
        assert not set(before) & set(titles(page))

    def test_what_is_typed_while_an_answer_streams_stays(self, page: Page, api: Api) -> None:
        api.engine.pause = 0.3
        try:
            say(page, "Recommend some wines")
            expect(page.locator(".cr-card")).to_have_count(5)
            message_box(page).press_sequentially("and then", delay=60)
        finally:
            api.engine.pause = 0.0
        settled(page)
        assert message_box(page).input_value() == "and then"

    def test_a_slate_without_its_language_model_says_so(self, page: Page, api: Api) -> None:
        api.engine.fail = True
        try:
            assert len(ask(page, "Recommend some wines")) == 5
            expect(page.get_by_text("Degraded:")).to_be_visible()
        finally:
            api.engine.fail = False


class TestConversations:
    def test_a_new_one_is_empty_even_while_an_answer_streams(self, page: Page, api: Api) -> None:
        ask(page, "Recommend some wines")
        api.engine.pause = 0.3
        try:
            say(page, "more")
            expect(page.locator(".cr-said")).to_have_count(2)
            page.get_by_role("button", name="New conversation").click()
            expect(page.get_by_role("button", name="Recommend some wines", exact=True)).to_be_visible()
        finally:
            api.engine.pause = 0.0
        page.wait_for_timeout(1500)
        assert page.locator(".cr-card").count() == page.locator(".cr-said").count() == 0

    def test_an_old_one_is_opened_with_its_cards_marks_and_wishes_and_goes_on(self, page: Page) -> None:
        before = ask(page, "Syrah wines, please")
        prose = page.locator(".cr-prose").inner_text()
        press(card(page, 1), "Like")
        expect(card(page, 1).get_by_text("Saved: liked")).to_be_visible()
        page.get_by_role("button", name="New conversation").click()
        expect(page.locator(".cr-card")).to_have_count(0)
        page.get_by_role("button", name="Open the conversation “Syrah wines, please”").click()
        expect(page.locator(".cr-card")).to_have_count(5)
        assert titles(page) == before
        assert page.locator(".cr-prose").inner_text() == prose
        expect(card(page, 1).get_by_text("Saved: liked")).to_be_visible()
        expect(page.get_by_role("button", name="Take back: Syrah")).to_be_visible()
        press(card(page, 1), "Undo")
        expect(card(page, 1).get_by_role("button", name="Like")).to_be_visible()
        assert all("Syrah" in title for title in ask(page, "under 25"))

    def test_one_is_renamed_and_deleted_by_keyboard(self, page: Page) -> None:
        ask(page, "Recommend some wines")
        page.get_by_role("button", name="Rename “Recommend some wines”").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_label("Name", exact=True)).to_be_focused()
        page.keyboard.type("Friday <b>night</b>")
        page.keyboard.press("Enter")
        expect(page.locator(".cr-open")).to_have_text("Friday <b>night</b>")
        page.get_by_role("button", name="Rename “Friday").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_label("Name", exact=True)).to_be_focused()
        page.keyboard.press("Escape")
        expect(page.locator(".cr-open")).to_have_text("Friday <b>night</b>")
        page.get_by_role("button", name="Delete “Friday").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name="Delete", exact=True)).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator(".cr-open")).to_have_count(0)
        expect(page.locator(".cr-said")).to_have_count(0)


class TestPeople:
    def test_a_known_person_comes_with_what_is_believed(self, page: Page) -> None:
        ask(page, "Recommend some wines")
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


def test_a_page_without_an_api_says_so_and_recovers(page: Page, api: Api) -> None:
    api.stop()
    try:
        say(page, "Recommend some wines")
        expect(latest(page).get_by_role("alert")).to_contain_text("does not answer")
        late = page.context.new_page()
        late.goto(page.url)
        expect(late.get_by_role("alert")).to_contain_text(f"The API at {api.url} does not answer")
    finally:
        api.start()
    expect(late.get_by_role("button", name="Recommend some wines")).to_be_visible(timeout=15_000)
    expect(late.get_by_role("alert")).to_have_count(0)
    assert len(ask(late, "Recommend some wines")) == 5
    page.get_by_role("button", name="Retry").click()
    expect(page.locator(".cr-card")).to_have_count(5)
    settled(page)


def test_the_page_speaks_chinese_to_a_browser_that_does(watched: Watched, home: str) -> None:
    page = watched.open(locale="zh-CN").new_page()
    page.goto(home)
    expect(page.get_by_placeholder("你现在想要什么？")).to_be_visible()
    expect(page.get_by_role("button", name="发送")).to_be_visible()
    assert page.evaluate("document.documentElement.lang") == "zh"
    page.get_by_placeholder("你现在想要什么？").fill("推荐")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="重试")).to_be_visible(timeout=20_000)
    press(card(page, 0), "喜欢")
    expect(card(page, 0).get_by_text("已保存：喜欢")).to_be_visible()
    expect(page.locator(".cr-person")).to_contain_text("历史记录 1 条")
