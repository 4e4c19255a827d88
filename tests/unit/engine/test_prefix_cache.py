"""The longest shared beginning is found, per adapter and salt, and old prompts go first."""

import torch

from convrec.engine.prefix_cache import PrefixCache


def _kv(length):
    return [(torch.arange(length).view(1, 1, length, 1), torch.arange(length).view(1, 1, length, 1))]


def _put(cache, ids, adapter=None, salt=None):
    cache.put(adapter, salt, ids, _kv(len(ids)))


def test_longest_shared_beginning_is_found():
    cache = PrefixCache(100)
    _put(cache, [1, 2, 3])
    _put(cache, [1, 2, 9, 9])
    length, kv = cache.longest(None, None, [1, 2, 3, 4])
    assert length == 3
    assert kv[0][0].flatten().tolist() == [0, 1, 2]
    assert cache.longest(None, None, [7]) == (0, [])


def test_adapters_do_not_share():
    cache = PrefixCache(100)
    _put(cache, [1, 2], adapter="a@1")
    assert cache.longest(None, None, [1, 2]) == (0, [])
    assert cache.longest("a@1", None, [1, 2])[0] == 2
    cache.drop("a@1")
    assert cache.longest("a@1", None, [1, 2]) == (0, [])


def test_salts_do_not_share():
    cache = PrefixCache(100)
    _put(cache, [1, 2, 3], salt="ann")
    _put(cache, [1, 2], adapter="a@1", salt="bob")
    assert cache.longest(None, "ann", [1, 2, 3])[0] == 3
    for adapter, salt in ((None, None), (None, "bob"), ("a@1", "ann"), ("a@1", None)):
        assert cache.longest(adapter, salt, [1, 2, 3]) == (0, [])
    cache.drop("a@1")
    assert cache.longest("a@1", "bob", [1, 2]) == (0, [])


def test_least_recently_used_goes_first():
    cache = PrefixCache(6)
    _put(cache, [1, 1, 1])
    _put(cache, [2, 2, 2])
    cache.longest(None, None, [1, 1])
    _put(cache, [3, 3, 3])
    assert [cache.longest(None, None, [token] * 3)[0] for token in (1, 2, 3)] == [3, 0, 3]


def test_a_longer_prompt_replaces_its_beginning():
    cache = PrefixCache(5)
    _put(cache, [1, 2])
    _put(cache, [1, 2, 3])
    _put(cache, [4, 4])
    assert cache.longest(None, None, [1, 2, 3])[0] == 3
