"""Fit the judge of kinds to the demo's embedder, or to the one that CONVREC_EMBEDDER names.

    scripts/train_understanding.py            # writes convrec/dialogue/kind_judge.json
    scripts/train_understanding.py --check    # only says how good it is on the last fifth of the messages

Learns from development.jsonl and kinds.jsonl in tests/data/understanding. The test set beside them is not read.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from convrec.data.catalogue import Catalogue, read_items
from convrec.data.sources import fetch_movielens
from convrec.dialogue.judging import LearnedKinds
from convrec.dialogue.understanding import Understanding
from convrec.evaluation.messages import read_messages
from convrec.prompting import load_domain
from convrec.service.build import Workshop
from convrec.settings import load_settings
from convrec.training.kinds import KindLesson, as_json, fit_kinds
from convrec.types import IntentKind, Item, SessionState

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Read, fit, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=Path, default=ROOT / "tests/data/understanding")
    parser.add_argument("--out", type=Path, default=ROOT / "convrec/dialogue/kind_judge.json")
    parser.add_argument("--check", action="store_true", help="hold the last fifth out, write nothing")
    parser.add_argument("--data-dir", type=Path, default=None, help="where the demo's data and models are")
    arguments = parser.parse_args()
    workshop = Workshop(load_settings(data_dir=arguments.data_dir))
    items = read_items(fetch_movielens(workshop.settings.data_dir).catalogue_file)
    movies = load_domain(workshop.settings.prompts_dir, "movies")
    rules = Understanding(Catalogue((item for item in items if isinstance(item, Item)), movies))
    labelled = read_messages(arguments.messages / "development.jsonl")
    learned = [KindLesson(rules.masked(one.message), one.intent.kind) for one in labelled]
    extra = [
        KindLesson(told["message"], IntentKind(told["kind"]))
        for line in (arguments.messages / "kinds.jsonl").read_text(encoding="utf-8").splitlines()
        for told in [json.loads(line)]
    ]
    if not arguments.check:
        arguments.out.write_text(
            json.dumps(as_json(fit_kinds([*learned, *extra], workshop.embedder), workshop.embedder))
        )
        print(f"{len(learned) + len(extra)} messages, {arguments.out}")
        return
    cut = len(learned) * 4 // 5
    fitted = fit_kinds([*learned[:cut], *extra], workshop.embedder)
    judge = LearnedKinds(workshop.embedder, fitted.weights_K_D, fitted.bias_K)
    by_rule = [rules.understand(one.message, SessionState()).kind for one in labelled[cut:]]
    right = {
        "rules": [rule is one.kind for rule, one in zip(by_rule, learned[cut:], strict=True)],
        "with the judge": [
            judge.kind(one.message, rule) is one.kind for rule, one in zip(by_rule, learned[cut:], strict=True)
        ],
    }
    for name, hits in right.items():
        print(f"{name}: {sum(hits) / len(hits):.3f} of {len(hits)}")


if __name__ == "__main__":
    main()
