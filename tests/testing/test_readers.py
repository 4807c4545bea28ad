"""check_reader: a sound reader passes, and for every rule one that breaks it is refused."""

import itertools
import json
import os
import pathlib
import socket
import subprocess
import sys

import msgspec
import pytest

from tracekit.errors import ContractError, Problem, UsageError
from tracekit.ingest.build import Builder
from tracekit.ingest.decode import decode_json
from tracekit.ingest.parts import as_text
from tracekit.testing import check_reader
from tracekit.testing.rules import READER
from tracekit.trace import Trace

LOG = b'{"demo": "Solver", "says": "2 + 2 = 5"}\n{"demo": "Critic", "says": "No."}\n'


class Sound:
    """One line a step: `{"demo": speaker, "says": text}`."""

    name = "demo"

    def sniff(self, head, name):
        return 0.9 if head.lstrip(b"\xef\xbb\xbf \n").startswith(b'{"demo"') else 0.0

    def read(self, source):
        build = Builder(source, self.name)
        for line in source.lines():
            try:
                record = decode_json(line.data, source.limits.depth)
            except ValueError as error:
                yield source.problem(line.raw, str(error))
                continue
            if not isinstance(record, dict) or not isinstance(record.get("demo"), str):
                yield source.skip(line.raw, "no step")
                continue
            build.add(record["demo"] or None, as_text(record.get("says")), line.raw)
        if build.steps:
            yield build.trace(source.default_id(), extra=self.extra())

    def extra(self):
        return {}


class BadName(Sound):
    name = "Demo Reader"


class SniffRaises(Sound):
    def sniff(self, head, name):
        return float(json.loads(head.splitlines()[0])["demo"] == "Solver")


class SniffTooSure(Sound):
    def sniff(self, head, name):
        return 2 * super().sniff(head, name)


class SniffMisses(Sound):
    def sniff(self, head, name):
        return 0.0


class SniffTakesAll(Sound):
    def sniff(self, head, name):
        return 0.5


class YieldsNone(Sound):
    def read(self, source):
        yield from super().read(source)
        yield None


class RaisesOnGarbage(Sound):
    def read(self, source):
        source.data.decode("utf-8")
        yield from super().read(source)


class RaisesOnOddValues(Sound):
    """Fine with every file that is cut or stained, not with a value of another type."""

    def read(self, source):
        for item in super().read(source):
            if isinstance(item, Trace):
                for line in source.data.splitlines():
                    try:
                        record = json.loads(line)
                    except (ValueError, RecursionError):
                        continue
                    if isinstance(record, dict):
                        record.get("says", "").upper()
            yield item


class KeepsQuiet(Sound):
    """A file that is no log of this format passes without a word."""

    def read(self, source):
        if self.sniff(source.head, source.name):
            yield from super().read(source)


class HidesDamage(Sound):
    def read(self, source):
        for item in super().read(source):
            if isinstance(item, Trace) or "no step" in item.what:
                yield item
            else:
                source.account.settle(item.line)
                if not source.data.startswith(b'{"demo"'):
                    yield item


class ForgetsFile(Sound):
    def read(self, source):
        for item in super().read(source):
            yield Problem(what="oops", line=item.line) if isinstance(item, Problem) else item


class CountsFromOne(Sound):
    def read(self, source):
        for item in super().read(source):
            if isinstance(item, Trace):
                steps = [msgspec.structs.replace(s, index=s.index + 1) for s in item.steps]
                item = msgspec.structs.replace(item, steps=tuple(steps))
            yield item


class LosesRecords(Sound):
    def read(self, source):
        for item in super().read(source):
            if isinstance(item, Trace):
                item = msgspec.structs.replace(item, steps=item.steps[:1])
            yield item


class BypassesAccount(Sound):
    def read(self, source):
        build = Builder(source, self.name)
        for line in source.text().splitlines():
            build.add("Solver", line, [])
        if build.steps:
            yield build.trace("t")


class FindsNothing(Sound):
    def read(self, source):
        yield source.skip_file("not today")


class Counts(Sound):
    calls = itertools.count()

    def extra(self):
        return {"call": next(self.calls)}


class KeepsTuples(Sound):
    def extra(self):
        return {"pair": (1, 2)}


class KeepsSurrogates(Sound):
    def extra(self):
        return {"text": "\ud800"}


class TripsOverMark(Sound):
    def read(self, source):
        if source.head.startswith(b"\xef\xbb\xbf"):
            yield source.skip_file("a byte order mark")
        else:
            yield from super().read(source)


class CallsHome(Sound):
    def extra(self):
        try:
            socket.create_connection(("127.0.0.1", 9), timeout=0.1)
        except OSError:
            return {}


class RunsCode(Sound):
    def extra(self):
        return {"out": subprocess.run([sys.executable, "-c", "pass"]).returncode}


class Writes(Sound):
    def extra(self):
        pathlib.Path(os.devnull + "-tracekit").write_text("x")
        return {}


class Deletes(Sound):
    def read(self, source):
        os.remove(source.blob.file)
        yield from super().read(source)


BROKEN = [
    ("name", BadName),
    ("sniff", SniffRaises),
    ("sniff", SniffTooSure),
    ("sniff-own", SniffMisses),
    ("sniff-noise", SniffTakesAll),
    ("only-traces-and-problems", YieldsNone),
    ("never-raises", RaisesOnGarbage),
    ("never-raises", RaisesOnOddValues),
    ("no-silence", KeepsQuiet),
    ("reports-damage", HidesDamage),
    ("problem-names-file", ForgetsFile),
    ("sound-traces", CountsFromOne),
    ("accounted", LosesRecords),
    ("accounted", BypassesAccount),
    ("reads-something", FindsNothing),
    ("deterministic", Counts),
    ("lossless", KeepsTuples),
    ("lossless", KeepsSurrogates),
    ("byte-order-mark", TripsOverMark),
    ("no-network", CallsHome),
    ("no-processes", RunsCode),
    ("no-writes", Writes),
    ("no-writes", Deletes),
]


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "run.jsonl"
    path.write_bytes(LOG)
    return path


def test_a_sound_reader_passes(log):
    check_reader(Sound(), [log])


@pytest.mark.parametrize(
    ("rule", "reader"), BROKEN, ids=lambda item: getattr(item, "__name__", item)
)
def test_a_broken_reader_is_refused(rule, reader, log):
    with pytest.raises(ContractError) as caught:
        check_reader(reader(), [log])
    assert f"breaks [{rule}] {READER[rule]}: " in str(caught.value)
    assert log.read_bytes() == LOG


def test_every_rule_has_a_reader_that_breaks_it():
    assert {rule for rule, _ in BROKEN} == set(READER)


def test_no_files_prove_nothing():
    with pytest.raises(UsageError, match="at least one file"):
        check_reader(Sound(), [])
