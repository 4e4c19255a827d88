"""Starts the chat page: `python -m ui.app --api http://127.0.0.1:8000`. Owns the command line and the server."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

import gradio as gr

from ui.client import ApiClient
from ui.page import ChatPage
from ui.style import CSS, theme

_CONCURRENT_EVENTS = 64


def build_app(client: ApiClient) -> gr.Blocks:
    """The page, not started; launch it with `serve`, which adds the look."""
    # Gradio's only switch for all of its telemetry and version checks: nothing leaves this machine.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    with gr.Blocks(title="convrec", fill_width=True) as app:
        ChatPage(client, app)
    return app.queue(default_concurrency_limit=_CONCURRENT_EVENTS, api_open=False)


def serve(app: gr.Blocks, host: str, port: int) -> None:
    """Serve the page until interrupted."""
    _, url, _ = app.launch(
        server_name=host,
        server_port=port,
        theme=theme(),
        css=CSS,
        footer_links=[],
        run_history=False,
        share=False,
        ssr_mode=False,
        quiet=True,
        prevent_thread_lock=True,
    )
    print(f"convrec's page is at {url}", flush=True)  # noqa: T201
    app.block_thread()


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the flags and serve."""
    parser = argparse.ArgumentParser(
        prog="python -m ui.app",
        description="The chat page of a convrec API server. It presents the key in CONVREC_API_KEY.",
    )
    parser.add_argument("--api", default="http://127.0.0.1:8000", help="where `convrec serve` listens")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 for every one")
    parser.add_argument("--port", type=int, default=7860)
    flags = parser.parse_args(arguments)
    # Not a flag, which every process of the machine could read.
    key = os.environ.get("CONVREC_API_KEY")
    serve(build_app(ApiClient(flags.api, key=key)), flags.host, flags.port)


if __name__ == "__main__":
    main()
