"""The heading of the pages beside the chat: what a page is, and the way to the others."""

from __future__ import annotations

from ui.markup import join, tag
from ui.words import Words

# The language of a page is its words'.
HEADING_SCRIPT = """
const told = () => {
  const head = element.querySelector('[lang]');
  if (head) document.documentElement.lang = head.lang;
};
told();
watch('value', told);
"""
_WAYS = (("./", "chat"), ("./compare", "compare"), ("./operator", "operator"))


def heading_html(page: str, say: Words) -> str:
    """Of `compare` or `operator`."""
    links = (
        tag("a", say(f"pages.to_{name}"), href=href, aria_current="page" if name == page else None)
        for href, name in _WAYS
    )
    nav = tag("nav", *(join(link, " ") for link in links), aria_label=say("pages.all"))
    return tag("header", tag("h1", say(f"pages.{page}")), nav, cls="op-head", lang=say.language)
