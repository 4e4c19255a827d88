"""Owns what is read from prompts/: versioned templates, rendered strictly and hashed, and domain files.

A template is `<task>.v<N>.j2`: TOML front matter between two `+++` lines, then Jinja2 text, optionally in named
blocks. Templates run in a sandbox with an empty loader: they can neither include files nor call into Python.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal

from jinja2 import DictLoader, StrictUndefined, Template, TemplateError
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    ValidationError,
    model_validator,
)

from convrec.errors import DataError, PromptError
from convrec.types import Domain, Facet, FacetType, Tongue

_FILE_NAME = re.compile(r"(?P<task>[a-z][a-z0-9_]*)\.v(?P<version>[1-9][0-9]*)\.j2")
_DOMAIN_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_FRONT_MATTER = re.compile(r"\+\+\+\r?\n(?P<toml>.*?)^\+\+\+\r?\n", re.DOTALL | re.MULTILINE)
_BODY = "body"


# --- templates -----------------------------------------------------------------------------------------------


class _FrontMatter(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    purpose: StrictStr
    variables: tuple[StrictStr, ...]
    token_budget: StrictInt = Field(gt=0)
    labels: dict[StrictStr, StrictStr] = {}
    notes: StrictStr = ""


@dataclass(frozen=True, slots=True)
class Prompt:
    """One version of one template.

    Args:
        task, version: From the file's name.
        purpose, notes: What it is for, and what its author wants known.
        variables: Everything its blocks may use.
        labels: Answers that are scored, by role ("yes", "no").
        token_budget: Most tokens that a rendering may have; held by the prompt's tests.
        hash: First 12 hex digits of the file's sha256.
    """

    task: str
    version: int
    purpose: str
    notes: str
    variables: frozenset[str]
    labels: Mapping[str, str]
    token_budget: int
    hash: str
    _template: Template

    @property
    def name(self) -> str:
        """Task and version, "rank.v1"."""
        return f"{self.task}.v{self.version}"

    def render(self, block: str = _BODY, **variables: object) -> str:
        """The text of one block; a template without blocks has the single block "body".

        Raises:
            PromptError: No such block, an undeclared variable, or one that the block needs is missing.
        """
        unknown = sorted(variables.keys() - self.variables)
        if unknown:
            raise PromptError(f"{self.name} declares no variable {unknown[0]!r}; it has {_names(self.variables)}")
        blocks = self._template.blocks or {_BODY: self._template.root_render_func}
        if block not in blocks:
            raise PromptError(f"{self.name} has no block {block!r}; it has {_names(blocks)}")
        try:
            return "".join(blocks[block](self._template.new_context(dict(variables))))
        except TemplateError as error:
            raise PromptError(f"{self.name}, block {block!r}: {error.message}; pass it to render()") from error


class Prompts:
    """The templates of a folder.

    Args:
        prompts_dir: The folder that holds `<task>.v<N>.j2` files.
        pinned: task -> the version that `load` takes where none is asked for; the latest of the other tasks.
    """

    def __init__(self, prompts_dir: Path, pinned: Mapping[str, int] | None = None) -> None:
        self._dir = prompts_dir
        self._pinned = pinned or {}
        self._environment = ImmutableSandboxedEnvironment(
            loader=DictLoader({}), undefined=StrictUndefined, autoescape=False
        )

    @property
    def folder(self) -> Path:
        """Where they are."""
        return self._dir

    def load(self, task: str, version: int | None = None) -> Prompt:
        """A version of a task's template, the active one by default.

        Raises:
            PromptError: It does not exist (the message lists what does) or is malformed.
        """
        known = self._files()
        if version is None:
            version = self._active(task, known)
        if (task, version) not in known:
            wanted = f"{task}.v{version}" if version else task
            found = _names(f"{name}.v{v}" for name, v in known)
            raise PromptError(f"no prompt {wanted} in {self._dir}; known: {found}")
        return self._parse(task, version, known[task, version])

    def named(self, name: str) -> Prompt:
        """A version by its name, "rank.v1", or the active one by its task's.

        Raises:
            PromptError: as `load`.
        """
        task, _, version = name.partition(".v")
        return self.load(task, int(version) if version.isdigit() else None)

    def active(self) -> tuple[Prompt, ...]:
        """The version of every task that is used, by task.

        Raises:
            PromptError: One is malformed.
        """
        return tuple(self.load(task) for task in sorted({task for task, _ in self._files()}))

    def all(self) -> tuple[Prompt, ...]:
        """Every version of every task, by task and version.

        Raises:
            PromptError: One is malformed.
        """
        return tuple(self._parse(task, version, path) for (task, version), path in sorted(self._files().items()))

    def _files(self) -> dict[tuple[str, int], Path]:
        return {
            (match["task"], int(match["version"])): path
            for path in self._dir.glob("*.j2")
            if (match := _FILE_NAME.fullmatch(path.name))
        }

    def _active(self, task: str, known: Collection[tuple[str, int]]) -> int:
        return self._pinned.get(task) or max((version for name, version in known if name == task), default=0)

    def _parse(self, task: str, version: int, path: Path) -> Prompt:
        text = _read(path, PromptError)
        front = _FRONT_MATTER.match(text)
        if front is None:
            raise PromptError(f"{path}: begin the file with TOML front matter between two +++ lines")
        try:
            meta = _FrontMatter.model_validate(tomllib.loads(front["toml"]))
            source = text[front.end() :]
            used = find_undeclared_variables(self._environment.parse(source))
            template = self._environment.from_string(source)
        except tomllib.TOMLDecodeError as error:
            raise PromptError(f"{path}: front matter is not TOML: {error}") from error
        except ValidationError as error:
            raise PromptError(f"{path}: front matter: {_first(error)}") from error
        except TemplateError as error:
            raise PromptError(f"{path}: {error.message}") from error
        for name in sorted(used ^ set(meta.variables)):
            problem = "is used but not declared" if name in used else "is declared but not used"
            raise PromptError(f"{path}: variable {name!r} {problem}; correct `variables` in its front matter")
        return Prompt(
            task=task,
            version=version,
            purpose=meta.purpose,
            notes=meta.notes,
            variables=frozenset(meta.variables),
            labels=meta.labels,
            token_budget=meta.token_budget,
            hash=sha256(text.encode()).hexdigest()[:12],
            _template=template,
        )


# --- domains -------------------------------------------------------------------------------------------------

_Word = Annotated[str, Field(strict=True, min_length=1)]
_Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class _FacetTable(BaseModel):
    model_config = ConfigDict(extra="forbid")

    type: Literal["set", "range"]
    words: dict[_Word, tuple[_Word, ...]] = {}
    more: tuple[_Word, ...] = ()
    less: tuple[_Word, ...] = ()

    @model_validator(mode="after")
    def _fitting(self) -> _FacetTable:
        if self.type == "set" and (self.more or self.less):
            raise ValueError("`more` and `less` are for a range facet; a set facet has `words`")
        if self.type == "range" and self.words:
            raise ValueError("`words` is for a set facet; a range facet has `more` and `less`")
        return self


class _RangeWords(BaseModel):
    model_config = ConfigDict(extra="forbid")

    more: tuple[_Word, ...] = ()
    less: tuple[_Word, ...] = ()


class _LanguageTable(BaseModel):
    model_config = ConfigDict(extra="forbid")

    noun: _Word
    plural: _Word
    words: dict[_Word, dict[_Word, Annotated[tuple[_Word, ...], Field(min_length=1)]]] = {}
    ranges: dict[_Word, _RangeWords] = {}


class _DomainFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    noun: _Word
    plural: _Word
    verb: _Word
    past: _Word
    shown: tuple[_Word, ...]
    rating_scale: tuple[_Number, _Number]
    infer_facets: StrictBool = False
    facets: dict[_Word, _FacetTable] = {}
    languages: dict[_Word, _LanguageTable] = {}

    @model_validator(mode="after")
    def _known(self) -> _DomainFile:
        for code, language in self.languages.items():
            for facet in (*language.words, *language.ranges):
                if facet not in self.facets:
                    raise ValueError(f"languages.{code} has words for {facet!r}, which is no facet of this file")
        return self

    @model_validator(mode="after")
    def _ordered(self) -> _DomainFile:
        if self.rating_scale[0] >= self.rating_scale[1]:
            raise ValueError("rating_scale is [lowest, highest]")
        return self


def load_domain(prompts_dir: Path, name: str) -> Domain:
    """The domain of prompts/domains/NAME.toml.

    Raises:
        DataError: It does not exist (the message lists what does), or a key is unknown, missing or malformed.
    """
    folder = prompts_dir / "domains"
    path = folder / f"{name}.toml"
    if not _DOMAIN_NAME.fullmatch(name) or not path.is_file():
        known = _names(found.stem for found in folder.glob("*.toml"))
        raise DataError(f"no domain {name!r} in {folder}; known: {known}; add a file or name one of these")
    try:
        raw = _DomainFile.model_validate(tomllib.loads(_read(path, DataError)))
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{path}: not TOML: {error}") from error
    except ValidationError as error:
        raise DataError(f"{path}: {_first(error)}") from error
    facets = tuple(_facet(key, table, raw.languages.values()) for key, table in raw.facets.items())
    return Domain(
        name=name,
        noun=raw.noun,
        plural=raw.plural,
        verb=raw.verb,
        past=raw.past,
        shown=raw.shown,
        facets=facets,
        rating_scale=raw.rating_scale,
        infer_facets=raw.infer_facets,
        tongues={code: _tongue(language) for code, language in raw.languages.items()},
    )


def _facet(name: str, table: _FacetTable, languages: Iterable[_LanguageTable]) -> Facet:
    """A facet with its words in every language."""
    words, more, less = dict(table.words), table.more, table.less
    for language in languages:
        for value, said in language.words.get(name, {}).items():
            words[value] = (*words.get(value, ()), *said)
        ranges = language.ranges.get(name, _RangeWords())
        more, less = (*more, *ranges.more), (*less, *ranges.less)
    return Facet(name, FacetType(table.type), words, more, less)


def _tongue(language: _LanguageTable) -> Tongue:
    labels = {name: {value: said[0] for value, said in values.items()} for name, values in language.words.items()}
    moves = {
        name: (ranges.more[0], ranges.less[0])
        for name, ranges in language.ranges.items()
        if ranges.more and ranges.less
    }
    return Tongue(language.noun, language.plural, labels, moves)


def _read(path: Path, error_type: type[PromptError | DataError]) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise error_type(f"{path} cannot be read: {error}; it must be a UTF-8 file") from error


def _first(error: ValidationError) -> str:
    """The first problem of a file, with the key it is at."""
    detail: Any = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in detail["loc"])
    return f"{key}: {detail['msg']}" if key else str(detail["msg"])


def _names(names: Any) -> str:
    return ", ".join(sorted(names)) or "none"
