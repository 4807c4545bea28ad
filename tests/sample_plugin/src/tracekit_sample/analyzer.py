"""Blames whoever shouts."""

from typing import ClassVar

from tracekit.analyzers.run import abstain
from tracekit.attribution import Attribution, Method, Suspect
from tracekit.context import Context
from tracekit.trace import Trace


class Loudest:
    """The step with the most exclamation marks."""

    name: ClassVar[str] = "loudest"
    needs: ClassVar[frozenset[str]] = frozenset({"trace"})
    name_blind: ClassVar[bool] = True

    def attribute(self, trace: Trace, context: Context) -> Attribution:
        """Abstains when nobody shouts."""
        method = Method(name=self.name, version="1")
        loud = max(trace.steps, key=lambda step: (step.content.count("!"), -step.index))
        if "!" not in loud.content:
            return abstain(trace, method, "nobody shouts")
        suspect = Suspect(agent=loud.agent, step=loud.index, probability=0.5)
        return Attribution(
            trace_id=trace.id, method=method, suspects=(suspect,), agents={loud.agent: 0.5}
        )
