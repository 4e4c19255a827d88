"""What a person does on the chat page, for the tests that watch them."""

import re

from playwright.sync_api import Locator, Page, expect

PLACEHOLDER = "What are you in the mood for?"


def message_box(page: Page) -> Locator:
    return page.get_by_placeholder(PLACEHOLDER)


def say(page: Page, message: str) -> None:
    message_box(page).fill(message)
    page.keyboard.press("Enter")


def ask(page: Page, message: str) -> list[str]:
    """Say something, wait for the whole answer, and return the titles of the latest cards."""
    turns = page.locator(".cr-said").count()
    say(page, message)
    expect(page.locator(".cr-said")).to_have_count(turns + 1)
    settled(page)
    return titles(page)


def settled(page: Page) -> None:
    expect(page.get_by_role("button", name="Retry")).to_be_visible(timeout=20_000)


def latest(page: Page) -> Locator:
    """The latest turn."""
    return page.locator(".cr-turn[data-number]")


def titles(page: Page) -> list[str]:
    """The titles on the latest cards, without their ranks."""
    shown = latest(page).locator(".cr-card h3").all_inner_texts()
    return [re.sub(r"^\d+\s*", "", text) for text in shown]


def card(page: Page, index: int) -> Locator:
    return latest(page).locator(".cr-card").nth(index)


def press(shown: Locator, label: str) -> None:
    shown.get_by_role("button", name=label).click()


def panel(page: Page) -> Locator:
    """What the system thinks of the person."""
    return page.locator(".cr-person")
