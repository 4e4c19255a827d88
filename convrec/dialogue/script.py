"""Owns the set of texts that a reply may be: sentence slots with alternatives, as a grammar and as an automaton.

Does not write the alternatives. What a model generates under `grammar` is always one of the texts, and `complete`
finishes a text that a model left half-way, so that a reply ends whole whatever happens to the engine.
"""

from __future__ import annotations

from dataclasses import dataclass

_ESCAPES = {ord("\\"): "\\\\", ord('"'): '\\"', ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t"}


@dataclass(frozen=True, slots=True)
class Script:
    """All texts made of one alternative from each slot, joined by single spaces.

    Args:
        slots: At least one, each with at least one non-empty alternative; the first is the default.
    """

    slots: tuple[tuple[str, ...], ...]

    @property
    def default(self) -> str:
        """The text made of each slot's first alternative."""
        return self.texts[0]

    @property
    def texts(self) -> tuple[str, ...]:
        """One text for each alternative of the slot that has most; the first is the default."""
        count = max(map(len, self.slots))
        return tuple(" ".join(slot[min(n, len(slot) - 1)] for slot in self.slots) for n in range(count))

    @property
    def is_fixed(self) -> bool:
        """Whether there is only one text."""
        return all(len(slot) == 1 for slot in self.slots)

    @property
    def longest(self) -> str:
        """The longest text, in characters; bounds what has to be generated."""
        return " ".join(max(slot, key=len) for slot in self.slots)

    def grammar(self) -> str:
        """The texts as EBNF with the rule `root`, in the dialect of xgrammar."""
        rules = ["root ::= " + ' " " '.join(f"s{n}" for n in range(len(self.slots)))]
        rules += [f"s{n} ::= {' | '.join(map(literal, slot))}" for n, slot in enumerate(self.slots)]
        return "\n".join(rules) + "\n"

    def complete(self, text: str) -> str | None:
        """What is missing from a beginning of one of the texts ("" where it is whole); None when it is of none."""
        return self._complete(text, 0)

    def _complete(self, text: str, n: int) -> str | None:
        if n == len(self.slots):
            return None if text else ""
        last = n == len(self.slots) - 1
        begun: str | None = None
        for alternative in self.slots[n]:
            piece = alternative if last else f"{alternative} "
            if text.startswith(piece):
                rest = self._complete(text[len(piece) :], n + 1)
                if rest is not None:
                    return rest
            elif begun is None and piece.startswith(text):
                begun = piece[len(text) :] + " ".join(slot[0] for slot in self.slots[n + 1 :])
        return begun


def literal(text: str) -> str:
    """A text as an EBNF string literal."""
    escaped = "".join(
        _ESCAPES.get(ord(c), c if c.isprintable() or ord(c) > 0xFFFF else f"\\u{ord(c):04x}") for c in text
    )
    return f'"{escaped}"'
