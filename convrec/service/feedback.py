"""Owns what is checked of a feedback event before the ledger takes it."""

from __future__ import annotations

from convrec.data.catalogue import Catalogue
from convrec.errors import DataError, ForbiddenError, NotFoundError
from convrec.ledger.ledger import Ledger
from convrec.types import FeedbackEvent


def record(event: FeedbackEvent, catalogue: Catalogue, ledger: Ledger) -> bool:
    """Append a feedback event; it is durable when this returns.

    Returns:
        False when the same event was already there.

    Raises:
        NotFoundError: The item is not in the catalogue.
        ForbiddenError: It names a slate, an event or a session of somebody else.
        DataError: The rating is off the domain's scale, or the event lacks what its type needs.
        EventConflictError: Another event has this event_id.
        LedgerError: It could not be stored.
    """
    if event.item_id is not None and event.item_id not in catalogue:
        raise NotFoundError(f"no item {event.item_id!r} in the catalogue; ingest it first")
    low, high = catalogue.domain.rating_scale
    if event.rating is not None and not low <= event.rating <= high:
        raise DataError(f"rating {event.rating:g} is off the scale; give one from {low:g} to {high:g}")
    require_own(event, ledger)
    return ledger.append(event)


def require_own(event: FeedbackEvent, ledger: Ledger) -> None:
    """Refuse an event that names what is somebody else's; what the ledger does not know is nobody's.

    Raises:
        ForbiddenError: It names a slate, an event or a session of somebody else.
    """
    for name, event_id in (("impression_id", event.impression_id), ("retracts", event.retracts)):
        if event_id is not None and _owner(event_id, ledger) not in (None, event.user_id):
            raise ForbiddenError(f"{name} {event_id!r} is not of user {event.user_id!r}; name one of theirs")
    if event.session_id is not None and ledger.session_owner(event.session_id) not in (None, event.user_id):
        raise ForbiddenError(f"session {event.session_id!r} is not of user {event.user_id!r}; name one of theirs")


def _owner(event_id: str, ledger: Ledger) -> str | None:
    try:
        return ledger.get(event_id).user_id
    except NotFoundError:
        return None
