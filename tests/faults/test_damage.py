"""Damaged releases: none crashes the process that looks at it, none is served."""

import hashlib
import multiprocessing
import os
import resource
import shutil
import signal
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from service import registry
from service.artifact import Draft
from service.errors import NotWritableError, StoreError
from service.rehearsal import rehearse
from service.release_manifest import now
from service.store import Store
from tests.faults.damage import DAMAGES, damage, restore
from tests.mixes import mixigen_draft
from tests.stores import tiny_interactions, tiny_store
from training.__main__ import main
from training.artifacts import data_draft


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Store:
    """A release with every kind of artifact: dense, sparse, embeddings with a graph and without, lists, a blender."""
    folder = tmp_path_factory.mktemp("sound")
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(60), 8)
    items = (rng.integers(0, 20, len(users)) * 2 + users % 2) % 40
    log = folder / "e.parquet"
    pl.DataFrame(
        {"user_id": users, "item_id": items, "timestamp": np.arange(len(users)) + 1_700_000_000}
    ).write_parquet(log)
    root = folder / "store"
    fits = (
        ["ease"],
        ["slim"],
        ["personal_top"],
        ["als", "--set", "dim=8", "index=hnsw"],
        ["bpr", "--set", "dim=8", "index=exact"],
    )
    for fit in fits:
        assert main(["fit", *fit, "--events", str(log), "--store", str(root)]) == 0
    store = Store(root)
    store.publish([mixigen_draft("int64")])
    rehearse(registry.load(store))
    return store


def _difference(path: Path, content: bytes) -> str:
    before, after = content.split(b"\n"), path.read_bytes().split(b"\n")
    return str(set(after) - set(before))[:300]


def _look_at_damaged(root: Path, rounds: int, seed: int, told) -> None:
    """In a process of its own, because a crash is what is looked for."""
    rng = np.random.default_rng(seed)
    counts: Counter[str] = Counter()
    accepted = []
    store = Store(root)
    for _ in range(rounds):
        what, path, content = damage(root, rng)
        before = content if path.is_file() and not path.is_symlink() and path.read_bytes() == content else None
        try:
            if before is None:  # zeros over zeros are no damage
                counts[what] += 1
                registry.load(store)
                accepted.append(f"{what}: {path.parent.parent.name}/{path.name}: {_difference(path, content)}")
        except StoreError:
            pass
        restore(path, content)
    registry.load(store)
    told.put((dict(counts), accepted))


def test_no_damaged_file_crashes_or_is_accepted(sound, tmp_path, full_faults, counts):
    rounds = counts(300, 10_500)  # zeros over zeros do not count
    root = tmp_path / "store"
    shutil.copytree(sound.root, root)
    context = multiprocessing.get_context("spawn")
    told = context.Queue()
    process = context.Process(target=_look_at_damaged, args=(root, rounds, 1, told))
    process.start()
    counts, accepted = told.get(timeout=7200 if full_faults else 250)
    process.join()
    assert process.exitcode == 0
    assert accepted == []
    assert len(counts) == len(DAMAGES) + 1
    assert sum(counts.values()) > 0.95 * rounds
    print(f"COUNTED {sum(counts.values()):,} damaged releases, 0 crashes, 0 accepted: {dict(sorted(counts.items()))}")


# valid checksums, nonsense inside


def redrafted(store: Store, name: str, change) -> Draft:
    """Return an artifact of the release anew, its arrays changed and its checksums right."""
    artifact = store.artifact(name, store.release().artifacts[name])
    arrays = {key: np.array(array) for key, array in artifact.arrays.items()}
    change(arrays)
    files = {key: (artifact.path / key).read_bytes() for key in artifact.manifest.files}
    manifest = artifact.manifest
    return Draft(
        name=name,
        algorithm=manifest.algorithm,
        arrays=arrays,
        config=manifest.config,
        item_id_type=manifest.item_id_type,
        user_id_type=manifest.user_id_type,
        data_fingerprint=manifest.data_fingerprint,
        created=now(),
        files=files,
    )


