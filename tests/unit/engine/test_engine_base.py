"""Requests that make no sense are rejected before any engine sees them."""

import pytest

from convrec.engine.base import Sampling, require_tokens


@pytest.mark.parametrize(
    "arguments",
    [{"max_tokens": 0}, {"max_tokens": 1, "temperature": -0.1}, {"max_tokens": 1, "grammar": "a", "schema": "{}"}],
)
def test_sampling_rejects_nonsense(arguments):
    with pytest.raises(ValueError, match=r"max_tokens|grammar"):
        Sampling(**arguments)


def test_empty_segment_is_named():
    require_tokens([1], [[1]])
    with pytest.raises(ValueError, match="segment 1"):
        require_tokens([1], [[1], []])
