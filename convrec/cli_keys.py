"""`convrec keys ...`: parses, calls the key store, prints. No logic."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from convrec.cli_options import DataDir, Json, print_json
from convrec.errors import DataError
from convrec.service.build import Workshop
from convrec.service.keys import ApiKey, Scope
from convrec.settings import load_settings

app = typer.Typer(help="API keys: who may do what, and for whom.", no_args_is_help=True)
_out = Console()
_err = Console(stderr=True)


@app.command()
def create(
    users: Annotated[
        str,
        typer.Option(help="user_ids it may speak for: ann,bob; 'web-*' for all that begin so; '*' for everybody"),
    ],
    scopes: Annotated[str, typer.Option(help="Some of chat,feedback,admin")] = "chat,feedback",
    rate: Annotated[int | None, typer.Option(min=1, help="Requests per minute [CONVREC_KEY_RATE]")] = None,
    name: Annotated[str, typer.Option(help="What you call it")] = "",
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Make a key and print it, once: only its hash is stored. A running server takes it from now on."""
    store = Workshop(load_settings(data_dir=data_dir)).keys
    key, secret = store.create([_scope(word) for word in _words(scopes)], _words(users), name=name, rate=rate)
    if as_json:
        print_json({"key": secret, **_row(key)})
        return
    typer.echo(secret)
    _err.print(
        "It cannot be shown again. Clients send it as `Authorization: Bearer KEY`; convrec's own commands and its "
        f"chat page take it from CONVREC_API_KEY. To end it: convrec keys revoke {key.prefix}",
        soft_wrap=True,
    )


@app.command("list")
def list_keys(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Every key by its beginning, with those that are revoked."""
    rows = [_row(key) for key in Workshop(load_settings(data_dir=data_dir)).keys.every()]
    if as_json:
        print_json(rows)
        return
    table = Table(Column("key", no_wrap=True), "name", "scopes", "speaks for", "a minute", "made", "revoked")
    for row in rows:
        table.add_row(
            row["prefix"],
            escape(row["name"]),
            ", ".join(row["scopes"]),
            escape(", ".join(row["users"])),
            str(row["rate"] or ""),
            *(
                "" if at is None else time.strftime("%F", time.gmtime(at))
                for at in (row["created"], row["revoked"])
            ),
        )
    _out.print(table)


@app.command()
def revoke(
    prefix: Annotated[str, typer.Argument(metavar="KEY", help="How it begins, as list shows it")],
    data_dir: DataDir = None,
) -> None:
    """End a key: a running server refuses it from now on."""
    key = Workshop(load_settings(data_dir=data_dir)).keys.revoke(prefix)
    _out.print(f"{key.prefix} is revoked", markup=False)


def _words(text: str) -> list[str]:
    return [word for part in text.split(",") if (word := part.strip())]


def _scope(word: str) -> Scope:
    try:
        return Scope(word)
    except ValueError:
        raise DataError(f"{word!r} is no scope; give some of chat, feedback, admin") from None


def _row(key: ApiKey) -> dict[str, Any]:
    return {
        "prefix": key.prefix,
        "name": key.name,
        "scopes": sorted(key.scopes),
        "users": sorted(key.users),
        "rate": key.rate,
        "created": key.created,
        "revoked": key.revoked,
    }
