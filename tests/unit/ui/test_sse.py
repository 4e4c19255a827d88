from collections.abc import AsyncIterator

import pytest

from ui.sse import sse_data


async def _chunks(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def _read(*chunks: bytes) -> list[str]:
    return [data async for data in sse_data(_chunks(*chunks))]


STREAM = (
    'data: {"a":"é\u2028\u0085 x"}\n\n: ping\n\nevent: e\ndata: one\r\ndata:two\r\n\r\ndata: [DONE]\n\n'.encode()
)


@pytest.mark.parametrize("cut", range(len(STREAM)))
async def test_events_do_not_depend_on_where_the_bytes_are_cut(cut: int) -> None:
    assert await _read(STREAM[:cut], STREAM[cut:]) == ['{"a":"é\u2028\u0085 x"}', "one\ntwo", "[DONE]"]


async def test_an_event_that_the_end_cuts_off_is_not_one() -> None:
    assert await _read(b"data: whole\n\ndata: ha", b"lf\n") == ["whole"]
