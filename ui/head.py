"""The head of the page: its name, what it is about, and on small screens the ways to the two side columns."""

from __future__ import annotations

from ui.icons import icon
from ui.markup import Html, tag
from ui.session import Session

# The language of the page is the words'; a drawer that is open is told to the style sheet.
HEAD_SCRIPT = """
const columns = () => document.querySelector('.cr-page')?.dataset ?? {}; // none before it is laid out
const tell = () => {
  const head = element.querySelector('[lang]');
  if (head) document.documentElement.lang = head.lang;
  for (const way of element.querySelectorAll('[data-drawer]')) {
    way.setAttribute('aria-expanded', String(columns().open === way.dataset.drawer));
  }
};
const drawer = (name) => {
  if (name && columns().open !== name) columns().open = name;
  else delete columns().open;
  tell();
};
tell();
watch('value', tell);
element.addEventListener('click', (event) => {
  const way = event.target.closest('[data-drawer]');
  if (way) drawer(way.dataset.drawer);
  if (event.target.closest('[data-skip]')) {
    event.preventDefault();
    document.querySelector('.cr-message textarea')?.focus();
  }
});
document.addEventListener('keydown', (event) => { if (event.key === 'Escape') drawer(''); });
document.addEventListener('pointerdown', (event) => {
  const inside = event.target.closest('.cr-side, .cr-about, .cr-head, [role=listbox]');
  if (columns().open && !inside) drawer('');
});
"""


def head_html(session: Session) -> str:
    """The whole head; without a domain it says no number."""
    say, about = session.words, session.words("head.about")
    if session.domain is not None:
        plural = session.domain.named(say.language).plural
        about = say("head.hint", count=f"{session.domain.items:,}", plural=plural)
    return tag(
        "header",
        tag("a", say("head.skip"), href="#cr-main", cls="cr-skip", data_skip=True),
        _way("side", "list", say("sessions.title")),
        tag("div", tag("h1", "convrec"), tag("p", about, cls="cr-quiet"), cls="cr-name"),
        _way("about", "person", say("person.title")),
        lang=say.language,
        cls="cr-head",
    )


def _way(name: str, sign: str, label: str) -> Html:
    return tag(
        "button",
        icon(sign),
        type="button",
        cls="cr-way",
        data_drawer=name,
        aria_label=label,
        aria_expanded="false",
        aria_controls=f"cr-{name}",
    )
