"""ReplyOptions: what a client may wish of a reply. Owns no default of the writer's."""

from __future__ import annotations

from dataclasses import dataclass

from convrec.dialogue.form import Form
from convrec.prompting import Prompt


@dataclass(frozen=True, slots=True)
class ReplyOptions:
    """How a reply is to be written; what is None is the writer's choice.

    Args:
        max_tokens: After so many tokens the reply is cut off; at least 1.
        stop: The reply ends before the first of these strings; a form is not cut.
        temperature: Of the choice among sentences; 0 takes the likeliest.
        seed: Fixes that choice.
        form: The reply is JSON of this form instead of prose.
        prompt: Another version of the template `reply`, or of `write` where the model writes freely.
    """

    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    temperature: float | None = None
    seed: int | None = None
    form: Form | None = None
    prompt: Prompt | None = None

    def prompt_or(self, own: Prompt) -> Prompt:
        """The wanted version of a writer's own prompt; its own where none is wanted, or one of another task."""
        return self.prompt if self.prompt is not None and self.prompt.task == own.task else own


PLAIN = ReplyOptions()
