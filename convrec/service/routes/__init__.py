"""The HTTP routes of convrec's own, a file for each noun. Owns which kind of key may call which of them.

chat      ask for slates, look at items, at a person's profile and conversations
feedback  say what people did
admin     change catalogue, adapters and trainings; list, export and erase people; watch what happens
"""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter

from convrec.service.keys import Scope
from convrec.service.routes import (
    activity,
    adapters,
    explain,
    feedback,
    items,
    jobs,
    recommendations,
    sessions,
    stats,
    users,
)

_WATCHING = (activity.router, feedback.watching)

SCOPES: Mapping[Scope, tuple[APIRouter, ...]] = {
    # users.reading's path takes any rest for an id: it must come after the others of users.
    Scope.FEEDBACK: (feedback.router, users.importing),
    Scope.ADMIN: (users.ruling, items.writing, adapters.router, jobs.router, stats.router, *_WATCHING),
    Scope.CHAT: (recommendations.router, explain.router, sessions.router, items.reading, users.reading),
}
