"""What it thinks of you: words and plot, chips to take back, import, export, forgetting; and the first meeting."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chat import ask, card, panel, press, settled, titles

if TYPE_CHECKING:
    from tests.browser.conftest import Api

pytestmark = pytest.mark.browser


class TestPanel:
    def test_leanings_are_told_and_drawn(self, page: Page) -> None:
        page.get_by_label("Who is speaking").click()
        page.get_by_role("option", name="drinker2").click()
        expect(panel(page)).to_contain_text("You lean towards")
        plot = panel(page).get_by_role("img")
        expect(plot).to_have_attribute("aria-label", re.compile(r"\+0\.\d\d"))
        assert plot.locator("rect").count() >= 2

    def test_an_opinion_is_taken_back_by_its_chip(self, page: Page) -> None:
        title = ask(page, "Recommend some wines")[0]
        press(card(page, 0), "Like")
        page.get_by_role("button", name=f"Take back: {title}").click()
        expect(panel(page)).to_contain_text("nothing known yet")
        expect(card(page, 0).get_by_role("button", name="Like")).to_be_visible()

    def test_a_wish_is_taken_back_by_its_chip(self, page: Page) -> None:
        assert all("Malbec" in title for title in ask(page, "Malbec wines, please"))
        page.get_by_role("button", name="Take back: Malbec").click()
        expect(page.get_by_role("button", name="Take back: Malbec")).to_have_count(0)
        assert not all("Malbec" in title for title in ask(page, "show me wines"))

    def test_a_history_is_imported_and_bad_rows_are_told(self, page: Page, tmp_path: Path) -> None:
        file = tmp_path / "history.csv"
        file.write_text("item_id,rating,note\nw00,5,x\nw01,1,y\nw99,4,z\n", encoding="utf-8")
        page.locator(".cr-data input[type=file]").set_input_files(file)
        expect(page.get_by_text("2 rows imported.")).to_be_visible()
        expect(page.get_by_text("1 row was left out:")).to_be_visible()
        expect(page.get_by_text(re.compile(r"row 3: .*w99"))).to_be_visible()
        expect(panel(page)).to_contain_text("2 in the history")
        file = tmp_path / "other.csv"
        file.write_bytes(b"\xff\xfe\x00 no csv")
        page.locator(".cr-data input[type=file]").set_input_files(file)
        expect(page.get_by_text("This is no CSV file in UTF-8.")).to_be_visible()

    def test_everything_can_be_taken_out_and_forgotten(self, page: Page, api: Api) -> None:
        ask(page, "Recommend some wines")
        press(card(page, 0), "Like")
        expect(panel(page)).to_contain_text("1 in the history")
        user_id = re.search(r"person-\w+", panel(page).inner_text())[0]
        with page.expect_download() as download:
            page.get_by_role("button", name="Download my data").click()
        assert download.value.suggested_filename == f"{user_id}.json"
        told = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
        assert {event["kind"] for event in told["events"]} == {"feedback", "turn", "impression", "reply"}
        page.get_by_role("button", name="Forget me").click()
        page.get_by_role("button", name="Keep it").click()
        assert api.slot.get().ledger.events(user_id)
        page.get_by_role("button", name="Forget me").click()
        page.get_by_role("button", name="Remove everything").click()
        expect(page.get_by_text("4 events removed.")).to_be_visible()
        expect(panel(page)).not_to_contain_text(user_id)
        expect(page.locator(".cr-card")).to_have_count(0)
        assert not api.slot.get().ledger.events(user_id)


class TestBeginning:
    def test_a_newcomer_taps_what_they_like_and_the_first_answer_knows(self, page: Page) -> None:
        starters = page.locator(".cr-starter")
        expect(starters).to_have_count(12)
        told = starters.locator("span[aria-hidden]:not(.cr-tick)").all_inner_texts()
        assert len({title.removesuffix(" Reserve").split()[2] for title in told[:5]}) >= 4, "they are unlike"
        title = starters.nth(0).locator("span[aria-hidden]").first.inner_text()
        starters.nth(0).click()
        expect(starters.nth(0)).to_have_attribute("aria-pressed", "true")
        starters.nth(3).click()
        expect(page.get_by_role("button", name="Go on with 2 wines")).to_be_visible()
        starters.nth(3).click()
        expect(starters.nth(3)).to_have_attribute("aria-pressed", "false")
        page.get_by_role("button", name="Go on with 1 wine").click()
        settled(page)
        assert title not in titles(page)
        expect(panel(page)).to_contain_text("1 in the history")
        expect(page.locator(".cr-why").first).to_contain_text(title)

    def test_it_can_be_skipped(self, page: Page) -> None:
        page.get_by_role("button", name="Skip", exact=True).click()
        expect(page.locator(".cr-starter")).to_have_count(0)
        assert len(ask(page, "Recommend some wines")) == 5

    def test_nobody_known_is_asked(self, page: Page) -> None:
        page.get_by_label("Who is speaking").click()
        page.get_by_role("option", name="drinker1").click()
        expect(panel(page)).to_contain_text("drinker1")
        expect(page.locator(".cr-starter")).to_have_count(0)
