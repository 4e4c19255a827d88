"""A turn ranked by the model that a request names. Owns the way from that name to a loaded version."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace

from convrec.errors import DataError, EngineError, EngineUnavailableError, NotFoundError
from convrec.service.models import MODEL, no_model
from convrec.service.recommender import Recommender
from convrec.service.requests import ChatEvent, ChatRequest
from convrec.service.slot import RecommenderSlot


async def turn(
    model: str, asked: ChatRequest, recommender: Recommender, slot: RecommenderSlot
) -> AsyncGenerator[ChatEvent, None]:
    """The events of a turn; see Recommender.chat.

    Args:
        model: `convrec`, or the name of an adapter version.
        slot: Where versions are: those that requests may name, and those that are compared.

    Raises:
        Problem: 404, there is no such model, or it cannot be loaded.
        EngineUnavailableError: The engine is down, so it cannot be loaded now.
    """
    async with AsyncExitStack() as stack:
        versions = slot.versions
        if model == MODEL:
            asked = replace(asked, version=slot.experiment.version(asked.user_id))
        else:
            if versions is None:
                raise no_model(model)
            try:
                version = await asyncio.to_thread(versions.find, model)
                asked = replace(asked, version=await stack.enter_async_context(versions.using(version)))
            except EngineUnavailableError:
                raise
            except (NotFoundError, DataError, EngineError) as error:
                raise no_model(model, str(error)) from error
        async for event in await stack.enter_async_context(aclosing(recommender.chat(asked))):
            yield event
