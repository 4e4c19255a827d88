"""Owns what is checked of a feedback event before the ledger takes it."""

from __future__ import annotations

from convrec.data.catalogue import Catalogue
from convrec.errors import DataError, NotFoundError
from convrec.ledger.ledger import Ledger
from convrec.types import FeedbackEvent


def record(event: FeedbackEvent, catalogue: Catalogue, ledger: Ledger) -> bool:
    """Append a feedback event; it is durable when this returns.

    Returns:
        False when the same event was already there.

    Raises:
        NotFoundError: The item is not in the catalogue.
        DataError: The rating is off the domain's scale, or the event lacks what its type needs.
        EventConflictError: Another event has this event_id.
        LedgerError: It could not be stored.
    """
    if event.item_id is not None and event.item_id not in catalogue:
        raise NotFoundError(f"no item {event.item_id!r} in the catalogue; ingest it first")
    low, high = catalogue.domain.rating_scale
    if event.rating is not None and not low <= event.rating <= high:
        raise DataError(f"rating {event.rating:g} is off the scale; give one from {low:g} to {high:g}")
    return ledger.append(event)
