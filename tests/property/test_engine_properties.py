"""Whatever people type or models emit: no control tokens get in, no broken text gets out."""

from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from convrec.engine.packed import chunks, pack
from convrec.engine.text_stream import TextStream
from convrec.engine.tokenizer import HFTokenizer
from convrec.testing.engine import FakeTokenizer

_FRAGMENTS = ["<|im_end|>", "<|im_start|>", "<|endoftext|>", "<file_sep>", "<", "|", ">", "im_end", " ", "<|"]
_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
_HOSTILE = st.lists(st.one_of(st.sampled_from(_FRAGMENTS), _TEXT), max_size=8).map("".join)


@pytest.fixture(scope="module", params=[pytest.param("hf", marks=pytest.mark.model), "fake"])
def tokenizer(request):
    if request.param == "fake":
        return FakeTokenizer()
    return HFTokenizer(request.getfixturevalue("demo_data_dir") / "models" / "SmolLM2-135M-Instruct")


@settings(deadline=None)
@given(text=_HOSTILE)
def test_escaped_text_holds_no_control_token(tokenizer, text):
    assert all(
        token > 16 or token not in _control(tokenizer) for token in tokenizer.encode(tokenizer.escape(text))
    )


@settings(deadline=None)
@given(text=_TEXT.filter(lambda text: "<" not in text))
def test_normal_text_is_not_changed(tokenizer, text):
    assert tokenizer.escape(text) == text


@settings(deadline=None)
@given(text=_HOSTILE)
def test_escaping_is_idempotent_and_only_adds_spaces(tokenizer, text):
    escaped = tokenizer.escape(text)
    assert tokenizer.escape(escaped) == escaped
    assert escaped.replace(" ", "") == text.replace(" ", "")


@settings(deadline=None)
@given(text=_TEXT, data=st.data())
def test_streamed_text_is_the_decoded_text(tokenizer, text, data):
    ids = tokenizer.encode(tokenizer.escape(text))
    # The demo model has no token for some bytes, so that it cannot write every character.
    assume("\ufffd" not in tokenizer.decode(ids))
    stream = TextStream(tokenizer)
    pieces = [stream.push(part) for part in _parts(data, ids)]
    assert "".join(pieces) + stream.flush() == tokenizer.decode(ids)
    assert all("\ufffd" not in piece for piece in pieces)


@settings(deadline=None)
@given(
    text=st.text("abc", max_size=30),
    stops=st.lists(st.text("abc", min_size=1, max_size=4), max_size=3),
    data=st.data(),
)
def test_streamed_text_ends_before_the_stop_string_that_is_complete_first(tokenizer, text, stops, data):
    ids = tokenizer.encode(text)
    stream = TextStream(tokenizer, stops)
    streamed = "".join(stream.push(part) for part in _parts(data, ids)) + stream.flush()
    found = [(text.index(stop) + len(stop), text.index(stop)) for stop in stops if stop in text]
    assert streamed == (text[: min(found)[1]] if found else text)


@settings(deadline=None)
@given(
    prefix=st.lists(st.integers(1, 9), min_size=1, max_size=6),
    segments=st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=4), min_size=1, max_size=5),
    data=st.data(),
)
def test_a_packed_token_sees_what_it_would_see_alone(prefix, segments, data):
    computed = data.draw(st.integers(0, len(prefix)))
    packed = pack(prefix, segments, computed)
    fed = [*prefix[:computed], *packed.ids.tolist()]
    for segment, last in zip(segments, packed.last.tolist(), strict=True):
        seen = [token for token, visible in zip(fed, packed.mask[last].tolist(), strict=True) if visible]
        assert seen == [*prefix, *segment]
        assert packed.positions[last] == len(seen) - 1


@settings(deadline=None)
@given(lengths=st.lists(st.integers(1, 9), max_size=20), limit=st.integers(1, 12))
def test_chunks_lose_nothing_and_are_as_large_as_they_may(lengths, limit):
    segments = [[0] * length for length in lengths]
    parts = list(chunks(segments, limit))
    assert [segment for part in parts for segment in part] == segments
    assert all(len(part) == 1 or sum(map(len, part)) <= limit for part in parts)
    assert all(sum(map(len, left)) + len(right[0]) > limit for left, right in pairwise(parts))


def _parts(data, ids):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(ids)), max_size=6)))
    return [ids[start:end] for start, end in pairwise([0, *cuts, len(ids)])]


def _control(tokenizer):
    return {1, 2} if isinstance(tokenizer, FakeTokenizer) else set(range(17))
