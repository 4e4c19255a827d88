"""Owns what a data set is once it has been read: a catalogue, and what people did or said. Reads no file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from convrec.data.catalogue import Catalogue
from convrec.types import FeedbackEvent


@dataclass(frozen=True, slots=True)
class ConversationTurn:
    """One turn of a recorded conversation in which somebody recommends.

    Args:
        dialog_id: Of the conversation.
        utterances: What was said before, oldest first.
        named: item_ids named before, by anybody, first named first.
        recommended: item_ids that the turn recommends.
    """

    dialog_id: str
    utterances: tuple[str, ...]
    named: tuple[str, ...]
    recommended: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dataset:
    """A data set as its makers published it.

    Args:
        name: As `convrec evaluate --dataset` calls it.
        catalogue: Its items.
        events: What people did, in the order of the file.
        learn, test: Turns of conversations to learn from and to be judged on, in the order of the file.
        source: Who made it and under what terms.
        notes: What was left out and how much.
    """

    name: str
    catalogue: Catalogue
    events: Sequence[FeedbackEvent] = ()
    learn: Sequence[ConversationTurn] = ()
    test: Sequence[ConversationTurn] = ()
    source: str = ""
    notes: tuple[str, ...] = ()
