"""HTML as a value: `tag` makes elements whose text is escaped, so that no string of data can become markup."""

from __future__ import annotations

from html import escape

Attribute = str | int | float | bool | None


class Html(str):
    """Markup that `tag` made; any other string is text."""

    __slots__ = ()


def tag(element: str, /, *children: str | None, **attributes: Attribute) -> Html:
    """An element.

    Args:
        element: Its name.
        children: Text, escaped, or Html; None is left out.
        attributes: `cls` is class, `_` in a name is -; True stands alone, False and None are left out.
    """
    told = "".join(_attribute(name, value) for name, value in attributes.items())
    if element in _VOID:
        return Html(f"<{element}{told}>")
    return Html(f"<{element}{told}>{join(*children)}</{element}>")


def join(*children: str | None) -> Html:
    """Children one after the other, text escaped."""
    return Html("".join(c if isinstance(c, Html) else escape(c) for c in children if c is not None))


_VOID = frozenset(("img", "input", "br"))


def _attribute(name: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    name = "class" if name == "cls" else name.strip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(str(value))}"'
