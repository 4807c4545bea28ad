"""A team of five that plans walks. Scripted, so that it runs anywhere and always the same.

    python team.py            # walks every task of tasks.json, one log each in runs/

A real team would ask a model where these functions do sums. What matters here is that each speaks
in turn, and that what one gets wrong goes on through the others.
"""

import json
import shutil
from pathlib import Path

KM_PER_MILE = 1.609
WALKING_KMH = 4.0


def surveyor(task: dict) -> str:
    """Reads the distance off the task."""
    return f"The path to {task['place']} is {task['miles']} miles long, as the task says."


def converter(task: dict) -> tuple[float, str]:
    """Turns miles into kilometres, by a line of Python that the terminal runs."""
    km = task["miles"] / KM_PER_MILE
    return km, f"In kilometres:\n```python\nprint({task['miles']} / {KM_PER_MILE})\n```"


def timekeeper(km: float) -> tuple[int, str]:
    """Turns kilometres into minutes."""
    minutes = round(km / WALKING_KMH * 60)
    return minutes, f"At {WALKING_KMH} km an hour, {km:.1f} km take {minutes} minutes."


def guide(task: dict, minutes: int) -> str:
    """Answers. Nobody has told it about the ferry yet: that failure is known."""
    return f"FINAL ANSWER: {minutes} minutes to {task['place']}."


def walk(task: dict) -> dict:
    """One run of the team, as its log."""
    km, converted = converter(task)
    minutes, timed = timekeeper(km)
    said = [
        ("user", "user", task["question"]),
        ("assistant", "Surveyor", surveyor(task)),
        ("assistant", "Converter", converted),
        ("user", "Terminal", f"exitcode: 0 (execution succeeded)\nCode output: {km:.3f}"),
        ("assistant", "Timekeeper", timed),
        ("assistant", "Guide", guide(task, minutes)),
    ]
    history = [{"role": role, "name": name, "content": content} for role, name, content in said]
    return {"question": task["question"], "question_ID": task["id"], "history": history}


def main() -> None:
    """Walk every task."""
    runs = Path("runs")
    shutil.rmtree(runs, ignore_errors=True)
    runs.mkdir()
    for task in json.loads(Path("tasks.json").read_text()):
        path = runs / f"{task['id']}.json"
        path.write_text(json.dumps(walk(task), indent=2) + "\n")
    print(f"{len(list(runs.iterdir()))} runs in {runs}/")


if __name__ == "__main__":
    main()
