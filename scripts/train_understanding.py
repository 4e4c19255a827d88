"""Train what understands messages: the judges of kinds and wishes, and the adapter that answers questions.

    scripts/train_understanding.py judges                     # writes kind_judge.json, wish_judge.json
    scripts/train_understanding.py judges --check             # only says how good they are, each fifth held out
    scripts/train_understanding.py examples --out FILE        # what an adapter learns from, as gzipped JSON lines
    scripts/train_understanding.py adapter --examples FILE --out FOLDER
    scripts/train_understanding.py keep --measured FOLDER/adapter

Learns from the templates in scripts/data/understanding, filled with titles of MovieLens-100K and, where it is
given, of ReDial, and from development.jsonl and kinds.jsonl in tests/data/understanding. The test set beside those
is not read. The adapter trains on a GPU where there is one.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import shutil
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from convrec.console import ConsoleSteps
from convrec.data.catalogue import Catalogue, read_items
from convrec.data.sources import fetch_movielens
from convrec.dialogue.judging import FILE as KINDS
from convrec.dialogue.judging import LearnedKinds
from convrec.dialogue.questions import QuestionPrompts, QuestionReader
from convrec.dialogue.understanding import Understanding
from convrec.dialogue.wishes import FILE as WISHES
from convrec.dialogue.wishes import WISH, WishJudge
from convrec.engine.base import AdapterRef
from convrec.evaluation.messages import LabelledMessage, read_messages
from convrec.prompting import Prompts, load_domain
from convrec.ranking.blend import Blend
from convrec.service.build import READS, Workshop
from convrec.service.engines import engine_or_none
from convrec.settings import load_settings
from convrec.training.base_model import base_hash, base_name
from convrec.training.fusion import Weighed, cross_validated, fit_fusion, weigh
from convrec.training.kinds import KindLesson, as_json, fit_kinds, kind_lesson
from convrec.training.manifest import CONFIG, WEIGHTS, AdapterManifest
from convrec.training.message_examples import (
    MessageExample,
    kind_example,
    labelled_example,
    masked_titles,
    message_example,
    read_examples,
    split_units,
    write_examples,
)
from convrec.training.templates import Filler, Template, filled, read_templates
from convrec.training.trainer import TrainerConfig, train_on_messages
from convrec.training.wishes import WishLesson, fit_wishes, judged_wishes, wish_lessons
from convrec.types import IntentKind, Item

ROOT = Path(__file__).parents[1]
MESSAGES = ROOT / "tests/data/understanding"
TEMPLATES = ROOT / "scripts/data/understanding"
JUDGES = ROOT / "convrec/dialogue"
_WRITTEN = ("development", "kinds")
_OWN = TrainerConfig(layers=1.0, learning_rate=1e-3, epochs=1, batch=16, evaluations=5)

app = typer.Typer(help=__doc__, add_completion=False, no_args_is_help=True)


@app.command()
def judges(
    check: Annotated[bool, typer.Option("--check", help="Hold each fifth out in turn, write nothing")] = False,
    data_dir: Annotated[Path | None, typer.Option(help="Where the demo's data and models are")] = None,
) -> None:
    """Fit both judges, that of kinds to the demo's embedder or to the one that CONVREC_EMBEDDER names."""
    workshop = Workshop(load_settings(data_dir=data_dir))
    catalogue = _movielens(workshop)
    lessons = _lessons(catalogue, Understanding(catalogue), read_templates(TEMPLATES))
    if not check:
        for file, told in (
            (KINDS, as_json(fit_kinds(lessons.kinds, workshop.embedder), workshop.embedder)),
            (WISHES, fit_wishes(lessons.wishes)),
        ):
            JUDGES.joinpath(file).write_text(json.dumps(told, ensure_ascii=False, separators=(",", ":")))
        print(f"{len(lessons.kinds)} messages, {len(lessons.wishes)} wishes")
        return
    hits: dict[str, list[bool]] = {}
    for fold in range(5):
        held = lessons.of(set(sorted(lessons.units)[fold::5]))
        learn = lessons.without(held.units)
        fitted = fit_kinds(learn.kinds, workshop.embedder)
        kind = LearnedKinds(workshop.embedder, fitted.weights_K_D, fitted.bias_K)
        wish = WishJudge(fit_wishes(learn.wishes))
        for known in held.kinds:
            if known.by_rule is not None:
                hits.setdefault("kinds by rule", []).append(known.by_rule is known.kind)
                hits.setdefault("kinds", []).append(kind.kind(known.message, known.by_rule) is known.kind)
        for wished in held.wishes:
            logs = wish.logs(wished.features, wished.by_rule)
            hits.setdefault("wishes by rule", []).append(wished.by_rule == wished.option)
            hits.setdefault("wishes", []).append(WISH[logs.index(max(logs))] == wished.option)
    for name, own in hits.items():
        print(f"{name}: {sum(own) / len(own):.3f} of {len(own)}")


