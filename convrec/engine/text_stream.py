"""TextStream: turns generated token ids into text pieces as they come, up to a stop string. Owns no model."""

from __future__ import annotations

from collections.abc import Sequence

from convrec.engine.base import Tokenizer

_INCOMPLETE = "\ufffd"
"""What a decoder shows for a character whose bytes are not all there yet."""


class StopStrings:
    """Text in pieces, cut before the first stop string: no piece holds any part of one.

    Args:
        stop: Strings that end the text; empty ones end nothing.

    Attributes:
        met: A stop string was there; nothing more comes out.
    """

    def __init__(self, stop: Sequence[str] = ()) -> None:
        self.met = False
        self._stop = tuple(text for text in stop if text)
        self._held = ""

    def push(self, text: str) -> str:
        """What may be shown: an ending that may grow into a stop string is held back.

        Of two stop strings that begin before each other's end, the one that is complete first counts.
        """
        if self.met:
            return ""
        text = self._held + text
        found = [(start + len(stop), start) for stop in self._stop if (start := text.find(stop)) >= 0]
        if found:
            self.met, self._held = True, ""
            return text[: min(found)[1]]
        longest = max((len(stop) for stop in self._stop), default=1) - 1
        for length in range(min(longest, len(text)), 0, -1):
            if any(stop.startswith(text[-length:]) for stop in self._stop):
                self._held = text[-length:]
                return text[:-length]
        self._held = ""
        return text

    def rest(self) -> str:
        """What was held back, at the end of the text."""
        rest, self._held = self._held, ""
        return rest


class TextStream:
    """Incremental detokenisation: no piece holds part of a character or any part of a stop string.

    Args:
        tokenizer: Decodes ids.
        stop: Strings that end the text; they are not part of it.
    """

    def __init__(self, tokenizer: Tokenizer, stop: Sequence[str] = ()) -> None:
        self._decode = tokenizer.decode
        self._stop = StopStrings(stop)
        self._ids: list[int] = []
        # Decoding starts at _start, not at the first new id: the text of a token depends on the one before it.
        self._start = 0
        self._read = 0

    @property
    def stopped(self) -> bool:
        """A stop string was met; nothing more comes out."""
        return self._stop.met

    def push(self, ids: Sequence[int]) -> str:
        """The text that became certain with these ids; "" where it hangs on what follows."""
        if self.stopped:
            return ""
        self._ids.extend(ids)
        before = self._decode(self._ids[self._start : self._read])
        after = self._decode(self._ids[self._start :])
        if len(after) <= len(before) or after.endswith(_INCOMPLETE):
            return ""
        self._start, self._read = self._read, len(self._ids)
        return self._stop.push(after[len(before) :])

    def flush(self) -> str:
        """What is left at the end of generation, less a character that was cut in the middle."""
        if self.stopped:
            return ""
        before = self._decode(self._ids[self._start : self._read])
        after = self._decode(self._ids[self._start :]).rstrip(_INCOMPLETE)
        return self._stop.push(after[len(before) :]) + self._stop.rest()
