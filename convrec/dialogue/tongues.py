"""Owns the languages of replies other than English: prompts/languages/<code>.toml, and which one a message is in.

Only Latin and Han script are told apart further than by their characters: a message is Spanish when it has enough
of the file's words, Chinese when enough of its letters are the file's script. Everything else is answered in
English.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Formatter
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from convrec.dialogue.language import words
from convrec.errors import PromptError

ENGLISH = "en"

_SLOTS: Mapping[str, frozenset[str]] = {
    "one": frozenset(),
    "several": frozenset({"count", "plural"}),
    "refine": frozenset(),
    "feedback": frozenset(),
    "why": frozenset(),
    "small_talk": frozenset(),
    "out_of_scope": frozenset({"plural"}),
    "asked": frozenset({"title", "asked"}),
    "near": frozenset({"title"}),
    "shown": frozenset({"title", "shown"}),
    "bare": frozenset({"title"}),
    "joint": frozenset({"names"}),
    "empty": frozenset({"wishes"}),
    "exhausted": frozenset(),
    "placed_shown": frozenset({"rank"}),
    "placed_behind": frozenset({"score", "shown_score"}),
    "placed_barred": frozenset({"reasons"}),
    "bar_known": frozenset(),
    "bar_named": frozenset(),
    "bar_constraint": frozenset({"wish"}),
    "suggest_less": frozenset({"value"}),
    "suggest_more": frozenset({"value"}),
    "suggest_like": frozenset({"title", "rank"}),
}
"""Phrases that a language has, and what each may be filled with."""

_LETTER = re.compile(r"[^\W\d_]")
_KANA = re.compile(r"[\u3040-\u30ff]")
_SCRIPT_SHARE = 0.3
_WORD_SHARE = 0.4
_SPANISH_SIGNS = re.compile(r"[¿¡ñÑ]")


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    words: str = ""
    script: Annotated[str, Field(pattern=r"^(.-.)?$")] = ""
    claims: str = ""
    noun: str
    plural: str
    and_: str = Field(alias="and")
    comma: str
    phrases: dict[str, Annotated[tuple[str, ...], Field(min_length=1)]]


@dataclass(frozen=True, slots=True)
class Language:
    """One language.

    Args:
        code: The file's name, "es".
        name: In English, "Spanish".
        words: Folded words that tell it.
        script: Matches one character of its script, where it has one of its own.
        claims: Matches what no sentence that a model writes may say, because no catalogue can tell it (credits,
            awards, plots), or because only English is read so far (what the person liked, counts).
        noun, plural: Of an item where the domain has no word of its own.
        conjunction, comma: What joins the last two of a list, and the others.
        phrases: See the files.
    """

    code: str
    name: str
    words: frozenset[str]
    script: re.Pattern[str] | None
    claims: re.Pattern[str] | None
    noun: str
    plural: str
    conjunction: str
    comma: str
    phrases: Mapping[str, tuple[str, ...]] = field(repr=False)

    def listed(self, parts: list[str]) -> str:
        """Several as one."""
        return self.conjunction.join(filter(None, (self.comma.join(parts[:-1]), *parts[-1:])))


class Tongues:
    """The languages of a folder.

    Args:
        prompts_dir: Has languages/<code>.toml; none is needed.

    Raises:
        PromptError: A file is malformed.
    """

    def __init__(self, prompts_dir: Path) -> None:
        files = sorted((prompts_dir / "languages").glob("*.toml"))
        self._languages = {file.stem: _read(file) for file in files}

    def __getitem__(self, code: str) -> Language | None:
        """A language; None for English and for those that there is no file of."""
        return self._languages.get(code)

    def detect(self, message: str) -> str:
        """The code of the language that a message is in; "en" where it is none of the files'."""
        letters = _LETTER.findall(message)
        said = words(message)
        for code, language in self._languages.items():
            if language.script is not None:
                own = language.script.findall(message)
                if len(own) > _SCRIPT_SHARE * len(letters) and not _KANA.search(message):
                    return code
            elif said:
                hits = sum(word in language.words for word in said)
                enough = hits >= _WORD_SHARE * len(said)
                if hits and (enough or (code == "es" and _SPANISH_SIGNS.search(message))):
                    return code
        return ENGLISH


def _read(file: Path) -> Language:
    try:
        raw = _File.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except tomllib.TOMLDecodeError as error:
        raise PromptError(f"{file}: not TOML: {error}") from error
    except ValidationError as error:
        first: Any = error.errors(include_url=False)[0]
        raise PromptError(f"{file}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    for name in sorted(_SLOTS.keys() ^ raw.phrases.keys()):
        problem = "is missing" if name in _SLOTS else "is no phrase"
        raise PromptError(f"{file}: phrases.{name} {problem}; there are: {', '.join(_SLOTS)}")
    for name, phrases in raw.phrases.items():
        for phrase in phrases:
            used = {slot for _, slot, _, _ in Formatter().parse(phrase) if slot is not None}
            if used - _SLOTS[name]:
                raise PromptError(
                    f"{file}: phrases.{name}: {{{min(used - _SLOTS[name])}}} cannot be filled; there is: "
                    f"{', '.join(sorted(_SLOTS[name])) or 'nothing'}"
                )
    return Language(
        code=file.stem,
        name=raw.name,
        words=frozenset(words(raw.words)),
        script=re.compile(f"[{raw.script}]") if raw.script else None,
        claims=re.compile(raw.claims, re.IGNORECASE) if raw.claims else None,
        noun=raw.noun,
        plural=raw.plural,
        conjunction=raw.and_,
        comma=raw.comma,
        phrases=raw.phrases,
    )
