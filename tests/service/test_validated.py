"""What is known of files that were validated before, and when it is not believed any more."""

import os
import subprocess
import sys

import pytest

from service import artifact, validated
from service.errors import ArtifactError
from service.workers import RUN_DIR
from tests.stores import tiny_store

LOAD = """
import hashlib, sys
from service import registry
from service.store import Store
digest, read = hashlib.file_digest, []
hashlib.file_digest = lambda file, name: read.append(file.name) or digest(file, name)
registry.load(Store(sys.argv[1]))
print(len(read))
"""


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setattr(validated, "_known", set())
    monkeypatch.setattr(validated, "_SETTLED_SECONDS", -1e9)
    return tiny_store(tmp_path / "store")


def load(store):
    return [store.artifact(name, version) for name, version in store.release().artifacts.items()]


def test_another_worker_of_the_service_need_not_read_it_again(store, tmp_path, monkeypatch):
    for path in store.root.rglob("*.npy"):
        os.utime(path, (1, 1))
    (tmp_path / "run").mkdir()
    monkeypatch.setenv(RUN_DIR, str(tmp_path / "run"))
    load(store)

    def read(**variables):
        command = [sys.executable, "-c", LOAD, str(store.root)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **variables})
        return int(done.stdout)

    assert read() == 0
    assert read(**{RUN_DIR: ""}) > 10


@pytest.mark.parametrize("touch", ["in place", "replaced"])
def test_a_file_that_was_touched_is_read_again(store, touch):
    load(store)
    path = next(store.root.rglob("ease/*/weights.npy"))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    times = path.stat()
    if touch == "replaced":
        path.unlink()
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # the time of its status cannot be set
    with pytest.raises(ArtifactError, match="SHA-256"):
        load(store)


def test_a_young_file_is_not_known(store, monkeypatch):
    monkeypatch.setattr(validated, "_SETTLED_SECONDS", 1e9)
    load(store)
    assert not validated._known
    assert artifact.read(
        store.artifact_folder("ease", store.release().artifacts["ease"]),
        name="ease",
        version=store.release().artifacts["ease"],
    )
