"""Replies as they are streamed: whatever the engine does, they are whole and name only the slate."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from convrec.data.catalogue import Catalogue
from convrec.dialogue.form import PLAIN_FORM, Form
from convrec.dialogue.options import ReplyOptions
from convrec.dialogue.reply import ReplyWriter, mentions_outside
from convrec.dialogue.script import Script
from convrec.dialogue.sentences import Sentences
from convrec.engine.base import Engine, OpenPrompt, Sampling, Tokenizer
from convrec.errors import EngineUnavailableError
from convrec.prompting import Prompts
from convrec.testing.engine import FakeEngine
from convrec.types import Intent, IntentKind, Recommendation, SessionState, Slate

PROMPTS = Prompts(Path(__file__).parents[3] / "prompts")
WISH = Intent(IntentKind.RECOMMEND, query="toys")
STATE = SessionState(query="toys", turns=1)
OPENED = OpenPrompt([21, 22, 23], "<|im_end|>", salt="ann")


def slate(catalogue: Catalogue, degraded: bool = False) -> Slate:
    ids = ["toy", "ghost", "big", "wood"]
    shown = tuple(Recommendation(catalogue[i], n, 1.0, 0.5, 0.5, 1.0) for n, i in enumerate(ids, start=1))
    return Slate(shown, degraded=degraded)


def script(catalogue: Catalogue) -> Script:
    return Sentences(catalogue).script(WISH, STATE, slate(catalogue))


async def write(
    catalogue: Catalogue, engine: Engine, shown: Slate, intent: Intent = WISH, **options: float
) -> str:
    writer = ReplyWriter(engine, PROMPTS, catalogue, **options)
    pieces = [piece async for piece in writer.write(intent, STATE, shown, lambda: OPENED)]
    assert all(pieces)
    return "".join(pieces)


class Idle(FakeEngine):
    """Waits for ever, and remembers whether its stream was closed."""

    closed = False

    async def generate(
        self,
        prompt: Sequence[int],
        sampling: Sampling,
        adapter: str | None = None,
        salt: str | None = None,
    ) -> AsyncIterator[str]:
        try:
            yield self._reply if isinstance(self._reply, str) else ""
            await asyncio.sleep(3600)
        finally:
            self.closed = True


class Unstarted(FakeEngine):
    """An engine whose model is not loaded."""

    @property
    def tokenizer(self) -> Tokenizer:
        raise EngineUnavailableError("not started; start it")


async def test_the_engine_chooses_the_sentences(movies: Catalogue) -> None:
    chosen = " ".join(slot[-1] for slot in script(movies).slots)
    assert chosen != script(movies).default
    assert await write(movies, FakeEngine(chosen), slate(movies)) == chosen


async def test_the_engine_is_held_to_the_grammar(movies: Catalogue) -> None:
    asked: list[Sampling] = []

    def reply(prompt: str, sampling: Sampling) -> str:
        asked.append(sampling)
        return script(movies).default

    await write(movies, FakeEngine(reply), slate(movies))
    assert asked[0].grammar == script(movies).grammar()
    assert asked[0].max_tokens < 150


async def test_it_goes_on_from_what_the_engine_has_read_to_rank(
    movies: Catalogue,
) -> None:
    seen: list[tuple[Sequence[int], str | None, str | None]] = []

    class Reading(FakeEngine):
        def generate(
            self,
            prompt: Sequence[int],
            sampling: Sampling,
            adapter: str | None = None,
            salt: str | None = None,
        ) -> AsyncIterator[str]:
            seen.append((prompt, adapter, salt))
            return super().generate(prompt, sampling, adapter, salt)

    engine = Reading(script(movies).default)
    engine.adapters.add("films@3")
    await write(movies, engine, replace(slate(movies), adapter="films@3"))
    ((prompt, adapter, salt),) = seen
    assert list(prompt[:3]) == OPENED.before
    assert salt == OPENED.salt
    assert adapter == "films@3"
    assert engine.tokenizer.decode(prompt[3:]).startswith("Yes to these films:\n1. ")


@pytest.mark.parametrize("text", ["I recommend Alien and Fargo.", "", "Here", "<|im_end|>"])
async def test_what_the_script_does_not_have_is_never_said(movies: Catalogue, text: str) -> None:
    assert await write(movies, FakeEngine(text), slate(movies)) == script(movies).default


async def test_a_reply_that_leaves_the_script_half_way_is_completed(movies: Catalogue) -> None:
    first, second = (slot[-1] for slot in script(movies).slots[:2])
    text = await write(movies, FakeEngine(f"{first} {second[:10]} and now Alien"), slate(movies))
    assert text.startswith(f"{first} ")
    assert script(movies).complete(text) == ""


async def test_an_engine_that_is_down_costs_nothing_but_the_choice(movies: Catalogue) -> None:
    for engine in (FakeEngine(fail=True), Unstarted()):
        assert await write(movies, engine, slate(movies)) == script(movies).default


async def test_an_engine_that_fails_half_way_is_completed(movies: Catalogue) -> None:
    engine = FakeEngine(script(movies).default)
    text = ""
    async for piece in ReplyWriter(engine, PROMPTS, movies).write(WISH, STATE, slate(movies), lambda: OPENED):
        text += piece
        engine.fail = True
    assert text == script(movies).default


async def test_an_engine_that_hangs_is_left_and_closed(movies: Catalogue) -> None:
    engine = Idle(script(movies).default[:7])
    assert await write(movies, engine, slate(movies), timeout_s=0.05) == script(movies).default
    assert engine.closed


async def test_closing_a_reply_closes_the_engines_stream(movies: Catalogue) -> None:
    engine = Idle(script(movies).default[:7])
    stream = ReplyWriter(engine, PROMPTS, movies).write(WISH, STATE, slate(movies), lambda: OPENED)
    assert await anext(stream) == script(movies).default[:7]
    await stream.aclose()  # type: ignore[attr-defined]
    assert engine.closed


async def test_the_engine_is_not_asked_where_it_could_not_help(movies: Catalogue) -> None:
    def reply(prompt: str, sampling: Sampling) -> str:
        pytest.fail("asked the engine")

    engine = FakeEngine(reply)
    assert await write(movies, engine, slate(movies, degraded=True)) == script(movies).default
    assert "film" in await write(movies, engine, Slate(()))
    hello = await write(movies, engine, slate(movies), Intent(IntentKind.SMALL_TALK))
    assert hello.startswith("Happy to help")
    assert mentions_outside(hello, ["toy", "ghost", "big", "wood"], movies) == []


async def fill(catalogue: Catalogue, engine: Engine, shown: Slate, form: Form) -> str:
    writer = ReplyWriter(engine, PROMPTS, catalogue)
    options = ReplyOptions(form=form)
    (text,) = [piece async for piece in writer.write(WISH, STATE, shown, lambda: OPENED, options)]
    return text


async def test_a_form_is_said_at_once_and_names_the_slate_only(movies: Catalogue) -> None:
    text = await fill(movies, FakeEngine("no JSON"), slate(movies), PLAIN_FORM)
    assert PLAIN_FORM.accepts(text)
    assert [entry["item_id"] for entry in json.loads(text)["recommendations"]] == ["toy", "ghost", "big", "wood"]
    assert mentions_outside(text, ["toy", "ghost", "big", "wood"], movies) == []


async def test_a_reason_is_of_its_own_item(movies: Catalogue) -> None:
    told = json.loads(await fill(movies, FakeEngine("no JSON"), slate(movies), PLAIN_FORM))["recommendations"]
    for entry in told:
        assert not any(other["title"] in entry["why"] for other in told if other is not entry)


async def test_an_engine_is_not_asked_for_a_form_that_nobody_waits_for(movies: Catalogue) -> None:
    def reply(prompt: str, sampling: Sampling) -> str:
        pytest.fail("asked the engine")

    flags = {f"flag{n}": {"type": "boolean", "description": "x"} for n in range(200)}
    item = {"type": "object", "properties": {"item_id": {"type": "string"}, **flags}}
    form = Form({"type": "object", "properties": {"films": {"type": "array", "items": item}}})
    assert len(json.loads(await fill(movies, FakeEngine(reply), slate(movies), form))["films"]) == 4
    assert PLAIN_FORM.accepts(await fill(movies, FakeEngine(reply), slate(movies, degraded=True), PLAIN_FORM))


async def test_a_form_that_cannot_be_filled_is_answered_in_prose(movies: Catalogue) -> None:
    form = Form({"type": "object", "properties": {"item_id": {"const": "zz"}}, "required": ["item_id"]})
    assert await fill(movies, FakeEngine("no JSON"), slate(movies), form) == script(movies).default


async def test_a_client_may_choose_temperature_and_seed(movies: Catalogue) -> None:
    asked: list[Sampling] = []

    def reply(prompt: str, sampling: Sampling) -> str:
        asked.append(sampling)
        return ""

    writer = ReplyWriter(FakeEngine(reply), PROMPTS, movies, temperature=0.7)
    for options in (ReplyOptions(), ReplyOptions(temperature=0.0, seed=5)):
        assert [p async for p in writer.write(WISH, STATE, slate(movies), lambda: OPENED, options)]
    assert [sampling.temperature for sampling in asked] == [0.7, 0.0]
    assert asked[1].seed == 5
    assert asked[0].seed is not None
