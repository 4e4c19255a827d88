"""OperatorPage: what happens when an operator opens, watches, trains, promotes. Owns the events, no drawing.

The key is kept in the tab's sessionStorage, so that a reload asks for it no more, and in the tab's own state here;
it goes nowhere but to the API.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Any

import gradio as gr

from ui.client import ApiError, ApiForbiddenError
from ui.operator.client import OperatorClient
from ui.operator.desk import Desk
from ui.operator.layout import Layout, Seen, Updates
from ui.words import words_for

_LATEST = 50
_DRAW_S = 1.0
_STORED = "convrec-admin-key"
_READ = f"(desk, key) => [desk, sessionStorage.getItem('{_STORED}') ?? '']"
_WRITE = f"(desk, key) => {{ sessionStorage.setItem('{_STORED}', key); return [desk, key]; }}"
_REMOVE = f"(desk) => {{ sessionStorage.removeItem('{_STORED}'); return [desk]; }}"

Stream = AsyncGenerator[Updates, None]


class OperatorPage:
    """The page inside the current gr.Blocks.

    Args:
        client: The API.
        blocks: The gr.Blocks that is being built.
    """

    def __init__(self, client: OperatorClient, blocks: gr.Blocks) -> None:
        self._client = client
        self._layout = Layout()
        self._wire(blocks)

    def _wire(self, blocks: gr.Blocks) -> None:
        page = self._layout
        quiet = {"show_progress": "hidden"}
        every: dict[str, Any] = {"outputs": page.everything, **quiet}
        asked, typed = [page.desk, page.since, page.by], [page.desk, page.key]
        training = [*page.followed, page.jobs, page.adapters, page.pick, page.alert]
        followed: dict[str, Any] = {"outputs": training, **quiet}
        for opened in (
            blocks.load(self._enter, typed, js=_READ, **every),
            page.enter.click(self._enter, typed, js=_WRITE, **every),
            page.key.submit(self._enter, typed, js=_WRITE, **every),
        ):
            opened.then(self._follow, page.desk, **followed)
        page.leave.click(self._leave, page.desk, js=_REMOVE, **every)
        page.refresh.click(self._refresh, asked, **every)
        page.since.input(self._refresh, asked, **every)
        page.by.input(self._refresh, asked, **every)
        page.tick.tick(self._watch, [page.desk, page.since], [*page.watched, page.alert], **quiet)
        form = [page.desk, page.name, page.examples, page.judge, page.promoted]
        page.start.click(self._train, form, **followed)
        page.cancel.click(self._cancel, page.desk, page.alert, **quiet)
        page.pick.change(self._judge, [page.desk, page.pick], [page.verdict, page.alert], **quiet)
        shelf = [page.adapters, page.pick, page.alert]
        page.promote.click(self._promote, [page.desk, page.pick], shelf, **quiet)
        page.back.click(self._roll_back, page.desk, shelf, **quiet)

    # --- opening and watching ------------------------------------------------------------------------------

    async def _enter(self, desk: Desk, key: str | None, request: gr.Request) -> Updates:
        """Look whether the key opens; without one, whether the server asks for any."""
        desk.say = words_for(request.headers.get("accept-language"))
        desk.key = (key or "").strip()
        return await self._refresh(desk, "1", "adapter")

    async def _leave(self, desk: Desk) -> Updates:
        desk.key = ""
        return self._layout.draw_door(desk, "")

    async def _refresh(self, desk: Desk, since: str, by: str) -> Updates:
        client, key = self._client, desk.key
        try:
            seen = Seen(
                *await asyncio.gather(
                    client.stats(key, by, since),
                    client.activity(key, since),
                    client.latest(key, _LATEST),
                    client.adapters(key),
                    client.jobs(key),
                )
            )
        except ApiForbiddenError as error:
            return self._layout.draw_door(desk, str(error) if key else "")
        except ApiError as error:
            return {**self._layout.draw_words(desk.say), **self._layout.draw_problem(str(error))}
        return self._layout.draw(desk, seen)

    async def _watch(self, desk: Desk, since: str) -> Updates:
        """What goes on by itself."""
        try:
            activity = await self._client.activity(desk.key, since)
            events = await self._client.latest(desk.key, _LATEST)
        except ApiError as error:
            desk.lost = True
            return self._layout.draw_problem(str(error))
        back = self._layout.draw_problem("") if desk.lost else {}
        desk.lost = False
        return {**self._layout.draw_watched(desk, activity, events), **back}

    # --- training ------------------------------------------------------------------------------------------

    async def _train(
        self, desk: Desk, name: str, examples: float | None, judge: float | None, promote: bool
    ) -> Stream:
        sizes = {"examples": examples, "judge": judge}
        asked = {"name": name.strip(), "promote": promote} | {n: int(v) for n, v in sizes.items() if v}
        try:
            job = await self._client.train(desk.key, asked)
        except ApiError as error:
            yield self._layout.draw_problem(str(error))
            return
        async for update in self._followed(desk, job.job_id):
            yield update

    async def _follow(self, desk: Desk) -> Stream:
        """Go on with a training that runs already, whoever started it."""
        yield self._layout.draw_nothing()  # Gradio empties what a stream without any update could have drawn
        try:
            running = [job for job in await self._client.jobs(desk.key) if job.status == "running"]
        except ApiError:
            return  # said already
        for job in running[:1]:
            async for update in self._followed(desk, job.job_id):
                yield update

    async def _followed(self, desk: Desk, job_id: str) -> Stream:
        if not desk.watch(job_id):
            yield self._layout.draw_nothing()
            return
        page, drawn = self._layout, 0.0
        yield {**page.draw_problem(""), **page.draw_followed(desk)}
        try:
            async for told in self._client.follow(desk.key, job_id):
                desk.hear(told)
                if time.monotonic() - drawn >= _DRAW_S:
                    drawn = time.monotonic()
                    yield page.draw_followed(desk)
            jobs, adapters = await asyncio.gather(self._client.jobs(desk.key), self._client.adapters(desk.key))
        except ApiError as error:
            yield page.draw_problem(str(error))
            return
        yield {**page.draw_followed(desk), **page.draw_jobs(desk, jobs), **page.draw_adapters(desk, adapters)}

    async def _cancel(self, desk: Desk) -> Updates:
        try:
            await self._client.cancel(desk.key, desk.job_id)
        except ApiError as error:
            return self._layout.draw_problem(str(error))
        return self._layout.draw_problem("")

    # --- adapters ------------------------------------------------------------------------------------------

    async def _judge(self, desk: Desk, label: str | None) -> Updates:
        """Show the verdict on the version that is picked."""
        try:
            verdict = await self._client.verdict(desk.key, label) if label else None
        except ApiError as error:
            return self._layout.draw_problem(str(error))
        return self._layout.draw_verdict(desk, verdict)

    async def _promote(self, desk: Desk, label: str | None) -> Updates:
        try:
            if label:
                await self._client.promote(desk.key, label)
            return await self._shelf(desk)
        except ApiError as error:
            return self._layout.draw_problem(str(error))

    async def _roll_back(self, desk: Desk) -> Updates:
        try:
            await self._client.roll_back(desk.key)
            return await self._shelf(desk)
        except ApiError as error:
            return self._layout.draw_problem(str(error))

    async def _shelf(self, desk: Desk) -> Updates:
        adapters = await self._client.adapters(desk.key)
        return {**self._layout.draw_adapters(desk, adapters), **self._layout.draw_problem("")}
