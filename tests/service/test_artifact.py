import hashlib
import json
import os

import numpy as np
import pytest

from service import artifact, artifact_files, validated
from service.artifact import Draft
from service.errors import ArtifactError

ARRAYS = {
    "item_ids": np.array([1, 5, 2**64 - 1], np.uint64),
    "weights": np.arange(9, dtype=np.float32).reshape(3, 3),
    "empty": np.empty((0, 4), np.int32),
}


def draft(**changes):
    values = {
        "name": "ease",
        "algorithm": "ease",
        "arrays": ARRAYS,
        "config": {"lambd": 1.0},
        "item_id_type": "uint64",
        "user_id_type": "int64",
        "data_fingerprint": "0" * 64,
        "created": "2026-01-01T00:00:00+00:00",
        "files": {"index.bin": b"graph"},
    }
    return Draft(**{**values, **changes})


def write(tmp_path, **changes):
    folder, manifest = artifact.write(tmp_path, draft(**changes))
    return folder, {"name": manifest.name, "version": manifest.version}


def edit_manifest(folder, change):
    path = folder / artifact.MANIFEST
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_what_is_written_is_read_back_mapped_and_read_only(tmp_path):
    folder, key = write(tmp_path)
    found = artifact.read(folder, **key)
    for name, array in ARRAYS.items():
        assert found.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(found.arrays[name], array)
        assert not found.arrays[name].flags.writeable
    assert isinstance(found.arrays["weights"].base, np.memmap)
    assert (folder / "index.bin").read_bytes() == b"graph"
    assert (
        found.manifest.bytes
        == sum(path.stat().st_size for path in folder.glob("*[yn]")) - (folder / artifact.MANIFEST).stat().st_size
    )


def test_the_version_is_of_the_content(tmp_path):
    same = [write(tmp_path)[1]["version"] for _ in range(2)]
    later = write(tmp_path, created="2027-01-01T00:00:00+00:00", fit_seconds=9.0)[1]["version"]
    other = write(tmp_path, config={"lambd": 2.0})[1]["version"]
    weights = write(tmp_path, arrays={**ARRAYS, "weights": ARRAYS["weights"] + 1})[1]["version"]
    assert same[0] == same[1] == later
    assert len({same[0], other, weights}) == 3


@pytest.mark.parametrize("name", ["item_ids.npy", "weights.npy", "empty.npy", "index.bin"])
@pytest.mark.parametrize("damage", ["truncate", "flip", "zero", "longer", "missing", "link", "fifo", "folder"])
def test_a_damaged_file_is_refused(tmp_path, name, damage):
    folder, key = write(tmp_path)
    path = folder / name
    content = bytearray(path.read_bytes())
    path.unlink()
    if damage == "truncate":
        path.write_bytes(content[:-1])
    elif damage == "flip":
        content[-1] ^= 1
        path.write_bytes(content)
    elif damage == "zero":
        path.write_bytes(bytes(len(content)))
    elif damage == "longer":
        path.write_bytes(content + b"\0")
    elif damage == "link":
        (tmp_path / "outside").write_bytes(content)
        path.symlink_to(tmp_path / "outside")
    elif damage == "fifo":
        os.mkfifo(path)
    elif damage == "folder":
        path.mkdir()
    with pytest.raises(ArtifactError, match=name):
        artifact.read(folder, **key)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.update(format=2), "format"),
        (lambda m: m.update(name="../x"), "name"),
        (lambda m: m.update(version="0" * 16), "wanted ease/"),
        (lambda m: m.update(surprise=1), "surprise"),
        (lambda m: m["arrays"].update({"../../etc/passwd": m["arrays"]["weights"]}), "not a name"),
        (lambda m: m["files"].update({"/etc/passwd": m["files"]["index.bin"]}), "not a name"),
        (lambda m: m["files"].update({"..": m["files"]["index.bin"]}), "not a name"),
        (lambda m: m["arrays"]["weights"].update(shape=[9]), "header"),
        (lambda m: m["arrays"]["weights"].update(dtype="<f8"), "header"),
        (lambda m: m["arrays"]["weights"].update(dtype="|O"), "dtype"),
        (lambda m: m["arrays"]["weights"].update(size=10**15), "bytes"),
        (lambda m: m.update(item_id_type="string"), "item_ids"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(tmp_path, change, message):
    folder, key = write(tmp_path)
    edit_manifest(folder, change)
    with pytest.raises(ArtifactError, match=message):
        artifact.read(folder, **key)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000])
def test_a_manifest_that_is_no_json_is_refused(tmp_path, content):
    folder, key = write(tmp_path)
    (folder / artifact.MANIFEST).write_bytes(content)
    with pytest.raises(ArtifactError, match="manifest"):
        artifact.read(folder, **key)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(tmp_path, value):
    weights = ARRAYS["weights"].copy()
    weights[1, 1] = value
    folder, key = write(tmp_path, arrays={**ARRAYS, "weights": weights})
    with pytest.raises(ArtifactError, match="NaN or infinite"):
        artifact.read(folder, **key)


@pytest.mark.parametrize("ids", [[1, 1, 2], [2, 1, 3]])
def test_ids_that_are_not_unique_and_sorted_are_refused(tmp_path, ids):
    folder, key = write(tmp_path, arrays={**ARRAYS, "item_ids": np.array(ids, np.uint64)})
    with pytest.raises(ArtifactError, match="not unique and sorted"):
        artifact.read(folder, **key)


def test_ids_are_compared_across_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr(artifact_files, "_CHUNK", 2)
    good, key = write(tmp_path, arrays={"item_ids": np.array([1, 2, 3, 4, 5], np.uint64)})
    artifact.read(good, **key)
    bad, key = write(tmp_path, arrays={"item_ids": np.array([1, 2, 2, 4, 5], np.uint64)})
    with pytest.raises(ArtifactError, match="not unique and sorted"):
        artifact.read(bad, **key)


def test_objects_cannot_be_stored(tmp_path):
    with pytest.raises(ArtifactError, match="dtype"):
        artifact.write(tmp_path, draft(arrays={"item_ids": np.array([{}])}))


def test_a_pickle_is_never_loaded(tmp_path):
    folder, key = write(tmp_path)
    objects = np.array([{"a": 1}], dtype=object)
    np.save(folder / "weights.npy", objects, allow_pickle=True)
    raw = (folder / "weights.npy").read_bytes()
    edit_manifest(
        folder,
        lambda m: m["arrays"]["weights"].update(size=len(raw), sha256=hashlib.sha256(raw).hexdigest()),
    )
    with pytest.raises(ArtifactError, match="header"):
        artifact.read(folder, **key)


def test_a_file_is_not_hashed_twice_but_after_a_change(tmp_path, monkeypatch):
    folder, key = write(tmp_path)
    hashed = []
    digest = hashlib.file_digest
    monkeypatch.setattr(validated, "_SETTLED_SECONDS", -1.0)
    monkeypatch.setattr(hashlib, "file_digest", lambda *a: hashed.append(1) or digest(*a))
    artifact.read(folder, **key)
    first = len(hashed)
    artifact.read(folder, **key)
    assert len(hashed) == first > 0
    path = folder / "weights.npy"
    stamp = path.stat()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    with pytest.raises(ArtifactError, match="SHA-256"):
        artifact.read(folder, **key)