@app.command()
def examples(
    out: Annotated[Path, typer.Option(help="FILE.jsonl.gz")],
    redial: Annotated[Path | None, typer.Option(help="ReDial as released, for its titles")] = None,
    passes: Annotated[int, typer.Option(help="Messages of each template and catalogue")] = 9,
    repeats: Annotated[int, typer.Option(help="How often each hand-written message occurs")] = 3,
    seed: Annotated[int, typer.Option()] = 0,
    data_dir: Annotated[Path | None, typer.Option(help="Where the demo's data is")] = None,
) -> None:
    """Make what an adapter learns from."""
    workshop = Workshop(load_settings(data_dir=data_dir))
    movielens = _movielens(workshop)
    catalogues = [movielens]
    if redial is not None:
        catalogues.append(Catalogue(_redial(redial / "id2info.json"), movielens.domain))
    dice = random.Random(seed)
    templates = read_templates(TEMPLATES)
    made: list[MessageExample] = []
    for catalogue in catalogues:
        rules = Understanding(catalogue)
        for labelled in filled(templates, Filler(catalogue, seed), passes):
            made.append(message_example(labelled, rules, earlier=dice.random() < 0.3))
    rules = Understanding(movielens)
    titles = [item.title for item in movielens.values()]
    for _ in range(repeats):
        made += [labelled_example(one, rules, dice.random() < 0.2) for one in _development()]
        for number, (message, kind) in enumerate(_kinds()):
            told = message.replace("[title]", dice.choice(titles))
            made.append(kind_example(f"kinds:{number}", told, kind, dice.random() < 0.2))
    dice.shuffle(made)
    print(f"{write_examples(made, out)} examples, {out}")


@app.command()
def adapter(
    examples: Annotated[Path, typer.Option(help="What `examples` made")],
    out: Annotated[Path, typer.Option(help="Of this training alone; the adapter is OUT/adapter")],
    model: Annotated[Path | None, typer.Option(help="The base model's folder [the demo's]")] = None,
    every: Annotated[int, typer.Option(help="Templates: one of so many is held out")] = 7,
    written: Annotated[bool, typer.Option(help="Learn from hand-written messages as well")] = True,
    everything: Annotated[bool, typer.Option(help="Learn from the held-out templates as well")] = False,
    first: Annotated[int | None, typer.Option(help="Only so many examples of each part")] = None,
    judge: Annotated[int, typer.Option(help="At most so many held-out examples choose the weights")] = 480,
    rank: Annotated[int, typer.Option()] = _OWN.rank,
    layers: Annotated[float, typer.Option()] = _OWN.layers,
    learning_rate: Annotated[float, typer.Option()] = _OWN.learning_rate,
    epochs: Annotated[int, typer.Option()] = _OWN.epochs,
    batch: Annotated[int, typer.Option(help="Examples per step, in one pass of the model")] = _OWN.batch,
    evaluations: Annotated[int, typer.Option()] = _OWN.evaluations,
    seed: Annotated[int, typer.Option()] = 0,
) -> None:
    """Train an adapter that answers questions about messages."""
    settings = load_settings()
    base = model or Path(Workshop(settings).model)
    prompts = QuestionPrompts(
        Prompts(settings.prompts_dir).load("understand"), load_domain(settings.prompts_dir, "movies")
    )
    config = TrainerConfig(
        rank=rank,
        alpha=2 * rank,
        layers=layers,
        learning_rate=learning_rate,
        epochs=epochs,
        batch=batch,
        evaluations=evaluations,
        patience=evaluations,
        seed=seed,
    )
    told = read_examples(examples)
    templates = [one for one in told if not one.unit.startswith(_WRITTEN)]
    own = [one for one in told if one.unit.startswith(_WRITTEN)] if written else []
    learn, held = split_units(templates, every)
    learn = [*(templates if everything else learn), *own]
    with ConsoleSteps(Console(stderr=True)).step("Training") as progress:
        trained = train_on_messages(base, learn[:first], held[: first or judge], prompts, out, config, progress)
    (out / "trained.json").write_text(
        json.dumps(
            {
                "right_start": trained.right_start,
                "right_best": trained.right_best,
                "steps": trained.steps,
                "learned": len(learn[:first]),
                "units": sorted({one.unit for one in learn[:first]}),
                "prompt": prompts.name,
            }
        )
    )
    print(f"right {trained.right_start:.4f} before, {trained.right_best:.4f} after {trained.steps} steps")


