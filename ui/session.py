"""Session: what one browser tab has said, been shown and pressed. Owns no component, no HTML and no HTTP.

It is mutable on purpose and lives in one gr.State: a turn streams while buttons are pressed, and both must see
each other's changes. Handlers run on one event loop, so what happens between two awaits is atomic.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from uuid import uuid4

from ui.chat.past import ConversationView, PastConversation, WishView
from ui.person.views import Named, PersonView
from ui.turn import KINDS, Mark, Phase, Turn, press
from ui.views import (
    CardView,
    DomainView,
    Feedback,
)
from ui.words import ENGLISH, Words, words

OPINIONS = ("liked", "disliked", "saved")
"""What can be thought of an item, in the order of the panel."""


@dataclass(slots=True)
class Asked:
    """What the page asks to be confirmed or typed, if anything: one thing at a time."""

    renaming: str = ""
    deleting: str = ""
    forgetting: bool = False


@dataclass(slots=True)
class Session:
    """One tab's conversation with one person.

    Args:
        session_id: The API's, None before the first slate.
        conversations, kept: The latest of the person's conversations, and how many there are.
        wishes: What holds in this conversation.
        starters: Items offered to a newcomer; () once there is nothing to begin with.
        skipped: Nothing is to be offered to begin with.
        picks: item_id of a starter -> the mark on it.
        whole: Groups of opinions that are shown in full.
        notice: What came of the latest import, export or erasure, line by line.
    """

    user_id: str = ""
    domain: DomainView | None = None
    session_id: str | None = None
    turns: list[Turn] = field(default_factory=list)
    words: Words = field(default_factory=lambda: words(ENGLISH))
    person: PersonView | None = None
    person_problem: str = ""
    conversations: tuple[ConversationView, ...] = ()
    kept: int = 0
    wishes: tuple[WishView, ...] = ()
    starters: tuple[CardView, ...] = ()
    skipped: bool = False
    picks: dict[str, Mark] = field(default_factory=dict)
    asked: Asked = field(default_factory=Asked)
    whole: frozenset[str] = frozenset()
    notice: tuple[str, ...] = ()

    @property
    def turn(self) -> Turn | None:
        """The latest turn."""
        return self.turns[-1] if self.turns else None

    @property
    def running(self) -> bool:
        """Whether a turn is being answered."""
        return self.turn is not None and self.turn.phase.running

    @property
    def suggestions(self) -> tuple[str, ...]:
        """Messages that could come next: examples of the domain, then those that the API gave with the slate."""
        if self.running or self.domain is None:
            return ()
        if self.turn is not None:
            return self.turn.slate.suggestions if self.turn.slate else ()
        say, language = self.words, self.words.language
        plural = self.domain.named(language).plural
        examples = [say("chat.example_some", plural=plural)]
        if self.domain.example:
            value = self.domain.label(language, *self.domain.example)
            examples.append(say("chat.example_value", value=value, plural=plural))
        examples.append(say("chat.example_ten", plural=plural))
        return tuple(filter(None, examples))  # a language may not have them all

    def begin(self, user_id: str) -> None:
        """Start a new conversation; a turn in progress is stopped."""
        self.stop()
        if user_id != self.user_id:
            self.person, self.conversations, self.kept = None, (), 0
            self.whole = frozenset()
            self.starters, self.skipped, self.picks, self.notice = (), False, {}, ()
        self.user_id, self.session_id, self.turns = user_id, None, []
        self.wishes, self.asked = (), Asked()

    def resume(self, past: PastConversation) -> None:
        """Go on with an earlier conversation."""
        self.begin(self.user_id)
        self.starters, self.session_id, self.wishes = (), past.session_id, past.wishes
        for told in past.turns:
            turn = Turn(told.message, Phase.DONE, told.slate, told.prose, turn_id=told.turn_id)
            turn.marks = {str(one.item_id): Mark(one, stored=True) for one in told.given if one.type in KINDS}
            self.turns.append(turn)

    def ask(self, message: str) -> Turn | None:
        """Open a turn; None for a blank message or while another turn runs."""
        if not message.strip() or self.running:
            return None
        self.asked, self.notice = Asked(), ()
        self.turns.append(Turn(message.strip()))
        return self.turn

    def take_back(self) -> Turn | None:
        """Remove the latest turn, to ask again or otherwise; None where there is none or it still runs."""
        return None if self.running or not self.turns else self.turns.pop()

    def stop(self) -> None:
        """End the running turn: nothing more of it is read."""
        if self.turn is not None:
            self.turn.finish(Phase.STOPPED)
            if self.turn.reading is not None:
                self.turn.reading.cancel()

    def messages(self) -> list[tuple[str, str]]:
        """(role, content) of the conversation, oldest first; ends with the latest turn's message."""
        spoken = ((("user", turn.message), ("assistant", turn.prose)) for turn in self.turns)
        return [(role, content) for pair in spoken for role, content in pair if content]

    # --- what places in the page stand for -----------------------------------------------------------------

    def shown(self, turn: int, place: int) -> tuple[Turn, CardView] | None:
        """The card of a place; None where this session has shown none there."""
        if not 0 <= turn < len(self.turns) or not 0 <= place < len(self.turns[turn].cards):
            return None
        return self.turns[turn], self.turns[turn].cards[place]

    def opinion(self, group: int, place: int) -> Named | None:
        """An item of the person's liked (0), disliked (1) or saved ones (2)."""
        if self.person is None or not 0 <= group < len(OPINIONS):
            return None
        items = self.person.opinions(OPINIONS[group])
        return items[place] if 0 <= place < len(items) else None

    # --- feedback ------------------------------------------------------------------------------------------

    def mark(self, turn: int, place: int, kind: str) -> Mark | None:
        """Press a button: the mark to send, or None where there is no card or it is marked already.

        A press that could not be sent is given again as it was, so that sending twice stores once.
        """
        found = self.shown(turn, place)
        if found is None or found[0].slate is None or kind not in KINDS:
            return None
        (of, card), slate = found, found[0].slate
        return press(of.marks, self._feedback(kind, card.item_id, slate.session_id, slate.impression_id))

    def stored_mark(self, turn: int, place: int) -> Mark | None:
        """The acknowledged mark of a card, if it has one."""
        found = self.shown(turn, place)
        mark = found[0].marks.get(found[1].item_id) if found else None
        return mark if mark and mark.stored else None

    def pick(self, place: int) -> Mark | None:
        """Like a starter: the mark to send, or None where there is none or it is marked already."""
        if not 0 <= place < len(self.starters):
            return None
        return press(self.picks, self._feedback("like", self.starters[place].item_id, None, None))

    def retraction(self, mark: Mark) -> Feedback:
        """The event that takes a stored mark back."""
        return replace(
            mark.feedback,
            event_id=_event_id(),
            type="retraction",
            timestamp=time.time(),
            item_id=None,
            retracts=mark.feedback.event_id,
        )

    def _feedback(self, kind: str, item_id: str, session_id: str | None, impression_id: str | None) -> Feedback:
        return Feedback(
            event_id=_event_id(),
            user_id=self.user_id,
            type=kind,
            timestamp=time.time(),
            item_id=item_id,
            session_id=session_id,
            impression_id=impression_id,
        )


def _event_id() -> str:
    return f"ui-{uuid4().hex}"
