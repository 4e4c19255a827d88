"""The Engine Protocol and the small types that cross it. Owns no model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal, Protocol

PREFIX_BLOCK = 32
"""Tokens per block of a prefix cache: what a prefix has beyond whole blocks is read again for every segment.

The least that vLLM takes on CPUs, where 20 segments of 14 tokens after a prefix of 224 tokens take 1.7 s cold and
1.1 s cached, after one of 223 tokens 3.1 and 2.7 s (SmolLM2-135M, 2 cores, one run).
"""


def cache_salt(user_id: str) -> str:
    """What keeps a person's prefixes apart from everybody else's in an engine's cache; it does not tell the id."""
    return sha256(user_id.encode("utf-8", "surrogatepass")).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Message:
    """One chat message."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Labels:
    """The two answers whose probabilities make f(u, i): ids of single tokens."""

    yes: int
    no: int


@dataclass(frozen=True, slots=True)
class OpenPrompt:
    """A prompt up to the place where a segment goes, which one engine call after another goes on from.

    Args:
        before: Token ids, the same for all segments: the engine reads them once.
        after: Text that closes every segment.
        salt: Of whom it tells; see Engine.score.
    """

    before: list[int]
    after: str
    salt: str | None = None


@dataclass(frozen=True, slots=True)
class AdapterRef:
    """A LoRA version on disk; `name` is immutable and unique ("movies@3")."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class Health:
    """Whether an engine can serve now, and in words what it is or what is wrong."""

    ready: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """How text is generated.

    Args:
        max_tokens: Upper bound on generated tokens.
        temperature: 0 is greedy.
        seed: Fixes sampling.
        stop: Strings that end generation; not part of the output.
        grammar: EBNF (xgrammar's GBNF dialect, rule `root`) that the output must match.
        schema: JSON schema that the output must match, without optional white space; excludes `grammar`.

    Raises:
        ValueError: max_tokens is below 1, temperature negative, or both grammar and schema are given.
    """

    max_tokens: int
    temperature: float = 0.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    grammar: str | None = None
    schema: str | None = None

    def __post_init__(self) -> None:
        if self.max_tokens < 1 or self.temperature < 0:
            raise ValueError(
                f"max_tokens {self.max_tokens} must be at least 1, temperature {self.temperature} not negative"
            )
        if self.grammar is not None and self.schema is not None:
            raise ValueError("give a grammar or a schema, not both")


def require_tokens(prefix: Sequence[int], segments: Sequence[Sequence[int]] = ()) -> None:
    """Reject what no model can read: nothing. Every engine calls it first.

    Raises:
        ValueError: The prefix or a segment has no tokens.
    """
    if not prefix:
        raise ValueError("the prompt has no tokens")
    for position, segment in enumerate(segments):
        if not segment:
            raise ValueError(f"segment {position} has no tokens")


class Tokenizer(Protocol):
    """Text to token ids and back, as the engine's model does it."""

    def encode(self, text: str) -> list[int]:
        """Token ids of a text, no special tokens added; special tokens written in it are parsed."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids, special tokens left out."""
        ...

    def chat(self, messages: Sequence[Message]) -> str:
        """Messages rendered with the model's chat template, open for the assistant's answer."""
        ...

    def escape(self, text: str) -> str:
        """The text with anything that would parse as a special token broken up: user and item text is data."""
        ...


class Engine(Protocol):
    """A language model that scores items and writes text. Methods are safe to call concurrently."""

    name: str

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer of the served model; EngineUnavailableError before `start`."""
        ...

    async def start(self) -> None:
        """Load or connect; returns when `health` is ready.

        Raises:
            EngineUnavailableError: It cannot start; the message says why and what to do.
        """
        ...

    async def close(self) -> None:
        """Let go of everything (child processes included); idempotent."""
        ...

    async def score(
        self,
        prefix: Sequence[int],
        segments: Sequence[Sequence[int]],
        labels: Labels,
        adapter: str | None = None,
        salt: str | None = None,
    ) -> list[float]:
        """f for every segment: P(yes) / (P(yes) + P(no)) of the token after prefix + segment.

        Segments do not see each other; the prefix is computed once. The order of segments does not matter.

        Args:
            prefix: Token ids shared by all, at least one.
            segments: Token ids of each item, each non-empty; [] gives [].
            labels: The two answers.
            adapter: Name of a loaded adapter; None is the base model.
            salt: What is read of a prompt is kept for calls of the same salt and for no others. 1 to 128 letters
                and digits.

        Returns:
            One float in [0, 1] per segment.

        Raises:
            EngineError: It refused the request (a prompt longer than the model reads).
            EngineUnavailableError: The engine is down or full.
            EngineTimeoutError: It took too long.
            NotFoundError: The adapter is not loaded.
            ValueError: The prefix or a segment is empty.
        """
        ...

    def generate(
        self,
        prompt: Sequence[int],
        sampling: Sampling,
        adapter: str | None = None,
        salt: str | None = None,
    ) -> AsyncIterator[str]:
        """Stream the continuation of a prompt's token ids as text pieces; closing the iterator cancels.

        Raises: as `score`.
        """
        ...

    async def load_adapter(self, ref: AdapterRef) -> None:
        """Make an adapter usable by its name; loading the same ref again does nothing.

        Raises:
            EngineError: It cannot be read or does not fit the model, or the name stands for another path.
        """
        ...

    async def unload_adapter(self, name: str) -> None:
        """Forget an adapter; running requests finish on it. A name that is not loaded raises NotFoundError."""
        ...

    async def health(self) -> Health:
        """Whether the engine can serve now; never raises."""
        ...
