"""Counts false statements in replies of the real system, with a reading of its own.

In mode `script` no model is asked: of every text that the grammar could let one say, some are drawn at random.
It shares nothing with what writes or checks replies: titles, years, genres, counts and popularity are looked for
in the text with plain patterns and compared with the catalogue's file. Exits with 1 where any is false.
Run `convrec demo` once before.
"""

from __future__ import annotations

import asyncio
import csv
import random
import re
import tempfile
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal
from uuid import uuid4

import typer
from rich.console import Console

from convrec.console import ConsoleSteps
from convrec.dialogue.sentences import Sentences
from convrec.dialogue.tongues import Tongues
from convrec.engine.base import Engine
from convrec.retrieval.index import build_index, open_index
from convrec.service.build import Workshop
from convrec.service.engines import NoEngine, start_engine
from convrec.service.recommender import Recommender
from convrec.service.requests import ChatRequest, ReplyDelta, SlateReady
from convrec.settings import load_settings

MESSAGES = (
    "what should I see tonight?",
    "something like {title} but funnier",
    "a {genre} film from the {decade}s",
    "no {genre} please",
    "a {genre} from before {year}",
    "films about boxing",
    "three {genre} films",
    "why these?",
    "why not {title}?",
    "I loved {title}",
    "something newer",
    "quiero una película de ciencia ficción",
    "我喜欢看科幻电影",
    "thanks!",
)
_CANDIDATES = 5
"""The order of a slate is not what is checked: the least that the language model can score."""
_DRAWN = 4
_COUNTS = dict(zip("one two three four five six seven eight nine ten".split(), range(1, 11), strict=True))
_SENTENCE = re.compile(r"(?<=[.!?。！？:：])\s+|(?<=[。！？：])|\s+(?=<\d+> \(\d{4};)")
"""A title with what the catalogue has of it, "<2> (1996; Action)", begins one of its own: models list them so."""


@dataclass(frozen=True, slots=True)
class Film:
    """A row of the catalogue's file."""

    item_id: str
    title: str
    year: str
    genres: frozenset[str]


def read_films(file: Path) -> dict[str, Film]:
    """item_id -> film."""
    with file.open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    return {
        row["item_id"]: Film(row["item_id"], row["title"], row["year"], frozenset(row["genre"].split("|")))
        for row in rows
    }


def false_statements(
    reply: str, shown: list[Film], films: dict[str, Film], asked: list[str], choices: dict[str, int]
) -> Iterator[str]:
    """What a reply says that is not so.

    Args:
        asked: Facet values and years that the conversation asked for.
        choices: item_id -> how many people have it in their history.
    """
    text = re.sub(r"“[^”]*”", "“”", reply)  # what is quoted is the person's
    genres = {genre for film in films.values() for genre in film.genres if genre}
    own = sorted((film.title for film in shown), key=len, reverse=True)
    bare = text
    for title in own:
        bare = bare.replace(title, "\x00" * len(title))
    for film in films.values():
        if (
            len(film.title) > 4
            and film.title not in own
            and re.search(rf"(?<!\w){re.escape(film.title)}(?!\w)", bare)
        ):
            yield f"names {film.title}, which is not shown"
    for film in shown:
        for match in re.finditer(rf"{re.escape(film.title)} \((\d{{4}})\)", text):
            years = {other.year for other in shown if other.title == film.title}
            if match[1] not in years:
                yield f"dates {film.title} {match[1]}"
    marked = text
    for n, title in enumerate(own):  # a title may have a full stop or a genre in it
        marked = re.sub(rf"{re.escape(title)}(?:\.+(?= \())?", f"<{n}>", marked)
    meant: list[Film] = []  # what "it" is: "X is popular: 485 people have it in their history"
    goes_on = False  # after a colon
    for sentence in _SENTENCE.split(marked):
        spoken = [film for film in shown if f"<{own.index(film.title)}>" in sentence]
        if not spoken and goes_on:
            spoken = meant
        meant = spoken or meant
        goes_on = sentence.endswith((":", "："))
        rest = re.sub(r"<\d+>", " ", sentence)
        for year in re.findall(r"(?<!\d)(1[89]\d\d|20\d\d)(?!\d)", rest):
            if year not in asked and year not in {film.year for film in spoken or shown}:
                yield f"says {year} in {sentence!r}"
        for genre in genres:
            if re.search(rf"(?<![\w-]){re.escape(genre)}(?![\w-])", rest) and genre not in asked:
                wrong = [film.title for film in spoken or shown if genre not in film.genres]
                if wrong:
                    yield f"calls {wrong[0]} {genre}"
            elif re.search(rf"(?<![\w-]){re.escape(genre)}(?![\w-])", rest) and "without" not in rest:
                wrong = [film.title for film in spoken if genre not in film.genres]
                if wrong:
                    yield f"calls {wrong[0]} {genre}"
        for word, count in _COUNTS.items():
            if (
                re.search(rf"(?i)(?<!\w){word} (?:[\w'-]+ ){{0,3}}films?\b", rest)
                and count != len(shown)
                and count > 1
            ):
                yield f"counts {word} of {len(shown)}"
        for people in re.findall(r"(\d+) people", rest):
            if all(str(choices.get(film.item_id, 0)) != people for film in meant):
                yield f"says that {people} people know it"
        if re.search(r"(?i)\b(directed|starring|stars|oscar|award|based on|written by|released)\b", rest):
            yield f"tells what no catalogue says: {sentence!r}"
    if not reply.strip():
        yield "is empty"


