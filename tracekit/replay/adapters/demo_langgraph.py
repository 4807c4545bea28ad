"""The sandbox's teams as LangGraph graphs: real nodes, a real tool node, scripted chat models.

    tracekit replay LOG --system tracekit.replay.adapters.demo_langgraph:chain

Every agent is a node; whose turn it is stands in the state. Checkpoints lie before every step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

import msgspec

from tracekit.optional import require
from tracekit.replay.adapters.langgraph import LangGraphSystem
from tracekit.replay.adapters.langgraph_state import State
from tracekit.replay.adapters.team import Team
from tracekit.replay.sandbox.state import Member, Turn
from tracekit.replay.types import Action, Checkpoint, Intervention, Repair
from tracekit.trace import Step, StepKind, Task, ToolCall, Trace

lc: Any = require("langchain_core.messages", extra="langgraph")
outputs: Any = require("langchain_core.outputs", extra="langgraph")
tools: Any = require("langchain_core.tools", extra="langgraph")
graphs: Any = require("langgraph.graph", extra="langgraph")
prebuilt: Any = require("langgraph.prebuilt", extra="langgraph")

if TYPE_CHECKING:
    from langchain_core.language_models.chat_models import BaseChatModel
else:
    BaseChatModel = require(
        "langchain_core.language_models.chat_models", extra="langgraph"
    ).BaseChatModel


class Desk(graphs.MessagesState):  # type: ignore[misc]
    """The state of the graph: the messages, the id of the task, and the turns to come."""

    case: str
    agenda: list[dict[str, Any]]


class PolicyModel(BaseChatModel):
    """A chat model whose replies come from the sandbox's policy, given the messages alone."""

    team: Any
    task: Any
    seed: int

    @property
    def _llm_type(self) -> str:
        return "tracekit-sandbox-policy"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Any:
        """Offer tools to the model."""
        offered = [{"type": "function", "function": {"name": tool.name}} for tool in tools]
        return self.bind(tools=offered, **kwargs)

    def _generate(
        self,
        messages: list[Any],
        stop: list[str] | None = None,
        run_manager: Any = None,
        **kwargs: Any,
    ) -> Any:
        turn: Turn = kwargs["turn"]
        question = next((m.text for m in messages if m.type == "human" and not m.name), None)
        action = self.team.act(self.task, turn, steps_of(messages), question, self.seed)
        said = message_of(action, turn.agent)
        return outputs.ChatResult(generations=[outputs.ChatGeneration(message=said)])


class DemoLangGraph(LangGraphSystem):
    """A team of the sandbox as a LangGraph graph; it knows what would be right at a step."""

    def __init__(self, topology: str = "chain", family: str = "tables", **settings: Any) -> None:
        self.team = Team(family, topology, **settings)
        super().__init__(
            self._built,
            self._started,
            self.team.check,
            name=f"langgraph-{topology}-{family}",
            returns=self._returned,
            hidden=("agenda",),
            agents=lambda _: self.team.agents,
        )

    def tasks(self, seed: int = 0) -> Iterator[Task]:
        """Endless tasks of the family; the same ones for the same seed."""
        return self.team.sandbox.tasks(seed)

    def correct(self, checkpoint: Checkpoint) -> Intervention:
        """The right action in place of the next one, given what its agent has before it."""
        state = State.of(checkpoint)
        values = self.values(checkpoint)
        agenda = [msgspec.convert(turn, Turn) for turn in values["agenda"]]
        action = self.team.right(state.task, agenda, steps_of(values["messages"]), state.at)
        return Intervention(step=checkpoint.step, actions=(action,), by=f"{self.name}:correct")

    def is_correct(self, checkpoint: Checkpoint, action: Action) -> bool:
        """Whether an action comes to the same as the right one; wording does not count."""
        (right,) = self.correct(checkpoint).actions or ()
        return self.team.is_right(action, right)

    def milestones(self, trace: Trace) -> dict[str, bool]:
        """The items of the task, and whether the team ends with the right value of each."""
        return self.team.sandbox.milestones(trace)

    def repairs(self) -> list[Repair]:
        """What can be changed about the team, role by role."""
        return self.team.repairs()

    def with_repair(self, repair: Repair) -> DemoLangGraph:
        """The team with a repair; raises `UsageError` for one that it cannot take."""
        return DemoLangGraph(**self.team.set_up(repair))

    # --- the graph ----------------------------------------------------------------------------

    def _started(self, task: Task) -> dict[str, Any]:
        agenda = [msgspec.to_builtins(turn) for turn in self.team.begin()]
        said = [lc.HumanMessage(task.question)]
        return {"messages": said, "case": task.id, "agenda": agenda}

    def _built(self, task: Task, seed: int) -> Any:
        model = PolicyModel(team=self.team, task=task, seed=seed)
        graph = graphs.StateGraph(Desk)
        names = [member.agent.id for member in self.team.members]
        if self.team.tool:
            tool = self._tool(task)
            graph.add_node("tools", prebuilt.ToolNode([tool]))
            graph.add_conditional_edges("tools", _next, [*names, graphs.END])
        for member in self.team.members:
            offered = [tool] if member.agent.tools else []
            graph.add_node(member.agent.id, self._node(task, member, model.bind_tools(offered)))
            targets = [*names, *(["tools"] if self.team.tool else []), graphs.END]
            graph.add_conditional_edges(member.agent.id, _next, targets)
        graph.add_conditional_edges(graphs.START, _next, names)
        return graph.compile()

    def _node(self, task: Task, member: Member, model: Any) -> Any:
        """The node of an agent: it sees what is addressed to it, and speaks."""
        prompt = lc.SystemMessage(member.agent.system_prompt or "")

        def speak(state: Desk) -> dict[str, Any]:
            turn = msgspec.convert(state["agenda"][0], Turn)
            reply = model.invoke([prompt, *visible(state["messages"], member)], turn=turn)
            return self._returned(state, member.agent.id, [reply])

        return speak

    def _returned(self, state: Any, node: str, said: list[Any]) -> dict[str, Any]:
        """What a node adds to the state: its messages, addressed, and the turns that follow."""
        agenda = [msgspec.convert(turn, Turn) for turn in state["agenda"]]
        if node == "tools" or not agenda:
            return {"messages": said}
        to: str | None = self.team.tool
        if not (said and said[-1].tool_calls):
            before = steps_of(state["messages"])
            spoken = steps_of([*state["messages"], *said])[len(before) :]
            agenda, to = self.team.then(state["case"], agenda, before, spoken)
        for message in said:
            message.additional_kwargs["to"] = to
        return {"messages": said, "agenda": [msgspec.to_builtins(turn) for turn in agenda]}

    def _tool(self, task: Task) -> Any:
        """The tool of the family, looking into the data of the task."""

        def call(**arguments: Any) -> str:
            text, fine = self.team.serve(task, arguments)
            if not fine:
                raise tools.ToolException(text)
            return text

        return tools.StructuredTool.from_function(
            call,
            name=self.team.tool,
            description="Look something up.",
            args_schema={
                "type": "object",
                "properties": {name: {"type": "string"} for name in self.team.parameters(task)},
            },
            handle_tool_error=True,
        )


