"""Owns what prompts look like when rendered: examples in, snapshot files out, and the difference between two.

prompts/examples/<task>.toml has the variables; prompts/snapshots/<task>.v<N>.txt has what became of them.
Templates are rendered as they are, without a model, so that a changed word shows as one changed line.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from convrec.errors import PromptError
from convrec.prompting import Prompt, load_domain


def snapshot(prompt: Prompt, prompts_dir: Path) -> str:
    """Every example of a prompt's task, rendered.

    Raises:
        PromptError: There are no examples, or one does not fit the template.
    """
    rendered = [
        f"=== {name} ({block}) ===\n{prompt.render(block, **variables)}\n"
        for name, block, variables in _examples(prompt, prompts_dir)
    ]
    return "".join(f"{purpose}\n" for purpose in _front(prompt)) + "\n" + "\n".join(rendered)


def snapshot_file(prompt: Prompt, prompts_dir: Path) -> Path:
    """Where the snapshot of a version is kept."""
    return prompts_dir / "snapshots" / f"{prompt.name}.txt"


def difference(before: str, after: str, names: Sequence[str] = ("stored", "now")) -> str:
    """The changed lines of two texts with a line around them; "" where they are equal."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), names[0], names[1], n=1, lineterm="")
    return "\n".join(lines)


def _front(prompt: Prompt) -> Iterator[str]:
    yield f"purpose: {prompt.purpose}"
    yield f"token budget: {prompt.token_budget}"
    for role, label in sorted(prompt.labels.items()):
        yield f"label {role}: {label}"


def _examples(prompt: Prompt, prompts_dir: Path) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Name, block and variables of each example; variables that this version does not have are passed over."""
    file = prompts_dir / "examples" / f"{prompt.task}.toml"
    try:
        examples = tomllib.loads(file.read_text(encoding="utf-8"))["example"]
    except (OSError, KeyError, tomllib.TOMLDecodeError) as error:
        raise PromptError(
            f"{file} cannot be read ({error}); give it an [[example]] with name, block and the variables of "
            f"{prompt.name}: {', '.join(sorted(prompt.variables))}"
        ) from error
    for example in examples:
        name, block = example.pop("name"), example.pop("block")
        if "domain" in example:
            example["domain"] = load_domain(prompts_dir, example["domain"])
        yield name, block, {key: value for key, value in example.items() if key in prompt.variables}
