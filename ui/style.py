"""How the page looks: a theme with the system's own fonts and one style sheet. No request leaves for either."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

CSS = (Path(__file__).parent / "chat.css").read_text(encoding="utf-8")


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
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover_dark="*primary_800",
        checkbox_label_background_fill_selected="*primary_700",
        checkbox_label_background_fill_selected_dark="*primary_700",
        button_cancel_background_fill="*neutral_200",
        button_cancel_text_color="*neutral_900",
        button_cancel_background_fill_dark="*neutral_700",
        button_cancel_text_color_dark="*neutral_50",
        block_title_background_fill="none",
        block_title_background_fill_dark="none",
        block_title_padding="0",
        input_border_width="1px",
        input_border_color="*neutral_300",
        input_border_color_dark="*neutral_600",
        block_title_text_color="*body_text_color_subdued",
    )
