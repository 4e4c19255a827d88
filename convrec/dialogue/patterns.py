"""Owns the wording of replies: sentence patterns by what they say. They know no domain and no catalogue.

Plenty on purpose: in a large catalogue many ordinary words are titles, and patterns that contain one are not used.
"""

from __future__ import annotations

from convrec.types import IntentKind

COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
OPENINGS = {
    "one": ("Here is {subject}.", "This is {subject}.", "I have {subject} for you.", "My pick:", "Try this:"),
    "several": (
        "Here are {subject}.",
        "I found {subject}.",
        "I have {subject} for you.",
        "These are {subject}.",
        "Have a look at {subject}.",
        "You could start with {subject}.",
        "My picks:",
        "Try these:",
    ),
}
LEADS = {
    IntentKind.RECOMMEND: ("",),
    IntentKind.REFINE: ("All right.", "Adjusted.", "Understood.", "With that in mind:", "Done."),
    IntentKind.FEEDBACK: ("Thanks, noted.", "Good to know.", "I will remember that.", "Noted."),
    IntentKind.WHY: ("Here is why.", "The reasons are simple.", "This speaks for them:", "It comes down to this:"),
    IntentKind.ASK_ITEM: (
        "All I know of it is what the catalogue says.",
        "I know no more of it than the catalogue does.",
        "I know no more than the catalogue does.",
    ),
    IntentKind.COMPARE: (
        "All I know of them is what the catalogue says.",
        "I know no more of them than the catalogue does.",
    ),
    IntentKind.SMALL_TALK: (
        "Happy to help: tell me what you are in the mood for.",
        "My pleasure. Say what you would like to {verb}.",
        "Tell me what {noun} you want, and I will look.",
        "What would you like?",
    ),
    IntentKind.OUT_OF_SCOPE: (
        "I can only help you choose {plural}.",
        "That is beyond me; choosing {plural} is what I do.",
        "Sorry, {plural} only.",
    ),
}
SEARCHED = ("I looked for “{query}”.", "On “{query}”:", "I searched for “{query}”.", "Looking for “{query}”:")
SEEDED = (
    "With the one you named in mind:",
    "I started from the {noun} you named.",
    "Going by the {noun} you named:",
    "Along those lines:",
)
SEEDED_BY_SEVERAL = (
    "With those you named in mind:",
    "I started from the {plural} you named.",
    "Going by the {plural} you named:",
    "Along those lines:",
)
ASKED_NEAR = (
    "{title} has {asked} and is close to {near}.",
    "{title} brings {asked} and sits near {near}.",
    "Close to {near}, {title} has {asked} as well.",
)
ASKED_WITH = (
    "{title} mixes {asked} with {others}.",
    "{title} adds {others} to the {asked}.",
    "Besides {asked}, {title} offers {others}.",
    "For {asked} with some {others}, take {title}.",
    "{title} gives you {asked}, with {others} on top.",
    "{title} pairs {asked} with {others}.",
)
ASKED = (
    "For {asked}, try {title}.",
    "{title} has the {asked} you asked for.",
    "If {asked} is what you want, take {title}.",
    "{title} is a good answer to {asked}.",
    "You wanted {asked}, and {title} has it.",
    "With {title} you get {asked}.",
)
DATED = (
    "{title} is from the years you asked for.",
    "{title} falls into the years you want.",
    "{title} fits the years you named.",
)
WORDS = (
    "{title} matches “{words}”.",
    "{title} picks up “{words}” from your message.",
    "You said “{words}”, and {title} fits that.",
)
SHARED = (
    "{title} shares {shared} with {plural} you liked.",
    "{title} has the {shared} you have liked before.",
    "You liked {shared} before, and {title} has it too.",
)
NEAR = (
    "{title} is close to {near}.",
    "{title} goes well with {near}.",
    "{title} sits near {near}.",
    "{title} belongs with {near}.",
    "Close to {near}, there is {title}.",
    "{title} is a neighbour of {near}.",
)
POPULAR = (
    "{title} is popular: {people} people have it in their history.",
    "{people} people have {title} in their history.",
    "Many know {title}: {people} people so far.",
)
SHOWN = (
    "{title} offers {shown}.",
    "For {shown}, there is {title}.",
    "Expect {shown} from {title}.",
    "{title} stands for {shown}.",
    "With {title} you get {shown}.",
    "{title} is here for its {shown}.",
)
BARE = ("{title} is worth a look.", "{title} could be one for you.", "Give {title} a try.", "{title}.")
JOINT = {
    "one": ("{names} is also worth a look.", "Also consider {names}.", "{names} rounds it off.", "Also: {names}."),
    "several": (
        "{names} are also worth a look.",
        "Also consider {names}.",
        "{names} round it off.",
        "There are {names}, too.",
        "Also: {names}.",
    ),
}
EXAMPLES = (
    "{names} could be a start.",
    "There is {names}, for example.",
    "One place to start: {names}.",
    "{names}.",
)
EMPTY = (
    "Nothing in the catalogue fits all of this: {wishes}. Give up one of these wishes and ask again.",
    "I found no {noun} for all of this: {wishes}. Relax one of these wishes and ask again.",
    "No match for: {wishes}. Ask for less.",
    "No match: {wishes}.",
)
EXHAUSTED = (
    "There is no {noun} left to recommend: you know everything that I have.",
    "Nothing is left to recommend.",
    "No match.",
)
ASKED_BACK = (
    "Nothing here fits all of that. Which of your wishes may I drop?",
    "No {noun} has all of that. What may I drop?",
    "Nothing fits. What may I drop?",
)
GIVEN_UP = ("Not all of your wishes can be met here, so I left some out.", "I left out some of your wishes.")
LISTED = "You asked for: {wishes}."
UNLISTED = ("So far you have set no limits.", "There are no limits so far.")
