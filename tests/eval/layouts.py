"""Small invented runs in the layout of each benchmark, written below a folder."""

import json


def dump(file, value):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(value))


def who_and_when(root, name, question, speakers, step, part="Hand-Crafted", said="words"):
    key = "name" if part == "Algorithm-Generated" else "role"
    record = {
        "question": question,
        "question_ID": name,
        "ground_truth": "7",
        "is_correct": False,
        "history": [{"content": f"{said} {name} {i}", key: s} for i, s in enumerate(speakers)],
        "mistake_agent": speakers[step].split(" (")[0],
        "mistake_step": str(step),
        "mistake_reason": "invented",
    }
    dump(root / "who-and-when" / part / f"{name}.json", record)


def agentrx(root, name, question, speakers, number, category="System Failure", said="words"):
    """A Magentic-One run; `number` counts from 1. The labels of all runs lie in one file."""
    turns = [{"role": "human", "content": question}]
    turns += [{"role": s, "content": f"{said} {name} {i}"} for i, s in enumerate(speakers, 1)]
    dump(root / "agentrx" / "magentic_dataset" / f"{name}.json", turns)
    file = root / "agentrx" / "ground_truth" / "magentic_one_ground_truth.json"
    labels = json.loads(file.read_text()) if file.exists() else []
    failure = {
        "failure_id": 1,
        "step_number": number,
        "failure_category": category,
        "failed_agent": turns[number - 1]["role"].split(" (")[0],
    }
    later = failure | {"failure_id": 2, "step_number": 1}
    cause = {"failure_id": "1", "reason_for_root_cause": "invented"}
    label = {"trajectory_id": name, "failures": [failure, later], "root_cause": cause}
    dump(file, [*labels, label])


def agenterrorbench(root, name, question, answers, number, module="planning"):
    prompt = f"You are an agent.\n\nTask: {question}\n\nAvailable Tools:\n<action>"
    messages = []
    for i in range(answers):
        messages += [
            {"role": "user", "content": prompt if i == 0 else f"Current Observation: {i}"},
            {"role": "assistant", "content": f"<action>\ntool: look\nparameters: {i}\n</action>"},
        ]
    meta = {"won": False, "env_id": 1}
    folder = root / "agenterrorbench"
    dump(folder / "GAIA" / f"{name}.json", {"messages": messages, "metadata": meta})
    file = folder / "gaia_labels.json"
    labels = json.loads(file.read_text()) if file.exists() else []
    noted = [{"step": number, module: {"failure_type": "some type ", "reasoning": "invented"}}]
    label = {
        "trajectory_id": name,
        "critical_failure_step": number,
        "critical_failure_module": module,
        "step_annotations": noted,
    }
    dump(file, [*labels, label])


SCAFFOLD = "Engineer thinking: \n# Past Experience\n<experience>\n\n# Tool State\n"


def tracertraj(root, name, question, contents, step):
    history = [
        {"content": text, "name": "Engineer", "role": "assistant", "step": i}
        for i, text in enumerate(contents)
    ]
    row = {
        "question_ID": name,
        "question": question,
        "ground_truth": "pass",
        "history": history,
        "mistake_agent": "Engineer",
        "mistake_step": str(step),
        "mistake_reason": "invented",
    }
    file = root / "tracertraj" / "tracertraj-code.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as stream:
        stream.write(json.dumps(row) + "\n")


def span(id, name, second, attributes, children=(), seconds=1.0):
    return {
        "timestamp": f"2025-03-19T16:40:{second:02d}Z",
        "span_id": id,
        "span_name": name,
        "span_attributes": attributes,
        "duration": f"PT{seconds}S",
        "status_code": "Ok",
        "child_spans": list(children),
        "logs": [],
    }


def trail(root, name, question, said, errors, part="GAIA"):
    """A run with one model call for each of `said`; `errors` are (call, category)."""
    calls = [
        span(
            f"{name}{i}",
            "LiteLLMModel.__call__",
            i,
            {"openinference.span.kind": "LLM", "llm.output_messages.0.message.content": text},
        )
        for i, text in enumerate(said)
    ]
    team = {"openinference.span.kind": "AGENT", "input.value": f'{{"task": "{question}"}}'}
    top = span(f"{name}a", "CodeAgent.run", 0, team, calls, 50)
    top["logs"] = [{"body": {"function.output": [{"question": question, "task_id": name}]}}]
    folder = root / "trail"
    dump(folder / part / f"{name}.json", {"trace_id": name, "spans": [top]})
    noted = [
        {"category": category, "location": f"{name}{call}", "description": "x", "impact": "LOW"}
        for call, category in errors
    ]
    where = "gaia" if part == "GAIA" else "swe_bench"
    notes = {"errors": noted, "scores": []}
    dump(folder / f"processed_annotations_{where}" / f"{name}.json", notes)


def mast(root, name, problem, yes, no=()):
    options = dict.fromkeys(yes, "yes") | dict.fromkeys(no, "no")
    turns = [
        {"content": [problem], "role": "assistant", "name": "mathproxyagent"},
        {"content": [f"It is {name}."], "role": "user", "name": "assistant"},
    ]
    run = {
        "instance_id": name,
        "problem_statement": [problem],
        "other_data": {"correct": False},
        "trajectory": turns,
        "note": {"text": ["noted"], "options": options},
    }
    dump(root / "mast" / "AG2" / f"{name}.json", run)


def aegis(name, query, speakers, faulty):
    """One record; `faulty` are (agent, code)."""
    history = [
        {"step": i, "agent_name": s, "agent_role": "worker", "content": f"{name} {i}", "phase": "p"}
        for i, s in enumerate(speakers)
    ]
    return {
        "id": name,
        "metadata": {"framework": "Debate", "benchmark": "MATH", "num_agents": 2},
        "input": {"query": query, "conversation_history": history, "final_output": "8"},
        "output": {
            "faulty_agents": [
                {"agent_name": a, "error_type": code, "injection_strategy": "response_corruption"}
                for a, code in faulty
            ]
        },
        "ground_truth": {"correct_answer": "7", "is_injection_successful": True},
    }
