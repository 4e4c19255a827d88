"""From templates to packs of questions, and from a model's answers to what they count."""

import json
import random
import re
from math import log
from pathlib import Path

import pytest

from convrec.data.catalogue import Catalogue
from convrec.dialogue.fusing import TITLE
from convrec.dialogue.questions import NONE, OPTIONS, QuestionPrompts, Subject
from convrec.dialogue.understanding import Understanding
from convrec.progress import silent
from convrec.prompting import Prompts, load_domain
from convrec.settings import Settings
from convrec.training.fusion import Weighed, cross_validated, fit_fusion
from convrec.training.message_examples import message_example, read_examples, split_units, write_examples
from convrec.training.message_packs import MessagePacks
from convrec.training.templates import Filler, Template, filled, read_templates
from convrec.training.trainer import TrainerConfig, train_on_messages
from convrec.types import IntentKind, Item

ROOT = Path(__file__).parents[3]
PROMPTS_DIR = Settings().prompts_dir


@pytest.fixture(scope="module")
def films() -> Catalogue:
    titles = ("Alien", "Fargo", "The Birds", "Pulp Fiction", "Airplane!", "Toy Story")
    items = [Item(f"f{n}", title, {"year": 1980 + n, "genre": ("Drama",)}) for n, title in enumerate(titles)]
    items.append(Item("g", "Genres", {"genre": ("Horror", "Comedy", "Western", "War", "Romance")}))
    return Catalogue(items, load_domain(PROMPTS_DIR, "movies"))


@pytest.fixture(scope="module")
def asking(films: Catalogue) -> QuestionPrompts:
    return QuestionPrompts(Prompts(PROMPTS_DIR).load("understand"), films.domain)


def test_the_shipped_templates_fill_and_say_what_they_mean(films: Catalogue) -> None:
    templates = read_templates(ROOT / "scripts/data/understanding")
    assert len({template.text for template in templates}) == len(templates) > 1500
    assert {template.kind for template in templates} == set(IntentKind)
    for labelled in filled(templates, Filler(films), 1):
        assert "{" not in labelled.message
        assert labelled.message.strip()
        for part in labelled.parts:
            assert labelled.message[part.start : part.end].strip()
            assert part.option in OPTIONS[part.subject]


def test_no_template_is_a_held_out_message() -> None:
    def plain(text: str) -> str:
        return " ".join(re.findall(r"\w+", text.casefold()))

    file = ROOT / "tests/data/understanding/messages.jsonl"
    held_out = {plain(json.loads(line)["message"]) for line in file.read_text(encoding="utf-8").splitlines()}
    same = sum(
        plain(template.text) in held_out for template in read_templates(ROOT / "scripts/data/understanding")
    )
    assert same == 0  # a number and no text: nobody is to read the messages here


def test_an_example_asks_what_serving_asks_and_knows_the_answers(films: Catalogue) -> None:
    template = Template("t:1", IntentKind.RECOMMEND, "like {T+} but not {T-}, no {M-}, from the {D~}")
    labelled = Filler(films, 3).fill(template)
    example = message_example(labelled, Understanding(films), earlier=True)
    told = [
        (q.subject, OPTIONS[q.subject][a]) for q, a in zip(example.questions.asked, example.answers, strict=True)
    ]
    assert told[0] == (Subject.KIND, "recommend")
    assert (Subject.ITEM, "liked") in told
    assert (Subject.ITEM, "disliked") in told
    assert (Subject.SET, "exclude") in told
    assert (Subject.RANGE, "prefer") in told
    assert example.questions.earlier


