"""Owns f(u, i): turns a ranking context and items into the token ids that an engine scores. Knows no weights.

f(u, i) = P(yes) / (P(yes) + P(no)) of the token that follows "user context" + "item" (decision 1 of the design:
pointwise scores after a shared prefix, so that the order of candidates cannot matter).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from convrec.data.catalogue import Catalogue
from convrec.engine.base import PREFIX_BLOCK, Engine, Labels, Message, OpenPrompt, Tokenizer, cache_salt
from convrec.errors import PromptError
from convrec.prompting import Prompt
from convrec.ranking.base import RankingContext
from convrec.types import Candidate, Constraint, Polarity

_OPINIONS = ("awful", "poor", "okay", "good", "great")
_EXPECTED = (
    "hopeless dreadful terrible awful bad poor weak dull mixed okay "
    "fair fine decent good nice strong great superb excellent perfect"
).split()
"""From low to high, each a token of the models that we know: a small model does not learn to read numbers soon."""
_ITEM_MARK = "\x1f"
"""Stands for the item while the chat template is rendered; a control character that no escaped text contains."""


@dataclass(frozen=True, slots=True)
class InterestPrompt:
    """What an engine scores: a shared prefix and one segment per item, as token ids, and the prompt's hash.

    The salt is the person's: what an engine has read of one is not found by another.
    """

    prefix: list[int]
    segments: list[list[int]]
    labels: Labels
    prompt_hash: str
    salt: str | None


@dataclass(frozen=True, slots=True)
class InterestConfig:
    """How much of a person the prefix holds.

    Args:
        history: Latest history items shown.
        named: Liked and disliked items shown, each.
        message_chars: Characters of the latest message that are kept, from its end.
    """

    history: int = 8
    named: int = 3
    message_chars: int = 360


class Interest:
    """Scores items for a context with one engine and one prompt version.

    Args:
        engine: Any engine; its tokenizer renders the prompt.
        prompt, catalogue, config: As for InterestPrompts.
    """

    def __init__(
        self, engine: Engine, prompt: Prompt, catalogue: Catalogue, config: InterestConfig | None = None
    ) -> None:
        self._engine = engine
        self._catalogue = catalogue
        self._config = config
        self._prompts = InterestPrompts(prompt, catalogue, config)

    def asked_by(self, prompt: Prompt) -> Interest:
        """The same with another prompt version."""
        return Interest(self._engine, prompt, self._catalogue, self._config)

    async def score(
        self, context: RankingContext, candidates: Sequence[Candidate], adapter: str | None = None
    ) -> tuple[list[float], str]:
        """f for every candidate, in [0, 1], and the hash of the prompt that asked.

        Raises:
            EngineError: The engine could not score.
            PromptError: A label is not a single token of the engine's model.
        """
        prompt = self.prompt(context, candidates)
        values = await self._engine.score(prompt.prefix, prompt.segments, prompt.labels, adapter, prompt.salt)
        return values, prompt.prompt_hash

    async def probe(self) -> None:
        """Ask the engine the least that can be asked.

        Raises:
            EngineError: It does not answer.
        """
        labels = self._prompts.labels(self._engine.tokenizer)
        await self._engine.score([labels.yes], [[labels.no]], labels)

    def prompt(self, context: RankingContext, candidates: Sequence[Candidate]) -> InterestPrompt:
        """The token ids that ask about each candidate for a context."""
        return self._prompts.make(self._engine.tokenizer, context, candidates)

    def opened(self, context: RankingContext) -> OpenPrompt:
        """The part of these prompts that all candidates share: the engine has read it once it has scored."""
        return self._prompts.opened(self._engine.tokenizer, context)


class InterestPrompts:
    """Renders what is scored, for serving and for training alike.

    Args:
        prompt: The ranking prompt with blocks `system`, `user` and `item` and single-token labels.
        catalogue: Where titles and attributes come from.
        config: What is shown of a person; the defaults when None.
    """

    def __init__(self, prompt: Prompt, catalogue: Catalogue, config: InterestConfig | None = None) -> None:
        self._prompt = prompt
        self._catalogue = catalogue
        self._config = config or InterestConfig()

    def make(
        self, tokenizer: Tokenizer, context: RankingContext, candidates: Sequence[Candidate]
    ) -> InterestPrompt:
        """The token ids that ask about each candidate for a context.

        Raises:
            PromptError: A label is not a single token of the tokenizer.
        """
        prompt = self.opened(tokenizer, context)
        segments = [tokenizer.encode(self._item(candidate, tokenizer) + prompt.after) for candidate in candidates]
        digest = sha256(f"{self._prompt.hash}\n{prompt.before}".encode()).hexdigest()[:12]
        return InterestPrompt(
            prompt.before, segments, self.labels(tokenizer), f"{self._prompt.name}:{digest}", prompt.salt
        )

    def opened(self, tokenizer: Tokenizer, context: RankingContext) -> OpenPrompt:
        """The prompt up to the item, filled up to whole blocks of an engine's prefix cache."""
        rendered = tokenizer.chat(
            [
                Message("system", self._prompt.render("system", domain=self._catalogue.domain)),
                Message("user", self._user(context, tokenizer) + _ITEM_MARK),
            ]
        )
        text, _, after = rendered.partition(_ITEM_MARK)
        before = tokenizer.encode(text)
        filler = tokenizer.encode("\n")[-1:]
        return OpenPrompt(
            before + filler * (-len(before) % PREFIX_BLOCK), after, cache_salt(context.profile.user_id)
        )

    def labels(self, tokenizer: Tokenizer) -> Labels:
        """The ids of the two answers.

        Raises:
            PromptError: One is not a single token of the tokenizer.
        """
        ids = {}
        for name in ("yes", "no"):
            tokens = tokenizer.encode(self._prompt.labels[name])
            if len(tokens) != 1:
                raise PromptError(
                    f"{self._prompt.name}: label {name} = {self._prompt.labels[name]!r} is {len(tokens)} tokens "
                    "for this model; choose a word that is one token"
                )
            ids[name] = tokens[0]
        return Labels(yes=ids["yes"], no=ids["no"])

    def _user(self, context: RankingContext, tokenizer: Tokenizer) -> str:
        config, profile, state = self._config, context.profile, context.state
        named = {polarity: [m.item_id for m in state.mentions if m.polarity is polarity] for polarity in Polarity}
        liked = [*named[Polarity.LIKED], *profile.liked]
        disliked = [*named[Polarity.DISLIKED], *profile.disliked]
        shown = set(liked[: config.named]) | set(disliked[: config.named])
        recent = [
            (
                self._describe(entry.item_id, tokenizer),
                "" if entry.opinion is None else _word(entry.opinion, _OPINIONS),
            )
            for entry in reversed(profile.history)
            if entry.signal > 0 and entry.item_id not in shown and entry.item_id in self._catalogue
        ]
        return self._prompt.render(
            "user",
            domain=self._catalogue.domain,
            liked=self._lines(liked[: config.named], tokenizer),
            disliked=self._lines(disliked[: config.named], tokenizer),
            recent=recent[: config.history],
            wishes=[tokenizer.escape(wish(c)) for c in state.constraints],
            message=tokenizer.escape(
                " ".join(context.message.replace(_ITEM_MARK, " ").split())[-config.message_chars :]
            ),
        )

    def _lines(self, item_ids: Sequence[str], tokenizer: Tokenizer) -> list[str]:
        return [self._describe(item_id, tokenizer) for item_id in item_ids if item_id in self._catalogue]

    def _item(self, candidate: Candidate, tokenizer: Tokenizer) -> str:
        return self._prompt.render(
            "item",
            domain=self._catalogue.domain,
            item=self._describe(candidate.item_id, tokenizer),
            expected="" if candidate.expected is None else _word(candidate.expected, _EXPECTED),
        )

    def _describe(self, item_id: str, tokenizer: Tokenizer) -> str:
        described = self._catalogue.describe(self._catalogue[item_id])
        return tokenizer.escape(" ".join(described.replace(_ITEM_MARK, " ").split()))


def _word(share: float, words: Sequence[str]) -> str:
    """The word for a place in [0, 1]; each has an equal part of it."""
    return words[min(int(share * len(words)), len(words) - 1)]


def wish(constraint: Constraint) -> str:
    """A constraint in words a model reads: "genre: Comedy", "not genre: Horror", "year >= 1990"."""
    value = f"{constraint.value:g}" if isinstance(constraint.value, float) else constraint.value
    if constraint.op in ("include", "exclude"):
        negated = constraint.op == "exclude" or constraint.strength == "avoid"
        return f"{'not ' if negated else ''}{constraint.facet}: {value}"
    return f"{constraint.facet} {constraint.op} {value}"
