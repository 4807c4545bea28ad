"""What happens to logs, and what tracekit does then: the table of docs/robustness.md.

`ANY` are faults of bytes and of JSON, tried on a log of every reader; `SPANS` are faults of span
trees, tried on every span format. Each changes a sound log and says nothing of what comes of it:
that stands in `TABLE`, with the test that shows it.
"""

import json
import re
from pathlib import Path

from tracekit import registry
from tracekit.ingest.archives import container
from tracekit.testing.damage import NESTED
from tracekit.testing.mutate_json import HOSTILE

FIXTURES = Path(__file__).parents[1] / "fixtures"
ASIDE = {"results.json", "processed_annotations_gaia"}  # read with the log beside them
LONG = 10 * 1024**2


def logs(reader):
    """The small sound logs of a reader."""
    paths = sorted((FIXTURES / reader).rglob("*"))
    return [path for path in paths if path.is_file() and not ASIDE & {path.name, path.parent.name}]


LOGS = [path for reader in registry.BUILT_IN["readers"] for path in logs(reader)]


def reader_of(path):
    """The reader whose folder holds a log."""
    return path.relative_to(FIXTURES).parts[0]


def is_binary(data):
    return container(data) is not None or data[:4] == b"PAR1" or b"\0" in data


def is_json(data):
    return documents(data) is not None


def documents(data):
    """The documents of a JSON or JSON Lines file, None for anything else."""
    try:
        return [json.loads(data)]
    except ValueError:
        pass
    try:
        return [json.loads(line) for line in data.splitlines() if line.strip()] or None
    except ValueError:
        return None


def written(values, **how):
    return b"\n".join(json.dumps(value, **how).encode("utf-8", "surrogatepass") for value in values)


def on_values(change):
    """A fault that changes the values of JSON, each for itself; other files stay as they are."""

    def fault(data):
        values = documents(data)
        return data if values is None else written(walked(values, change))

    return fault


def walked(value, change):
    if isinstance(value, dict):
        value = {key: walked(item, change) for key, item in value.items()}
    elif isinstance(value, list):
        value = [walked(item, change) for item in value]
    return change(value)


def on_text(change):
    """A fault that changes the bytes of a text; binary files stay as they are."""
    return lambda data: data if is_binary(data) else change(data)


