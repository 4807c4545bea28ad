"""Programs of agents cannot reach out: not by the front door, and not through the windows."""

import errno
import os
import socket
import subprocess
import sys
import time

import pytest

from tracekit.replay.sandbox import jail
from tracekit.replay.sandbox.jail import evaluate

OS = "import collections\nos = collections._sys.modules['os']\n"
POSIX = (
    "import collections\nimporter = collections._sys.modules['_frozen_importlib']\n"
    "spec = importer.ModuleSpec('posix', importer.BuiltinImporter)\n"
    "os = importer._imp.create_builtin(spec)\nimporter._imp.exec_builtin(os)\n"
)
"""A second copy of the module behind `os`, made without an import."""

ATTEMPTS = {
    "open": "open({target!r}, 'w')",
    "import": "import os",
    "import socket": "import socket",
    "import by name": "__import__('ctypes')",
    "real import": "import re\nre.__builtins__['__import__']('socket')",
    "subclasses": "[c for c in ().__class__.__base__.__subclasses__() if c.__name__ == "
    "'_wrap_close'][0].__init__.__globals__['system']('touch {target}')",
    "system": OS + "os.system('touch {target}')",
    "fork": OS + "os.fork()",
    "exec": OS + "os.execv('/bin/touch', ['touch', {target!r}])",
    "mkdir": OS + "os.mkdir({target!r})",
    "list": OS + "os.listdir('/')",
    "stat": OS + "os.stat('/etc/passwd')",
    "fifo": OS + "os.mkfifo({target!r})",
    "kill": OS + "os.kill(os.getppid(), 9)",
    "pipe": OS + "os.pipe()",
    "another posix": POSIX + "os.mkfifo({target!r})",
    "another posix opens": POSIX + "os.open('/etc/passwd', 0)",
    "native code": OS.replace("'os'", "'ctypes'") + "os.CDLL(None)",
    "frames": "import collections\ncollections._sys._getframe(1).f_globals",
    "limits": OS.replace("'os'", "'resource'") + "os.setrlimit(os.RLIMIT_NOFILE, (64, 64))",
}


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_break_outs_fail(attempt, tmp_path):
    target = tmp_path / "escaped"
    tmp_path.chmod(0o777)
    source = ATTEMPTS[attempt].format(target=str(target))
    result = evaluate(source + "\ndef solve(xs): return 'out'", "solve", ((1,),))
    assert result.values == []
    assert "Error" in result.error, result
    assert not target.exists()


def test_the_network_is_out_of_reach():
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        port = server.getsockname()[1]
        source = (
            OS.replace("'os'", "'_frozen_importlib'")
            + "spec = os.BuiltinImporter.find_spec('_socket')\n"
            + f"import socket\nsocket.create_connection(('127.0.0.1', {port}))"
        )
        assert evaluate(source, "solve", ((),)).error
        with pytest.raises(TimeoutError):
            server.accept()


