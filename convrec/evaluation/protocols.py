"""Owns how data sets become tasks: what is held out, what may be learned from, what is masked. Owns no metric.

In every protocol the whole catalogue competes except what a case excludes (no sampled negatives: Krichene and
Rendle 2020, "On Sampled Metrics for Item Recommendation"), and equal timestamps keep the order of the file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal

from convrec.data.catalogue import Catalogue
from convrec.data.interactions import leave_last_out
from convrec.errors import DataError
from convrec.evaluation.base import Case, Judgement, Task
from convrec.evaluation.datasets.base import ConversationTurn, Dataset
from convrec.ledger.profile import build_profile, signal
from convrec.types import FeedbackEvent, FeedbackType, RetrievalQuery

Split = Literal["valid", "test"]

_CORE = 5
_TEXT_CHARS = 360
"""Of a conversation, from its end: about 90 tokens."""
_LEARN_SHARE = 0.8


def leave_one_out(dataset: Dataset, split: Split) -> Task:
    """Leave one out by time, full ranking.

    The test item is that of each user's last event, the validation item that of the second last. What lies
    before is the user's history, which is masked, and all histories are what may be learned from: for the test
    they hold the validation event. Users whose held-out event is a dislike or a comment, or of an item in
    their history already, or who have no history, have no case; the notes count them.

    Source: Kang and McAuley 2018, "Self-Attentive Sequential Recommendation", sec. IV-A.
    """
    train, held = leave_last_out(dataset.events, hold=1 if split == "test" else 2)
    cases, repeated = [], 0
    for user_id, own in held.items():
        case = case_at(user_id, user_id, train[user_id], own[0], dataset.catalogue)
        if case is None:
            repeated += 1
        else:
            cases.append(case)
    return Task(
        f"leave-one-out/{split}",
        dataset.catalogue,
        tuple(event for events in train.values() for event in events),
        tuple(cases),
        notes=_noted(
            dataset,
            (repeated, "users whose held-out event was no choice, or of an item in their history"),
            (len(train) - len(held), "users with too few events to have a history"),
        ),
    )


def llamarec(dataset: Dataset, split: Split) -> Task:
    """Leave one out on the 5-core: LlamaRec's split, for MovieLens latest-small 610 users and 3,650 items.

    Users and items with fewer than five events are dropped until none is left, and the catalogue holds the
    items that remain. LlamaRec prints means of the means of batches, of which the last held two users; means
    here are over users.

    Source: Yue et al. 2023, "LlamaRec: Two-Stage Recommendation using Large Language Models for Ranking", sec.
    4.1.
    """
    events = list(dataset.events)
    while True:
        users = Counter(event.user_id for event in events)
        items = Counter(event.item_id for event in events)
        kept = [e for e in events if users[e.user_id] >= _CORE and items[e.item_id] >= _CORE]
        if len(kept) == len(events):
            break
        events = kept
    if not events:
        raise DataError(f"{dataset.name} has no 5-core: nobody is left with five events on items that have five")
    catalogue = dataset.catalogue
    core = Catalogue((catalogue[item_id] for item_id in {e.item_id for e in events} if item_id), catalogue.domain)
    note = f"5-core: {len({e.user_id for e in events}):,} users, {len(core):,} items, {len(events):,} events"
    task = leave_one_out(replace(dataset, catalogue=core, events=events, notes=(*dataset.notes, note)), split)
    return replace(task, name=f"llamarec/{split}")


def time_sliced(dataset: Dataset, slices: int = 10, per_user: int = 5) -> list[Task]:
    """Replay in time order: fit on what lies before a slice, predict its events as they come.

    Events in order of time are cut into slices of equal number. For every slice but the first, systems are
    fitted on all events before it; its cases are the first `per_user` events in it of every user who has
    earlier ones, each with the history up to it, so feedback within the slice is in the history but not in the
    fit.

    Source: Ji et al. 2023, "A Critical Study on Data Leakage in Recommender System Offline Evaluation", sec. 6,
    which asks for the timeline to be kept.
    """
    events = sorted(dataset.events, key=lambda event: event.timestamp)
    if slices < 2 or len(events) < slices:
        raise DataError(
            f"{len(events)} events cannot be cut into {slices} slices; at least 2, at most one an event"
        )
    bounds = [round(n * len(events) / slices) for n in range(slices + 1)]
    histories: dict[str, list[FeedbackEvent]] = {}
    tasks = []
    for number in range(slices):
        cases: list[Case] = []
        told: Counter[str] = Counter()
        repeated = 0
        for event in events[bounds[number] : bounds[number + 1]]:
            history = histories.setdefault(event.user_id, [])
            if number and history and told[event.user_id] < per_user:
                case_id = f"{event.user_id}@{len(history)}"
                case = case_at(case_id, event.user_id, history, event, dataset.catalogue)
                if case is None:
                    repeated += 1
                else:
                    told[event.user_id] += 1
                    cases.append(case)
            history.append(event)
        if number:
            tasks.append(
                Task(
                    f"time-sliced/{number}",
                    dataset.catalogue,
                    tuple(events[: bounds[number]]),
                    tuple(cases),
                    notes=_noted(dataset, (repeated, "events that were no choice, or of an item had already")),
                )
            )
    return tasks


def like_dislike(dataset: Dataset, liked: float = 0.75, disliked: float = 0.5) -> Task:
    """Tell liked from disliked items among the last 20 % of each user's ratings, by AUC.

    With R in [0, 1] a rating on its scale, R >= `liked` is liked and R <= `disliked` is disliked (on 1 to 5
    stars: 4 and more, 3 and less); others are left out, and so are items that were rated in the history
    already. The first 80 % are the history, and all that may be learned from. Users with only one kind have no
    judgement.

    Source: Bao et al. 2023, "TALLRec", sec. 4.1, which asks the same yes or no of the same data; the split is
    ours.
    """
    low, high = dataset.catalogue.domain.rating_scale
    by_user: dict[str, list[FeedbackEvent]] = {}
    for event in sorted(dataset.events, key=lambda event: event.timestamp):
        if event.rating is not None:
            by_user.setdefault(event.user_id, []).append(event)
    train: list[FeedbackEvent] = []
    judgements: list[Judgement] = []
    repeated = 0
    for user_id, own in by_user.items():
        cut = int(0.8 * len(own))
        train += own[:cut]
        known = {event.item_id for event in own[:cut]}
        repeated += sum(event.item_id in known for event in own[cut:])
        rated = {
            event.item_id: ((event.rating or 0.0) - low) / (high - low)
            for event in own[cut:]
            if event.item_id and event.item_id not in known
        }
        opinions = {item_id: r >= liked for item_id, r in rated.items() if r >= liked or r <= disliked}
        if cut and len(set(opinions.values())) == 2:
            query = _query(user_id, own[:cut], dataset.catalogue)
            judgements.append(
                Judgement(user_id, query, tuple(opinions), tuple(opinions.values()), tuple(own[:cut]))
            )
    return Task(
        "like-dislike/test",
        dataset.catalogue,
        tuple(train),
        judgements=tuple(judgements),
        notes=_noted(
            dataset,
            (len(by_user) - len(judgements), "users without both kinds or without history"),
            (repeated, "ratings of items the user had rated already"),
        ),
    )


def conversation(dataset: Dataset, split: Split) -> Task:
    """From what was said to what is recommended next, per target, over the full catalogue.

    A case is a turn that recommends: its text is what was said before (see `spoken`), its seeds are the
    items named before, which are masked. The turns to learn from are `examples`, and as choices (items named or
    recommended, in order, by a user who bears the conversation's id) they are `train`. For `valid`, the first
    80 % of the conversations to learn from are learned from and the others are the cases.

    Source: Wang et al. 2023, "Rethinking the Evaluation for Conversational Recommendation in the Era of Large
    Language Models", sec. 3; masking items named before follows He et al. 2023, "Large Language Models as
    Zero-Shot Conversational Recommenders", sec. 3.2.
    """
    if not dataset.learn:
        raise DataError(f"{dataset.name} has no conversations; this protocol needs them (redial)")
    learn, judged = list(dataset.learn), list(dataset.test)
    if split == "valid":
        dialogs = list(dict.fromkeys(turn.dialog_id for turn in learn))
        early = set(dialogs[: int(_LEARN_SHARE * len(dialogs))])
        learn, judged = (
            [turn for turn in learn if turn.dialog_id in early],
            [turn for turn in learn if turn.dialog_id not in early],
        )
    return Task(
        f"conversation/{split}",
        dataset.catalogue,
        tuple(_choices(learn)),
        tuple(_spoken(judged)),
        examples=tuple(_spoken(learn)),
        notes=_noted(
            dataset, (sum(not turn.recommended for turn in judged), "turns that recommend nothing new to predict")
        ),
    )


def case_at(
    case_id: str, user_id: str, history: Sequence[FeedbackEvent], event: FeedbackEvent, catalogue: Catalogue
) -> Case | None:
    """The prediction of an event from the history before it.

    None where the event is of an item that is masked, or no choice (a dislike, a comment).
    """
    query = _query(user_id, history, catalogue)
    worth = signal(event, catalogue.domain.rating_scale)
    if event.item_id is None or event.item_id in query.exclude or worth is None or worth <= 0:
        return None
    return Case(case_id, user_id, query, (event.item_id,), tuple(history))


def _query(user_id: str, history: Sequence[FeedbackEvent], catalogue: Catalogue) -> RetrievalQuery:
    profile = build_profile(user_id, history, catalogue.domain.rating_scale)
    return RetrievalQuery(history=profile.history, exclude=profile.excluded)


def spoken(utterances: Iterable[str]) -> str:
    """What is read of a conversation so far: its last 360 characters."""
    return " ".join(utterances)[-_TEXT_CHARS:]


def _spoken(turns: Iterable[ConversationTurn]) -> Iterable[Case]:
    numbers: Counter[str] = Counter()
    for turn in turns:
        numbers[turn.dialog_id] += 1
        if turn.recommended:
            query = RetrievalQuery(
                text=spoken(turn.utterances),
                seeds=dict.fromkeys(turn.named, 1.0),
                exclude=frozenset(turn.named),
            )
            yield Case(f"{turn.dialog_id}/{numbers[turn.dialog_id]}", turn.dialog_id, query, turn.recommended)


def _choices(turns: Iterable[ConversationTurn]) -> Iterable[FeedbackEvent]:
    by_dialog: dict[str, dict[str, None]] = {}
    for turn in turns:
        by_dialog.setdefault(turn.dialog_id, {}).update(dict.fromkeys((*turn.named, *turn.recommended)))
    moment = 0.0
    for dialog_id, item_ids in by_dialog.items():
        for item_id in item_ids:
            moment += 1.0
            event_id = f"{dialog_id}-{item_id}"
            yield FeedbackEvent(event_id, dialog_id, FeedbackType.LIKE, moment, item_id)


def _noted(dataset: Dataset, *dropped: tuple[int, str]) -> tuple[str, ...]:
    return (*dataset.notes, *(f"{number} {why}" for number, why in dropped if number))
