"""Turns of somebody unknown without a language model: understanding, state, retrieval. Ranks nothing."""

from __future__ import annotations

from dataclasses import dataclass

from convrec.dialogue.state import retrieval_query, shown, update
from convrec.retrieval.base import Retriever
from convrec.service.listening import Listener
from convrec.types import Intent, Profile, SessionState


@dataclass(frozen=True, slots=True)
class Said:
    """What became of one message: item_ids found, none where a question was asked."""

    intent: Intent
    state: SessionState
    found: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Talk:
    """Takes turns."""

    listener: Listener
    retriever: Retriever

    def turn(self, message: str, state: SessionState, k: int) -> Said:
        """One more message, and up to k items for it."""
        intent = self.listener.by_rule(message, state)
        state = update(state, intent)
        found = () if state.asked is not None else self._found(state, k)
        return Said(intent, shown(state, found), found)

    def _found(self, state: SessionState, k: int) -> tuple[str, ...]:
        query = retrieval_query(state, Profile("nobody"))
        return tuple(candidate.item_id for candidate in self.retriever.retrieve(query, k))
