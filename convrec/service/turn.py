"""A turn answered by the model that a request names. Owns what the name changes of the turn."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace

from convrec.service.recommender import Recommender
from convrec.service.requests import ChatEvent, ChatRequest
from convrec.service.slot import RecommenderSlot
from convrec.service.variants import variant
from convrec.types import Contest


async def turn(
    model: str, asked: ChatRequest, recommender: Recommender, slot: RecommenderSlot, contest: str | None = None
) -> AsyncGenerator[ChatEvent, None]:
    """The events of a turn; see Recommender.chat.

    Args:
        model: `convrec`, or a name that variants.py knows.
        slot: Where versions are: those that requests may name, and those that are compared.
        contest: The contest_id of what is answered by another version too.

    Raises:
        Problem: 404, there is no such model, or it cannot be loaded.
        EngineUnavailableError: The engine is down, so it cannot be loaded now.
    """
    async with AsyncExitStack() as stack:
        named = await stack.enter_async_context(variant(model, asked.user_id, recommender, slot))
        asked = replace(
            asked,
            version=named.version,
            options=replace(asked.options, prompt=named.reply),
            contest=None if contest is None else Contest(contest, (named.name,)),
        )
        async for event in await stack.enter_async_context(aclosing(recommender.chat(asked))):
            yield event
