"""Compressed files and archives read like the files they hold, and bombs do not go off."""

import bz2
import gzip
import io
import json
import lzma
import random
import tarfile
import zipfile

import pytest
import zstandard

from tracekit.ingest.pipeline import Ingest
from tracekit.ingest.sources import Limits
from tracekit.testing.mutate import mutate_bytes
from tracekit.trace import Trace

RUN = {
    "question": "How many apples are left?",
    "history": [
        {"role": "human", "content": "How many apples are left?"},
        {"role": "Orchestrator (-> Coder)", "content": "Count them."},
        {"role": "Coder", "content": "3"},
    ],
    "mistake_agent": "Coder",
    "mistake_step": "2",
}
DATA = json.dumps(RUN).encode()
PACK = {
    "gz": gzip.compress,
    "xz": lzma.compress,
    "bz2": bz2.compress,
    "zst": zstandard.ZstdCompressor().compress,
}


def read(path, **limits):
    ingest = Ingest([path], limits=Limits(**limits))
    items = list(ingest)
    problems = [item for item in items if not isinstance(item, Trace)]
    return [item for item in items if isinstance(item, Trace)], problems


def as_zip(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def as_tar(members, mode="w"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


@pytest.mark.parametrize("suffix", sorted(PACK))
def test_compressed_file_reads_like_a_plain_one(tmp_path, suffix):
    (tmp_path / "run.json").write_bytes(DATA)
    (tmp_path / f"run.json.{suffix}").write_bytes(PACK[suffix](DATA))
    (plain,), none = read(tmp_path / "run.json")
    (packed,), problems = read(tmp_path / f"run.json.{suffix}")
    assert none == problems == []
    assert packed.steps == plain.steps
    assert packed.id == plain.id


@pytest.mark.parametrize("pack", [as_zip, as_tar, lambda m: as_tar(m, "w:gz")])
def test_archive_members_are_read_and_named(tmp_path, pack):
    path = tmp_path / "logs.bin"
    path.write_bytes(pack({"a/1.json": DATA, "b.json.gz": gzip.compress(DATA)}))
    traces, problems = read(path)
    assert problems == []
    assert [t.source.path for t in traces] == [f"{path}!/a/1.json", f"{path}!/b.json.gz"]


@pytest.mark.parametrize("suffix", ["gz", "xz", "zst", "bz2"])
def test_truncated_compression_warns_and_keeps_what_came_before(tmp_path, suffix):
    lines = b"".join(
        b'{"schema":"tracekit/trace/1","id":"t%d","source":{"format":"x"}}\n' % i
        for i in range(60_000)
    )
    packed = PACK[suffix](lines)
    path = tmp_path / f"traces.jsonl.{suffix}"
    path.write_bytes(packed[: len(packed) * 3 // 4])
    traces, problems = read(path)
    assert len(traces) > 5_000
    assert any("damaged or cut off" in p.what and p.severity == "warning" for p in problems)


@pytest.mark.parametrize("suffix", ["gz", "xz", "zst", "bz2"])
def test_bomb_is_stopped(tmp_path, suffix):
    line = b'{"schema":"tracekit/trace/1","id":"t","source":{"format":"x"}}\n'
    path = tmp_path / f"bomb.jsonl.{suffix}"
    path.write_bytes(PACK[suffix](line + b" " * (100 * 1024**2)))
    _, problems = read(path, ratio=20)
    assert any("bomb" in p.what for p in problems)


def test_zip_bomb_of_many_members_is_stopped(tmp_path):
    path = tmp_path / "many.zip"
    path.write_bytes(as_zip({f"{i}.json": b"{}" for i in range(50)}))
    traces, (problem,) = read(path, members=10)
    assert traces == []
    assert "50 members" in problem.what


def test_zip_of_an_unknown_version_is_a_problem(tmp_path):
    data = bytearray(as_zip({"run.json": DATA}))
    data[data.index(b"PK\x01\x02") + 6] = 200
    (tmp_path / "new.zip").write_bytes(data)
    traces, (problem,) = read(tmp_path / "new.zip")
    assert traces == []
    assert "damaged zip archive: zip file version 20.0" in problem.what


CONTAINERS = [
    *(pack(DATA) for pack in PACK.values()), as_zip({"a/1.json": DATA, "b.json.gz": PACK["gz"](DATA)}),
    as_tar({"a/1.json": DATA, "b.json": DATA}), as_tar({"a.json": DATA}, "w:gz"),
    as_tar({"a.json": DATA}, "w:xz"), gzip.compress(as_zip({"1.json": DATA})),
]  # fmt: skip


def test_damaged_containers_never_raise(tmp_path):
    """Bits flipped, bytes lost, repeated and added, in every kind of container."""
    rng = random.Random(5)
    path = tmp_path / "logs.bin"
    for _ in range(1500):
        path.write_bytes(mutate_bytes(rng.choice(CONTAINERS), rng, rng.choice(CONTAINERS)))
        traces, problems = read(path, file_bytes=1 << 22, expanded_bytes=1 << 26)
        assert traces or problems


def test_zip_bomb_is_stopped(tmp_path):
    line = b'{"schema":"tracekit/trace/1","id":"t","source":{"format":"x"}}\n'
    path = tmp_path / "bomb.zip"
    path.write_bytes(as_zip({"bomb.jsonl": line + b" " * (100 * 1024**2), "run.json": DATA}))
    traces, problems = read(path, ratio=20)
    assert any("bomb" in p.what and "--max-ratio" in p.what for p in problems)
    assert f"{path}!/run.json" in [trace.source.path for trace in traces]


@pytest.mark.parametrize("pack", [as_zip, as_tar])
@pytest.mark.parametrize("name", ["../evil.json", "/etc/evil.json", "a/../../evil.json"])
def test_escaping_member_is_not_read_and_the_rest_is(tmp_path, pack, name):
    path = tmp_path / "logs.bin"
    path.write_bytes(pack({name: DATA, "good.json": DATA}))
    traces, problems = read(path)
    assert [t.source.path for t in traces] == [f"{path}!/good.json"]
    assert any("outside the archive" in p.what for p in problems)


def test_tar_links_are_not_followed(tmp_path):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        link = tarfile.TarInfo("link.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    (tmp_path / "l.tar").write_bytes(buffer.getvalue())
    traces, (problem,) = read(tmp_path / "l.tar")
    assert traces == []
    assert "link" in problem.what


def test_nested_containers_have_an_end(tmp_path):
    data = DATA
    for _ in range(6):
        data = gzip.compress(data)
    (tmp_path / "deep.json.gz").write_bytes(data)
    traces, (problem,) = read(tmp_path / "deep.json.gz")
    assert traces == []
    assert "nest" in problem.what


def test_symlink_loop_ends(tmp_path):
    (tmp_path / "run.json").write_bytes(DATA)
    (tmp_path / "again").symlink_to(tmp_path)
    traces, problems = read(tmp_path)
    assert len(traces) == 1
    assert problems == []