def test_examples_are_kept_and_split_by_template(films: Catalogue, tmp_path: Path) -> None:
    templates = [Template(f"t:{n}", IntentKind.FEEDBACK, f"{{T+}} is number {n}") for n in range(10)]
    rules = Understanding(films)
    examples = [message_example(one, rules, earlier=False) for one in filled(templates, Filler(films), 3)]
    assert write_examples(examples, tmp_path / "e.jsonl.gz") == 30
    back = read_examples(tmp_path / "e.jsonl.gz")
    assert [(e.unit, e.questions.message, e.answers) for e in back] == [
        (e.unit, e.questions.message, e.answers) for e in examples
    ]
    learn, held = split_units(back, 5)
    assert {e.unit for e in held} == {"t:0", "t:5"}
    assert len(learn) == 24


def test_it_learns_to_answer(films: Catalogue, asking: QuestionPrompts, tiny: Path, tmp_path: Path) -> None:
    texts = {IntentKind.FEEDBACK: "{T+} yes yes", IntentKind.WHY: "why why {T0}"}
    templates = [Template(str(kind), kind, text) for kind, text in texts.items()]
    rules = Understanding(films)
    examples = [message_example(one, rules, earlier=False) for one in filled(templates, Filler(films), 40)]
    random.Random(0).shuffle(examples)
    config = TrainerConfig(learning_rate=2e-2, epochs=3, batch=4, evaluations=3, patience=9, layers=1.0)
    found = train_on_messages(tiny, examples[:60], examples[60:], asking, tmp_path, config, silent)
    assert found.right_start < 0.4
    assert found.right_best > 0.7
    assert (tmp_path / "adapter" / "adapter_model.safetensors").is_file()


def test_a_pack_is_its_examples(films: Catalogue, asking: QuestionPrompts, tokenizer) -> None:
    template = Template("t", IntentKind.FEEDBACK, "{T+} rocks, {T-} does not")
    rules = Understanding(films)
    examples = [message_example(one, rules, earlier=False) for one in filled([template], Filler(films), 4)]
    packs = MessagePacks(examples, asking, tokenizer)
    assert len(packs) == 4
    assert sum(packs[0]["sizes"]) == len(packs[0]["last"])


def test_weights_trust_whoever_is_right() -> None:
    dice = random.Random(0)
    options = OPTIONS[Subject.KIND]

    def case(model_right: float, rule_right: float) -> Weighed:
        right = dice.randrange(len(options))
        said = right if dice.random() < model_right else dice.randrange(len(options))
        rule = right if dice.random() < rule_right else dice.randrange(len(options))
        logs = tuple(log(0.65) if n == said else log(0.05) for n in range(len(options)))
        return Weighed(Subject.KIND, options[rule], logs, right)

    told = tuple(log(0.65) if option == "compare" else log(0.05) for option in options)
    by_model = fit_fusion([case(0.95, 0.4) for _ in range(400)])
    by_rules = fit_fusion([case(0.4, 0.95) for _ in range(400)])
    assert by_model.option(Subject.KIND, "why", told) == "compare"
    assert by_rules.option(Subject.KIND, "why", told) == "why"


def test_what_both_are_worth_is_judged_on_other_templates() -> None:
    right = tuple(log(0.9) if option == "exclude" else log(0.025) for option in OPTIONS[Subject.SET])
    cases = {f"t:{n}": [Weighed(Subject.SET, "must", right, 2)] for n in range(20)}
    assert cross_validated(cases)["set"] == {"rules": 0.0, "all": 1.0, "model": 1.0, "of": 20}


def test_titles_are_weighed_apart_from_what_is_felt() -> None:
    named = (log(0.2), log(0.1), log(0.05), log(0.05), log(0.6))
    ordinary = (log(0.02), log(0.02), log(0.03), log(0.03), log(0.9))
    cases = [Weighed(Subject.ITEM, "liked", named, 0)] * 40 + [Weighed(Subject.ITEM, NONE, ordinary, 4)] * 40
    fusion = fit_fusion(cases)
    assert set(fusion.gains[TITLE]) == {"named", "doubtful"}
    assert fusion.is_title(True, named)
    assert not fusion.is_title(False, ordinary)