def chain() -> DemoLangGraph:
    """Planner, worker, verifier and reporter in a line, on questions about a table."""
    return DemoLangGraph("chain")


def star() -> DemoLangGraph:
    """An orchestrator with two workers and a verifier, on questions about a table."""
    return DemoLangGraph("star")


build = chain


def visible(messages: Sequence[Any], member: Member) -> list[Any]:
    """The messages that an agent sees: its own, those to it or to all, and answers to its calls."""
    name, own, found = member.agent.id, set[str](), []
    for message in messages:
        if message.type == "tool":
            seen = message.tool_call_id in own
        elif message.type == "ai":
            to = message.additional_kwargs.get("to")
            seen = to is None or name in (to, message.name)
            if message.name == name:
                own.update(call["id"] for call in message.tool_calls)
        else:
            seen = member.task or message.name is not None
        if seen:
            found.append(message)
    return found


def steps_of(messages: Sequence[Any]) -> list[Step]:
    """Messages as the sandbox's steps; instructions and the task itself are none."""
    found: list[Step] = []
    askers: dict[str, str] = {}
    calls: tuple[ToolCall, ...]
    for message in messages:
        if message.type == "tool":
            failed = message.status == "error"
            answer = ToolCall(
                message.name or "",
                result=None if failed else message.text,
                error=message.text if failed else None,
                call_id=message.tool_call_id,
            )
            who, kind, calls = answer.name, "tool_result", (answer,)
            to = askers.get(message.tool_call_id)
        elif message.type == "ai" or message.name is not None:
            asked = getattr(message, "tool_calls", [])
            calls = tuple(ToolCall(c["name"], c["args"], call_id=c["id"]) for c in asked)
            who, to = message.name or "", message.additional_kwargs.get("to")
            kind = "tool_call" if calls else "message"
            askers.update((call.call_id or "", who) for call in calls)
        else:
            continue
        step = Step(len(found), who, cast("StepKind", kind), message.text, to=to, tools=calls)
        found.append(step)
    return found


def message_of(action: Action, agent: str) -> Any:
    """What an agent does, as the message of a chat model."""
    calls = [{"name": c.name, "args": c.arguments, "id": c.call_id} for c in action.tools]
    return lc.AIMessage(action.content, name=agent, tool_calls=calls)


def _next(state: Desk) -> str:
    """The node that is next."""
    last = state["messages"][-1]
    if getattr(last, "tool_calls", None):
        return "tools"
    agenda = state["agenda"]
    return str(agenda[0]["agent"] if agenda else graphs.END)
