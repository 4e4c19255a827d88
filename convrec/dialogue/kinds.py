"""Owns what kind of message a message is, from what the other readers found in it and from its own words.

English only, and without a domain: what can be recommended is what the domain's nouns name.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from convrec.dialogue.feeling import Feeling
from convrec.dialogue.language import FUNCTION_WORDS, NEGATIONS, Token, stem, vocabulary
from convrec.types import IntentKind, Polarity

_SOCIAL = vocabulary(
    """hi hello hey hiya yo howdy greetings good morning afternoon evening night day thanks thank you thx ty cheers
    bye goodbye ciao ok okay cool great nice awesome perfect wow lol haha hehe how are doing there very much so
    a lot for your the help that is was were welcome see later all fine sweet brilliant lovely again bonjour
    hola hallo ill check it out them youre best whats up tomorrow soon to meet rock going im bored this really
    helpful sounds me no thats one enjoy week weekend tonight and my friend its been pleasure talking with now
    then have cu cya take care sorry please yes yeah yep sure alright right got helped today happy glad hows
    things life bot amazing excellent fantastic love loved wonderful who what can do robot human real name bit
    just wanted say ha am feeling lonely tired sad well too k merry christmas birthday easter bunch tons million
    ive had long rough hard busy anybody anyone ever sleep talk style like youve goodnight dear pal buddy mate
    man dude i an"""
)
_SIGNS = vocabulary(
    """hi hello hey hiya yo howdy greetings thanks thank thx ty cheers bye goodbye ciao morning evening afternoon
    bonjour hola hallo lol haha hehe wow welcome ok okay cool great nice awesome perfect sweet brilliant sorry
    cya amazing excellent fantastic yes yeah yep sure alright k merry happy cu goodnight"""
)
_SOCIAL_PHRASES = re.compile(
    r"\b(?:how are you|hows it going|whats up|how do you do|who are you|what are you|what can you do|"
    r"are you (?:a |an )?"
    r"(?:robot|bot|human|real|ai|machine|person|there)|whats your name|see you|check (?:it|them|that) out|"
    r"youre (?:the best|great|awesome|funny|welcome)|you rock|sounds good|nice to meet|im bored|good (?:night|"
    r"morning|"
    r"evening|afternoon)|have a (?:good|nice|great|lovely)|take care|thats all|no thanks|how is it going|"
    r"who made you|"
    r"love you|do you (?:ever )?(?:sleep|like|have feelings)|(?:is )?(?:anybody|anyone) there|youve been|"
    r"i like your|i had a|i am tired|im tired|that was helpful|nice one|well done|good job|you there)\b"
)
_WHY = re.compile(
    r"^(?:but |and |so |ok |okay |hmm |wait )*(?:why\b|how come\b)|\bwhy (?:did|do|are|is|was|these|those|this|"
    r"that|not|should)"
    r"\b|\bwhy$|\b(?:explain (?:your|these|this|those|that|why|the (?:first|second|third|reason|choice|pick))|"
    r"reason(?:s|ing)? (?:for|behind|why)|what makes you (?:think|say|believe)|what made you|on what basis|"
    r"based on what|"
    r"how did you (?:come up|choose|pick|select|decide|get)|how do you (?:choose|pick|decide)|what(?:s|"
    r" is) the (?:reason|"
    r"logic|rationale)|justify|have to do with|what led you|what makes (?:it|this|that|these|those|the|number)|"
    r"did you base|how (?:is|are|does) (?:that|this|it|these|those) (?:like|similar|related|fit|match)|fits? my)\b"
)
_ABOUT_US = vocabulary(
    """you your these those this that them it one ones recommend recommended recommendation suggest suggested
    suggestion pick picks picked list choice choose chose chosen show shown no not match"""
)
_COMPARE = re.compile(
    r"\b(?:compared?|comparison|versus|vs|differences? between|differ|pros and cons|better than|or rather|"
    r"which (?:one |of (?:the|these|those|them) )?(?:\w+ )?(?:is|are|would|should|do|has|was|one)\b|"
    r"how similar|equally|(?:is|are|was) .* or .* (?:more|less|better|\w+er)\b|(?:more|less) \w+ than|"
    r"\w+er than|in common|same as|which|differs?|contrast|closer to|or (?:to )?\w+ (?:more|less)|between)\b"
)
_WHICH = re.compile(
    r"\bwhich (?:one |of (?:the|these|those|them|your)\b[\w ]*? ?)(?:is|are|would|should|do|has|was|looks|one)\b|"
    r"\b(?:compare|difference between) (?:them|these|those|the|all)\b"
)
_CHOICE = re.compile(r"\b(?:should|shall|do|would|could) (?:i|we|you)\b.*\bor\b")
_ASK = re.compile(
    r"\b(?:tell me (?:more |something )?about|what (?:is|are|was|did|do|kind|genre|year|happens|else)|whats|"
    r"who(?:s| is| was| are)?\b|when (?:was|did|is)|where (?:is|was|can|does)|describe|is it|is that|is there|"
    r"worth (?:it|watching|seeing)|how (?:long|old|many|scary|good|violent|funny|does|is|popular|sad|dark|much)|"
    r"(?:more |any |some )?(?:details|info|information|trivia) (?:on|about)|heard of|know (?:anything |"
    r"something |much |more )?about|"
    r"(?:what|how) about|do you have|have you got|good choice|any good|suitable|what (?:sort|type) of|"
    r"is .* based on|summary of|plot of|synopsis|about what)\b|"
    r"^(?:so |and |but |ok |hey )?(?:is|was|does|did|has|are|were|do|can|would|will|should|could) "
)
_ELSEWHERE = re.compile(
    r"\b(?:(?:ignore|disregard|forget) (?:all |any )?(?:the |your |of your )?(?:previous|prior|above|"
    r"earlier) (?:\w+ )?(?:instructions?|prompts?|rules)|"
    r"(?:system|your) (?:prompt|instructions)|you are now|pretend (?:you|to be)|act as|say something|jailbreak|"
    r"(?:write|generate|debug|compose|draft) (?:me |a |an |some |my |the )*\w+|translate|what time|"
    r"weather|calculate|solve|convert|drop table|select from|script alert|"
    r"(?:tell|know) (?:me |us )?(?:a |any |some )?(?:\w+ )?(?:joke|jokes|story)|"
    r"^(?:please |can you |could you |now )*(?:set|book|order|call|send|buy|remind|play|sing|open|turn|fix|"
    r"delete|cook|draw|email|text) (?:me |a |an |my |us |some |the |all |off |on )|"
    r"(?:capital|president|population|price|meaning|opinion) (?:of|on)|do my|help me with my|rain|news|times \d+|"
    r"\d+ (?:times|plus|minus|divided) \d+|how do i|how can i|summari[sz]e|delete|api key|password|database|"
    r"headache|invest|boil|quantum|explain (?!your|these|this|those|that|why|the )|you are a|how far|how tall|"
    r"how much (?:is|does|do)|recipe|stocks?|lottery|bitcoin)\b"
)
_FOREIGN = vocabulary(
    """pizza restaurant hotel recipe laptop phone iphone android computer car flight ticket game song music album
    band podcast book novel stock shoe shirt dress camera doctor lawyer gym diet vacation trip school university
    job tax election politics president weather homework math code python java poem essay email taxi bank loan
    insurance dentist stores store sun moon planet drug medicine beer wine coffee perfume plane train apartment
    house joke gift present exercise workout football soccer printer guitar gold egg article mountain country
    city river"""
)
_WISHES = vocabulary(
    """want need looking search recommend suggest show find give gimme suggestion suggestions recommendation
    recommendations something anything should could can please wish reccomend recomend recommended ideas idea tips
    watch pick get next what surprise after"""
)
_ASKING_WISHES = re.compile(
    r"\b(?:recommend\w*|reccomend|recomend|suggest(?!ed)\w*|what (?:should|could|can|else|next|do you (?:have|"
    r"suggest|recommend|got)|"
    r"would (?:you|i)|are some)|whats (?:next|good|similar|out there)|got any(?:thing)?|any (?:ideas?|"
    r"suggestions?|tips|others?|more)|"
    r"something|anything|looking for|in the mood|(?:i|we) (?:want|need|would like|d like|feel like|could go for)|"
    r"id (?:like|love|enjoy|prefer)|find (?:me|us)|give (?:me|us)|gimme|show (?:me|us)|more (?:like|of|films|"
    r"movies|stuff|along)|similar|"
    r"surprise|what (?:now|then)|same (?:kind|mood|vibe|style|director|feel|type))\b"
)
_REFINING = re.compile(
    r"^(?:(?:ok|okay|hmm|well|yes|yeah|sure|alright|please|hm|fine) )*(?:but|and|also|actually|instead|rather|"
    r"make|same|now|"
    r"keep|add|ditch|drop|remove|(?:lets|let us)(?! watch| see)|stick|switch|change|replace|swap|go|only|just|"
    r"without|minus|except|exclude|"
    r"include|no more|not so|not too|get rid|lose|enough|too|still|next|another|other|others|different|again|"
    r"try again|none of|"
    r"any others?|more|less|fewer|how about|what about|on second|skip|leave out|filter|limit|restrict|narrow|"
    r"plus|even|then|scrap|slightly|(?:a )?(?:bit|little)|not as|with a|nah|nope|those are|they are|theyre|"
    r"could (?:it|they)|can (?:it|they)|id rather)\b"
)
_REFINED = re.compile(
    r"\b(?:instead|anymore|any more|after all|this time|the ones|these ones|ones|again|though|on second thought|"
    r"changed? my mind|"
    r"make (?:it|that|them)|stick to|switch to|(?<!not )too (?:many|much|old|new|long|dark|scary|similar|"
    r"violent|slow|sad)|"
    r"as well|less|none of|no longer|isnt a must|not a must|alternatives?|all of (?:these|those|them)|"
    r"any others|are (?:fine|ok|okay) too|any of (?:these|those|them)|rather than that|can we go|a (?:bit|"
    r"little)|the list|"
    r"(?:something|anything) (?:more|less|else|different|other)|something else|what else|other (?:ones|"
    r"suggestions|options|ideas)|"
    r"different ones|show me (?:more|others|other)|no thats|not (?:these|those|this|that)|not really)\b"
)
_FRESH = re.compile(
    r"^(?:(?:hi|hello|hey|please|ok|so|um|good evening) )*(?:can (?:you|u)|could you|would you|i (?:want|need|"
    r"would|am|feel|d)|im|id|looking|"
    r"recommend|suggest|what (?:should|could|film|movie|are|is|do)|whats a|give me|find me|gimme|we|my|any|"
    r"is there|are there|got)\b"
)


@dataclass(frozen=True, slots=True)
class Signs:
    """What the readers found in a message.

    Args:
        named: How many items of the catalogue it names.
        referred: How many of the last slate it refers to.
        feelings: One per item named or referred to.
        wanted, refused: How many constraints include or bound, and how many exclude.
        preferred: How many are `prefer` or `avoid`, or critiques.
        changed: It drops, undoes or lists earlier wishes.
        leads: A value wanted is named before any item.
        stated: An item is the subject of a statement ("Jaws scared me").
        asked: A clause that ends in a question mark names an item or points to one.
        counted: It says how many.
        query: It leaves words to search for.
        nouns: Stems of what items are called.
        earlier: The conversation has had turns before.
    """

    named: int
    referred: int
    feelings: Sequence[Feeling]
    wanted: int
    refused: int
    preferred: int
    changed: bool
    leads: bool
    stated: bool
    asked: bool
    counted: bool
    query: str
    nouns: Collection[str]
    earlier: bool


def kind_of(tokens: Sequence[Token], signs: Signs) -> IntentKind:
    """The kind of a message."""
    plain = " ".join(token.word for token in tokens)
    said = {token.word for token in tokens}
    items = signs.named + signs.referred
    wishes = signs.wanted + signs.refused + signs.preferred
    about_items = any(stem(word) in signs.nouns for word in said)
    understood = bool(items or wishes or signs.counted or signs.changed)
    if not understood and _is_social(plain, said, about_items):
        return IntentKind.SMALL_TALK
    if signs.changed:
        anew = signs.query and _ASKING_WISHES.search(plain) and not _REFINED.search(plain)
        return IntentKind.RECOMMEND if anew else IntentKind.REFINE
    if not about_items and _is_elsewhere(tokens, plain, signs, understood):
        return IntentKind.OUT_OF_SCOPE
    if _WHY.search(plain):
        return (
            IntentKind.WHY
            if understood or about_items or said & _ABOUT_US or len(said) < 3
            else IntentKind.OUT_OF_SCOPE
        )
    if _is_comparison(tokens, plain, signs, items, about_items):
        return IntentKind.COMPARE
    if _is_question(plain, signs, items):
        return IntentKind.ASK_ITEM
    if items and _is_report(plain, signs, about_items):
        return IntentKind.FEEDBACK
    if not understood and _is_off_topic(tokens, plain, about_items):
        return IntentKind.OUT_OF_SCOPE
    return IntentKind.REFINE if _is_refinement(plain, signs, wishes, about_items) else IntentKind.RECOMMEND


def _is_social(plain: str, said: Collection[str], about_items: bool) -> bool:
    if not said:
        return True
    if about_items or not set(said) <= _SOCIAL:
        return False
    if _ASKING_WISHES.search(plain) and not _SOCIAL_PHRASES.search(plain):
        return False
    return bool(_SIGNS & set(said) or _SOCIAL_PHRASES.search(plain))


def _is_elsewhere(tokens: Sequence[Token], plain: str, signs: Signs, understood: bool) -> bool:
    """Asks for what no recommender does, even where a title or a genre happens to occur."""
    foreign = any(stem(token.word) in _FOREIGN for token in tokens)
    if _ELSEWHERE.search(plain):
        return not understood or foreign or (signs.named + signs.referred == 0 and not signs.wanted)
    return foreign and not signs.named and not signs.referred and not signs.wanted and not signs.preferred


def _is_comparison(tokens: Sequence[Token], plain: str, signs: Signs, items: int, about_items: bool) -> bool:
    if any(feeling.polarity is not Polarity.NEUTRAL for feeling in signs.feelings):
        if not (items > 1 and any(token.asked for token in tokens) and _COMPARE.search(plain)):
            return False
        if any(feeling.wish and feeling.polarity is Polarity.LIKED for feeling in signs.feelings):
            return False
    if items > 1:
        if _COMPARE.search(plain) or _CHOICE.search(plain):
            return True
        own = [token for token in tokens if token.word not in FUNCTION_WORDS]
        joined = any(token.word == "or" for token in tokens)
        return joined and not signs.query and any(t.asked for t in tokens) and len(own) <= 8
    return (
        items < 2
        and bool(_WHICH.search(plain))
        and not signs.query.startswith("about")
        and not (about_items and _ASKING_WISHES.search(plain))
    )


def _is_question(plain: str, signs: Signs, items: int) -> bool:
    if items == 0:
        return False
    if any(feeling.polarity in (Polarity.LIKED, Polarity.DISLIKED) and feeling.wish for feeling in signs.feelings):
        return False
    neutral = any(feeling.polarity is Polarity.NEUTRAL for feeling in signs.feelings)
    if not neutral:
        return False
    if _ASK.search(plain):
        return not _ELSE.search(plain)
    if re.search(r"\bwould you recommend\b", plain):
        return True
    return signs.asked and not _ASKING_WISHES.search(plain)


_ELSE = re.compile(
    r"\b(?:what (?:should|else|next|now|would be a good)|similar|(?<!would you )recommend|suggest|other|"
    r"good next|like it|next)\b"
)


def _is_report(plain: str, signs: Signs, about_items: bool) -> bool:
    if any(feeling.wish and feeling.polarity is not Polarity.NEUTRAL for feeling in signs.feelings):
        return False
    if signs.counted or _ASKING_WISHES.search(plain):
        return False
    told = any(not feeling.wish for feeling in signs.feelings)
    if signs.wanted and signs.leads:
        return False
    if told:
        return not (signs.wanted and about_items and not _REPORTS.search(plain))
    return bool(_REPORTS.search(plain)) or signs.stated


_REPORTS = re.compile(
    r"\b(?:i|we|my \w+) (?:really |just |also |already |never |have |ve |absolutely |both )*"
    r"(?:love|loved|hate|hated|like|liked|saw|seen|watched|enjoyed|havent|thought|think|found|know|keep|own|"
    r"finished|am|was)\b|"
    r"\b(?:keep|keeps) telling\b|\btells? me\b"
)


def _is_off_topic(tokens: Sequence[Token], plain: str, about_items: bool) -> bool:
    """A question or an order that is about nothing that can be recommended."""
    if about_items or _ASKING_WISHES.search(plain) or _REFINING.search(plain) or _REFINED.search(plain):
        return False
    first = tokens[0].word if tokens else ""
    question = first in _QUESTIONS or any(token.asked for token in tokens)
    return question and not {"watch", "else", "next", "see"} & {token.word for token in tokens}


_QUESTIONS = vocabulary(
    "what whats who whos when where how hows which why is are was were does do did can could will"
)


_COMPARATIVE = re.compile(
    r"(?:(?:a|bit|little|slightly|much|way|and|more|less) )*(?:\w+er|(?:more|less) \w+)(?: ones?| ending)?"
)


def _is_refinement(plain: str, signs: Signs, wishes: int, about_items: bool) -> bool:
    if signs.named:
        # "like Alien but newer" is a wish of its own; "no, not Alien" is not.
        refused = all(feeling.polarity is Polarity.DISLIKED for feeling in signs.feelings)
        return refused and not signs.wanted and bool(_REFINING.search(plain)) and not about_items
    if signs.referred or _COMPARATIVE.fullmatch(signs.query.lower()):
        return True
    if signs.earlier and not signs.query:
        return True
    if _REFINING.search(plain) or _REFINED.search(plain):
        fresh = _FRESH.search(plain) and (signs.refused or (signs.wanted and about_items))
        return not fresh and not (signs.counted and signs.wanted and about_items)
    if signs.counted and not wishes and not about_items and not signs.query:
        return True
    if signs.preferred and not signs.wanted and not signs.query and not about_items:
        return not signs.refused and not re.search(r"\bnot (?:too|so|very)\b|\bmaybe\b", plain)
    if not _ASKING_WISHES.search(plain) and not about_items and not signs.query and wishes:
        # A fragment: "no horror", "from the 80s".
        first = plain.split()[0]
        if plain.startswith("nothing but"):
            return False
        return (
            first in NEGATIONS
            or (signs.refused > 0 and not signs.wanted)
            or first in ("from", "after", "before", "since", "the")
        )
    return False
