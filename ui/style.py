"""How the page looks: a theme with the system's own fonts and one style sheet. No request leaves for either."""

from __future__ import annotations

import gradio as gr

CSS = """
/* clip, because the hidden of Gradio's own sheet makes a scroll container, in which nothing sticks. */
.gradio-container { margin: 0 auto !important; max-width: 72rem !important; overflow: clip !important; }
.cr-top { align-items: center; flex-wrap: wrap !important; }
.cr-top > * { flex: 0 1 16rem !important; min-width: 0 !important; }
.cr-top > .cr-grow { flex: 1 1 20rem !important; }
/* The composer stays in sight while a long slate scrolls. */
.cr-composer { background: var(--body-background-fill); bottom: 0; gap: .6rem !important; padding: .6rem 0;
  position: sticky; z-index: 5; }
.cr-head h1 { font-size: 1.5rem; font-weight: 700; margin: 0; }
.cr-head p, .cr-quiet, .cr-attributes, .cr-wait { color: var(--body-text-color-subdued); }
.cr-head p, .cr-card p, .cr-card h3, .cr-person p { margin: 0; }
.cr-said { background: var(--color-accent-soft); color: var(--body-text-color);
  border-radius: 1rem 1rem .2rem 1rem; margin: 0 0 0 auto; max-width: 85%; padding: .5rem .9rem;
  width: fit-content; }
.cr-said, .cr-prose, .cr-card, .cr-person, .cr-titles { overflow-wrap: anywhere; }
.cr-said, .cr-prose { white-space: pre-wrap; }
.cr-prose { line-height: 1.55; margin: 0; }
/* Reversed, so that the box stays at its newest line without any script. */
.cr-earlier { border-bottom: 1px solid var(--border-color-primary); display: flex; flex-direction: column-reverse;
  max-height: 30vh; overflow-y: auto; padding-bottom: .8rem; }
.cr-earlier > div { display: flex; flex-direction: column; gap: .5rem; }
.cr-titles { display: flex; flex-wrap: wrap; gap: .3rem; list-style: none; margin: 0; padding: 0; }
.cr-titles li { border: 1px solid var(--border-color-primary); border-radius: 1rem; font-size: .8rem;
  margin: 0; padding: .05rem .6rem; }
.cr-note { background: var(--background-fill-secondary); border-left: 3px solid #d97706; border-radius: .3rem;
  margin: 0; padding: .5rem .8rem; }
.cr-problem { border-color: #dc2626; }
.cr-cards { gap: .6rem !important; }
.cr-slot { align-items: center; background: var(--background-fill-secondary); flex-wrap: wrap;
  border: 1px solid var(--border-color-primary); border-radius: .8rem; gap: .6rem !important;
  padding: .7rem .9rem; }
.cr-slot > .cr-text { flex: 1 1 18rem; min-width: 0; }
.cr-slot button { flex: 0 0 auto; min-width: 0; width: auto; }
@media (pointer: coarse) { .cr-slot button { min-height: 2.6rem; padding: 0 1rem; } }
.cr-card { display: flex; flex-direction: column; gap: .15rem; }
.cr-card h3 { font-size: 1rem; font-weight: 600; }
.cr-rank { color: var(--body-text-color-subdued); display: inline-block; font-weight: 400; min-width: 1.4em; }
.cr-attributes, .cr-why, .cr-mark, .cr-quiet, .cr-match span { font-size: .85rem; }
.cr-match { align-items: center; display: flex; gap: .6rem; }
.cr-match span { white-space: nowrap; }
.cr-match .cr-bar { flex: 0 1 12rem; }
.cr-bar { background: var(--border-color-primary); border-radius: 1rem; height: .4rem; overflow: hidden; }
.cr-bar i { background: var(--color-accent); border-radius: 1rem; display: block; height: 100%; }
.cr-bar.cr-against i { background: #d97706; }
.cr-stored { font-weight: 600; }
.cr-mark.cr-problem { color: #dc2626; }
.cr-person h2 { font-size: 1rem; font-weight: 600; margin: 0 0 .3rem; }
.cr-person h3 { font-size: .85rem; font-weight: 600; margin: .8rem 0 .2rem; }
.cr-person ul { list-style: none; margin: 0; padding: 0; }
.cr-person li { font-size: .85rem; margin: 0 0 .25rem; }
.cr-belief { display: flex; flex-wrap: wrap; justify-content: space-between; }
.cr-belief .cr-bar { flex: 1 0 100%; }
"""


def theme() -> gr.themes.Base:
    """The page's theme; fonts given as plain names, so that none is fetched."""
    return gr.themes.Soft(
        primary_hue="teal",
        secondary_hue="teal",
        neutral_hue="slate",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    ).set(
        # The theme's own greys and teal stay below a contrast of 3 on white.
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        block_title_background_fill="none",
        block_title_background_fill_dark="none",
        block_title_padding="0",
        input_border_width="1px",
        input_border_color="*neutral_300",
        input_border_color_dark="*neutral_600",
        block_title_text_color="*body_text_color_subdued",
    )
