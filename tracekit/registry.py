"""Names to plug-ins. Built-ins stand in a table, others come by entry points.

Nothing is imported before it is used, and a plug-in that does not load is listed with its error
and does not break the others.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any, Literal

import msgspec

from tracekit.errors import ContractError, TracekitError, UnknownName, UsageError

Kind = Literal[
    "readers",
    "analyzers",
    "benchmarks",
    "exporters",
    "manipulators",
    "values",
    "verdict_exporters",
]

BUILT_IN: dict[Kind, dict[str, str]] = {
    "readers": {
        "tracekit": "tracekit.ingest.readers.tracekit_jsonl:TracekitJsonl",
        "tracekit-journal": "tracekit.ingest.readers.tracekit_journal:TracekitJournal",
        "tracekit-parquet": "tracekit.ingest.readers.tracekit_parquet:TracekitParquet",
        "otlp-json": "tracekit.ingest.readers.otlp_json:OtlpJson",
        "jaeger": "tracekit.ingest.readers.jaeger:Jaeger",
        "trail": "tracekit.ingest.readers.trail:Trail",
        "otel-span-json": "tracekit.ingest.readers.otel_span_json:OtelSpanJson",
        "phoenix-export": "tracekit.ingest.readers.phoenix:Phoenix",
        "langfuse-export": "tracekit.ingest.readers.langfuse:Langfuse",
        "langsmith": "tracekit.ingest.readers.langsmith:LangSmith",
        "agentops-export": "tracekit.ingest.readers.agentops:AgentOps",
        "smoltrace": "tracekit.ingest.readers.smoltrace:Smoltrace",
        "atif-harbor": "tracekit.ingest.readers.atif:Atif",
        "otlp-proto": "tracekit.ingest.readers.otlp_proto:OtlpProto",
        "phoenix-parquet": "tracekit.ingest.readers.phoenix_parquet:PhoenixParquet",
        "who-and-when": "tracekit.ingest.readers.who_and_when:WhoAndWhen",
        "openai-responses": "tracekit.ingest.readers.openai_responses:OpenAIResponses",
        "openai-chat-messages": "tracekit.ingest.readers.openai_chat:OpenAIChat",
        "autogen-02-chat": "tracekit.ingest.readers.autogen_02_chat:AutoGen02Chat",
        "autogen-agentchat-04": "tracekit.ingest.readers.agentchat_04:AgentChat04",
        "magentic-one-jsonl": "tracekit.ingest.readers.magentic_one:MagenticOneJsonl",
        "autogen-console": "tracekit.ingest.readers.autogen_console:AutoGenConsole",
        "autogen-file-log": "tracekit.ingest.readers.autogen_file_log:AutoGenFileLog",
        "autogen-telemetry": "tracekit.ingest.readers.autogen_telemetry:AutoGenTelemetry",
        "llm-call-proxy-jsonl": "tracekit.ingest.readers.llm_call_proxy:LlmCallProxy",
        "camel": "tracekit.ingest.readers.camel:Camel",
        "llm-debate": "tracekit.ingest.readers.llm_debate:LlmDebate",
        "dylan": "tracekit.ingest.readers.dylan:Dylan",
        "tau-bench": "tracekit.ingest.readers.tau_bench:TauBench",
        "tau2-bench": "tracekit.ingest.readers.tau2_bench:Tau2Bench",
        "transformers-agents-benchmark": (
            "tracekit.ingest.readers.transformers_agents:TransformersAgents"
        ),
        "crewai-log": "tracekit.ingest.readers.crewai_log:CrewAILog",
        "metagpt-log": "tracekit.ingest.readers.metagpt_log:MetaGPTLog",
        "agentverse-log": "tracekit.ingest.readers.agentverse_log:AgentVerseLog",
        "appworld-text": "tracekit.ingest.readers.appworld_text:AppWorldText",
        "chatdev-log": "tracekit.ingest.readers.chatdev_log:ChatDevLog",
        "chatdev-puppeteer": "tracekit.ingest.readers.chatdev_puppeteer:ChatDevPuppeteer",
        "mast": "tracekit.ingest.readers.mast:Mast",
        "tracertraj": "tracekit.ingest.readers.tracertraj:TracerTraj",
        "hyperagent-log": "tracekit.ingest.readers.hyperagent_log:HyperAgentLog",
        "langgraph": "tracekit.ingest.readers.langgraph:LangGraph",
        "langgraph-sse": "tracekit.ingest.readers.langgraph_sse:LangGraphSse",
        "claude-code": "tracekit.ingest.readers.claude_code:ClaudeCode",
        "smolagents": "tracekit.ingest.readers.smolagents:Smolagents",
        "swe-agent": "tracekit.ingest.readers.swe_agent:SweAgent",
        "google-adk": "tracekit.ingest.readers.google_adk:GoogleAdk",
        "openhands": "tracekit.ingest.readers.openhands:OpenHands",
        "agentrx": "tracekit.ingest.readers.agentrx:AgentRx",
        "agenterrorbench": "tracekit.ingest.readers.agenterrorbench:AgentErrorBench",
        "inspect-log": "tracekit.ingest.readers.inspect_log:InspectLog",
        "claude-agent-sdk": "tracekit.ingest.readers.claude_agent_sdk:ClaudeAgentSdk",
        "anthropic-managed-agents": (
            "tracekit.ingest.readers.anthropic_managed_agents:AnthropicManagedAgents"
        ),
        "opencode-events": "tracekit.ingest.readers.opencode_events:OpenCodeEvents",
        "generic-messages": "tracekit.ingest.readers.generic_messages:GenericMessages",
        "generic-text": "tracekit.ingest.readers.generic_text:GenericText",
    },
    "analyzers": {
        "causal": "tracekit.analyzers.causal.analyzer:Causal",
        "compact": "tracekit.analyzers.compact.analyzer:Compact",
        "constant": "tracekit.analyzers.baselines:Constant",
        "ensemble": "tracekit.analyzers.ensemble:Ensemble",
        "first-error": "tracekit.analyzers.first_error:FirstError",
        "first-speaker": "tracekit.analyzers.baselines:FirstSpeaker",
        "influence": "tracekit.analyzers.influence.analyzer:InfluenceAnalyzer",
        "intervene": "tracekit.analyzers.intervene.analyzer:Intervene",
        "judge:a2p": "tracekit.analyzers.judges.a2p:A2P",
        "judge:aig": "tracekit.analyzers.judges.aig_adaptive:Aig",
        "judge:aig-graph": "tracekit.analyzers.judges.aig:AigGraph",
        "judge:aig-raw": "tracekit.analyzers.judges.aig:AigRaw",
        "judge:aig-structured": "tracekit.analyzers.judges.aig:AigStructured",
        "judge:all-at-once": "tracekit.analyzers.judges.all_at_once:AllAtOnce",
        "judge:binary-search": "tracekit.analyzers.judges.binary_search:BinarySearch",
        "judge:binary-search-code": "tracekit.analyzers.judges.binary_search:BinarySearchCode",
        "judge:echo": "tracekit.analyzers.judges.echo:Echo",
        "judge:fusion": "tracekit.analyzers.judges.fusion:Fusion",
        "judge:hybrid": "tracekit.analyzers.judges.hybrid:Hybrid",
        "judge:mast": "tracekit.analyzers.judges.mast:Mast",
        "judge:raffles": "tracekit.analyzers.judges.raffles:Raffles",
        "judge:shortlist": "tracekit.analyzers.judges.shortlist:Shortlist",
        "judge:step-by-step": "tracekit.analyzers.judges.step_by_step:StepByStep",
        "judge:trail": "tracekit.analyzers.judges.trail:Trail",
        "last-speaker": "tracekit.analyzers.baselines:LastSpeaker",
        "linear": "tracekit.analyzers.linear:Linear",
        "position-prior": "tracekit.analyzers.baselines:PositionPrior",
        "random": "tracekit.analyzers.baselines:Random",
        "shapley": "tracekit.analyzers.shapley.analyzer:Shapley",
        "spectrum": "tracekit.analyzers.spectrum:Spectrum",
        "value-drop": "tracekit.analyzers.value_drop:ValueDrop",
        "vdn": "tracekit.analyzers.vdn:Vdn",
        "tracer": "tracekit.analyzers.tracer.analyzer:Tracer",
    },
    "exporters": {
        "jsonl": "tracekit.export.jsonl:Jsonl",
        "parquet": "tracekit.export.parquet:Parquet",
        "otlp": "tracekit.export.otlp:Otlp",
        "openinference": "tracekit.export.openinference:OpenInference",
        "atif": "tracekit.export.atif:Atif",
    },
    "verdict_exporters": {
        "otel": "tracekit.export.verdicts.otel:Otel",
        "openinference": "tracekit.export.verdicts.openinference:OpenInferenceAnnotations",
        "langfuse": "tracekit.export.verdicts.langfuse:Langfuse",
        "phoenix": "tracekit.export.verdicts.phoenix:Phoenix",
        "sarif": "tracekit.export.verdicts.sarif:Sarif",
        "junit": "tracekit.export.verdicts.junit:Junit",
    },
    "manipulators": {
        "llm": "tracekit.inject.manipulators.llm:Llm",
        "rules": "tracekit.inject.manipulators.rules:Rules",
        "sandbox": "tracekit.inject.manipulators.sandbox:SandboxNative",
    },
    "values": {
        "prm": "tracekit.prm.model:Prm",
        "prm-language": "tracekit_models.prm.stored:LanguageValues",
    },
    "benchmarks": {
        "who-and-when": "tracekit.eval.benchmarks.who_and_when:WhoAndWhen",
        "agentrx": "tracekit.eval.benchmarks.agentrx:AgentRx",
        "agenterrorbench": "tracekit.eval.benchmarks.agenterrorbench:AgentErrorBench",
        "tracertraj": "tracekit.eval.benchmarks.tracertraj:TracerTraj",
        "trail": "tracekit.eval.benchmarks.trail:Trail",
        "mast": "tracekit.eval.benchmarks.mast:Mast",
        "aegis": "tracekit.eval.benchmarks.aegis:Aegis",
        "trace-elephant": "tracekit.eval.benchmarks.trace_elephant:TraceElephant",
        "who-and-when-pro": "tracekit.eval.benchmarks.who_and_when_pro:WhoAndWhenPro",
        "injected": "tracekit.eval.benchmarks.injected:Injected",
    },
}
"""Every plug-in that ships with tracekit, as `module:attribute`."""


class Plugin(msgspec.Struct, frozen=True, kw_only=True):
    """One registered plug-in, not yet imported."""

    kind: Kind
    """What it is: the entry-point group without `tracekit.`."""
    name: str
    """The name it is asked for by."""
    target: str
    """`module:attribute` of the class."""
    distribution: str = "mas-tracekit"
    """The installed package that brings it."""


@cache
def plugins(kind: Kind) -> dict[str, Plugin]:
    """All plug-ins of a kind by name, built-ins first; a foreign one cannot replace a built-in."""
    from importlib.metadata import entry_points  # 60 ms: only commands that need plug-ins pay

    found = {
        name: Plugin(kind=kind, name=name, target=target) for name, target in BUILT_IN[kind].items()
    }
    for entry in sorted(entry_points(group=f"tracekit.{kind}"), key=lambda e: e.name):
        owner = entry.dist.name if entry.dist else "unknown"
        plugin = Plugin(kind=kind, name=entry.name, target=entry.value, distribution=owner)
        found.setdefault(entry.name, plugin)
    return found


@cache
def get(kind: Kind, name: str) -> Any:
    """An instance of the plug-in; the same object every time.

    Raises `UnknownName` for a name nobody registered and `ContractError` for one that does not
    load.
    """
    known, one = plugins(kind), kind.removesuffix("s").replace("_", " ")
    if name not in known:
        raise UnknownName(one, name, sorted(known))
    return load(known[name].target, f"{one} {name!r}")()


def load(target: str, what: str = "object") -> Any:
    """Import `module:attribute`; raises `ContractError` that says what failed.

    >>> load("json:loads")("[1]")
    [1]
    """
    module, _, attribute = target.partition(":")
    if not attribute:
        raise UsageError(f"{what}: {target!r} is not of the form module:attribute")
    try:
        return getattr(importlib.import_module(module), attribute)
    except TracekitError:
        raise
    except Exception as error:  # importing runs the code of a stranger
        raise ContractError(f"{what} does not load from {target}: {error}") from error
