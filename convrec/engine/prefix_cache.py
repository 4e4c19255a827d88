"""PrefixCache: keys and values of prompts that were computed lately. Owns tensors; computes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

KeyValues = list[tuple[Any, Any]]
"""Per layer: keys and values, each of shape (1, heads, tokens, head size)."""


@dataclass(frozen=True, slots=True)
class _Entry:
    adapter: str | None
    salt: str | None
    ids: tuple[int, ...]
    kv: KeyValues


class PrefixCache:
    """The least recently used prompts go first once more than max_tokens are held.

    A prompt is found by the longest beginning that it shares with a held one, so a reply reuses what scoring
    computed, and a turn what the turn before it did. Adapters never share, because their keys and values differ,
    nor do salts, because the time that an answer takes would tell one person what another has said.

    Args:
        max_tokens: Tokens held over all prompts; a token costs 2 x layers x heads x head size numbers (46 kB for
            a 135M model in float32).
    """

    def __init__(self, max_tokens: int) -> None:
        self._max_tokens = max_tokens
        self._entries: list[_Entry] = []

    def longest(self, adapter: str | None, salt: str | None, ids: Sequence[int]) -> tuple[int, KeyValues]:
        """How many first tokens of `ids` are held, and views on their keys and values ([] for none)."""
        best: _Entry | None = None
        length = 0
        for entry in self._entries:
            if (entry.adapter, entry.salt) == (adapter, salt):
                shared = sum(
                    1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(entry.ids, ids, strict=False))
                )
                if shared > length:
                    best, length = entry, shared
        if best is None:
            return 0, []
        self._entries.remove(best)
        self._entries.append(best)
        return length, [(keys[:, :, :length], values[:, :, :length]) for keys, values in best.kv]

    def put(self, adapter: str | None, salt: str | None, ids: Sequence[int], kv: KeyValues) -> None:
        """Hold a prompt's keys and values; prompts that it begins with are dropped, being part of it."""
        new = _Entry(adapter, salt, tuple(ids), kv)
        self._entries = [
            entry
            for entry in self._entries
            if (entry.adapter, entry.salt) != (adapter, salt) or entry.ids != new.ids[: len(entry.ids)]
        ]
        self._entries.append(new)
        while sum(len(entry.ids) for entry in self._entries) > self._max_tokens:
            self._entries.pop(0)

    def drop(self, adapter: str) -> None:
        """Forget everything that an adapter computed."""
        self._entries = [entry for entry in self._entries if entry.adapter != adapter]
