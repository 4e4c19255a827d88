"""The command line: parses, calls, prints. No logic.

Exit codes: 0 done, 1 an error that the message explains, 2 wrong usage, 3 done but something needs attention
(every row of an ingestion or any line of an import was bad; the language model failed in a batch; doctor found
something broken).
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

import typer
from rich.console import Console
from rich.markup import escape

from convrec import cli_adapters, cli_keys, cli_learning, cli_ledger, cli_prompts, cli_understand
from convrec.cli_options import ATTENTION, DataDir, EngineOption, Host, Json, Port, print_json
from convrec.console import ConsoleSteps, print_checks, print_slate
from convrec.errors import ConvRecError, SettingsError
from convrec.service.build import Workshop
from convrec.settings import load_settings
from convrec.types import FeedbackEvent, FeedbackType

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from convrec.service.front import Page

app = typer.Typer(
    name="convrec",
    help="A self-hosted, LLM-native conversational recommender.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(cli_adapters.app, name="adapters")
app.add_typer(cli_keys.app, name="keys")
app.add_typer(cli_prompts.app, name="prompts")
_out = Console()
_err = Console(stderr=True)


@app.command()
def demo(
    host: Host = None,
    port: Port = None,
    engine: EngineOption = None,
    data_dir: DataDir = None,
    no_ui: Annotated[bool, typer.Option("--no-ui", help="The API only")] = False,
) -> None:
    """Fetch demo data and models, build the index, serve the API, and the chat page under /ui."""
    from convrec.service.demo import prepare_demo
    from convrec.service.server import serve as run

    workshop = Workshop(load_settings(host=host, port=port, engine=engine, data_dir=data_dir))
    page = None if no_ui else _page()
    steps = ConsoleSteps(_err)
    prepare_demo(workshop, steps)
    asyncio.run(run(workshop, steps, page))


@app.command()
def serve(
    host: Host = None,
    port: Port = None,
    engine: EngineOption = None,
    data_dir: DataDir = None,
    ui: Annotated[bool, typer.Option("--ui", help="The chat page too, under /ui")] = False,
) -> None:
    """Serve the ingested catalogue: the OpenAI-compatible API."""
    from convrec.service.server import serve as run

    settings = load_settings(host=host, port=port, engine=engine, data_dir=data_dir)
    asyncio.run(run(Workshop(settings), ConsoleSteps(_err), _page() if ui else None))


@app.command()
def ingest(
    catalogue: Annotated[
        Path | None, typer.Option(help="CSV, TSV, JSONL or Parquet with item_id, title, ...")
    ] = None,
    interactions: Annotated[
        Path | None,
        typer.Option(help="CSV, TSV, JSONL or Parquet with user_id, item_id, type or rating, timestamp"),
    ] = None,
    domain: Annotated[str | None, typer.Option(help="A file of prompts/domains, without .toml [generic]")] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Read your catalogue and interactions; bad rows are reported, good ones kept, a rerun changes nothing."""
    from convrec.prompting import load_domain
    from convrec.service.ingest import ingest as run

    settings = load_settings(data_dir=data_dir)
    workshop = Workshop(settings)
    name = domain or settings.domain or workshop.store.domain_name or "generic"
    with ConsoleSteps(_err).step("Ingesting") as progress:
        report = run(
            workshop.store,
            workshop.ledger,
            load_domain(settings.prompts_dir, name),
            catalogue,
            interactions,
            progress,
        )
    if as_json:
        print_json(dataclasses.asdict(report))
    else:
        for error in report.errors:
            _err.print(escape(str(error)), style="red")
        _out.print(
            f"items: {report.items_read:,} read, {report.items_changed:,} new or changed; "
            f"interactions: {report.interactions_read:,} read, {report.interactions_new:,} new; "
            f"bad rows: {report.error_count:,}"
        )
        if report.items_changed:
            _out.print("Next: convrec index")
    if report.error_count and not (report.items_read or report.interactions_read):
        raise typer.Exit(ATTENTION)


