"""`python -m service` as an operator runs it."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from service import environment
from service.__main__ import main
from tests.stores import tiny_store, user_id


def start(*arguments: str, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "service", *arguments],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **variables},
        start_new_session=True,
    )


def get(url: str) -> dict:
    with urllib.request.urlopen(url, timeout=10) as response:
        return json.load(response)


def raw_get(address: str, target: str) -> str:
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


def wait_for_workers(address: str, n: int, seconds: float = 150) -> set[int]:
    """Ask until n workers have said that they serve a release; return their process ids."""
    end = time.monotonic() + seconds
    ready: set[int] = set()
    while len(ready) < n:
        with contextlib.suppress(OSError):  # the workers are not up yet
            answered = get(f"{address}/releases")["workers"]
            ready |= {worker["pid"] for worker in answered if worker["release"]}
        if time.monotonic() > end:
            raise TimeoutError(f"only {len(ready)} of {n} workers are ready")
        time.sleep(0.05)
    return ready


@pytest.mark.parametrize("workers", [1, 2])
def test_serves_until_sigterm_and_exits_with_0(tmp_path: Path, workers: int) -> None:
    store = tiny_store(tmp_path)
    process = start("--store", str(tmp_path), "--port", "0", CANDGEN_WORKERS=str(workers))
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        address = re.search(r"http://127\.0\.0\.1:\d+", line)[0]
        pids = wait_for_workers(address, workers)
        assert (process.pid in pids) == (workers == 1)
        body = get(f"{address}/candidates/{user_id(0)}?n=3")
        assert body["release"] == store.current()
        assert body["returned"] == 3
        for request in ("/candidates/1\x01", "/candidates/é"):
            answer = raw_get(address, request)
            assert answer.startswith("HTTP/1.1 400 ")
            assert "content-type: application/problem+json" in answer
            assert json.loads(answer.partition("\r\n\r\n")[2])["status"] == 400
        process.send_signal(signal.SIGTERM)
        out, log = process.communicate(timeout=20)
        assert process.returncode == 0
        assert out == ""
        assert "Traceback" not in log
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # workers too
        process.communicate()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--port", "abc"], "port is 'abc'"),
        (["--port", "70000"], "port is '70000'"),
        (["--workers", "0"], "workers is '0'"),
        (["--nonsense"], "--nonsense"),
        (["--store", "nowhere"], "nowhere: no such folder"),
        (["--host", "256.1.1.1"], "cannot listen on 256.1.1.1"),
    ],
)
def test_usage_errors_are_one_line_and_status_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CANDGEN_STORE", str(tmp_path))
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert message in printed.err


def connections(pid: int, port: int) -> int:
    """How many connections to a port a process has accepted."""
    lines = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    established = {fields[9] for fields in lines if fields[3] == "01" and int(fields[1].split(":")[1], 16) == port}
    files = [file.readlink().name for file in Path(f"/proc/{pid}/fd").iterdir() if file.is_symlink()]
    return len({name.removeprefix("socket:[").removesuffix("]") for name in files} & established)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere workers share a socket")
def test_a_burst_of_connections_is_dealt_out_to_all_workers(tmp_path: Path) -> None:
    tiny_store(tmp_path)
    process = start("--store", str(tmp_path), "--port", "0", "--workers", "2")
    assert process.stderr is not None
    try:
        address = re.search(r"http://127\.0\.0\.1:\d+", process.stderr.readline())[0]
        port, pids = int(address.rpartition(":")[2]), wait_for_workers(address, 2)
        with contextlib.ExitStack() as opened:
            for _ in range(40):
                opened.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            end = time.monotonic() + 10
            while sum(counts := [connections(pid, port) for pid in pids]) < 40 and time.monotonic() < end:
                time.sleep(0.05)
            assert sum(counts) == 40
            assert min(counts) >= 5  # of 20 on average
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_port_in_use(tmp_path: Path, capsys: pytest.CaptureFixture[str], workers: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit) as caught:
            main(["--store", str(tmp_path), "--port", str(port), "--workers", str(workers)])
    assert caught.value.code == 2
    assert f"cannot listen on 127.0.0.1:{port}" in capsys.readouterr().err


def test_a_history_provider_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CANDGEN_HISTORY", "nowhere")
    with pytest.raises(SystemExit) as caught:
        main([])
    assert caught.value.code == 2
    assert "valid: snapshot, memory, redis" in capsys.readouterr().err


def test_environment_of_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MKL_NUM_THREADS", "3")
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr(environment.os, "access", lambda *_: False)
    environment.prepare()
    assert os.environ["OMP_NUM_THREADS"] == os.environ["NUMBA_NUM_THREADS"] == "1"
    assert os.environ["MKL_NUM_THREADS"] == "3"
    private = Path(os.environ["NUMBA_CACHE_DIR"])
    assert private.stat().st_mode & 0o077 == 0
    private.rmdir()
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    monkeypatch.setattr(environment.os, "access", lambda *_: True)
    environment.prepare()
    assert "NUMBA_CACHE_DIR" not in os.environ
