"""Reads the data of server-sent events from a byte stream. Knows nothing of what the data means.

Not httpx's aiter_lines: it also breaks at U+2028, U+0085 and their like, which may stand inside a JSON string.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator


async def sse_data(stream: AsyncIterable[bytes]) -> AsyncIterator[str]:
    """Yield the data of every event; comments and other fields are skipped.

    Args:
        stream: Bytes, cut anywhere.

    Yields:
        The event's `data` lines joined by newlines; an event that the stream's end cuts off is not yielded.
    """
    buffer, data = b"", list[str]()
    async for chunk in stream:
        buffer += chunk
        *lines, buffer = buffer.split(b"\n")
        for raw in lines:
            line = raw.removesuffix(b"\r").decode("utf-8", "replace")
            if not line and data:
                yield "\n".join(data)
                data = []
            elif line.startswith("data:"):
                data.append(line[5:].removeprefix(" "))