def truncated(data):
    body = data.rstrip()
    start = body.rfind(b"\n") + 1
    return body[: max(start + (len(body) - start) // 2, len(body) - 300)][:-1]


def in_first_text(new):
    """Put something in the place of the first value of JSON that is a sentence, or into the text."""

    def fault(data):
        if is_json(data):
            return re.sub(rb'": "[^"\\]* [^"\\]*"', lambda _: b'": ' + new, data, count=1)
        lines = data.split(b"\n")
        lines[len(lines) // 2] += b" " + new
        return b"\n".join(lines)

    return on_text(fault)


def duplicate_keys(data):
    """Every member of an object twice, first with null: the last one counts."""
    values = documents(data)
    return data if values is None else b"\n".join(_twice(value).encode() for value in values)


def _twice(value):
    if isinstance(value, list):
        return "[" + ", ".join(map(_twice, value)) + "]"
    if not isinstance(value, dict):
        return json.dumps(value)
    members = (f"{json.dumps(key)}: null, {json.dumps(key)}: {_twice(value[key])}" for key in value)
    return "{" + ", ".join(members) + "}"


def _number_as_text(value):
    return value if isinstance(value, bool) or not isinstance(value, int | float) else str(value)


def _not_finite(value):
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return float("nan") if value % 2 else float("inf")


def _encoded(value):
    return json.dumps(value) if isinstance(value, dict) and len(value) < 4 else value


def _as_repr(value):
    return repr(value) if isinstance(value, dict) and len(value) < 4 else value


def _unknown_role(value):
    roles = ("user", "assistant", "system", "tool", "human", "ai")
    return "wizard" if value in roles else value


def _unknown_part(value):
    return value | {"type": "hologram"} if isinstance(value, dict) and "type" in value else value


def _image(value):
    """A content that is a sentence becomes parts, one of them an image."""
    if not isinstance(value, dict) or not isinstance(value.get("content"), str):
        return value
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{'QUJD' * 50_000}"}}
    return value | {"content": [{"type": "text", "text": value["content"]}, image]}


ENDING = " " + " ".join(HOSTILE).replace("\ud800 ", "")


def _hostile(value):
    speaks = isinstance(value, str) and " " in value and "->" not in value
    return value + ENDING if speaks else value


def texts(value):
    """Every text in a JSON value."""
    if isinstance(value, str):
        yield value
        return
    items = value.values() if isinstance(value, dict) else value
    for item in items if isinstance(value, dict | list) else ():
        yield from texts(item)


ANY = {
    "truncated last line": on_text(truncated),
    "NUL bytes inside": on_text(lambda data: data[: len(data) // 2] + b"\0\0" + data[len(data) // 2 :]),
    "NUL bytes at the end": on_text(lambda data: data + b"\0" * 300),
    "byte order mark": on_text(lambda data: b"\xef\xbb\xbf" + data),
    "CRLF line ends": on_text(lambda data: data.replace(b"\n", b"\r\n")),
    "UTF-16": on_text(lambda data: data.decode("utf-8").encode("utf-16")),
    "lone surrogates": in_first_text(b'"\\ud83d cut \\udc00"'),
    "invalid UTF-8": in_first_text(b'"\xff\xfe \xc3\x28 \xed\xa0\x80"'),
    "NaN and Infinity": on_values(_not_finite),
    "a line of 10 MB": in_first_text(b'"' + b"long " * (LONG // 5) + b'"'),
    "nesting 10,000 deep": in_first_text(NESTED),
    "nothing but nesting": lambda data: NESTED,
    "duplicate keys": duplicate_keys,
    "numbers as strings": on_values(_number_as_text),
    "double-encoded JSON": on_values(_encoded),
    "Python repr": on_values(_as_repr),
    "unknown roles": on_values(_unknown_role),
    "unknown parts": on_values(_unknown_part),
    "base64 images": on_values(_image),
    "hostile text": on_values(_hostile),
    "empty file": lambda data: b"",
    "blank file": lambda data: b" \n\n",
}  # fmt: skip
"""Faults of any log."""

SAME = (
    "NUL bytes at the end", "byte order mark", "CRLF line ends", "UTF-16", "duplicate keys",
    "numbers as strings",
)  # fmt: skip
"""After these a log says what it said before."""

TYPED = {"tracekit", "tracekit-journal"}
"""Formats of tracekit's own: their schema refuses some of what the loose formats take."""


# --- spans ---------------------------------------------------------------------------------

KEYS = {
    "otlp-json": ("spanId", "parentSpanId", "startTimeUnixNano", "endTimeUnixNano"),
    "jaeger": ("spanID", "references", "startTime", "duration"),
    "otel-span-json": ("context", "parent_id", "start_time", "end_time"),
    "phoenix-export": (("context", "context.span_id"), "parent_id", "start_time", "end_time"),
    "langfuse-export": (
        "id", ("parentObservationId", "parent_observation_id"), ("startTime", "start_time"),
        ("endTime", "end_time"),
    ),
    "langsmith": ("id", "parent_run_id", "start_time", "end_time"),
    "agentops-export": ("span_id", "parent_span_id", "start_time", "end_time"),
    "smoltrace": ("span_id", "parent_span_id", "start_time", "end_time"),
}  # fmt: skip
"""Members of a span: id, parent, start, end or duration."""


class Spans:
    """The spans of a log as JSON objects that can be changed in place."""

    def __init__(self, path):
        self.format = reader_of(path)
        self.values = documents(path.read_bytes())
        self.lists = list(self._lists(self.values))
        self.all = [span for listed in self.lists for span in listed]

    def key(self, span, which):
        names = KEYS[self.format][which]
        names = (names,) if isinstance(names, str) else names
        return next((name for name in names if name in span), names[0])

    def _lists(self, value):
        """Lists of spans, and the document itself where every line is a span."""
        if isinstance(value, list):
            if value and all(isinstance(item, dict) and self._is_span(item) for item in value):
                yield value
                return
            for item in value:
                yield from self._lists(item)
        elif isinstance(value, dict):
            for item in value.values():
                yield from self._lists(item)

    def _is_span(self, item):
        return self.key(item, 0) in item and self.key(item, 1) in item

    def id(self, span):
        value = span[self.key(span, 0)]
        return value["span_id"] if isinstance(value, dict) else value

    def parent(self, span):
        value = span.get(self.key(span, 1))
        if isinstance(value, list):
            return value[0]["spanID"] if value else None
        return value or None

    def give_parent(self, span, id):
        key = self.key(span, 1)
        if self.format == "jaeger":
            trace = span["traceID"]
            span[key] = [{"refType": "CHILD_OF", "traceID": trace, "spanID": id}]
        else:
            span[key] = id

    def bytes(self):
        return written(self.values)


def duplicate_ids(spans):
    """Two different spans of one trace with one id."""
    first, *_, last = spans.all
    key = spans.key(last, 0)
    if isinstance(last[key], dict):
        last[key] = {**last[key], "span_id": spans.id(first)}
    else:
        last[key] = spans.id(first)


def parent_cycle(spans):
    root = next(span for span in spans.all if spans.parent(span) is None)
    child = next(span for span in spans.all if spans.parent(span) == spans.id(root))
    for span in spans.all:
        if spans.id(span) == spans.id(root):
            spans.give_parent(span, spans.id(child))


def own_parent(spans):
    for span in spans.all:
        spans.give_parent(span, spans.id(span))


def missing_parents(spans):
    root = next(span for span in spans.all if spans.parent(span) is None)
    for listed in spans.lists:
        listed[:] = [span for span in listed if spans.id(span) != spans.id(root)]


def children_first(spans):
    for listed in spans.lists:
        listed.reverse()
    spans.values.reverse()


def no_duration(spans):
    for span in spans.all:
        start, end = spans.key(span, 2), spans.key(span, 3)
        if end == "duration" and spans.format == "jaeger":
            span[end] = 0
        elif start in span:
            span[end] = span[start]


def negative_duration(spans):
    for span in spans.all:
        start, end = spans.key(span, 2), spans.key(span, 3)
        if end == "duration":
            span[end] = -span[end]
        elif start in span and end in span:
            span[start], span[end] = span[end], span[start]


def clock_skew(spans):
    """Children start a year before their parents."""
    for span in spans.all:
        start = spans.key(span, 2)
        if spans.parent(span) is not None and start in span:
            span[start] = _year_before(span[start])


def _year_before(moment):
    if isinstance(moment, str) and not moment.isdigit():
        return moment.replace("2026-", "2025-")
    scale = 10**9 if int(moment) > 10**17 else 10**6
    moved = int(moment) - 365 * 86400 * scale
    return str(moved) if isinstance(moment, str) else moved


SPANS = {
    "duplicate span ids": duplicate_ids,
    "parent cycles": parent_cycle,
    "a span is its own parent": own_parent,
    "missing parents": missing_parents,
    "children before parents": children_first,
    "zero durations": no_duration,
    "negative durations": negative_duration,
    "clock skew": clock_skew,
}
"""Faults of a span tree."""

SPAN_LOGS = [path for format in KEYS for path in logs(format)]


TABLE = {
    "truncated last line": (
        "What lies before the cut is read; a warning or an error says where it breaks off",
        "test_fault_on_every_log",
    ),
    "NUL bytes inside": (
        "Dropped where a text or document can do without them, else that line is a problem",
        "test_fault_on_every_log",
    ),
    "NUL bytes at the end": ("Ignored", "test_log_says_the_same"),
    "byte order mark": ("Ignored", "test_log_says_the_same"),
    "CRLF line ends": ("Taken as line ends", "test_log_says_the_same"),
    "UTF-16": ("With its mark, decoded as it is read, in lines too", "test_log_says_the_same"),
    "lone surrogates": (
        "Each becomes `?`; traces can be written as UTF-8", "test_fault_on_every_log",
    ),
    "invalid UTF-8": ("Each bad byte becomes U+FFFD; nothing else is lost", "test_bad_bytes_are_marked"),
    "NaN and Infinity": ("Read as null: no number", "test_no_number_is_infinite"),
    "a line of 10 MB": ("Read whole, below `--max-line-bytes`", "test_fault_on_every_log"),
    "nesting 10,000 deep": (
        "That document or line is a problem; the other lines are read", "test_fault_on_every_log",
    ),
    "nothing but nesting": (
        "A problem; to a reader of text logs, text", "test_fault_on_every_log",
    ),
    "duplicate keys": ("The last one counts", "test_log_says_the_same"),
    "numbers as strings": ("Read as numbers where a number is meant", "test_log_says_the_same"),
    "double-encoded JSON": (
        "Decoded where the format does it (arguments of tools, inputs and outputs), else kept as text",
        "test_arguments_encoded_twice",
    ),
    "Python repr": (
        "Read as data where frameworks print it, never evaluated; else kept as text",
        "test_python_repr_is_read_and_not_run",
    ),
    "unknown roles": ("The speaker is called what the log calls it", "test_unknown_role_speaks"),
    "unknown parts": ("Kept as JSON text in the content", "test_unknown_part_is_kept"),
    "base64 images": (
        "A reference with type, size and SHA-256 stands in the trace, not the bytes",
        "test_images_become_references",
    ),
    "hostile text": (
        "Kept as it is; nothing is executed, rendered or obeyed", "test_hostile_text_is_kept",
    ),
    "empty file": ("Skipped, with a reason", "test_empty_and_blank_files"),
    "blank file": ("Skipped, with a reason", "test_empty_and_blank_files"),
    "broken first line": (
        "That line is a problem; the rest is read as lines", "test_rotated_log",
    ),
    "duplicate span ids": ("Both spans are kept, with a warning", "test_span_fault"),
    "duplicate span ids across traces": (
        "Spans are known by trace and id; nothing mixes", "test_ids_repeat_across_traces",
    ),
    "parent cycles": (
        "The span that starts first is taken as the root, with a warning", "test_span_fault",
    ),
    "a span is its own parent": ("Taken as a root", "test_span_fault"),
    "missing parents": ("Orphans are roots; no span is lost", "test_span_fault"),
    "children before parents": ("The same steps in the same order", "test_span_fault"),
    "zero durations": ("The same steps", "test_span_fault"),
    "negative durations": ("No step is lost", "test_span_fault"),
    "clock skew": ("A child counts as starting no earlier than its parent", "test_span_fault"),
    "base64 or integer ids": ("Read as the hex ids that they are", "test_ids_in_other_notations"),
    "tool results without calls": ("A step of the tool, without a parent", "test_result_without_call"),
    "interleaved sessions": ("One trace each, as if they stood apart", "test_interleaved_sessions"),
    "an agent renamed midway": (
        "Names are identity: the roster gets a second agent", "test_agent_renamed_midway",
    ),
    "mixed formats in one directory": (
        "Every file is read by its own reader", "test_mixed_formats_in_one_directory",
    ),
    "file that is none of the formats": ("Skipped, with a reason", "test_strangers_are_skipped"),
    "gzip, zstd, xz and bzip2 bombs": ("Stopped; the message names the flag", "test_bomb_is_stopped"),
    "zip bombs": ("Stopped; the message names the flag", "test_zip_bomb_of_many_members_is_stopped"),
    "zip bomb in one member": ("Stopped; the message names the flag", "test_zip_bomb_is_stopped"),
    "cut compressed files": (
        "What was before the cut is read, with a warning",
        "test_truncated_compression_warns_and_keeps_what_came_before",
    ),
    "path-escaping archives": (
        "The member is not read; the others are", "test_escaping_member_is_not_read_and_the_rest_is",
    ),
    "links in archives": ("Not followed", "test_tar_links_are_not_followed"),
    "containers in containers": ("Opened four deep, then a problem", "test_nested_containers_have_an_end"),
    "symlink loops": ("Every file is read once", "test_symlink_loop_ends"),
    "a file that grows": (
        "What was there is read; a warning says that there is more", "test_growing_file",
    ),
}  # fmt: skip
"""Every fault: what tracekit does, and the test that shows it."""
