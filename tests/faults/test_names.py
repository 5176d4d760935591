"""Names that lead out of the store, wherever a name can be given."""

import json
import os

import pytest

from service.errors import StoreError
from service.registry import load
from service.store import Store
from tests.stores import tiny_store
from training.__main__ import main

NAMES = ("../x", "/etc/passwd", "..", "a/b", "x\n", ".tmp-1", "", "ü", "a" * 65, "-x")
FOREIGN_RELEASES = ("../../etc/passwd", "/etc/passwd", "20260101T000000-abcdef/../x", "")


@pytest.fixture
def store(tmp_path):
    return tiny_store(tmp_path / "deep" / "store")


def listing(folder):
    return {str(path): path.lstat().st_mtime_ns for path in folder.rglob("*") if "store" not in path.parts}


@pytest.mark.parametrize("name", NAMES)
def test_artifacts(store, tmp_path, name):
    before, current = listing(tmp_path), store.current()
    version = store.release().artifacts["ease"]
    for given in ({name: version}, {"ease": name}, {"ease": f"../{version}"}):
        with pytest.raises(StoreError):
            store.publish(artifacts=given)
    assert (listing(tmp_path), store.current()) == (before, current)


@pytest.mark.parametrize("name", NAMES)
def test_a_release_that_names_it(store, name):
    """A release file of somebody else's making, with a name or a version that leads elsewhere."""
    path = store.root / "releases" / f"{store.current()}.json"
    sound = json.loads(path.read_text())
    for artifacts in ({**sound["artifacts"], name: "0" * 16}, {**sound["artifacts"], "ease": name}):
        path.write_text(json.dumps({**sound, "artifacts": artifacts}))
        with pytest.raises(StoreError):
            load(store)
    for field in ("parent", "release", "default_cg"):
        path.write_text(json.dumps({**sound, field: name}))
        with pytest.raises(StoreError):
            load(store)


def test_a_release_file_that_is_none(store, tmp_path):
    """A link out of the store is not followed, and a pipe is not waited for."""
    path = store.root / "releases" / f"{store.current()}.json"
    outside = tmp_path / "outside.json"
    path.rename(outside)
    for make in (lambda: path.symlink_to(outside), lambda: os.mkfifo(path), path.mkdir):
        make()
        with pytest.raises(StoreError, match="not a valid release"):
            load(store)
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


@pytest.mark.parametrize("name", FOREIGN_RELEASES)
def test_releases(store, name):
    current = store.current()
    with pytest.raises(StoreError):
        store.release(name or " ")
    (store.root / "CURRENT").write_text(name)
    with pytest.raises(StoreError):
        load(Store(store.root))
    assert main(["rollback", "--store", str(store.root), "--to", name or "."]) == 2
    (store.root / "CURRENT").write_text(current)
    assert load(store).name == current


def test_commands(store, tmp_path, capsys):
    """One line and status 2; nothing is written outside."""
    before = listing(tmp_path)
    assert main(["publish", "--store", str(store.root), "--artifact", "../x=0000000000000000"]) == 2
    assert main(["publish", "--store", str(store.root), "--artifact", "ease=../../../x"]) == 2
    assert capsys.readouterr().err.count("\n") == 2
    assert listing(tmp_path) == before
