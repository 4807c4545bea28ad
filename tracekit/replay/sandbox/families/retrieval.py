"""Facts found in a small corpus, one from another, among documents that look alike."""

from __future__ import annotations

import random
import re
from functools import lru_cache
from typing import Any, ClassVar

from tracekit.replay.sandbox.problem import LINES, Item, Problem

RELATIONS = {
    "founder": ("{0} was founded by {1}.", "company", "person"),
    "birthplace": ("{0} was born in {1}.", "person", "town"),
    "river": ("{0} lies on the {1}.", "town", "river"),
    "source": ("The {0} rises at {1}.", "river", "hill"),
}
"""Relation to its sentence, and what it leads from and to; each goes on where one ends."""
ASK = {
    "founder": "the founder of {0}",
    "birthplace": "the town where {0} was born",
    "river": "the river on which {0} lies",
    "source": "the hill where {0} rises",
}
SYLLABLES = ("Vel", "Mor", "Tan", "Bre", "Quil", "Ost", "Lin", "Dar", "Fen", "Hol", "Kes", "Rav")
ENDS = {
    "company": ("a Glassworks", "ix Looms", "o Shipyard", "en Press"),
    "person": ("a Brunn", "is Tarrow", "o Weld", "e Marchand"),
    "town": ("ford", "holm", "minster", "gate"),
    "river": ("ava", "une", "isk", "ola"),
    "hill": (" Tor", " Ridge", " Crag", " Fell"),
}
_NAME = r"(?-i:[A-Z][a-z]+(?: [A-Z][a-z]+)?)"
_SAYS = {
    relation: re.compile(
        re.escape(form).replace(r"\{0\}", f"({_NAME})").replace(r"\{1\}", f"({_NAME})")
    )
    for relation, (form, _, _) in RELATIONS.items()
}


class Retrieval:
    """One to four hops through a corpus, by search."""

    name: ClassVar = "retrieval"
    purpose: ClassVar = "answers questions from an archive"
    tool: ClassVar = "search_archive"
    labels: ClassVar = tuple(RELATIONS)
    forms: ClassVar = {
        "founder": ("find who founded {0}", "look up the person behind {0}"),
        "birthplace": ("find where {0} was born", "look up the home town of {0}"),
        "river": ("find which water {0} lies on", "look up what flows through {0}"),
        "source": ("find where {0} rises", "look up the hill {0} springs from"),
    }
    lines: ClassVar = LINES
    links: ClassVar = ("is", "turns out to be", "is given as", "must be")
    literal: ClassVar = _NAME
    value: ClassVar = _NAME

    def make(self, rng: random.Random, difficulty: int) -> Problem:
        """A chain of `difficulty + 1` facts, two to four, and three distractors for each."""
        relations = list(RELATIONS)
        hops = min(4, max(2, difficulty + 1))
        start = rng.randrange(len(relations) - hops + 1)
        chain = relations[start : start + hops]
        pools = {kind: _names(kind, rng) for kind in ENDS}
        first = subject = pools[RELATIONS[chain[0]][1]].pop()
        docs, items, asked = [], [], subject
        for n, relation in enumerate(chain):
            form, source, kind = RELATIONS[relation]
            value = pools[kind].pop()
            items.append(Item(relation, relation, (chain[n - 1] if n else first,)))
            docs.append((subject, form.format(subject, value)))
            like = [name for name in pools[source] if name[:2] == subject[:2]]
            like += [name for name in pools[source] if name not in like]
            for other in like[:3]:
                pools[source].remove(other)
                docs.append((other, form.format(other, pools[kind][0])))
                pools[kind].append(pools[kind].pop(0))
            asked = ASK[relation].format(asked)
            subject = value
        rng.shuffle(docs)
        question = f"According to the archive, what is {asked}?"
        return Problem(self.name, question, tuple(items), subject, {"docs": tuple(docs)})

    def compute(self, item: Item, args: list[str], problem: Problem) -> str | None:
        """What the archive says; None when it says nothing of the subject."""
        for _, text in problem.data["docs"]:
            value = _fact(item.op, args[0], text)
            if value is not None:
                return value
        return None

    def slip(
        self, item: Item, args: list[str], value: str, rng: random.Random, problem: Problem
    ) -> str:
        """What a neighbouring document says."""
        others = []
        for _, text in problem.data["docs"]:
            found = _SAYS[item.op].search(text)
            if found and found[2] != value:
                others.append(found[2])
        return rng.choice(others) if others else "Nowhere"

    def misplan(self, item: Item, rng: random.Random, problem: Problem) -> Item:
        """A similar name for the one asked about; another relation further on."""
        if item.args[0] in self.labels:
            others = [relation for relation in self.labels if relation != item.op]
            return Item(item.label, rng.choice(others), item.args)
        kind = RELATIONS[item.op][0].partition("{1}")[0].replace("{0}", "").strip()
        alike = [
            title for title, text in problem.data["docs"] if title != item.args[0] and kind in text
        ]
        return Item(item.label, item.op, (rng.choice(alike or ["Nobody"]),))

    def working(self, item: Item, args: list[str], value: str, rng: random.Random) -> str:
        """Where it was found."""
        where = rng.choice(("the archive has an entry on", "I went by the entry on", "see"))
        return f"{where} {args[0]}"

    def request(self, item: Item, args: list[str]) -> dict[str, Any] | None:
        """A search for subject and relation."""
        return {"query": f"{args[0]} {item.op}"}

    def serve(self, arguments: Any, problem: Problem) -> tuple[str, bool]:
        """The three documents that share most with the query, nearest first."""
        query = arguments.get("query") if isinstance(arguments, dict) else None
        if not isinstance(query, str) or not query.strip():
            return "search failed: the query is empty", False
        return _search(query, problem.data["docs"]), True

    def extract(self, item: Item, args: list[str], result: str) -> str | None:
        """What the documents returned say about the subject."""
        return _fact(item.op, args[0], result)

    def judge(self, answer: str, problem: Problem) -> bool:
        """The same name."""
        return answer.strip() == problem.expected


@lru_cache(maxsize=1 << 12)
def _search(query: str, docs: tuple[tuple[str, str], ...]) -> str:
    terms = set(query.lower().split()[:20])
    relation = next((r for r in RELATIONS if r in terms), None)
    ranked = []
    for number, (title, text) in enumerate(docs):
        words = title.lower().split()
        score = 3.0 * sum(word in terms for word in words)
        score += 2.0 * (relation is not None and bool(_SAYS[relation].search(text)))
        score += any(term[:3] == words[0][:3] for term in terms)
        ranked.append((-score, number, text))
    ranked.sort()
    return "\n".join(f"[{n}] {text}" for n, (_, _, text) in enumerate(ranked[:3], 1))


@lru_cache(maxsize=1 << 14)
def _fact(relation: str, subject: str, text: str) -> str | None:
    for found in _SAYS[relation].finditer(text):
        if found[1] == subject:
            return found[2]
    return None


def _names(kind: str, rng: random.Random) -> list[str]:
    """Distinct names of one kind; neighbours look alike."""
    made = [start + end for start in SYLLABLES for end in ENDS[kind]]
    rng.shuffle(made)
    return made
