"""Events as rows: the table, what makes an event storable, and its body as JSON. Owns no connection.

`body` holds the whole event except its timestamp, in one canonical spelling (sorted keys, no absent optional
fields, floats as floats), so two events are the same exactly when their bodies are equal. The timestamp has a
column of its own and takes no part: a client that retries gets a fresh one from the server.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from sqlalchemy import BigInteger, Column, Double, Index, Integer, MetaData, Table, Text

from convrec.errors import DataError, LedgerError
from convrec.types import (
    Clarification,
    Constraint,
    Contest,
    Drop,
    ErasureEvent,
    Event,
    FeedbackEvent,
    FeedbackType,
    ImpressionEvent,
    Intent,
    IntentKind,
    Mention,
    Polarity,
    ReplyEvent,
    ScoredCandidate,
    SessionEvent,
    TurnEvent,
)

FEEDBACK, TURN, IMPRESSION, REPLY, SESSION = "feedback", "turn", "impression", "reply", "session"
ERASURE = "erasure"

# Four bytes a character at most, and PostgreSQL's index entries end at 2,704 bytes.
MAX_ID_LENGTH = 512

EVENTS = Table(
    "events",
    MetaData(),
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("event_id", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("session_id", Text),
    Column("item_id", Text),
    Column("type", Text),
    Column("timestamp", Double, nullable=False),
    Column("body", Text, nullable=False),
    # Feedback and sessions are read in index order; with user_id alone SQLite walked all feedback for one user's.
    Index("events_user", "user_id", "kind", "timestamp"),
    Index("events_session", "session_id", "kind", "seq"),
    Index("events_kind", "kind", "timestamp"),
    sqlite_autoincrement=True,
)

_CARRIES = {
    FeedbackType.RATING: "rating",
    FeedbackType.COMMENT: "text",
    FeedbackType.RETRACTION: "retracts",
}
_VOTES = (FeedbackType.PREFER, FeedbackType.TIE)
_WITHOUT_ITEM = (FeedbackType.COMMENT, FeedbackType.RETRACTION, *_VOTES)


def to_row(event: Event) -> dict[str, Any]:
    """The columns of an event, all but seq.

    Raises:
        DataError: The event cannot be stored; the message names the field.
    """
    _check(event)
    kind, body = _encode(event)
    feedback = event if isinstance(event, FeedbackEvent) else None
    try:
        text = json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except ValueError as error:
        raise DataError(f"event {event.event_id!r} holds a number that is not finite; send finite ones") from error
    return {
        "event_id": event.event_id,
        "kind": kind,
        "user_id": event.user_id,
        "session_id": _session(event),
        "item_id": feedback and feedback.item_id,
        "type": feedback and feedback.type.value,
        "timestamp": float(event.timestamp),
        "body": text,
    }


def from_row(kind: str, timestamp: float, body: str) -> Event:
    """The event that `to_row` made these columns of.

    Raises:
        LedgerError: The body is not one that this version writes.
    """
    try:
        return from_body(kind, timestamp, json.loads(body))
    except (KeyError, TypeError, ValueError) as error:
        raise LedgerError(
            f"the ledger holds a {kind} event that this version cannot read ({error!r}): {body[:200]}; "
            "open it with the convrec version that wrote it"
        ) from error


def from_body(kind: str, timestamp: float, body: Mapping[str, Any]) -> Event:
    """The event of a kind with a body as `to_row` spells it, its values unchecked.

    Raises:
        KeyError, TypeError, ValueError: The body is not one that this version writes.
    """
    return _decode(kind, {**body, "timestamp": timestamp})


def _check(event: Event) -> None:
    ids = {"event_id": event.event_id, "user_id": event.user_id, "session_id": _session(event)}
    match event:
        case FeedbackEvent():
            _check_feedback(event)
            ids |= {"item_id": event.item_id, "retracts": event.retracts, "impression_id": event.impression_id}
        case ImpressionEvent():
            _check_contest(event)
            ids |= {"turn_id": event.turn_id}
        case ReplyEvent():
            ids |= {"turn_id": event.turn_id}
    for name, value in ids.items():
        if value is not None and not _is_id(value):
            raise DataError(
                f"{name} {value[:80]!r} of event {event.event_id[:80]!r} is no identifier; send 1 to "
                f"{MAX_ID_LENGTH} characters of valid Unicode, not only spaces and without NUL"
            )
    if not isfinite(event.timestamp):
        raise DataError(f"timestamp of event {event.event_id!r} is not finite; send seconds since the epoch")


def _check_feedback(event: FeedbackEvent) -> None:
    kind = event.type.value
    if event.item_id is None and event.type not in _WITHOUT_ITEM:
        raise DataError(f"{kind} event {event.event_id!r} lacks an item_id; name the item")
    if event.type in _VOTES and (event.impression_id is None or event.item_id is not None):
        raise DataError(
            f"{kind} event {event.event_id!r} must name a slate (impression_id) and no item; it judges a slate"
        )
    for owner, name in _CARRIES.items():
        value = getattr(event, name)
        if event.type is owner and (value is None or (isinstance(value, str) and not value.strip())):
            raise DataError(f"{kind} event {event.event_id!r} lacks {name}; a {kind} needs it")
        if event.type is not owner and value is not None:
            raise DataError(f"{kind} event {event.event_id!r} carries {name}; only a {owner.value} has it")


def _check_contest(event: ImpressionEvent) -> None:
    contest = event.contest
    if contest is None:
        return
    teams, versions = contest.teams, contest.versions
    mixed = len(versions) == 2 and len(teams) == len(event.slate) and set(teams) <= {0, 1}
    if not mixed and (len(versions) != 1 or teams):
        raise DataError(
            f"contest of event {event.event_id!r} is of one version, or of two and says which put each item there"
        )


def _session(event: Event) -> str | None:
    return None if isinstance(event, ErasureEvent) else event.session_id


def _is_id(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return bool(value.strip()) and len(value) <= MAX_ID_LENGTH and "\0" not in value


def _encode(event: Event) -> tuple[str, dict[str, Any]]:
    body: dict[str, Any] = {"event_id": event.event_id, "user_id": event.user_id}
    match event:
        case FeedbackEvent():
            kind = FEEDBACK
            body |= {
                "session_id": event.session_id,
                "type": event.type.value,
                "item_id": event.item_id,
                "rating": _float(event.rating),
                "text": event.text,
                "retracts": event.retracts,
                "impression_id": event.impression_id,
            }
        case TurnEvent():
            kind = TURN
            body |= {
                "session_id": event.session_id,
                "message": event.message,
                "intent": _encode_intent(event.intent),
            }
        case ImpressionEvent():
            kind = IMPRESSION
            body |= {
                "session_id": event.session_id,
                "turn_id": event.turn_id,
                "slate": list(event.slate),
                "candidates": [
                    [c.item_id, float(c.retrieval), _float(c.interest), float(c.score)] for c in event.candidates
                ],
                "prompt_hash": event.prompt_hash,
                "engine": event.engine,
                "adapter": event.adapter,
                "degraded": event.degraded,
                "latency_s": float(event.latency_s),
                "contest": event.contest and _encode_contest(event.contest),
            }
        case ReplyEvent():
            kind = REPLY
            body |= {
                "session_id": event.session_id,
                "turn_id": event.turn_id,
                "text": event.text,
                "latency_s": float(event.latency_s),
            }
        case SessionEvent():
            kind = SESSION
            body |= {"session_id": event.session_id, "title": event.title}
        case ErasureEvent():
            kind = ERASURE
            body |= {"salt": event.salt, "events": event.events, "adapters": list(event.adapters)}
    return kind, {name: value for name, value in body.items() if value is not None}


def _decode(kind: str, body: dict[str, Any]) -> Event:
    if kind == FEEDBACK:
        return FeedbackEvent(**{**body, "type": FeedbackType(body["type"])})
    if kind == TURN:
        return TurnEvent(**{**body, "intent": _decode_intent(body["intent"])})
    if kind == IMPRESSION:
        absent = {"session_id": None, "turn_id": None, "adapter": None}
        candidates = tuple(ScoredCandidate(*candidate) for candidate in body["candidates"])
        contest = body.get("contest") and _decode_contest(*body["contest"])
        made = {"slate": tuple(body["slate"]), "candidates": candidates, "contest": contest}
        return ImpressionEvent(**{**absent, **body, **made})
    if kind == REPLY:
        return ReplyEvent(**body)
    if kind == SESSION:
        return SessionEvent(**body)
    if kind == ERASURE:
        return ErasureEvent(**{**body, "adapters": tuple(body["adapters"])})
    raise ValueError(f"unknown kind {kind!r}")


def _encode_contest(contest: Contest) -> list[Any]:
    return [contest.contest_id, list(contest.versions), list(contest.teams)]


def _decode_contest(contest_id: str, versions: Sequence[str], teams: Sequence[int]) -> Contest:
    return Contest(contest_id, tuple(versions), tuple(teams))


def _encode_intent(intent: Intent) -> dict[str, Any]:
    """Fields that later versions added are written only where they say something: older bodies stay the same."""
    asked = intent.clarification
    later = {
        "references": list(intent.references),
        "critiques": [_encode_constraint(c) for c in intent.critiques],
        "toward": list(intent.toward),
        "away": list(intent.away),
        "drops": [[drop.facet, drop.value] for drop in intent.drops],
        "dropped": [_encode_constraint(c) for c in intent.dropped],
        "undo": intent.undo,
        "lists": intent.lists,
        "others": intent.others,
        "clarification": asked and [asked.text, [_encode_constraint(c) for c in asked.constraints], asked.asks],
    }
    return {
        "kind": intent.kind.value,
        "query": intent.query,
        "k": intent.k,
        "mentions": [[m.item_id, m.title, m.polarity.value] for m in intent.mentions],
        "constraints": [_encode_constraint(c) for c in intent.constraints],
        "reset": intent.reset,
        **{name: value for name, value in later.items() if value},
    }


def _decode_intent(body: dict[str, Any]) -> Intent:
    asked = body.get("clarification")
    return Intent(
        kind=IntentKind(body["kind"]),
        query=body["query"],
        k=body["k"],
        mentions=tuple(Mention(item_id, title, Polarity(p)) for item_id, title, p in body["mentions"]),
        constraints=_decode_constraints(body["constraints"]),
        reset=body["reset"],
        dropped=_decode_constraints(body.get("dropped", ())),
        references=tuple(body.get("references", ())),
        critiques=_decode_constraints(body.get("critiques", ())),
        toward=tuple(body.get("toward", ())),
        away=tuple(body.get("away", ())),
        drops=tuple(Drop(facet, value) for facet, value in body.get("drops", ())),
        undo=body.get("undo", False),
        lists=body.get("lists", False),
        others=body.get("others", False),
        clarification=asked and Clarification(asked[0], _decode_constraints(asked[1]), asked[2]),
    )


def _encode_constraint(constraint: Constraint) -> list[Any]:
    value = constraint.value if isinstance(constraint.value, str) else float(constraint.value)
    encoded = [constraint.facet, constraint.op, value, constraint.strength]
    return [*encoded, True] if constraint.either else encoded


def _decode_constraints(bodies: Sequence[Sequence[Any]]) -> tuple[Constraint, ...]:
    return tuple(Constraint(*body) for body in bodies)


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)
