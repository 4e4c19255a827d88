"""Function calls: made only where a client insists on one, with arguments from the slate. Knows both shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from convrec.dialogue.form import Form
from convrec.service.problems import Problem
from convrec.service.response_format import filled_by

ToolChoice = str | dict[str, Any]

_NAME = 128  # characters
_NOTHING = {"type": "object", "properties": {}}


@dataclass(frozen=True, slots=True)
class Tool:
    """The function that is to be called.

    Args:
        form: Of its arguments.
        by_name: The client named it, instead of asking for any.
    """

    name: str
    form: Form
    by_name: bool


def wanted_tool(tools: Sequence[Mapping[str, Any]] | None, choice: ToolChoice | None) -> Tool | None:
    """The function that a client insists on; None where text will do.

    Both of OpenAI's shapes are read: with `function` in a tool and without.

    Raises:
        Problem: 400, it is not among the tools, is one of several, or its arguments cannot be filled from a slate.
    """
    if choice in (None, "auto", "none"):
        return None
    functions = [tool.get("function", tool) for tool in tools or [] if tool.get("type") == "function"]
    by_name = isinstance(choice, dict)
    if isinstance(choice, dict):
        name = choice.get("function", choice)
        name = name.get("name") if isinstance(name, Mapping) else None
        functions = [f for f in functions if isinstance(f, Mapping) and f.get("name") == name]
    elif choice != "required":
        raise _bad("tool_choice must be auto, none, required or a function of the tools")
    if len(functions) != 1 or not isinstance(functions[0], Mapping):
        raise _bad("tool_choice must lead to one function of the tools; name it")
    name, parameters = functions[0].get("name"), functions[0].get("parameters") or _NOTHING
    if not (isinstance(name, str) and 0 < len(name) <= _NAME and name.isascii() and name.isprintable()):
        raise _bad(f"the function needs a name of ASCII letters, at most {_NAME}", "tools")
    if not isinstance(parameters, Mapping):
        raise _bad("the function's parameters must be a JSON schema", "tools")
    return Tool(name, filled_by(parameters, "tools"), by_name)


def _bad(message: str, param: str = "tool_choice") -> Problem:
    return Problem(400, message, code="invalid_value", param=param)
