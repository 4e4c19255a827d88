"""Owns what a recommender is asked and what it answers: requests, events of a turn, a view of a user. No logic."""

from __future__ import annotations

from dataclasses import dataclass, field

from convrec.dialogue.cut import Finish
from convrec.dialogue.options import PLAIN, ReplyOptions
from convrec.ranking.ranker import RankingVersion
from convrec.service.stopwatch import Lap
from convrec.types import Belief, Constraint, Contest, Intent, Profile, SessionState, Slate


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One message of a person.

    Args:
        session_id: An earlier session of the ledger, or a new id; None starts a session.
        prior: Earlier messages of this person that a stateless client sends along, oldest first; read only when
            the ledger knows no turn of the session.
        k: Length of the slate; the message's own wish or the default where None.
        options: How the reply is written.
        version: What ranks the slate, its adapter loaded; the one that ranks all where None.
        contest: Where the slate is shown beside another version's.
    """

    user_id: str
    message: str
    session_id: str | None = None
    prior: tuple[str, ...] = ()
    k: int | None = None
    options: ReplyOptions = PLAIN
    version: RankingVersion | None = None
    contest: Contest | None = None


@dataclass(frozen=True, slots=True)
class SlateReady:
    """The slate of a turn, its impression already in the ledger; sent before any prose.

    `suggestions` are messages that could follow in a conversation.
    """

    user_id: str
    session_id: str | None
    turn_id: str | None
    impression_id: str
    intent: Intent
    state: SessionState
    slate: Slate
    engine: str
    adapter: str | None
    latency_s: float
    laps: tuple[Lap, ...] = ()
    contest: Contest | None = None
    suggestions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReplyDelta:
    """A piece of the prose."""

    text: str


@dataclass(frozen=True, slots=True)
class TurnDone:
    """The end of a turn; tokens are those of the message and of the prose, latency_s is the whole turn.

    `first_token_s` are the seconds until the first of the prose; None where there was none.
    `finish` is "length" where the reply was cut off because it may have no more tokens.
    """

    prompt_tokens: int
    completion_tokens: int
    latency_s: float
    finish: Finish = "stop"
    first_token_s: float | None = None


ChatEvent = SlateReady | ReplyDelta | TurnDone


@dataclass(frozen=True, slots=True)
class RecommendRequest:
    """A slate without a conversation.

    Args:
        query: Words, understood like a message; "" asks from the profile alone.
        constraints: Wishes on facets beside those of the words.
        exclude: item_ids that must not come.
        candidates: Rank just these items of the catalogue, known to the person or not; None retrieves.
        explain: Whether evidence is looked for.
        version: As for a ChatRequest.
        rival: Another version that ranks too: the slate is a mix of both.
        contest: Names both; needed with a rival.
    """

    user_id: str
    k: int | None = None
    query: str = ""
    constraints: tuple[Constraint, ...] = ()
    exclude: frozenset[str] = field(default_factory=frozenset)
    candidates: frozenset[str] | None = None
    explain: bool = True
    version: RankingVersion | None = None
    rival: RankingVersion | None = None
    contest: Contest | None = None


@dataclass(frozen=True, slots=True)
class UserView:
    """What the system knows and believes about a user."""

    profile: Profile
    beliefs: tuple[Belief, ...]
