"""How agents put things: phrase banks by act and register, and a voice of one's own for each.

Wording is drawn from a generator of its own, so that a right and a wrong action of the same step
differ in what they say and not in how. What must be read back comes from `Family` and `grammar`.
"""

from __future__ import annotations

import random
from functools import lru_cache

import msgspec

from tracekit.replay.sandbox.families.table import family
from tracekit.replay.sandbox.grammar import AGAIN
from tracekit.replay.sandbox.problem import Family, Item

REGISTERS = ("plain", "formal", "chatty", "terse")

OPEN: dict[str, dict[str, tuple[str, ...]]] = {
    "plan": {
        "plain": ("Here is the plan.", "I split the task like this.", "These are the parts.",
                  "This is how I would go about it."),
        "formal": ("Please find the plan below.", "I propose the following order of work.",
                   "The task can be taken apart as follows."),
        "chatty": ("Okay, so let me break this down!", "Right, nice one, this is how I see it.",
                   "Let's take it bit by bit, shall we?"),
        "terse": ("Plan.", "Parts:", ""),
    },
    "work": {
        "plain": ("I went through it.", "Done, see below.", "This is what I get.", "My part is ready."),
        "formal": ("I have completed the work assigned to me.", "My results are as follows.",
                   "The requested work has been carried out."),
        "chatty": ("Sure, here we go!", "Alright, rolled up my sleeves and here it is.",
                   "That was fun, have a look."),
        "terse": ("Done.", "", "Results:"),
    },
    "tool": {
        "plain": ("I need to look that up.", "Let me check with the tool.", "One call first."),
        "formal": ("I shall consult the tool.", "A query is required at this point."),
        "chatty": ("Hang on, let me ask the tool.", "Just a sec, checking."),
        "terse": ("Calling.", "Checking.", ""),
    },
    "approve": {
        "plain": ("I checked every part and it holds.", "No mistakes found.", "This looks right to me.",
                  "Verified from start to end."),
        "formal": ("The review found no deviation.", "I hereby confirm the result.",
                   "All parts conform to the task."),
        "chatty": ("Looks great, nothing to complain about!", "Yep, I went over it twice, all good."),
        "terse": ("Checked.", "OK.", "Agreed."),
    },
    "reject": {
        "plain": ("I found a problem.", "Something does not fit.", "This needs another pass."),
        "formal": ("I cannot confirm the result as it stands.", "The review found a deviation."),
        "chatty": ("Hmm, wait a moment, that looks off.", "Ouch, I think there is a slip in there."),
        "terse": ("Not right.", "Wrong.", "Problem:"),
    },
    "report": {
        "plain": ("To sum up,", "All in all,", "Putting it together,", "Wrapping up,"),
        "formal": ("On behalf of the team I submit:", "The conclusion of our work is this:",
                   "Having regard to the above,"),
        "chatty": ("Drum roll, please:", "And there we have it, folks:", "So, long story short,"),
        "terse": ("", "Result.", "Closing."),
    },
    "delegate": {
        "plain": ("Over to you, {to}.", "{to}, this one is yours.", "Next part for {to}."),
        "formal": ("{to}, I would ask you to attend to the following.", "The next part is for {to}."),
        "chatty": ("Hey {to}, could you take this one?", "{to}, your turn, if you don't mind!"),
        "terse": ("{to}:", "For {to}.", "{to}, please."),
    },
    "collect": {
        "plain": ("Here is what my side has.", "Results of my group.", "Passing on what we found."),
        "formal": ("I report the results of my group.", "My group has concluded its part."),
        "chatty": ("My people delivered, look!", "Fresh from my group:"),
        "terse": ("Group results.", "From my side:"),
    },
    "review": {
        "plain": ("Please check this, {to}.", "{to}, can you verify what we have?"),
        "formal": ("{to}, I submit the following for review.",),
        "chatty": ("{to}, mind casting an eye over this?",),
        "terse": ("{to}: check.", "For review."),
    },
    "rebut": {
        "plain": ("I compared our results.", "Having read the others, this is where I stand."),
        "formal": ("Having considered the other proposals, I state my position.",),
        "chatty": ("Interesting to see what you all got!", "Okay, I read your takes."),
        "terse": ("My position.", "Compared."),
    },
    "stuck": {
        "plain": ("I am missing something.", "I cannot go on from here."),
        "formal": ("I regret that I lack what is needed.",),
        "chatty": ("Um, I am a bit lost here.",),
        "terse": ("Stuck.", "Blocked."),
    },
}  # fmt: skip
"""First sentences, by act and register."""

HEDGES = ("", "", "", "I am fairly sure of it.", "Hope that helps.", "Tell me if I overlooked anything.",
          "That should do.", "Happy to explain.", "I double-read the wording.")  # fmt: skip
VALUES = ("so the {label} {link} {value}", "which means the {label} {link} {value}",
          "and the {label} {link} {value}", "therefore the {label} {link} {value}")  # fmt: skip
BARE = ("The {label} {link} {value}", "As it stands, the {label} {link} {value}",
        "We have it that the {label} {link} {value}")  # fmt: skip
ABOUT = ("this is about", "I want to know more on", "next up is")
MISSING = ("nobody gave me the {label}", "I have no {label} to go by", "no word yet on the {label}")
DOUBT = (
    "the {label} cannot be right",
    "I do not trust the {label}",
    "I get something else for the {label}",
)
FINALS = ("the final answer is {value}", "our answer is {value}", "the answer is {value}",
          "the result to hand in is {value}")  # fmt: skip
NOTHING = ("no answer could be worked out", "we have no answer to give", "the task stays open")


