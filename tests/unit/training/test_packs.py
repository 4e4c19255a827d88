import math

import pytest
import torch

from convrec.engine.packed import label_logits
from convrec.training.packs import Packs, packed_of


def test_a_pack_scores_each_item_as_if_it_were_alone(tiny, tokenizer, prompts, rieslings) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(str(tiny))
    packs = Packs(rieslings, prompts, tokenizer)
    with torch.no_grad():
        for number in (0, 1, 2):
            logits, _ = label_logits(model, packed_of(packs[number]), packs.labels)
            example = rieslings[number]
            prompt = prompts.make(tokenizer, example.context, example.candidates)
            for place, segment in enumerate(prompt.segments):
                row = torch.tensor([prompt.prefix + segment])
                last = model(input_ids=row).logits[0, -1]
                alone = float(last[packs.labels.yes] - last[packs.labels.no])
                assert float(logits[place]) == pytest.approx(alone, abs=1e-4)


def test_no_segment_sees_another(tiny, tokenizer, prompts, rieslings) -> None:
    """Whatever the others say, an item's logit stays; what the prefix says changes it."""
    from transformers import AutoModelForCausalLM

    from convrec.engine.packed import pack

    model = AutoModelForCausalLM.from_pretrained(str(tiny))
    prompt = prompts.make(tokenizer, rieslings[0].context, rieslings[0].candidates)
    changed = [prompt.segments[0], *([token + 1 for token in segment] * 2 for segment in prompt.segments[1:])]
    other_prefix = [token + 1 for token in prompt.prefix]
    with torch.no_grad():
        first, same, different = (
            float(label_logits(model, pack(prefix, segments), prompt.labels)[0][0])
            for prefix, segments in (
                (prompt.prefix, prompt.segments),
                (prompt.prefix, changed),
                (other_prefix, prompt.segments),
            )
        )
    assert same == pytest.approx(first, abs=1e-5)
    assert abs(different - first) > 1e-3


def test_room_is_for_what_was_wanted_first_and_draws_anew_per_pass(tokenizer, prompts, rieslings) -> None:
    packs = Packs(rieslings, prompts, tokenizer, passes=5, room=3, seed=1)
    assert len(packs) == 5 * len(rieslings)
    kept = []
    for n in range(5):
        pack = packs[7 + n * len(rieslings)]
        assert pack["label"].sum() == 1
        assert len(pack["label"]) == len(pack["last"]) == 3
        kept.append(tuple(pack["ids"].tolist()))
        assert float(pack["drawn"]) == pytest.approx(math.log(5 / 2))
    assert len(set(kept)) > 1
    again = Packs(rieslings, prompts, tokenizer, passes=5, room=3, seed=1)
    assert again[7]["ids"].tolist() == packs[7]["ids"].tolist()


def test_a_whole_example_is_not_drawn(tokenizer, prompts, rieslings) -> None:
    pack = Packs(rieslings, prompts, tokenizer)[0]
    assert pack["offset"].tolist() == list(rieslings[0].offset)
    assert float(pack["drawn"]) == 0.0
