import multiprocessing
import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from service import registry
from service.errors import StoreError
from service.store import Store
from tests.stores import tiny_interactions, tiny_store
from training.artifacts import data_draft, model_draft, weight_arrays


def drafts(name="ease", seed=0, ids="uint64"):
    interactions = tiny_interactions(ids)
    W = np.random.default_rng(seed).normal(size=(8, 8)).astype(np.float32)
    data = data_draft(interactions)
    model = model_draft(
        name,
        "ease",
        interactions,
        weight_arrays(W),
        {"weighting": "count"},
        data_fingerprint=data.data_fingerprint,
        fit_seconds=0.0,
        metrics={},
        files={},
    )
    return [data, model]


def test_an_empty_store_says_how_to_fill_it(tmp_path):
    store = Store(tmp_path / "nowhere")
    assert store.current() is None
    assert store.releases() == []
    with pytest.raises(StoreError, match="training pipeline"):
        store.release()
    assert not (tmp_path / "nowhere").exists()


def test_publish_keeps_what_was_there_and_inherits_settings(tmp_path):
    store = Store(tmp_path)
    first = store.publish(drafts("ease"), exclude_seen=False)
    second = store.publish(drafts("other", seed=1))
    assert second.parent == first.release
    assert set(second.artifacts) == {"data", "ease", "other"}
    assert second.exclude_seen is False
    assert second.default_cg == "ease"
    assert store.current() == second.release
    assert store.releases() == [first.release, second.release]


def test_a_new_store_excludes_seen_items(tmp_path):
    assert Store(tmp_path).publish(drafts()).exclude_seen is True


def test_the_same_content_is_stored_once(tmp_path):
    store = Store(tmp_path)
    a, b = store.publish(drafts()), store.publish(drafts())
    assert a.artifacts == b.artifacts
    assert len(list((tmp_path / "artifacts").glob("*/*"))) == 2


def test_mixed_id_types_are_refused_and_nothing_changes(tmp_path):
    store = Store(tmp_path)
    before = store.publish(drafts("ease", ids="uint64"))
    with pytest.raises(StoreError, match="int64 item ids"):
        store.publish(drafts("other", ids="int64"))
    assert store.current() == before.release
    assert registry.load(store).name == before.release


def test_a_release_needs_data_and_a_default_that_it_has(tmp_path):
    store = Store(tmp_path)
    with pytest.raises(StoreError, match="needs the artifact 'data'"):
        store.publish(drafts()[1:])
    with pytest.raises(StoreError, match="no CG 'nope'"):
        store.publish(drafts(), default_cg="nope")
    assert store.current() is None


def test_an_artifact_that_is_not_there_is_refused(tmp_path):
    store = Store(tmp_path)
    store.publish(drafts())
    with pytest.raises(StoreError, match="cannot read the manifest"):
        store.publish(artifacts={"ease": "0" * 16})
    for name, version in (("../x", "0" * 16), ("ease", "../../x"), ("ease\n", "0" * 16)):
        with pytest.raises(StoreError, match="does not name"):
            store.publish(artifacts={name: version})


def test_rollback_goes_to_the_parent_or_to_a_named_release(tmp_path):
    store = Store(tmp_path)
    names = [store.publish(drafts(seed=seed)).release for seed in range(3)]
    assert store.rollback() == names[1]
    assert store.current() == names[1]
    assert store.rollback(names[2]) == names[2]
    assert store.rollback(names[0]) == names[0]
    with pytest.raises(StoreError, match="no parent"):
        store.rollback()
    with pytest.raises(StoreError, match="not the name"):
        store.rollback("../../etc")
    with pytest.raises(StoreError, match="no release"):
        store.rollback("20200101T000000-abcdef")
    assert store.current() == names[0]


