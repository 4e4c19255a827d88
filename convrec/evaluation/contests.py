"""Owns which of two versions people preferred: votes on slates side by side, clicks on slates that both mixed.

| how | a contest | won by |
| --- | --- | --- |
| votes | the slates of one contest_id, two of one person | the version of the slate that their last vote prefers |
| clicks | a mixed slate of which something was chosen | the version of which more items were |

An item was chosen where its person clicked, liked, bought or rated it highly (75 % of the scale or more), and did
not take that back. Nobody has won a tie; the share is of the contests that somebody won, with clustered.py's
interval over people. Two versions are equal where it holds 0.5.

Source: Radlinski, Kurup and Joachims 2008, "How does clickthrough data reflect retrieval quality?", for clicks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from convrec.evaluation.clustered import Share, Trials, share
from convrec.ledger.profile import LIKED_FROM, standing, unit_rating
from convrec.types import FeedbackEvent, FeedbackType, ImpressionEvent

How = Literal["votes", "clicks"]

_CHOSEN = frozenset({FeedbackType.CLICK, FeedbackType.LIKE, FeedbackType.PURCHASE})
_VOTES = frozenset({FeedbackType.PREFER, FeedbackType.TIE})


@dataclass(frozen=True, slots=True)
class ContestFigures:
    """How often one version won against another.

    Args:
        version, against: Their names, in alphabetical order.
        how: What decided.
        wins, losses, ties: Of `version`.
        win_share: Wins among those that were won.
    """

    version: str
    against: str
    how: How
    wins: int
    losses: int
    ties: int
    win_share: Share


@dataclass(slots=True)
class _Score:
    """Of two versions: person -> [wins of the first, wins of the second]."""

    of_user: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    ties: int = 0

    def add(self, user_id: str, winner: int | None) -> None:
        if winner is None:
            self.ties += 1
        else:
            self.of_user[user_id][winner] += 1


_Scores = defaultdict[tuple[How, str, str], _Score]
_Said = defaultdict[str, list[FeedbackEvent]]


def contest_figures(
    impressions: Iterable[ImpressionEvent], feedback: Iterable[FeedbackEvent], rating_scale: tuple[float, float]
) -> tuple[ContestFigures, ...]:
    """Every two versions that were compared, those with the most contests first.

    Args:
        impressions: What was shown; those without a contest are passed over.
        feedback: Of anybody, retractions among it.
        rating_scale: Lowest and highest rating.
    """
    compared = {shown.event_id: shown for shown in impressions if shown.contest is not None}
    said: _Said = defaultdict(list)
    for event in standing(feedback):
        shown = compared.get(event.impression_id or "")
        if shown is not None and shown.user_id == event.user_id:
            said[shown.event_id].append(event)
    scores: _Scores = defaultdict(_Score)
    _count_votes(compared.values(), said, scores)
    _count_clicks(compared.values(), said, scores, rating_scale)
    figures = [_figures(*key, score) for key, score in scores.items()]
    return tuple(sorted(figures, key=lambda f: (-(f.wins + f.losses + f.ties), f.version, f.against, f.how)))


def _count_votes(shown: Iterable[ImpressionEvent], said: _Said, scores: _Scores) -> None:
    sides: defaultdict[tuple[str, str], list[ImpressionEvent]] = defaultdict(list)
    for impression in shown:
        if impression.contest is not None and not impression.contest.teams:
            sides[impression.user_id, impression.contest.contest_id].append(impression)
    for (user_id, _), pair in sides.items():
        names = [impression.contest.versions[0] for impression in pair if impression.contest is not None]
        votes = [event for side in pair for event in said[side.event_id] if event.type in _VOTES]
        if len(set(names)) != 2 or len(pair) != 2 or not votes:
            continue  # one of them degraded, or was asked for again
        vote = max(votes, key=lambda event: event.timestamp)
        preferred = None
        if vote.type is FeedbackType.PREFER:
            preferred = names[0] if vote.impression_id == pair[0].event_id else names[1]
        _add(scores, "votes", names, user_id, preferred)


def _count_clicks(
    shown: Iterable[ImpressionEvent], said: _Said, scores: _Scores, rating_scale: tuple[float, float]
) -> None:
    for impression in shown:
        contest = impression.contest
        if contest is None or not contest.teams:
            continue
        chosen = {event.item_id for event in said[impression.event_id] if _is_choice(event, rating_scale)}
        team_of = dict(zip(impression.slate, contest.teams, strict=True))
        teams = [team_of[item_id] for item_id in chosen if item_id in team_of]
        if not teams:
            continue
        first, second = teams.count(0), teams.count(1)
        preferred = None if first == second else contest.versions[int(second > first)]
        _add(scores, "clicks", contest.versions, impression.user_id, preferred)


def _add(scores: _Scores, how: How, names: Sequence[str], user_id: str, preferred: str | None) -> None:
    version, against = sorted(names)
    winner = None if preferred is None else int(preferred != version)
    scores[how, version, against].add(user_id, winner)


def _is_choice(event: FeedbackEvent, rating_scale: tuple[float, float]) -> bool:
    if event.rating is not None:
        return unit_rating(event.rating, rating_scale) >= LIKED_FROM
    return event.type in _CHOSEN


def _figures(how: How, version: str, against: str, score: _Score) -> ContestFigures:
    wins, losses = (sum(won[side] for won in score.of_user.values()) for side in (0, 1))
    trials = Trials({user_id: (won[0], sum(won)) for user_id, won in score.of_user.items()})
    return ContestFigures(version, against, how, wins, losses, score.ties, share(trials))
