"""Hot swap in one process: what is refused, what is freed, canaries, what workers tell each other."""

import gc
import logging
import os
import weakref
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from service import registry, swap, workers
from service.cg.base import Candidates, ListRanking
from service.cg.linear import LinearItemToItemCG
from service.errors import StoreError
from service.rehearsal import rehearse
from service.split import Split
from service.workers import Workers
from tests.mixes import mix_store
from tests.service.client import Client, running
from tests.stores import tiny_store, user_id


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swap, "POLL_SECONDS", 0.02)


def serves(client: Client) -> str:
    return client.get("/health/ready").json()["release"]


def test_a_new_release_is_served_and_the_old_one_freed_without_the_collector(tmp_path: Path) -> None:
    store = mix_store(tmp_path)
    with running(tmp_path) as client:
        assert client.get(f"/mix/{user_id(0)}").status_code == 200
        old = weakref.ref(client.app.state.holder.serving.release)
        arrays = weakref.ref(client.app.state.holder.serving.release.history.items.base)
        client.request("GET", f"/candidates/{user_id(0)}")
        gc.disable()
        try:
            new = mix_store(tmp_path, seed=3).current()
            client.let_run_until(lambda: serves(client) == new)
            client.let_run_until(lambda: old() is None)
            assert arrays() is None
        finally:
            gc.enable()
        assert client.app.state.swapper.swaps == 2 + (store.current() != new)


def test_a_request_ends_with_the_release_it_began_with(tmp_path: Path) -> None:
    tiny_store(tmp_path)
    with running(tmp_path) as client:
        served = client.app.state.holder.served
        new = tiny_store(tmp_path, seed=3).current()
        client.let_run_until(lambda: serves(client) == new)
        assert served.of(1).release.name != new
        assert served.of(1).release.items.ids_of(served.of(1).release.popular.order[:2])


def test_a_bad_release_is_refused_logged_and_counted_and_the_old_one_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good = tiny_store(tmp_path).current()
    with running(tmp_path) as client, caplog.at_level(logging.ERROR):
        bad = tiny_store(tmp_path, seed=3)
        # published and then damaged: the worker may have taken it before
        client.let_run_until(lambda: serves(client) == bad.current())
        bad.rollback(good)
        client.let_run_until(lambda: serves(client) == good)
        weights = bad.artifact_folder("ease", bad.release(bad.releases()[-1]).artifacts["ease"]) / "weights.npy"
        content = bytearray(weights.read_bytes())
        content[-1] ^= 1
        weights.unlink()
        weights.write_bytes(content)
        bad.rollback(bad.releases()[-1])
        client.let_run_until(lambda: client.app.state.swapper.refused == 1)
        assert "SHA-256" in caplog.text
        client.let_run(0.3)
        assert client.app.state.swapper.refused == 1
        assert serves(client) == good
        assert client.get("/releases").json()["current"] != good


def test_current_that_cannot_be_read_changes_nothing(tmp_path: Path) -> None:
    good = tiny_store(tmp_path).current()
    with running(tmp_path) as client:
        for content in (b"\xff", b"../../x", b""):
            (tmp_path / "CURRENT").write_bytes(content)
            client.let_run(0.1)
        (tmp_path / "CURRENT").unlink()
        os.mkfifo(tmp_path / "CURRENT")
        client.let_run(0.1)
        assert serves(client) == good


def test_the_watch_survives_what_nobody_expected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = tiny_store(tmp_path)
    with running(tmp_path) as client:

        def fail(*_: object) -> None:
            raise RuntimeError("nobody expected this")

        with monkeypatch.context() as broken:
            broken.setattr(type(store), "current", fail)
            broken.setattr(type(store), "blocked", fail)
            client.let_run(0.2)
        new = tiny_store(tmp_path, seed=3).current()
        client.let_run_until(lambda: serves(client) == new)


def test_at_start_the_nearest_good_ancestor_is_served(tmp_path: Path) -> None:
    store = tiny_store(tmp_path)
    good = store.current()
    bad = tiny_store(tmp_path, seed=1).current()
    (tmp_path / "releases" / f"{bad}.json").write_text("{")
    with running(tmp_path) as client:
        assert serves(client) == good


