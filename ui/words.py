"""Words: what the interface says, in the language of the browser. Owns the look-up, not the texts.

A language is a file with the same keys as en.toml and the same {slots} in each text; tests hold that.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

LANGUAGES = Path(__file__).parent / "languages"
ENGLISH = "en"


class Words:
    """The texts of one language.

    Args:
        language: Its code, as in the page's `lang`.
        texts: "section.key" -> text with {slots}.
    """

    def __init__(self, language: str, texts: Mapping[str, str]) -> None:
        self.language = language
        self.texts = texts

    def __call__(self, key: str, **facts: object) -> str:
        """A text, its slots filled; plain text, to be escaped where it becomes HTML.

        Raises:
            KeyError: There is no such text, or a slot is not filled.
        """
        return self.texts[key].format(**facts)

    def count(self, key: str, count: int, **facts: object) -> str:
        """The text `key`_one for 1 and `key`_many for other numbers, with the slot {count}."""
        return self(f"{key}_{'one' if count == 1 else 'many'}", count=f"{count:,}", **facts)

    def named(self, key: str, otherwise: str) -> str:
        """A text without slots; `otherwise` where there is none of this key."""
        return self.texts.get(key, otherwise)


@cache
def words(language: str) -> Words:
    """The words of a language that has a file."""
    tables = tomllib.loads((LANGUAGES / f"{language}.toml").read_text(encoding="utf-8"))
    texts = {f"{section}.{key}": text for section, table in tables.items() for key, text in table.items()}
    return Words(language, texts)


def words_for(accept_language: str | None) -> Words:
    """The words that a browser asks for with its Accept-Language; English where it asks for none that there is.

    Source: RFC 9110, section 12.5.4; of a range like zh-TW its first part counts.
    """
    wanted: list[tuple[float, str]] = []
    for part in (accept_language or "").split(","):
        name, _, weight = part.strip().partition(";q=")
        try:
            wanted.append((float(weight or 1), name.partition("-")[0].casefold()))
        except ValueError:
            continue
    known = {file.stem for file in LANGUAGES.glob("*.toml")}
    best = max((quality for quality, name in wanted if quality > 0 and name in known), default=0.0)
    return words(next((name for quality, name in wanted if quality == best and name in known), ENGLISH))