@app.command()
def index(
    engine: EngineOption = None,
    data_dir: DataDir = None,
    no_blend: Annotated[bool, typer.Option("--no-blend", help="Do not fit the LLM's weight (minutes)")] = False,
    as_json: Json = False,
) -> None:
    """Rebuild both collections from catalogue and ledger, and fit the blend on held-out interactions."""
    from convrec.service.engines import start_engine
    from convrec.service.server import fit_blend

    workshop = Workshop(load_settings(engine=engine, data_dir=data_dir))
    steps = ConsoleSteps(_err)
    catalogue = workshop.catalogue()
    with steps.step("Building the index") as progress:
        meta = workshop.index(catalogue, progress)

    async def fit() -> None:
        started = await start_engine(workshop.settings, workshop.model, steps, one_shot=True)
        try:
            await fit_blend(workshop, catalogue, started, steps)
        finally:
            await started.close()

    if not no_blend:
        asyncio.run(fit())
    if as_json:
        print_json(dataclasses.asdict(meta))
    else:
        _out.print(f"{meta.items:,} items, {meta.users:,} users, {meta.interactions:,} interactions")


@app.command()
def recommend(
    user: Annotated[str, typer.Option(help="user_id; an unknown one is a new user")],
    k: Annotated[int | None, typer.Option(min=1, max=20, help="Length of the slate [5]")] = None,
    query: Annotated[str, typer.Option(help="What they ask for, in words")] = "",
    engine: EngineOption = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Print a slate for a user, from the running server where there is one."""
    from convrec.service.requests import RecommendRequest
    from convrec.service.views import slate_view

    workshop = Workshop(load_settings(engine=engine, data_dir=data_dir))

    async def here() -> Any:
        async with _recommender(workshop) as recommender:
            ready = await recommender.recommend(RecommendRequest(user, k, query))
            return slate_view(ready, recommender.catalogue)

    remote = _running(workshop)
    slate = remote.recommend(user, k, query) if remote else asyncio.run(here())
    if as_json:
        print_json(slate.model_dump(mode="json"))
    else:
        print_slate(_out, slate)


@app.command("rank-all")
def rank_everybody(
    out: Annotated[Path, typer.Option(help="FILE.jsonl or FILE.parquet; a killed run goes on there")],
    users: Annotated[Path | None, typer.Option(help="user_ids, one a line [everybody with feedback]")] = None,
    k: Annotated[int | None, typer.Option(min=1, help="Items per user [5]")] = None,
    candidates: Annotated[int | None, typer.Option(help="Items that the language model scores [20]")] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Users in flight at once")] = 4,
    no_llm: Annotated[bool, typer.Option("--no-llm", help="Retrieval alone")] = False,
    engine: EngineOption = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Write the best items for every user to a file, offline; nothing is shown, so the ledger stays as it is."""
    from convrec.service.rank_all import RankAllConfig, RankAllReport, rank_all, read_user_ids, unhurried

    settings = load_settings(candidates=candidates, engine=engine, data_dir=data_dir)
    config = RankAllConfig(out, k or settings.k, read_user_ids(users) if users else None, concurrency)
    workshop = Workshop(unhurried(settings, concurrency))

    async def here() -> RankAllReport:
        async with _recommender(workshop, llm=not no_llm, one_shot=False) as recommender:
            with ConsoleSteps(_err).step("Ranking") as progress:
                return await rank_all(recommender, config, progress)

    report = asyncio.run(here())
    if as_json:
        print_json(dataclasses.asdict(report))
    else:
        _out.print(f"{report.users:,} users, {report.rows:,} rows in {out}", markup=False, soft_wrap=True)
    if report.degraded:
        _err.print(
            f"the language model failed for {report.degraded:,} users, who got retrieval's slate (degraded); see: "
            "convrec doctor; running this again ranks everybody anew",
            style="red",
            soft_wrap=True,
        )
        raise typer.Exit(ATTENTION)


@app.command()
def chat(
    user: Annotated[str | None, typer.Option(help="user_id; a new one when left out")] = None,
    engine: EngineOption = None,
    data_dir: DataDir = None,
) -> None:
    """Talk in the terminal, with the running server where there is one. An empty line or Ctrl-D ends."""
    workshop = Workshop(load_settings(engine=engine, data_dir=data_dir))
    user_id, session_id = user or f"user-{uuid4().hex[:8]}", f"ses-{uuid4().hex}"
    remote = _running(workshop)
    if remote:
        for message in _messages():
            for piece in remote.chat(user_id, session_id, message):
                _print_piece(piece)
            _out.print()
    else:
        asyncio.run(_chat_here(workshop, user_id, session_id))


@app.command()
def feedback(
    user: Annotated[str, typer.Option(help="user_id")],
    type: Annotated[FeedbackType, typer.Option(help="What happened")],
    item: Annotated[str | None, typer.Option(help="item_id")] = None,
    rating: Annotated[float | None, typer.Option(help="On the domain's scale, with --type rating")] = None,
    text: Annotated[str | None, typer.Option(help="With --type comment")] = None,
    retracts: Annotated[str | None, typer.Option(help="event_id to take back, with --type retraction")] = None,
    event_id: Annotated[str | None, typer.Option(help="Same id, same event: stored once [new]")] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Append a feedback event to the ledger; durable when this returns, seen by the next turn."""
    from convrec.service.feedback import record

    workshop = Workshop(load_settings(data_dir=data_dir))
    event = FeedbackEvent(event_id or f"fb-{uuid4().hex}", user, type, time.time(), item, rating, text, retracts)
    stored = record(event, workshop.catalogue(), workshop.ledger)
    if as_json:
        print_json({"event_id": event.event_id, "stored": stored})
    else:
        _out.print(f"{event.event_id} {'stored' if stored else 'was there already'}")


@app.command()
def doctor(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Look at everything and say what is missing and what to do."""
    from convrec.service.doctor import examine

    checks = examine(Workshop(load_settings(data_dir=data_dir)))
    if as_json:
        print_json([dataclasses.asdict(check) for check in checks])
    else:
        print_checks(_out, checks)
    if any(check.ok is False for check in checks):
        raise typer.Exit(ATTENTION)


app.command("understand")(cli_understand.understand_messages)
app.command("evaluate")(cli_learning.evaluate_systems)
app.command("retrain")(cli_learning.retrain_adapter)
app.command("backup")(cli_ledger.backup_ledger)
app.command("restore")(cli_ledger.restore_ledger)
app.command("export")(cli_ledger.export_ledger)
app.command("import")(cli_ledger.import_ledger)
app.command("erase")(cli_ledger.erase_user)
app.command("stats")(cli_ledger.show_stats)


def main() -> None:
    """Run a command; an error that convrec raised on purpose is one line."""
    try:
        app()
    except ConvRecError as error:
        _err.print(f"[red]error:[/red] {escape(str(error))}", soft_wrap=True)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _page() -> Page:
    """What makes the pages.

    Raises:
        SettingsError: Gradio is not installed.
    """
    if find_spec("gradio") is None:
        raise SettingsError("the page needs Gradio; install convrec[demo], or leave the page out (--no-ui)")

    @asynccontextmanager
    async def made(url: str, key: str | None, path: str) -> AsyncIterator[ASGIApp]:
        mounted = await asyncio.to_thread(_pages)  # takes seconds, in which the API answers
        async with mounted(url, key, path) as page:
            yield page

    return made


def _pages() -> Page:
    from ui.app import mounted

    return mounted


def _running(workshop: Workshop) -> Any:
    from convrec.retrieval.index import index_holder
    from convrec.service.remote import Remote

    holder = index_holder(workshop.settings.index_dir)
    return Remote(holder.url, workshop.settings.bearer) if holder and holder.url else None


@asynccontextmanager
async def _recommender(workshop: Workshop, *, llm: bool = True, one_shot: bool = True) -> AsyncIterator[Any]:
    """The recommender in this process, its index built where it is missing; without `llm` by retrieval alone."""
    from convrec.service.engines import NoEngine, start_engine

    steps = ConsoleSteps(_err)
    catalogue = workshop.catalogue()
    async with AsyncExitStack() as stack:
        opened = stack.enter_context(workshop.open_index(catalogue, steps))
        if not llm:
            none = NoEngine()
            yield workshop.recommender(catalogue, opened, none, await workshop.version(none, None))
            return
        engine = await start_engine(workshop.settings, workshop.model, steps, one_shot=one_shot)
        stack.push_async_callback(engine.close)
        yield workshop.recommender(catalogue, opened, engine, await workshop.active_version(engine, steps))


async def _chat_here(workshop: Workshop, user_id: str, session_id: str) -> None:
    from convrec.service.requests import ChatRequest, ReplyDelta, SlateReady
    from convrec.service.views import slate_view

    async with _recommender(workshop) as recommender:
        for message in _messages():
            async for event in recommender.chat(ChatRequest(user_id, message, session_id)):
                if isinstance(event, SlateReady):
                    _print_piece(slate_view(event, recommender.catalogue))
                elif isinstance(event, ReplyDelta):
                    _print_piece(event.text)
            _out.print()


def _messages() -> Iterator[str]:
    while True:
        try:
            message = _out.input("[bold]› [/bold]")
        except EOFError:
            return
        if not message.strip():
            return
        yield message


def _print_piece(piece: Any) -> None:
    if isinstance(piece, str):
        _out.print(piece, end="", markup=False, highlight=False, soft_wrap=True)
    else:
        print_slate(_out, piece)


if __name__ == "__main__":
    main()