@app.command()
def keep(
    measured: Annotated[Path, typer.Option(help="OUT/adapter of a training that held templates out")],
    adapter: Annotated[Path | None, typer.Option(help="OUT/adapter that is kept [the measured one]")] = None,
    each: Annotated[
        int, typer.Option(help="At most so many held-out templates of each kind are asked about")
    ] = 60,
    seed: Annotated[int, typer.Option()] = 0,
    data_dir: Annotated[Path | None, typer.Option(help="Where the demo's data and models are")] = None,
) -> None:
    """Fit what an adapter's answers count beside rules and judges, say what it is worth, make a version of it.

    By templates and hand-written messages that the measured training had not, and judges fitted without these.
    """
    workshop = Workshop(load_settings(data_dir=data_dir))
    catalogue = _movielens(workshop)
    prompts = QuestionPrompts(workshop.prompts.load("understand"), catalogue.domain)
    learned = set(json.loads((measured.parent / "trained.json").read_text())["units"])
    templates = read_templates(TEMPLATES)
    held = _of_each_kind([one for one in templates if one.name not in learned], each, random.Random(seed))
    rules = Understanding(catalogue)
    asked = [message_example(one, rules, earlier=False) for one in filled(held, Filler(catalogue, seed), 1)]
    written = [labelled_example(one, rules, earlier=False) for one in _development()]
    asked += [example for example in written if example.unit not in learned]
    lessons = _lessons(catalogue, rules, templates).without({example.unit for example in asked})
    weighed = asyncio.run(_weighed(asked, workshop, prompts, AdapterRef("measured@1", measured), lessons))
    metrics = cross_validated(weighed)
    print(json.dumps(metrics, indent=1))
    fusion = fit_fusion([case for cases in weighed.values() for case in cases])
    with workshop.registry.stage(READS) as (staging, number):
        for file in (adapter or measured).iterdir():
            if file.name in (WEIGHTS, CONFIG):
                shutil.copyfile(file, staging / file.name)
        version = workshop.registry.publish(
            staging,
            AdapterManifest(
                READS,
                number,
                base_name(workshop.model),
                base_hash(workshop.model),
                prompts.name,
                catalogue.domain.name,
                accepted=True,
                reasons=("it answers questions about messages and ranks nothing",),
                blend=Blend(),
                metrics=metrics,
                data={"held_out_messages": len(asked)},
                created=datetime.now(UTC).isoformat(timespec="seconds"),
                fusion=asdict(fusion),
            ),
        )
    print(f"{version.label} was made")


def _of_each_kind(templates: Sequence[Template], each: int, dice: random.Random) -> list[Template]:
    """At most so many of every kind."""
    own = [[one for one in templates if one.kind is kind] for kind in IntentKind]
    return [one for some in own for one in dice.sample(some, min(each, len(some)))]


