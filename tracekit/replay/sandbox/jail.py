"""Runs programs of agents where they can do no harm, and returns what their function returned.

A worker process, started with `python -I -S` in an empty temporary folder and an empty
environment, forks a child for each program. Before the program is compiled the child gives up:
all file descriptors it could open (RLIMIT_NOFILE 0: no files, sockets or pipes), memory beyond
256 MiB, CPU beyond one second, writing to files, new processes, root if it was root; on Linux a
seccomp filter leaves it two dozen system calls (memory, time, exit, and the pipe it answers by);
and an audit hook refuses every event but compiling and running code. The worker kills a child after
two seconds. Expected values never enter the child, so a program cannot claim to have passed.

Limits and filter are the kernel's and hold whatever the program does to the interpreter. The hook
gives clear errors and is the second line: by itself it would be no sandbox.
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from tracekit.errors import BackendError

CHILD = Path(__file__).with_name("jail_child.py")


class Result(msgspec.Struct, frozen=True):
    """What came of a program."""

    values: list[Any] = []
    """What the function returned for each input, as JSON; None for what is not JSON."""
    error: str = ""
    """Why it ended early: the exception or the limit; empty when it did not."""


@lru_cache(maxsize=1 << 14)
def evaluate(source: str, function: str, inputs: tuple[tuple[int, ...], ...]) -> Result:
    """Run a program and call its function once for each input; never raises for bad programs.

    Programs depend on nothing but their text and inputs, so the same ones are run once.

    >>> evaluate("def solve(xs): return sum(xs)", "solve", ((1, 2), (3,))).values
    [3, 3]
    >>> evaluate("import socket; socket.socket()", "solve", ((),)).error
    'PermissionError: import is not allowed here'
    """
    request = {"source": source, "function": function, "inputs": inputs}
    return _WORKERS.ask(msgspec.json.encode(request) + b"\n")


class _Workers:
    """The worker of this process, started when first needed; a forked process starts its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = ""
        self._inherited: list[object] = []
        atexit.register(self.close)
        os.register_at_fork(after_in_child=self._forget)

    def ask(self, request: bytes) -> Result:
        with self._lock:
            process = self._running()
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                process.stdin.write(request)
                process.stdin.flush()
                line = process.stdout.readline()
            except BrokenPipeError:
                line = b""
        if not line:
            raise BackendError("the worker that runs programs has died; is memory short?")
        return msgspec.json.decode(line, type=Result)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is not None:
            self.close()
        if self._process is None:
            self._folder = tempfile.mkdtemp(prefix="tracekit-jail-")
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and file
                [sys.executable, "-I", "-S", str(CHILD)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=self._folder,
                env={},
            )
        return self._process

    def close(self) -> None:
        """End the worker. A program that is still running dies by its own limits."""
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None
            assert process.stdout is not None
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()
            shutil.rmtree(self._folder, ignore_errors=True)

    def _forget(self) -> None:
        """After a fork the worker is the parent's: neither asked nor ended from here."""
        self._inherited.append(self._process)
        self._process, self._lock = None, threading.Lock()


_WORKERS = _Workers()
