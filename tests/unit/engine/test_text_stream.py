"""Text comes out as soon as it is certain, and not before."""

from convrec.engine.text_stream import TextStream


class ByteTokenizer:
    """One token per UTF-8 byte, so that characters span tokens."""

    def decode(self, ids):
        return bytes(ids).decode(errors="replace")


def _stream(text, stop=()):
    stream = TextStream(ByteTokenizer(), stop)
    pieces = [stream.push([byte]) for byte in text.encode()]
    return stream, pieces


def test_a_character_comes_out_with_its_last_byte():
    _, pieces = _stream("a東b")
    assert pieces == ["a", "", "", "東", "b"]


def test_what_may_become_a_stop_string_is_held_back():
    stream, pieces = _stream("one END? no", stop=("END.",))
    assert pieces[4:8] == ["", "", "", "END?"]
    assert not stream.stopped


def test_text_ends_before_the_first_stop_string():
    stream, pieces = _stream("one\ntwo END", stop=("END", "\n"))
    assert "".join(pieces) == "one"
    assert stream.stopped
    assert stream.flush() == ""


def test_flush_gives_what_was_held_and_drops_half_a_character():
    stream = TextStream(ByteTokenizer(), ("END",))
    text = stream.push(list(b"the E"))
    assert text == "the "
    assert stream.push(list("東".encode())[:2]) == ""
    assert stream.flush() == "E"