def with_nan(arrays, key, rng):
    arrays[key].reshape(-1)[rng.integers(0, arrays[key].size)] = (np.nan, np.inf, -np.inf)[rng.integers(0, 3)]


def of_another_shape(arrays, key, rng):
    shape = arrays[key].shape
    if len(shape) == 2 and rng.random() < 0.5:
        arrays[key] = np.ascontiguousarray(arrays[key][:, :-1])
    else:
        arrays[key] = arrays[key][:-1].copy()


def of_another_type(arrays, key, rng):
    arrays[key] = arrays[key].astype(np.float64 if arrays[key].dtype != np.float64 else np.int32)


def shuffled_ids(arrays, key, rng):
    arrays[key] = arrays[key][::-1].copy()


def out_of_range(arrays, key, rng):
    limits = np.iinfo(arrays[key].dtype)
    value = np.clip((10**6, -5, 2**31 - 1)[rng.integers(0, 3)], limits.min or limits.max, limits.max)
    arrays[key].reshape(-1)[rng.integers(0, arrays[key].size)] = value


POINTERS = ("history_items", "history_indptr", "weights_indptr", "weights_columns", "popular_order")


def test_right_checksums_do_not_make_nonsense_acceptable(sound, tmp_path, counts):
    """What a fit with a fault could publish."""
    rounds = counts(100, 1000)
    root = tmp_path / "store"
    shutil.copytree(sound.root, root)
    store, rng = Store(root), np.random.default_rng(2)
    base, counts, accepted = store.current(), Counter(), []
    names = sorted(store.release().artifacts)
    while sum(counts.values()) < rounds:
        name = names[rng.integers(0, len(names))]
        arrays = store.artifact(name, store.release(base).artifacts[name]).arrays
        key = sorted(arrays)[rng.integers(0, len(arrays))] if arrays else None
        if key is None or not arrays[key].size:
            continue
        kinds = [of_another_type]
        if name != "mixigen" and len(arrays) > 1:  # without other arrays fewer ids are a smaller model
            kinds += [of_another_shape]
        if arrays[key].dtype.kind == "f":
            kinds += [with_nan, with_nan]
        if key in ("item_ids", "user_ids"):
            kinds += [shuffled_ids, shuffled_ids]
        if key in POINTERS:
            kinds += [out_of_range, out_of_range]
        change = kinds[rng.integers(0, len(kinds))]
        store.rollback(base)
        store.publish([redrafted(store, name, lambda a, k=key, c=change: c(a, k, rng))])
        counts[change.__name__] += 1
        try:
            rehearse(registry.load(store))
            accepted.append(f"{change.__name__}: {name}/{key}")
        except StoreError:
            pass
    assert sorted(set(accepted)) == []
    print(f"COUNTED {rounds:,} releases with right checksums and nonsense inside, 0 accepted: {dict(counts)}")


def _publish_with_little_room(root: Path, limit: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    drafts = [data_draft(tiny_interactions(seed=9))]
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        Store(root).publish(drafts)
    except (NotWritableError, StoreError):
        os._exit(3)
    os._exit(0)


def test_no_room_on_the_disk_changes_nothing(tmp_path, full_faults):
    store = tiny_store(tmp_path)
    before, refused = store.current(), 0
    limits = range(0, 4000, 20) if full_faults else range(0, 4000, 400)
    for limit in limits:
        process = multiprocessing.get_context("fork").Process(target=_publish_with_little_room, args=(tmp_path, limit))
        process.start()
        process.join()
        assert process.exitcode in (0, 3)
        if process.exitcode == 3:
            refused += 1
            assert store.current() == before
        before = registry.load(store).name
    assert refused >= 2
    print(f"COUNTED {len(limits)} publishers with room for less and less, {refused} refused, CURRENT always loads")


def test_checksums_are_what_the_hash_says(sound):
    """The damage above is found by content, not by luck."""
    for name, version in sound.release().artifacts.items():
        manifest = sound.manifest(name, version)
        for key, entry in manifest.arrays.items():
            content = (sound.artifact_folder(name, version) / f"{key}.npy").read_bytes()
            assert hashlib.sha256(content).hexdigest() == entry.sha256
