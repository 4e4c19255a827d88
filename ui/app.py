"""The pages as one Gradio app: alone by `python -m ui.app --api URL`, or mounted into the server of the API."""

from __future__ import annotations

import argparse
import asyncio
import os
import warnings
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import gradio as gr
from fastapi import FastAPI
from starlette.middleware import Middleware

from ui.client import ApiClient
from ui.compare.client import CompareClient
from ui.compare.page import ComparePage
from ui.headers import SafeHeaders
from ui.operator.client import OperatorClient
from ui.operator.layout import CSS as TABLES
from ui.operator.page import OperatorPage
from ui.page import ChatPage
from ui.style import CSS, theme

_CONCURRENT_EVENTS = 64
_LARGEST_FILE = "8mb"


class Clients:
    """Of the API, one for each page.

    Args:
        api: Where the API is, without /v1.
        key: What the pages present to it; not the operator's page, which asks for a key of its own.
    """

    def __init__(self, api: str, key: str | None) -> None:
        self.chat, self.compare, self.operator = (
            ApiClient(api, key=key),
            CompareClient(api, key=key),
            OperatorClient(api),
        )

    async def aclose(self) -> None:
        """Close their connections."""
        for client in (self.chat, self.compare, self.operator):
            await client.aclose()


def build_app(clients: Clients) -> gr.Blocks:
    """All pages, not started."""
    # Gradio's only switch for all of its telemetry and version checks: nothing leaves this machine.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    with gr.Blocks(title="convrec", fill_width=True) as app:
        ChatPage(clients.chat, app)
    with app.route("Compare", "/compare", show_in_navbar=False):
        ComparePage(clients.compare, app)
    with app.route("Operator", "/operator", show_in_navbar=False):
        OperatorPage(clients.operator, app)
    return app.queue(default_concurrency_limit=_CONCURRENT_EVENTS, api_open=False)


@asynccontextmanager
async def mounted(api: str, key: str | None, path: str) -> AsyncIterator[FastAPI]:
    """The pages as an ASGI app that answers under a path, while the context lasts; see `Clients`."""
    clients = Clients(api, key)
    try:
        app = await asyncio.to_thread(_mounted, clients, path)
        async with app.router.lifespan_context(app):
            yield app
    finally:
        await clients.aclose()


def _mounted(clients: Clients, path: str) -> FastAPI:
    app, pages = FastAPI(openapi_url=None), build_app(clients)
    with warnings.catch_warnings():
        # That there is no server-side rendering, which nobody asked for.
        warnings.filterwarnings("ignore", "SSR mode is not supported", UserWarning)
        gr.mount_gradio_app(
            app, pages, path, max_file_size=_LARGEST_FILE, show_error=False, ssr_mode=False, **_look()
        )
    return app


def _look() -> dict[str, Any]:
    return {
        "theme": theme(),
        "css": f"{CSS}\n{TABLES}",
        "footer_links": [],
        "run_history": False,
        "app_kwargs": {"middleware": [Middleware(SafeHeaders)]},
    }


def serve(app: gr.Blocks, host: str, port: int) -> None:
    """Serve the pages until interrupted."""
    _, url, _ = app.launch(
        server_name=host,
        server_port=port,
        max_file_size=_LARGEST_FILE,
        share=False,
        ssr_mode=False,
        quiet=True,
        prevent_thread_lock=True,
        **_look(),
    )
    print(f"convrec's page is at {url}", flush=True)  # noqa: T201
    app.block_thread()


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the flags and serve."""
    parser = argparse.ArgumentParser(
        prog="python -m ui.app",
        description="The pages of a convrec API server. They present the key in CONVREC_API_KEY.",
    )
    parser.add_argument("--api", default="http://127.0.0.1:8000", help="where `convrec serve` listens")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 for every one")
    parser.add_argument("--port", type=int, default=7860)
    flags = parser.parse_args(arguments)
    # Not a flag, which every process of the machine could read.
    serve(build_app(Clients(flags.api, os.environ.get("CONVREC_API_KEY"))), flags.host, flags.port)


if __name__ == "__main__":
    main()
