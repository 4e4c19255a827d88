"""OpenAI's url_citation annotations: where a reply names an item with an address. Owns which addresses count."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from pydantic import BaseModel

from convrec.service.views import SlateView

_ATTRIBUTE = "url"
_LONGEST = 2_000  # characters


class Citation(BaseModel):
    """A stretch of the reply, [start_index, end_index), and the address of what it names."""

    start_index: int
    end_index: int
    title: str
    url: str


def citations(text: str, slate: SlateView) -> tuple[Citation, ...]:
    """Every place where a reply names an item of its slate whose attribute `url` is an http or https address."""
    addresses: dict[str, str] = {}
    for recommendation in slate.recommendations:
        if address := _address(recommendation.attributes.get(_ATTRIBUTE)):
            addresses.setdefault(recommendation.title, address)
    # All titles, the longest first: inside of "Toy Story 2" nobody means "Toy Story".
    titles = sorted({r.title for r in slate.recommendations if r.title}, key=len, reverse=True)
    return tuple(_cited(titles, addresses, text)) if addresses else ()


def _cited(titles: list[str], addresses: dict[str, str], text: str) -> Iterator[Citation]:
    for match in re.finditer("|".join(map(re.escape, titles)), text):
        title = match.group()
        if title in addresses:
            start, end = match.span()
            yield Citation(start_index=start, end_index=end, title=title, url=addresses[title])


def _address(value: object) -> str | None:
    """An address that a client may show as a link."""
    if not isinstance(value, str) or len(value) > _LONGEST or not value.isprintable() or " " in value:
        return None
    try:
        parts = urlsplit(value)
    except ValueError:
        return None
    return value if parts.scheme in ("http", "https") and parts.hostname else None
