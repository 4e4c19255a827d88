"""Many streams at once, a fifth of the clients vanishing: the server is as it was, and who stayed has it all."""

from dataclasses import replace
from pathlib import Path

import pytest

from convrec.testing.soak import Load, Soak, Standing, soak, soaked_server


def test_clients_that_vanish_leave_nothing_behind(tmp_path: Path) -> None:
    """scripts/soak_streams.py does the same for 2,000 turns."""
    with soaked_server(tmp_path) as url:
        found = soak(url, turns=200, warm_up=100, clients=64)
    load = found.load
    assert not load.faults
    assert not found.leaks
    assert load.before_slate > 5
    assert load.in_mid_stream > 5
    assert load.whole + load.before_slate + load.in_mid_stream == 200


@pytest.mark.parametrize(
    "leak", [{"sockets": 1}, {"turns": 1}, {"tasks": 3}, {"files": 100}, {"threads": 100}, {"rss": 1_060}], ids=str
)
def test_what_is_left_behind_is_a_leak(leak: dict[str, int]) -> None:
    idle = Standing(sockets=0, files=60, threads=20, rss=1_000, tasks=2, turns=0, objects=100)
    assert Soak(Load(), idle, replace(idle, **leak)).leaks == tuple(leak)
    assert not Soak(Load(), idle, idle).leaks