def test_names_ascend_also_when_the_clock_goes_back(tmp_path, monkeypatch):
    store = Store(tmp_path)
    first = store.publish(drafts())

    class Past:
        @staticmethod
        def now(zone):
            return real.now(zone) - __import__("datetime").timedelta(days=1)

        strptime = staticmethod(__import__("datetime").datetime.strptime)
        fromtimestamp = staticmethod(__import__("datetime").datetime.fromtimestamp)

    import service.release_manifest as module

    real = module.datetime
    monkeypatch.setattr(module, "datetime", Past)
    assert store.publish(drafts(seed=1)).release > first.release


def test_prune_keeps_the_last_releases_the_served_one_and_young_artifacts(tmp_path):
    store = Store(tmp_path)
    names = [store.publish(drafts(seed=seed)).release for seed in range(4)]
    unpublished = store.add(drafts(seed=9))["ease"]
    store.rollback(names[0])
    store.prune(keep=1)
    assert store.releases() == [names[0], names[3]]
    left = {path.name for path in (tmp_path / "artifacts" / "ease").iterdir()}
    assert left == {store.release(name).artifacts["ease"] for name in (names[0], names[3])} | {unpublished}
    assert registry.load(store).name == names[0]
    old = time.time() - 2 * 24 * 3600
    os.utime(tmp_path / "artifacts" / "ease" / unpublished, (old, old))
    assert store.prune(keep=1) == [f"artifacts/ease/{unpublished}"]
    with pytest.raises(StoreError, match="keep 1 or more"):
        store.prune(0)


@pytest.mark.parametrize("content", ["", "../../x", "20260101T000000-abcdef\nx", "\xff"])
def test_a_damaged_current_is_an_error_not_a_path(tmp_path, content):
    store = tiny_store(tmp_path)
    (tmp_path / "CURRENT").write_bytes(content.encode("latin-1"))
    with pytest.raises(StoreError):
        store.release()


def test_a_damaged_release_falls_back_to_an_older_one(tmp_path):
    store = Store(tmp_path)
    good = store.publish(drafts())
    bad = store.publish(drafts(seed=1))
    weights = store.artifact_folder("ease", bad.artifacts["ease"]) / "weights.npy"
    weights.write_bytes(weights.read_bytes()[:-4])
    with pytest.raises(StoreError, match=r"weights\.npy"):
        registry.load(store)
    assert list(registry.newest_first(store, bad.release)) == [bad.release, good.release]


def test_eight_publishers_at_once_end_in_one_release_with_all(tmp_path):
    store = Store(tmp_path)
    names = [f"cg{number}" for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: Store(tmp_path).publish(drafts(name, seed=int(name[2:]))), names))
    assert set(store.release().artifacts) == {"data", *names}
    assert len(store.releases()) == 8
    assert set(registry.load(store).cgs) == {"popular", *names}


STEPS = ("open", "os.mkdir", "os.rename", "os.remove", "os.utime", "shutil.rmtree")


def _publish_and_die(root, step):
    """Publish, and SIGKILL the process at its `step`-th operation on a file."""
    left = step

    def count(event, arguments):
        nonlocal left
        if event in STEPS and str(root) in str(arguments[0]):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    prepared = drafts(seed=step)
    sys.addaudithook(count)
    Store(root).publish(prepared)


def test_a_publisher_killed_at_any_step_leaves_a_release_that_loads(tmp_path):
    """What CURRENT names is always whole: the old release or the new; the next publish works."""
    store = Store(tmp_path)
    before = store.publish(drafts()).release
    context = multiprocessing.get_context("fork")
    kept, step, exit_code = 0, 0, -signal.SIGKILL
    while exit_code == -signal.SIGKILL:
        step += 1
        process = context.Process(target=_publish_and_die, args=(tmp_path, step))
        process.start()
        process.join()
        exit_code = process.exitcode
        loaded = registry.load(store)
        assert loaded.name == store.current()
        kept += loaded.name == before
        before = loaded.name
    assert exit_code == 0
    assert step > 20, "too few steps were seen for the test to mean anything"
    assert kept >= step - 3, "the switch to the new release is one step near the end"
    assert store.publish(drafts(seed=10**6)).parent == before
