import io
import re

import msgspec
import pytest
from rich.console import Console

from tracekit.errors import Problem
from tracekit.ingest.pipeline import FileReport, summarise
from tracekit.report.terminal import (
    console,
    ingest_summary,
    trace_view,
    verdict_detail,
    verdict_table,
)

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def plain(renderable, width=120):
    stream = io.StringIO()
    Console(file=stream, width=width, color_system=None).print(renderable)
    return stream.getvalue()


@pytest.fixture(autouse=True)
def no_terminal_settings(monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TERM"):
        monkeypatch.delenv(name, raising=False)


def test_the_table_answers_who_where_and_how_sure(failed, unknown, succeeded):
    rows = [
        line.split() for line in plain(verdict_table([failed, unknown, succeeded])).splitlines()
    ]
    assert ["bridge-1", "failed", "Searcher", "2", "61", "%", "1-2", "a"] in [r[:8] for r in rows]
    assert ["maybe-1", "?", "Bob", "1", "50", "%"] in rows
    assert ["ok-1", "ok", "none", "the", "run", "succeeded"] in rows
    assert "holds if the run failed" in plain(verdict_table([unknown]))
    assert "holds if the run failed" not in plain(verdict_table([failed]))


def test_the_table_says_what_sets_hold_and_what_is_doubtful(failed, unknown):
    words = " ".join(plain(verdict_table([failed, failed, unknown])).split())
    assert "Set: steps that hold the cause in 80% of runs." in words
    assert "! 2 runs: the log names no model for step 3" in words
    bare = plain(verdict_table([unknown]))
    assert "Set" not in bare
    assert "!" not in bare


def test_the_detail_has_suspects_with_evidence(failed):
    text = plain(verdict_detail(*failed))
    assert "“opened in 1937”  a claim without a source +2.50" in text
    assert "the tool failed +0.50 at step 1" in text
    assert re.search(r"^2  ██·+ +25 %  Searcher  step 1$", text, re.MULTILINE)
    assert "Suspect set (80%)  steps 2, 1 (2 of 4)" in text
    assert "Agent set (75%)    Searcher" in text
    assert "the log names no model for step 3" in text
    assert (
        "step 1"
        not in plain(verdict_detail(*failed, top=1)).split("Suspect set")[0].split("2.50")[1]
    )


def test_a_trace_is_shown_step_by_step(failed):
    text = plain(trace_view(failed[0]))
    assert "   1  Searcher  tool call · at 0 ms · took 2.5 s · 1,200 → 40 tokens" in text
    assert 'tool search {"q": "old bridge"}' in text
    assert "! timeout" in text
    assert "   2  Searcher → Writer  message · :3" in text
    assert "Agents        User, Searcher, Writer" in text
    assert "The brid … (41 more characters)" in plain(trace_view(failed[0], limit=8))


@pytest.mark.parametrize("colour", [True, False])
def test_hostile_text_reaches_no_terminal(hostile, colour):
    stream = io.StringIO()
    screen = Console(
        file=stream, width=100, force_terminal=colour, color_system="standard" if colour else None
    )
    for renderable in (verdict_table([hostile]), verdict_detail(*hostile), trace_view(hostile[0])):
        screen.print(renderable)
    text = COLOUR.sub("", stream.getvalue()) if colour else stream.getvalue()
    assert not set("\x1b\x07\x08\x00\x9b\r\u202e\u2066\u200b\ud800") & set(text)
    assert "␛[31mred" in text
    assert "[bold red]loud[/bold red]" in re.sub(r"\s+", " ", text)
    assert ":bomb:" in text
    assert "\x1b]8" not in stream.getvalue()


def test_a_summary_counts_and_names_the_worst_first():
    bad = Problem(what="cut off [red]here[/red]\x1b[2J", path="b.json", line=3)
    none = Problem(what="no reader knows this format", path="c.txt", severity="skip")
    files = [
        FileReport(path="a.json", format="demo", records=1200, traces=3, steps=1190, skipped=10),
        FileReport(path="b.json", format="other", records=5, traces=1, steps=5, problems=[bad]),
        FileReport(path="c.txt", problems=[none]),
    ]
    lines = plain(ingest_summary(summarise(files), [none, bad], most=1)).splitlines()
    assert ["demo", "1", "1,200", "3", "1,190"] in [line.split() for line in lines]
    assert ["all", "3", "1,205", "4", "1,195"] in [line.split() for line in lines]
    assert "1 error, 1 skip, 10 records skipped, each with a reason" in lines
    assert lines[-2:] == ["b.json:3: error: cut off [red]here[/red]␛[2J", "… and 1 more"]


def test_nothing_is_printed_by_making_a_renderable(failed, capsys):
    verdict_table([failed])
    verdict_detail(*failed)
    trace_view(failed[0])
    assert capsys.readouterr() == ("", "")


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "settings", "coloured"),
    [
        (io.StringIO, {}, False),
        (io.StringIO, {"FORCE_COLOR": "1", "TERM": "xterm"}, True),
        (Terminal, {"TERM": "xterm-256color"}, True),
        (Terminal, {"TERM": "xterm-256color", "NO_COLOR": "1"}, False),
        (Terminal, {"TERM": "dumb"}, False),
    ],
)
def test_colour_follows_the_environment(stream, settings, coloured, failed, monkeypatch):
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    file = stream()
    console(file).print(verdict_detail(*failed))
    assert bool(re.search(r"\x1b\[[0-9;]*3[0-7]m", file.getvalue())) is coloured


def test_width_away_from_a_terminal(monkeypatch):
    assert console(io.StringIO()).width == 100
    monkeypatch.setenv("COLUMNS", "60")
    assert console(io.StringIO()).width == 60


def test_one_quote_stands_once_with_all_its_reasons(failed):
    trace, verdict = failed
    suspect = verdict.suspects[0]
    quoted = next(item for item in suspect.evidence if item.quote)
    again = msgspec.structs.replace(quoted, shows="late in the run", weight=0.25)
    suspect = msgspec.structs.replace(suspect, evidence=(*suspect.evidence, again))
    verdict = msgspec.structs.replace(verdict, suspects=(suspect, *verdict.suspects[1:]))
    text = plain(verdict_detail(trace, verdict))
    assert text.count("“opened in 1937”") == 2, "in the sentence and once below"
    assert "a claim without a source +2.50; late in the run +0.25" in text
