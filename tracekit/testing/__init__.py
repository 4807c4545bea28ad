"""Contract checks for plug-ins, for use in the plug-in's own tests.

A reader's test is one line, `check_reader(MyReader(), ["tests/logs/run.json"])`, an analyzer's
another, `check_analyzer(MyAnalyzer())`, a system's a third, `check_replayable(MySystem(), tasks)`,
a manipulator's a fourth, `check_manipulator(MyManipulator())`, an exporter's of verdicts a fifth,
`check_verdict_exporter(MyExporter())`. `tracekit.testing.rules` lists what they check.
"""

from tracekit.testing.analyzers import check_analyzer
from tracekit.testing.manipulators import check_manipulator
from tracekit.testing.readers import check_reader
from tracekit.testing.replayables import check_replayable
from tracekit.testing.verdict_exporters import check_verdict_exporter

__all__ = [
    "check_analyzer",
    "check_manipulator",
    "check_reader",
    "check_replayable",
    "check_verdict_exporter",
]