async def _weighed(
    held: Sequence[MessageExample],
    workshop: Workshop,
    prompts: QuestionPrompts,
    ref: AdapterRef,
    lessons: Lessons,
) -> dict[str, list[Weighed]]:
    """Everything that is said of held-out messages' questions, by template."""
    fitted = fit_kinds(lessons.kinds, workshop.embedder)
    kind = LearnedKinds(workshop.embedder, fitted.weights_K_D, fitted.bias_K)
    wish = WishJudge(fit_wishes(lessons.wishes))
    steps = ConsoleSteps(Console(stderr=True))
    found: dict[str, list[Weighed]] = {}
    async with engine_or_none(workshop.settings, workshop.model, steps) as engine:
        if engine is None:
            raise typer.Exit(1)
        await engine.load_adapter(ref)
        reader = QuestionReader(engine, prompts, ref.name)
        with steps.step("Asking") as progress:
            for number, one in enumerate(held):
                answers = await reader.answer(one.questions)
                judged = kind.logs(masked_titles(one.questions))
                wishes = judged_wishes(wish, one.questions)
                found.setdefault(one.unit, []).extend(weigh(one, answers, judged, wishes))
                progress(number / len(held), one.unit)
    return found


@dataclass(frozen=True)
class Lessons:
    """What the judges learn from: a message of each template and all hand-written ones."""

    kinds: list[KindLesson]
    wishes: list[WishLesson]

    def of(self, units: Collection[str]) -> Lessons:
        """Those of some units."""
        return Lessons([o for o in self.kinds if o.unit in units], [o for o in self.wishes if o.unit in units])

    def without(self, units: Collection[str]) -> Lessons:
        """Those of all other units."""
        return self.of(self.units - set(units))

    @property
    def units(self) -> set[str]:
        """All templates and messages."""
        return {one.unit for one in (*self.kinds, *self.wishes)}


def _lessons(catalogue: Catalogue, rules: Understanding, templates: Sequence[Template]) -> Lessons:
    made = [message_example(one, rules, earlier=False) for one in filled(templates, Filler(catalogue, 0), 3)]
    written = [labelled_example(one, rules, earlier=False) for one in _development()]
    first = {example.unit: example for example in reversed([*made, *written])}
    return Lessons(
        [kind_lesson(example) for example in first.values()]
        + [KindLesson(f"kinds:{number}", message, kind) for number, (message, kind) in enumerate(_kinds())],
        # Templates are full of hedges; hand-written messages say plain things as often as people do.
        wish_lessons(made) + wish_lessons(written) * 4,
    )


def _movielens(workshop: Workshop) -> Catalogue:
    items = read_items(fetch_movielens(workshop.settings.data_dir).catalogue_file)
    movies = load_domain(workshop.settings.prompts_dir, "movies")
    return Catalogue((item for item in items if isinstance(item, Item)), movies)


def _redial(file: Path) -> list[Item]:
    """The films of ReDial with what understanding reads of them; none of its conversations."""
    told = json.loads(file.read_text(encoding="utf-8"))
    items = {}
    for item_id, film in told.items():
        named = re.fullmatch(r"(?P<title>.+?) *(?:\((?P<year>\d{4})\))?", str(film["name"]).strip())
        if named:
            year = {} if named["year"] is None else {"year": int(named["year"])}
            genres = tuple(str(genre).title() for genre in film.get("genre", ()))
            items[named["title"], named["year"]] = Item(item_id, named["title"], {**year, "genre": genres})
    return list(items.values())


def _development() -> list[LabelledMessage]:
    return read_messages(MESSAGES / "development.jsonl")


def _kinds() -> list[tuple[str, IntentKind]]:
    lines = (MESSAGES / "kinds.jsonl").read_text(encoding="utf-8").splitlines()
    return [(told["message"], IntentKind(told["kind"])) for told in map(json.loads, lines)]


if __name__ == "__main__":
    app()
