"""Where a reply ends for its reader."""

from collections.abc import AsyncGenerator, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convrec.dialogue.cut import Cut
from convrec.dialogue.form import PLAIN_FORM
from convrec.dialogue.options import ReplyOptions
from convrec.engine.base import Tokenizer
from convrec.errors import EngineUnavailableError
from convrec.testing.engine import FakeEngine


class _Source:
    """Pieces, and whether what they come from was closed."""

    def __init__(self, pieces: Sequence[str]) -> None:
        self._pieces = pieces
        self.closed = False

    async def stream(self) -> AsyncGenerator[str, None]:
        try:
            for piece in self._pieces:
                yield piece
        finally:
            self.closed = True


async def _cut(pieces: Sequence[str], options: ReplyOptions) -> tuple[list[str], Cut, _Source]:
    cut, source = Cut(options, FakeEngine()), _Source(pieces)
    shown = [piece async for piece in cut.of(source.stream())]
    assert "".join(shown) == cut.text
    assert all(shown)
    assert source.closed
    return shown, cut, source


async def test_without_wishes_the_pieces_come_as_they_are() -> None:
    shown, cut, _ = await _cut(["One ", "two", "."], ReplyOptions())
    assert (shown, cut.finish) == (["One ", "two", "."], "stop")


@pytest.mark.parametrize("pieces", [["One two three"], ["One t", "wo three"], list("One two three")])
async def test_a_stop_string_ends_the_text_before_it_however_it_is_cut(pieces: list[str]) -> None:
    _, cut, _ = await _cut(pieces, ReplyOptions(stop=("two", "three")))
    assert (cut.text, cut.finish) == ("One ", "stop")


async def test_an_ending_that_only_began_like_a_stop_string_is_shown() -> None:
    _, cut, _ = await _cut(["One t"], ReplyOptions(stop=("two",)))
    assert cut.text == "One t"


async def test_tokens_run_out() -> None:
    _, cut, _ = await _cut(["One two", " three four"], ReplyOptions(max_tokens=3))
    assert (cut.text, cut.finish) == ("One two three", "length")


async def test_just_enough_tokens_are_enough() -> None:
    _, cut, _ = await _cut(["One two", " three"], ReplyOptions(max_tokens=3))
    assert (cut.text, cut.finish) == ("One two three", "stop")


async def test_json_is_not_cut_at_a_stop_string() -> None:
    _, cut, _ = await _cut(['{"reply":"One"}'], ReplyOptions(stop=("One",), form=PLAIN_FORM))
    assert cut.text == '{"reply":"One"}'


async def test_no_tokenizer_is_asked_where_nothing_is_counted() -> None:
    class Unstarted(FakeEngine):
        @property
        def tokenizer(self) -> Tokenizer:
            raise EngineUnavailableError("not started; start it")

    cut = Cut(ReplyOptions(stop=("x",)), Unstarted())
    assert [piece async for piece in cut.of(_Source(["One"]).stream())] == ["One"]


@given(
    text=st.text(alphabet="ab <>é\n", max_size=30),
    cuts=st.lists(st.integers(0, 30), max_size=5),
    stop=st.lists(st.text(alphabet="ab <>", min_size=1, max_size=3), max_size=3),
    limit=st.none() | st.integers(1, 12),
)
async def test_it_is_a_beginning_within_both_bounds(
    text: str, cuts: list[int], stop: list[str], limit: int | None
) -> None:
    edges = sorted({0, len(text), *(c for c in cuts if c <= len(text))})
    pieces = [text[a:b] for a, b in pairwise(edges)]
    _, cut, _ = await _cut(pieces, ReplyOptions(max_tokens=limit, stop=tuple(stop)))
    encode = FakeEngine().tokenizer.encode
    whole = min([text, *(text[: text.find(s)] for s in stop if s in text)], key=len)
    assert text.startswith(cut.text)
    assert not any(s in cut.text for s in stop)
    assert limit is None or len(encode(cut.text)) <= limit
    if cut.finish == "stop" and len(stop) <= 1:
        assert cut.text == whole
    if cut.finish == "length":
        assert limit is not None
        assert len(encode(text)) > limit
