"""Owns what is checked of feedback events before the ledger takes them, one by one or many at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import uuid4

from convrec.data.catalogue import Catalogue
from convrec.errors import ConvRecError, DataError, EventConflictError, ForbiddenError, NotFoundError
from convrec.ledger.ledger import Ledger
from convrec.ledger.profile import standing
from convrec.types import Event, FeedbackEvent, FeedbackType, ImpressionEvent

Outcome = bool | ConvRecError
"""True: stored. False: the same event was there already. An error: refused, and why."""


def record(event: FeedbackEvent, catalogue: Catalogue, ledger: Ledger) -> bool:
    """Append a feedback event; it is durable when this returns.

    Returns:
        False when the same event was already there.

    Raises:
        NotFoundError: The item is not in the catalogue.
        ForbiddenError: It names a slate, an event or a session of somebody else.
        DataError: The rating is off the domain's scale, the slate that it names did not hold the item or is not
            compared, or the event lacks what its type needs.
        EventConflictError: Another event has this event_id.
        LedgerError: It could not be stored.
    """
    _check(event, catalogue, ledger)
    return ledger.append(event)


def record_many(events: Sequence[FeedbackEvent], catalogue: Catalogue, ledger: Ledger) -> list[Outcome]:
    """Append those of many events that can be; they are durable when this returns.

    Returns:
        The outcome of each event; those refused are errors as in `record`, all but LedgerError.

    Raises:
        LedgerError: The database failed; some may be stored, and sending all again is safe.
    """
    outcomes: dict[int, Outcome] = {}
    for place, event in enumerate(events):
        try:
            _check(event, catalogue, ledger)
        except (NotFoundError, ForbiddenError, DataError) as error:
            outcomes[place] = error
    sound = [place for place in range(len(events)) if place not in outcomes]
    outcomes |= zip(sound, append_each(ledger, [events[place] for place in sound]), strict=True)
    return [outcomes[place] for place in range(len(events))]


def retract_item(user_id: str, item_id: str, ledger: Ledger, now: float) -> list[FeedbackEvent]:
    """Take back everything that a user said of an item and that still stands, in one transaction.

    Args:
        now: Seconds since the epoch.

    Returns:
        The retractions; none where nothing stands.

    Raises:
        LedgerError: They could not be stored.
    """
    said = [event for event in standing(ledger.feedback(user_id)) if event.item_id == item_id]
    back = retractions(said, now)
    ledger.append_many(back)
    return back


def retractions(events: Iterable[FeedbackEvent], now: float) -> list[FeedbackEvent]:
    """What takes these events back, dated `now`; not appended."""
    return [
        FeedbackEvent(f"back-{uuid4().hex}", event.user_id, FeedbackType.RETRACTION, now, retracts=event.event_id)
        for event in events
    ]


def append_each(ledger: Ledger, events: Sequence[Event]) -> list[Outcome]:
    """Append events, halving them around those that are refused until each of these stands alone.

    Returns:
        The outcome of each event.

    Raises:
        LedgerError: The database failed.
    """
    try:
        new = set(ledger.append_new(events))
    except (DataError, EventConflictError) as error:
        if len(events) == 1:
            return [error]
        middle = len(events) // 2
        return append_each(ledger, events[:middle]) + append_each(ledger, events[middle:])
    outcomes: list[Outcome] = []
    for event in events:
        outcomes.append(event.event_id in new)
        new.discard(event.event_id)  # the same event once more was there already
    return outcomes


def _check(event: FeedbackEvent, catalogue: Catalogue, ledger: Ledger) -> None:
    if event.item_id is not None and event.item_id not in catalogue:
        raise NotFoundError(f"no item {event.item_id!r} in the catalogue; ingest it first")
    low, high = catalogue.domain.rating_scale
    if event.rating is not None and not low <= event.rating <= high:
        raise DataError(f"rating {event.rating:g} is off the scale; give one from {low:g} to {high:g}")
    impression = _stored(event.impression_id, ledger)
    _require_own(event, impression, ledger)
    _require_shown(event, impression)


def _require_own(event: FeedbackEvent, impression: Event | None, ledger: Ledger) -> None:
    """Refuse an event that names what is somebody else's; what the ledger does not know is nobody's."""
    named = (
        ("impression_id", event.impression_id, impression),
        ("retracts", event.retracts, _stored(event.retracts, ledger)),
    )
    for name, event_id, stored in named:
        if stored is not None and stored.user_id != event.user_id:
            raise ForbiddenError(f"{name} {event_id!r} is not of user {event.user_id!r}; name one of theirs")
    if event.session_id is not None and ledger.session_owner(event.session_id) not in (None, event.user_id):
        raise ForbiddenError(f"session {event.session_id!r} is not of user {event.user_id!r}; name one of theirs")


def _require_shown(event: FeedbackEvent, impression: Event | None) -> None:
    """Refuse feedback on a slate that did not hold the item; one that the ledger does not know is not looked into.

    What is not looked into does not train (training/screening.py). A vote must be of a whole slate's contest.
    """
    if event.type in (FeedbackType.PREFER, FeedbackType.TIE):
        contest = impression.contest if isinstance(impression, ImpressionEvent) else None
        if contest is None or contest.teams:
            raise DataError(
                f"the slate {event.impression_id!r} was not shown beside another one; name one that was asked for "
                "with `convrec.contest`"
            )
    if impression is None or event.item_id is None:
        return
    if not isinstance(impression, ImpressionEvent) or event.item_id not in impression.slate:
        raise DataError(
            f"item {event.item_id!r} was not in the slate {event.impression_id!r}; name the slate that showed it, "
            "or leave impression_id out"
        )


def _stored(event_id: str | None, ledger: Ledger) -> Event | None:
    try:
        return None if event_id is None else ledger.get(event_id)
    except NotFoundError:
        return None
