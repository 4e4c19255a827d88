"""Free replies: what is true streams sentence by sentence, what is not never shows, and a reply is never empty."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from convrec.data.catalogue import Catalogue
from convrec.dialogue.placement import Placement
from convrec.dialogue.prose import Prose
from convrec.dialogue.reply import ReplyWriter
from convrec.dialogue.sentences import Sentences
from convrec.dialogue.tongues import Tongues
from convrec.engine.base import OpenPrompt, Sampling
from convrec.prompting import Prompts
from convrec.testing.engine import FakeEngine
from convrec.types import Evidence, EvidenceKind, Intent, IntentKind, Recommendation, SessionState, Slate

PROMPTS_DIR = Path(__file__).parents[3] / "prompts"
PROMPTS = Prompts(PROMPTS_DIR)
WISH = Intent(IntentKind.RECOMMEND, query="toys")
STATE = SessionState(query="toys", turns=1)
NEAR = Evidence(EvidenceKind.HISTORY, 0.6, value="liked", item_id="heat", title="Heat", effect=1.0)


def slate(catalogue: Catalogue) -> Slate:
    told = ((NEAR,), (), (), ())
    ids = ("toy", "ghost", "wood", "fargo")
    return Slate(
        tuple(Recommendation(catalogue[i], n, 1.0, 0.5, 0.5, 1.0, told[n - 1]) for n, i in enumerate(ids, start=1))
    )


async def write(catalogue: Catalogue, engine: FakeEngine, message: str = "toys", **changes: object) -> list[str]:
    writer = ReplyWriter(engine, PROMPTS, catalogue, timeout_s=0.2, tongues=Tongues(PROMPTS_DIR), mode="free")
    shown = replace(slate(catalogue), **changes)
    opened = OpenPrompt([21, 22, 23], "<|im_end|>")
    return [piece async for piece in writer.write(WISH, STATE, shown, lambda: opened, message=message)]


async def test_true_sentences_are_kept_and_false_ones_dropped(movies: Catalogue) -> None:
    said = (
        "Toy Story is a charming comedy. Tom Hanks is wonderful in it. Ghost (1995) is a romance. "
        "Pulp Fiction is better. Fargo suits you! And here it sto"
    )
    pieces = await write(movies, FakeEngine(said))
    assert pieces == ["Toy Story is a charming comedy.", " Ghost (1990) is a romance.", " Fargo suits you!"]


async def test_each_sentence_is_shown_before_the_next_is_written(movies: Catalogue) -> None:
    async def slowly() -> AsyncIterator[str]:
        for piece in ("Toy Story suits", " you. ", "Ghost does,", " too. "):
            yield piece
            seen.append(len(kept))

    kept: list[str] = []
    seen: list[int] = []
    prose = Prose(FakeEngine(), PROMPTS, movies, 5.0, 0.0)
    async for sentence in prose.checked(slowly(), slate(movies), STATE, None):
        kept.append(sentence)
    assert kept == ["Toy Story suits you.", " Ghost does, too."]
    assert seen == [0, 1, 1, 2]


@pytest.mark.parametrize(
    "said", ["", "Tom Hanks. Won an Oscar.", "Pulp Fiction and Heat", "Lovely evening to you."]
)
async def test_a_reply_that_names_nothing_is_completed_by_the_script(movies: Catalogue, said: str) -> None:
    script = Sentences(movies).script(WISH, STATE, slate(movies))
    text = "".join(await write(movies, FakeEngine(said)))
    assert text.endswith(script.default)
    assert ("Lovely evening to you. " in text) == (said == "Lovely evening to you.")


async def test_a_dead_or_slow_engine_or_a_degraded_slate_leaves_the_script(movies: Catalogue) -> None:
    class Hanging(FakeEngine):
        async def generate(
            self, prompt: Sequence[int], sampling: Sampling, adapter: str | None = None, salt: str | None = None
        ) -> AsyncIterator[str]:
            yield "Toy Story suits you. Gho"
            await asyncio.sleep(3600)

    default = Sentences(movies).script(WISH, STATE, slate(movies)).default
    assert "".join(await write(movies, FakeEngine(fail=True))) == default
    assert await write(movies, Hanging()) == ["Toy Story suits you."]
    assert "".join(await write(movies, FakeEngine("Ghost!"), degraded=True)) == default


async def test_it_never_runs_on(movies: Catalogue) -> None:
    assert len(await write(movies, FakeEngine("Ghost suits you. " * 50))) == 6


async def test_the_prompt_has_the_facts_and_the_language_but_no_other_title(movies: Catalogue) -> None:
    prompts: list[str] = []

    def listen(prompt: str, sampling: Sampling) -> str:
        prompts.append(prompt)
        assert sampling.grammar is None
        return "Ghost va contigo. Ghost ganó un Óscar."

    text = "".join(await write(movies, FakeEngine(listen), "quiero una película"))
    assert "Toy Story (1995; Animation, Children's, Comedy): close to films they liked" in prompts[0]
    assert "in Spanish" in prompts[0]
    assert "Heat" not in prompts[0]
    assert text == "Ghost va contigo."


async def test_where_an_item_stands_is_not_left_to_the_model(movies: Catalogue) -> None:
    writer = ReplyWriter(FakeEngine("Ghost suits you."), PROMPTS, movies, mode="free")
    about = Placement(movies["heat"], (), (), 1.0, 4, 9, 300, 2.0)
    opened = OpenPrompt([21], "")
    pieces = [
        p async for p in writer.write(Intent(IntentKind.WHY), STATE, slate(movies), lambda: opened, about=about)
    ]
    assert "".join(pieces).startswith("The film you ask about is number 9 for you")
