"""ComparePage: two versions answer, a person chooses. Owns the events, no drawing."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any
from uuid import uuid4

import gradio as gr

from ui.client import ApiError
from ui.compare.client import CompareClient
from ui.compare.duel import VOTES, Duel, Vote
from ui.compare.layout import MIXED, Layout, Updates
from ui.words import words_for

Press = Callable[[Duel], Coroutine[Any, Any, Updates]]


class ComparePage:
    """The page inside the current gr.Blocks.

    Args:
        client: The API.
        blocks: The gr.Blocks that is being built.
    """

    def __init__(self, client: CompareClient, blocks: gr.Blocks) -> None:
        self._client = client
        self._layout = Layout()
        page = self._layout
        usual: dict[str, Any] = {"outputs": page.everything, "show_progress": "hidden"}
        asked = [page.duel, page.first, page.second, page.way, page.message]
        blocks.load(self._open, page.duel, **usual)
        page.ask.click(self._ask, asked, **usual)
        page.message.submit(self._ask, asked, **usual)
        for vote in VOTES:
            page.votes[vote].click(self._vote(vote), page.duel, **usual)
        for index, (_, _, button) in enumerate(page.items):
            button.click(self._take(index), page.duel, **usual)

    async def _open(self, duel: Duel, request: gr.Request) -> Updates:
        duel.say = words_for(request.headers.get("accept-language"))
        try:
            names = await self._client.versions()
        except ApiError as error:
            return {**self._layout.draw_words(duel, ()), **self._layout.draw_problem(str(error))}
        duel.able = len(names) > 1
        return {**self._layout.draw_words(duel, names), **self._layout.draw(duel)}

    async def _ask(
        self, duel: Duel, first: str | None, second: str | None, way: str, message: str
    ) -> AsyncGenerator[Updates, None]:
        page = self._layout
        if first and first == second:
            yield page.draw_problem(duel.say("compare.same"))
            return
        if not first or not second or not message.strip() or not duel.ask():
            yield page.draw_nothing()
            return
        yield page.draw(duel)
        try:
            if way == MIXED:
                duel.mixed = await self._client.mixed((first, second), message, duel.user_id)
            else:
                # Which of them is left is chance, so that nobody learns on which side the new one is.
                models, contest = random.sample([first, second], 2), f"con-{uuid4().hex}"
                asked = (self._client.answer(model, message, duel.user_id, contest) for model in models)
                duel.sides = tuple(await asyncio.gather(*asked))
        except ApiError as error:
            duel.asking = False
            yield {**page.draw(duel), **page.draw_problem(str(error))}
            return
        finally:
            duel.asking = False
        yield page.draw(duel)

    def _vote(self, vote: Vote) -> Press:
        async def press(duel: Duel) -> Updates:
            if not duel.votable:
                return self._layout.draw(duel)
            try:
                await self._client.send(duel.ballot(vote))
            except ApiError as error:
                return self._layout.draw_problem(str(error))
            duel.vote = vote
            return self._layout.draw(duel)

        return press

    def _take(self, index: int) -> Press:
        async def press(duel: Duel) -> Updates:
            entry = duel.entry(index)
            if entry is None:
                return self._layout.draw(duel)
            try:
                await self._client.send(duel.click(entry))
            except ApiError as error:
                return self._layout.draw_problem(str(error))
            duel.chosen = (*duel.chosen, entry.item_id)
            return self._layout.draw(duel)

        return press