class Voice(msgspec.Struct, frozen=True):
    """How one agent likes to put things."""

    register: str
    salt: int
    """Where in each bank its favourites begin."""
    breadth: float
    """Share of each bank that it uses, 0 to 1; the favourites most."""

    @classmethod
    def drawn(cls, rng: random.Random, style: str | None, vocabulary: float) -> Voice:
        """A voice of the given style, or of any."""
        register = style or rng.choice(REGISTERS)
        return cls(register, rng.randrange(1000), vocabulary * rng.uniform(0.5, 1.0))

    def pick(self, bank: tuple[str, ...], words: random.Random) -> str:
        """A phrase of the bank, favourites more often."""
        reach = max(1.0, len(bank) * self.breadth)
        return bank[(self.salt + int(words.random() ** 1.5 * reach)) % len(bank)]


class Pen:
    """Writes the text of one action in one voice."""

    def __init__(self, family: Family, voice: Voice, words: random.Random) -> None:
        self.family, self.voice, self.words = family, voice, words
        self.parts: list[str] = []

    def pick(self, bank: tuple[str, ...]) -> str:
        """A phrase of the bank in this voice."""
        return self.voice.pick(bank, self.words)

    def open(self, act: str, **names: str) -> Pen:
        """The first sentence."""
        self.parts.append(self.pick(OPEN[act][self.voice.register]).format(**names))
        return self

    def say(self, sentence: str) -> Pen:
        """A sentence, with capital and full stop."""
        begun = bool(self.parts) and self.parts[-1][-1:] in (",", ":")
        first = sentence[0] if begun else sentence[0].upper()
        self.parts.append(first + sentence[1:] + ("" if sentence[-1] in ".:" else "."))
        return self

    def line(self, item: Item) -> Pen:
        """What is to be done for an item."""
        return self.say(self.spec(item))

    def spec(self, item: Item) -> str:
        """A line of a plan, without its full stop."""
        labels = self.family.labels
        args = [f"the {arg}" if arg in labels else arg for arg in item.args]
        how = self.pick(self.family.forms[item.op]).format(*args)
        return self.pick(self.family.lines).format(
            label=item.label, Label=item.label.capitalize(), how=how
        )

    def state(self, label: str, value: str) -> Pen:
        """A value by itself."""
        link = self.pick(self.family.links)
        return self.say(self.pick(BARE).format(label=label, link=link, value=value))

    def working(self, item: Item, args: list[str], value: str) -> str:
        """How a value was come by."""
        return self.family.working(item, args, value, self.words)

    def derive(self, item: Item, working: str, value: str) -> Pen:
        """A value with its working."""
        link = self.pick(self.family.links)
        so = self.pick(VALUES).format(label=item.label, link=link, value=value)
        return self.say(f"{working}, {so}")

    def again(self, label: str) -> Pen:
        """A request to work out an item once more."""
        return self.say(
            f"{self.pick(DOUBT).format(label=label)}; please {self.pick(AGAIN)} the {label}"
        )

    def about(self, label: str) -> Pen:
        """What a call of the tool is for."""
        return self.say(f"{self.pick(ABOUT)} the {label}")

    def missing(self, label: str) -> Pen:
        """A label that nobody gave a value."""
        return self.say(self.pick(MISSING).format(label=label))

    def final(self, value: str | None) -> Pen:
        """The answer of the team."""
        if value is None:
            return self.say(self.pick(NOTHING))
        return self.say(self.pick(FINALS).format(value=value))

    def text(self, *, hedge: bool = True) -> str:
        """The whole, in one paragraph or in lines, as the voice has it."""
        last = self.pick(HEDGES) if hedge and self.voice.register != "terse" else ""
        parts = [part for part in (*self.parts, last) if part]
        listed = self.voice.register in ("formal", "terse") and len(parts) > 3
        return ("\n" if listed else " ").join(parts)


class Shorthand(Pen):
    """Writes all that is read, and nothing else, in the same few words always.

    For replays of which only the end is told: what is said is the same, and texts recur.
    """

    def __init__(self, family: Family) -> None:
        self.family = family
        self.parts = []

    def open(self, act: str, **names: str) -> Pen:
        """Nothing: it is only polite."""
        return self

    def line(self, item: Item) -> Pen:
        """What is to be done for an item."""
        self.parts.append(_brief(self.family.name, item))
        return self

    def state(self, label: str, value: str) -> Pen:
        """A value by itself."""
        self.parts.append(f"the {label} {self.family.links[0]} {value}.")
        return self

    def working(self, item: Item, args: list[str], value: str) -> str:
        """Nothing: it is not read."""
        return ""

    def derive(self, item: Item, working: str, value: str) -> Pen:
        """A value without its working."""
        return self.state(item.label, value)

    def about(self, label: str) -> Pen:
        """What a call of the tool is for."""
        self.parts.append(f"{label}.")
        return self

    def again(self, label: str) -> Pen:
        """A request to work out an item once more."""
        self.parts.append(f"{AGAIN[0]} the {label}.")
        return self

    def missing(self, label: str) -> Pen:
        """Nothing: it is not read."""
        return self

    def final(self, value: str | None) -> Pen:
        """The answer of the team."""
        if value is not None:
            self.parts.append(f"the answer is {value}.")
        return self

    def text(self, *, hedge: bool = True) -> str:
        """The whole."""
        return " ".join(self.parts)


@lru_cache(maxsize=1 << 14)
def _brief(name: str, item: Item) -> str:
    kind = family(name)
    args = [f"the {arg}" if arg in kind.labels else arg for arg in item.args]
    how = kind.forms[item.op][0].format(*args)
    return kind.lines[0].format(label=item.label, Label=item.label, how=how) + "."