WITHOUT_THE_HOOK = """
import importlib.util, os, socket, subprocess, sys
spec = importlib.util.spec_from_file_location("jail_child", {child!r})
child = importlib.util.module_from_spec(spec)
spec.loader.exec_module(child)
sys.addaudithook = lambda hook: None
opened = socket.socket()
child.limit()
attempts = {{
    "connect": lambda: opened.connect(("127.0.0.1", {port})),
    "socket": socket.socket,
    "open": lambda: os.open("/etc/passwd", os.O_RDONLY),
    "write": lambda: os.open({target!r}, os.O_WRONLY | os.O_CREAT),
    "mkdir": lambda: os.mkdir({target!r}),
    "listdir": lambda: os.listdir("/"),
    "stat": lambda: os.stat("/etc/passwd"),
    "unlink": lambda: os.unlink({kept!r}),
    "rename": lambda: os.rename({kept!r}, {target!r}),
    "chdir": lambda: os.chdir("/"),
    "fork": os.fork,
    "exec": lambda: os.execv("/bin/touch", ["touch", {target!r}]),
    "run": lambda: subprocess.run(["/bin/touch", {target!r}]),
    "kill": lambda: os.kill(os.getppid(), 9),
    "pipe": os.pipe,
    "root": lambda: os.setuid(0),
}}
for name, attempt in attempts.items():
    try:
        attempt()
    except OSError as error:
        os.write(1, f"{{name}} {{error.errno}}\\n".encode())
    else:
        os.write(1, f"{{name}} done\\n".encode())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the filter is that of Linux")
def test_the_kernel_holds_without_the_hook(tmp_path):
    """As if a program had got rid of the audit hook and had every module at hand."""
    tmp_path.chmod(0o777)
    kept = tmp_path / "kept"
    kept.touch()
    target = tmp_path / "escaped"
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        code = WITHOUT_THE_HOOK.format(
            child=str(jail.CHILD),
            port=server.getsockname()[1],
            target=str(target),
            kept=str(kept),
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        with pytest.raises(TimeoutError):
            server.accept()
    tried = dict(line.split() for line in done.stdout.splitlines())
    assert len(tried) == 16, done.stderr
    refused = {str(errno.EPERM), str(errno.EACCES), str(errno.EMFILE), str(errno.EAGAIN)}
    assert {name for name, end in tried.items() if end not in refused} == set()
    assert kept.exists()
    assert not target.exists()


@pytest.mark.parametrize(
    "source",
    [
        "import re\ndef solve(xs): return re.match('(a+)+$', 'a' * 60 + 'b')",
        "def solve(xs): return 7 ** 10 ** 9",
        "def solve(xs):\n  try:\n    while True: pass\n  finally:\n    solve(xs)",
    ],
)
def test_time_is_limited_in_native_code_too(source):
    began = time.monotonic()
    assert evaluate(source, "solve", ((1,),)).error in (
        "out of time",
        "MemoryError: more than the limit",
    )
    assert time.monotonic() - began < 10


def test_floods_and_crashes_are_errors():
    flood = "def solve(xs): return [['x' * 900] * 900] * 900"
    assert evaluate(flood, "solve", ((1,),)).error
    deep = "def solve(xs):\n  xs = []\n  for _ in range(10**5): xs = [xs]\n  return xs"
    assert evaluate(deep, "solve", ((1,),)).error
    assert evaluate("def solve(xs): return solve(xs)", "solve", ((1,),)).error.startswith(
        "RecursionError"
    )


def test_time_is_limited():
    began = time.monotonic()
    assert evaluate("def solve(xs):\n  while True: pass", "solve", ((),)).error == "out of time"
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("source", ["x = [0] * 10**10", "x = 'a' * (1 << 30)"])
def test_memory_is_limited(source):
    assert "MemoryError" in evaluate(source, "solve", ((),)).error


def test_a_program_cannot_write_its_own_verdict():
    """It may write an answer, but the expected values are not with it."""
    forged = OS + "os.write(3, b'[1, 2'); os._exit(0)"
    assert evaluate(forged, "solve", ((1,),)).error == "the program ended early"
    seen = "def solve(xs): return sorted(k for k in globals() if not k.startswith('_'))"
    assert evaluate(seen, "solve", ((1,),)).values == [["solve"]]


def test_good_programs_run_in_order():
    source = "import math\ndef solve(xs): return [math.gcd(*xs), len(xs), 'a', None, 2**70]"
    result = evaluate(source, "solve", ((4, 6), (5,)))
    assert result.values == [[2, 2, "a", None, str(2**70)], [5, 1, "a", None, str(2**70)]]
    assert evaluate("def solve(xs): return xs[9]", "solve", ((1,),)).error.startswith("IndexError")
    assert evaluate("def other(xs): return 1", "solve", ((1,),)).error == "KeyError: 'solve'"
    assert evaluate("def (", "solve", ((1,),)).error.startswith("SyntaxError")


def test_the_worker_comes_back():
    assert evaluate("def solve(xs): return 5", "solve", ((1,),)).values == [5]
    jail._WORKERS.close()
    assert evaluate("def solve(xs): return 6", "solve", ((1,),)).values == [6]


def test_a_forked_process_has_a_worker_of_its_own():
    """And leaves that of its parent alone."""
    source = "def solve(xs): return sum(xs) + 12"
    assert evaluate("def solve(xs): return 7", "solve", ((1,),)).values == [7]
    worker = jail._WORKERS._process
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(writer, repr(evaluate(source, "solve", ((1,),)).values).encode())
            jail._WORKERS.close()
        finally:
            os._exit(0)
    os.close(writer)
    assert os.read(reader, 100) == b"[13]"
    os.close(reader)
    os.waitpid(child, 0)
    assert jail._WORKERS._process is worker
    assert evaluate("def solve(xs): return 8", "solve", ((1,),)).values == [8]


def test_a_dead_worker_is_replaced():
    assert evaluate("def solve(xs): return 9", "solve", ((1,),)).values == [9]
    jail._WORKERS._process.kill()
    jail._WORKERS._process.wait()
    assert evaluate("def solve(xs): return 10", "solve", ((1,),)).values == [10]
