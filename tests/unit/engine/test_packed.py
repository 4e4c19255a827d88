"""The packed layout: who sees whom, and where each token stands."""

from convrec.engine.packed import chunks, pack


def test_segments_see_the_prefix_and_themselves_only():
    packed = pack([7, 8], [[1, 2], [3]])
    assert packed.ids.tolist() == [7, 8, 1, 2, 3]
    assert packed.positions.tolist() == [0, 1, 2, 3, 2]
    assert packed.last.tolist() == [3, 4]
    assert packed.mask.int().tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 1, 1, 1, 0],
        [1, 1, 0, 0, 1],
    ]


def test_computed_prefix_tokens_are_attended_to_but_not_fed():
    whole, rest = pack([7, 8], [[1, 2], [3]]), pack([7, 8], [[1, 2], [3]], computed=2)
    assert rest.ids.tolist() == [1, 2, 3]
    assert rest.mask.tolist() == whole.mask[2:].tolist()
    assert rest.positions.tolist() == whole.positions[2:].tolist()
    assert rest.last.tolist() == [1, 2]


def test_chunks_keep_order_and_bound():
    segments = [[1] * 3, [2] * 3, [3] * 9, [4]]
    assert [list(chunk) for chunk in chunks(segments, 6)] == [segments[:2], segments[2:3], segments[3:]]
    assert list(chunks([], 6)) == []
