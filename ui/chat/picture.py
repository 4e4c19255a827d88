"""The picture of a card: the item's own where it needs no other host, else one drawn from title and genre."""

from __future__ import annotations

import re
from hashlib import blake2b

from ui.markup import Html, tag

_OWN = re.compile(r"data:image/(?:png|jpeg|gif|webp|avif|svg\+xml)[;,]|/(?![/\\])[^\s\\]*$")
_W, _H = 72, 96
_STOP = frozenset(("the", "a", "an", "of", "and", "la", "le", "el", "il", "der", "die", "das"))


def is_own(address: str) -> bool:
    """Whether a picture is part of its address, or on the page's own host: no other one is asked."""
    return _OWN.match(address) is not None


def picture_html(title: str, kind: str, address: str = "") -> Html:
    """A picture; decoration, because the title stands beside it.

    Args:
        kind: The first value of the item's first facet; alike ones get alike colours.
        address: Of the item's own picture; "" draws one.
    """
    if address and is_own(address):
        return tag("img", src=address, alt="", loading="lazy", width=_W, height=_H, cls="cr-picture")
    hue, spread, shape = _numbers(kind or title)[0] * 360 // 256, *_numbers(title)[1:3]
    gradient = f"g{hue}-{spread}"
    return tag(
        "svg",
        tag(
            "linearGradient",
            tag("stop", offset="0", stop_color=f"hsl({hue} 42% 46%)"),
            tag("stop", offset="1", stop_color=f"hsl({(hue + 25 + spread % 30) % 360} 48% 24%)"),
            id=gradient,
            x1="0",
            y1="0",
            x2="1",
            y2="1",
        ),
        tag("rect", width=_W, height=_H, fill=f"url(#{gradient})"),
        *_figure(shape, spread),
        tag("text", _initials(title), x="10", y="82", fill="#fff", font_size="26", font_weight="700"),
        viewBox=f"0 0 {_W} {_H}",
        width=_W,
        height=_H,
        aria_hidden="true",
        focusable="false",
        cls="cr-picture",
    )


def _figure(shape: int, spread: int) -> list[Html]:
    """A few quiet forms, by the title."""
    style = {"fill": "#fff", "fill_opacity": "0.14"}
    x = 24 + spread % 36
    match shape % 4:
        case 0:
            return [tag("circle", cx=x, cy=30, r=24, **style), tag("circle", cx=x + 14, cy=44, r=16, **style)]
        case 1:
            return [tag("path", d=f"M{x - 40} 96 L{x} 18 L{x + 40} 96 Z", **style)]
        case 2:
            return [tag("rect", x=x - 20 + 14 * n, y=10 + 12 * n, width=10, height=90, **style) for n in range(3)]
        case _:
            return [
                tag("path", d=f"M0 {34 + n * 16} Q{x} {10 + n * 16} 72 {38 + n * 16} V96 H0 Z", **style)
                for n in (0, 1)
            ]


def _initials(title: str) -> str:
    words = [word for word in re.findall(r"\w+", title) if word.casefold() not in _STOP and not word.isdigit()]
    return "".join(word[0].upper() for word in words[:2]) or title.strip()[:2]


def _numbers(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).digest()