class Broken(LinearItemToItemCG):
    fault = staticmethod(lambda items, scores: (items, scores))

    def rank(self, query):
        found = super().rank(query).top(100)
        return ListRanking(Candidates(*self.fault(found.items, found.scores)))


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (lambda items, scores: (items, scores * np.float32(np.nan)), "not finite"),
        (lambda items, scores: (items, scores[::-1]), "not sorted"),
        (lambda items, scores: (items * 0, scores), "twice"),
        (lambda items, scores: (items + 100, scores), "not in the release"),
    ],
)
def test_golden_requests_refuse_nonsense(tmp_path: Path, fault, message: str) -> None:
    release = registry.load(tiny_store(tmp_path))
    rehearse(release)
    ease = release.cgs["ease"]
    broken = Broken("ease", ease._W, ease._items, ease._weighting)
    broken.fault = fault
    release.cgs["ease"] = broken
    with pytest.raises(StoreError, match=message):
        rehearse(release)


def test_a_split_serves_a_user_always_the_same_release(tmp_path: Path) -> None:
    store = tiny_store(tmp_path)
    tiny_store(tmp_path, seed=1)
    tiny_store(tmp_path, seed=2)
    a, b, current = store.releases()
    with running(tmp_path, split=f"{a}=70, {b}=30") as client:
        answers = {user: client.get(f"/candidates/{user}?n=1").json()["release"] for user in range(300)}
        counts = Counter(answers.values())
        assert set(counts) == {a, b}
        assert 50 < counts[b] < 130
        for user in range(0, 300, 30):
            assert client.get(f"/mix/{user}").json()["release"] == answers[user]
            assert client.post("/candidates", json={"user_id": user}).json()["release"] == answers[user]
            assert client.post("/mix", json={"user_id": str(user)}).json()["release"] == answers[user]
            assert client.get(f"/candidates/{user}").headers["x-model-release"] == answers[user]
        batch = client.post("/candidates:batch", json={"requests": [{"user_id": user} for user in range(60)]})
        assert [one["release"] for one in batch.json()["results"]] == [answers[user] for user in range(60)]
        assert serves(client) == current
        worker = client.get("/releases").json()["workers"][0]
        assert worker == {"pid": os.getpid(), "release": current, "split": [a, b]}


def test_users_of_a_release_that_is_not_there_get_the_current_one(tmp_path: Path) -> None:
    current = tiny_store(tmp_path).current()
    with running(tmp_path, split="20200101T000000-abcdef=1") as client:
        assert client.get("/candidates/1").json()["release"] == current
        assert client.app.state.swapper.refused == 1


def test_shares_of_a_split_are_kept_and_stable() -> None:
    split = Split("20200101T000000-aaaaaa=95,20200101T000000-bbbbbb=5")
    names = [split.release_of(str(user)) for user in range(20_000)]
    share = names.count("20200101T000000-bbbbbb") / len(names)
    assert 0.045 < share < 0.055
    assert [split.release_of(user)[-1] for user in ("1", "2", "3", "kund-ü")] == ["b", "a", "a", "a"]
    assert not Split("")


def test_workers_see_each_other_and_not_the_dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with workers.run_folder():
        folder = Path(os.environ[workers.RUN_DIR])
        one = Workers()
        one.report("r1", [])
        (folder / "1.json").write_text('{"pid": 1, "release": "r0", "split": []}')
        (folder / "999999999.json").write_text('{"pid": 999999999, "release": "dead", "split": []}')
        (folder / "2x.json").write_text("x")
        assert [worker["pid"] for worker in one.all()] == [1, os.getpid()]
        other = Workers()
        before = other.reload_asked()
        one.ask_reload()
        assert other.reload_asked() not in (before, "")
    assert not folder.exists()
    alone = Workers()
    assert alone.all() == [{"pid": os.getpid(), "release": None, "split": []}]
    alone.ask_reload()
    assert alone.reload_asked()
