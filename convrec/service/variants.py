"""Variant: what answers a request that names a model. Owns the way from that name to what ranks and what writes.

| name | ranks | writes |
| --- | --- | --- |
| convrec | what ranks for the person | as always |
| movies@3 | an adapter version | as always |
| base | the base model, whichever adapter is active | as always |
| rank.v2 | the base model, asked by this version of the prompt | as always |
| reply.v1, write.v1 | what ranks for the person | by this version of the prompt |

An adapter knows the prompt that it was trained with and no other.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from convrec.errors import DataError, EngineError, EngineUnavailableError, NotFoundError, PromptError
from convrec.evaluation.online import BASE
from convrec.prompting import Prompt
from convrec.ranking.ranker import RankingVersion
from convrec.service.models import MODEL, RANK, no_model
from convrec.service.recommender import Recommender
from convrec.service.slot import RecommenderSlot

_PROMPT = re.compile(r"[a-z][a-z0-9_]*\.v[1-9][0-9]{0,8}")


@dataclass(frozen=True, slots=True)
class Variant:
    """What answers.

    Args:
        name: Never `convrec`: what ranks for the person by its own name.
        version: What ranks, loaded; the active one where None.
        reply: What asks for the reply; the active prompt where None.
    """

    name: str
    version: RankingVersion | None
    reply: Prompt | None = None


@asynccontextmanager
async def variant(
    model: str, user_id: str, recommender: Recommender, slot: RecommenderSlot
) -> AsyncGenerator[Variant, None]:
    """What a request names, loaded while the context lasts.

    Raises:
        Problem: 404, there is no such model, or it cannot be loaded.
        EngineUnavailableError: The engine is down, so it cannot be loaded now.
    """
    versions = slot.versions
    active = slot.experiment.version(user_id)
    if model == MODEL:
        yield Variant((active or recommender.version).adapter or BASE, active)
        return
    if versions is None:
        raise no_model(model)
    try:
        if model == BASE:
            yield Variant(model, await versions.hold(None))
        elif slot.prompts is not None and _PROMPT.fullmatch(model):
            prompt = await asyncio.to_thread(slot.prompts.named, model)
            if prompt.task == RANK:
                yield Variant(model, replace(await versions.hold(None), prompt=prompt))
            elif prompt.task == recommender.reply_task:
                yield Variant(model, active, prompt)
            else:
                raise no_model(model, f"{prompt.task} answers nothing here")
        else:
            version = await asyncio.to_thread(versions.find, model)
            async with versions.using(version) as ranking:
                yield Variant(version.ref.name, ranking)
    except EngineUnavailableError:
        raise
    except (NotFoundError, DataError, EngineError, PromptError) as error:
        raise no_model(model, str(error)) from error