@dataclass(frozen=True, slots=True)
class Said:
    """What could be said in any turn."""

    sentences: Sentences
    tongues: Tongues


def drawn(ready: SlateReady, said: Said, message: str, rng: random.Random) -> list[str]:
    """Some of the texts that the grammar of a turn has."""
    slate = replace(ready.slate, degraded=False)
    script = said.sentences.script(ready.intent, ready.state, slate, None, said.tongues.detect(message))
    return [" ".join(rng.choice(slot) for slot in script.slots) for _ in range(_DRAWN)]


def _told(value: str | float) -> str:
    return f"{value:g}" if isinstance(value, float) else value


@dataclass(slots=True)
class Count:
    """What was heard so far.

    Args:
        begun: Turns that are under way or answered.
        replies: Turns that were answered.
        degraded: Of them, without the language model.
        false: Statements.
    """

    begun: int = 0
    replies: int = 0
    degraded: int = 0
    false: int = 0


async def converse(
    recommender: Recommender,
    films: dict[str, Film],
    replies: int,
    together: int,
    seed: int,
    choices: dict[str, int],
    said: Said | None,
) -> Count:
    """Count false statements in so many replies, or in texts drawn from `said`, of conversations held together."""
    users = [user_id for user_id, _ in recommender.ledger.users(1000)]
    known = [film for film in films.values() if choices.get(film.item_id, 0) > 50]
    count = Count()

    async def talk(number: int) -> None:
        rng = random.Random(f"{seed}/{number}")
        while count.begun < replies:
            user_id = rng.choice([*users, f"new-{number}-{count.begun}"])
            session = f"check-{uuid4().hex}"
            for _ in range(min(rng.choice((1, 2, 3)), replies - count.begun)):
                count.begun += 1
                film = rng.choice(known)
                message = rng.choice(MESSAGES).format(
                    title=film.title,
                    genre=rng.choice(sorted(film.genres)),
                    decade=rng.choice((70, 80, 90)),
                    year=1985,
                )
                await _turn(recommender, ChatRequest(user_id, message, session), films, choices, said, rng, count)

    await asyncio.gather(*(talk(number) for number in range(together)))
    return count


async def _turn(
    recommender: Recommender,
    request: ChatRequest,
    films: dict[str, Film],
    choices: dict[str, int],
    said: Said | None,
    rng: random.Random,
    count: Count,
) -> None:
    texts, text, shown, asked = [], "", [], []
    async with aclosing(recommender.chat(request)) as events:
        async for event in events:
            if isinstance(event, SlateReady):
                shown = [films[r.item.item_id] for r in event.slate.recommendations]
                asked = [_told(c.value) for c in event.state.constraints]
                count.degraded += event.slate.degraded
                if said is not None:
                    texts = drawn(event, said, request.message, rng)
                    break
            elif isinstance(event, ReplyDelta):
                text += event.text
    count.replies += 1
    for reply in texts or [text]:
        for problem in false_statements(reply, shown, films, asked, choices):
            count.false += 1
            print(f"{request.message!r}: {problem}\n    {reply}", flush=True)
    if count.replies % 25 == 0:
        print(f"{count.replies} replies, {count.false} false statements", flush=True)


def main(
    replies: Annotated[int, typer.Option(help="How many, of each mode")] = 500,
    modes: Annotated[str, typer.Option(help="Comma-separated: script, grammar, free")] = "grammar",
    together: Annotated[int, typer.Option(min=1, help="Conversations at a time")] = 1,
    engine: Annotated[Literal["auto", "vllm", "transformers"], typer.Option()] = "transformers",
    seed: int = 0,
    data_dir: Annotated[Path, typer.Option(help="Where the demo's data is")] = Path(".convrec"),
) -> None:
    """Count."""
    demo = Workshop(load_settings(data_dir=data_dir, candidates=_CANDIDATES, engine=engine))
    films = read_films(data_dir / "movielens-100k" / "catalogue.csv")

    async def run() -> dict[str, Count]:
        steps = ConsoleSteps(Console(stderr=True))
        model: Engine = NoEngine() if modes == "script" else await start_engine(demo.settings, demo.model, steps)
        results = {}
        with tempfile.TemporaryDirectory() as folder:
            workshop = demo.elsewhere(Path(folder))
            catalogue = demo.catalogue()
            workshop.ledger.append_many(list(demo.ledger.feedback()))
            build_index(workshop.settings.index_dir, catalogue, workshop.ledger.feedback(), workshop.embedder)
            with open_index(workshop.settings.index_dir, workshop.embedder) as index:
                choices = dict(zip(index.item_ids, index.signals.popularity.counts_N.tolist(), strict=True))
                for mode in modes.split(","):
                    workshop.settings = workshop.settings.model_copy(
                        update={"reply": "free" if mode == "free" else "grammar"}
                    )
                    version = await workshop.version(model, None)
                    recommender = workshop.recommender(catalogue, index, model, version)
                    tongues = Tongues(workshop.settings.prompts_dir)
                    said = Said(Sentences(catalogue, tongues), tongues) if mode == "script" else None
                    results[mode] = await converse(recommender, films, replies, together, seed, choices, said)
        await model.close()
        return results

    results = asyncio.run(run())
    for mode, count in results.items():
        without = f", {count.degraded} without the language model" if mode != "script" else ""
        print(f"{count.false} false statements in {count.replies} replies ({mode}{without})")
    if any(count.false for count in results.values()):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
