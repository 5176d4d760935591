import time
from multiprocessing.pool import ThreadPool

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp

from training import als, bpr, peers, slim
from training.embeddings import Embeddings
from training.peers import contest
from training.peers import slim as peer_slim
from training.peers.bench import Bench
from training.peers.contest import NOT_INSTALLED, Contest, Outcome, Row, Side, hold
from training.pipeline import Log, make_plan
from training.split import write_split

COLUMNS = [
    "ours, s", "peer, s", "peer / ours",
    "ours recall@10", "ours recall@50", "peer recall@10", "peer recall@50",
    "note",
]  # fmt: skip


@pytest.fixture
def clock(monkeypatch):
    """Time passes only where a side says so."""

    class Clock:
        now = 0.0

        def takes(self, *seconds):
            """Return a run that takes so long, round by round."""
            rest = list(seconds)

            def run(ready):
                Clock.now += rest.pop(0)
                return ready

            return run

    monkeypatch.setattr(contest.time, "perf_counter", lambda: Clock.now)
    return Clock()


def judge(result):
    return {"recall@10": result / 10, "recall@50": result / 5}


def test_a_row_has_the_medians_the_ratio_and_both_qualities(clock):
    ready = iter([1, 2, 3])
    sides = {
        "ours": Side(clock.takes(1.0, 9.0, 2.0), lambda: next(ready), judge),
        "peer": Side(clock.takes(5.0, 4.0, 60.0), lambda: 2),
    }
    rows = [Row("work", "ours", "peer", lambda found: f"{found['ours'].result} and {found['peer'].seconds}")]
    table = hold(Contest(sides, rows), rounds=3)
    assert list(table) == ["work"]
    assert list(table["work"]) == COLUMNS
    assert table["work"] == {
        "ours, s": 2.0,
        "peer, s": 5.0,
        "peer / ours": 2.5,  # above 1: we are faster
        "ours recall@10": 0.3,  # of the last round
        "ours recall@50": 0.6,
        "peer recall@10": None,
        "peer recall@50": None,
        "note": "3 and 5.0",
    }


def test_sides_take_turns():
    order = []
    sides = {name: Side(lambda _, name=name: order.append(name)) for name in ("a", "b", "c")}
    hold(Contest(sides, [Row("x", "a", "b"), Row("y", "a", "c")]), rounds=2)
    assert order == ["a", "b", "c", "a", "b", "c"]


def test_preparation_is_not_timed(clock):
    slow = Side(clock.takes(2.0), lambda: clock.takes(100.0)(None))
    table = hold(Contest({"ours": slow, "peer": Side(clock.takes(1.0))}, [Row("x", "ours", "peer")]), 1)
    assert (table["x"]["ours, s"], table["x"]["peer / ours"]) == (2.0, 0.5)


def test_a_sample_is_scaled(clock):
    sides = {"ours": Side(clock.takes(1.0)), "peer": Side(clock.takes(3.0), scale=10.0)}
    assert hold(Contest(sides, [Row("x", "ours", "peer")]), 1)["x"]["peer / ours"] == 30.0


@pytest.mark.parametrize(("enough", "rounds"), [(0.0, 1), (10.0, 5), (1e9, contest.MOST_ROUNDS)])
def test_small_work_is_repeated(clock, enough, rounds):
    runs = []
    ours = Side(lambda _: (runs.append(1), clock.takes(1.0)(None)))
    hold(Contest({"ours": ours, "peer": Side(clock.takes(*[1.0] * 20))}, [Row("x", "ours", "peer")]), 1, enough)
    assert len(runs) == rounds


def test_a_library_that_is_not_installed_becomes_a_row_and_is_never_touched():
    def never(*_):
        raise AssertionError("must not run")

    sides = {
        "ours": Side(lambda _: None),
        "there": Side(lambda _: time.sleep(0.001), library="numpy"),
        "absent": Side(never, never, never, library="no_such_library"),
    }
    table = hold(Contest(sides, [Row("a", "ours", "there"), Row("b", "ours", "absent", never)]), rounds=1)
    assert list(table["a"]) == COLUMNS
    assert table["b"] == {"note": NOT_INSTALLED}
    assert "pip install 'candgen[peers]'" in NOT_INSTALLED


def test_without_any_peer_nothing_runs():
    runs = []
    sides = {"ours": Side(runs.append), "absent": Side(runs.append, library="no_such_library")}
    assert hold(Contest(sides, [Row("a", "ours", "absent")]), rounds=1) == {"a": {"note": NOT_INSTALLED}}
    assert not runs


# the real comparisons, on a small log


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Two tastes: even users take even items, odd users odd ones; every user has 10 items of 30."""
    folder = tmp_path_factory.mktemp("log")
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(60), 10)
    items = np.concatenate([2 * rng.permutation(15)[:10] + user % 2 for user in range(60)])
    events = pl.DataFrame(
        {
            "user_id": users,
            "item_id": items,
            "timestamp": np.arange(len(users)) + 1_700_000_000,
            "request_id": users,
            "action_type": ["AT_Purchase"] * len(users),
        }
    )
    log = Log(*(folder / f"{name}.parquet" for name in ("events", "train", "test")))
    events.write_parquet(log.events)
    write_split("user", peers.bench.read_events(log.events), log.train, log.test)
    tables = {
        "release": {"split_by": "user", "exclude_seen": True},
        "slim": {"alpha": 0.01},
        "als": {"dim": 4, "max_iter": 3},
        "bpr": {"dim": 4, "max_iter": 20, "learning_rate": 0.05, "negatives": "uniform"},
        "ease": {"lambd": 1.0},
    }
    return make_plan(tables), log


@pytest.fixture(scope="module")
def bench(small, tmp_path_factory):
    return Bench(*small, tmp_path_factory.mktemp("bench"), quick=True)


def test_quality_is_the_projects_own(bench):
    X = bench.X("als")
    taste = (np.arange(30) % 2).astype(np.float32)
    users = np.stack([np.arange(60) % 2 == 0, np.arange(60) % 2 == 1], axis=1).astype(np.float32)
    knows = Embeddings(users, np.stack([1 - taste, taste], axis=1), np.zeros(30, np.float32))
    assert X.shape == (60, 30)
    # 15 items of one's taste, less the 8 had: the 2 of the test part are among the first 7
    assert bench.recall_of_embeddings("als", knows) == {"recall@10": 1.0, "recall@50": 1.0}
    wrong = knows._replace(users=knows.users[:, ::-1].copy())
    assert bench.recall_of_embeddings("als", wrong)["recall@10"] == 0.0
    same_taste = sp.csr_matrix(np.float32((taste[:, None] == taste) - np.eye(30)))
    assert bench.recall_of_weights("slim", same_taste)["recall@10"] == 1.0


def test_the_choice_on_validation(bench, tmp_path):
    values = {"bad": 1.0, "good": 2.0}
    assert bench.choose("x", values, lambda part, value: {"recall@10": value}) == 1.0  # quick: the first
    patient = Bench(bench.plan, bench.log, tmp_path, quick=False)
    parts = []
    assert patient.choose("x", values, lambda part, value: parts.append(part) or {"recall@10": value}) == 2.0
    assert {part.X("als").nnz for part in parts} == {60 * 7}  # a fifth of eight, rounded down, is held out


def test_the_objective_is_that_of_the_docs(bench):
    X, config = sp.csr_matrix(bench.X("slim")), slim.Config(alpha=0.2, l1_ratio=0.3)
    W = np.random.default_rng(0).random((30, 30)).astype(np.float32)
    columns = np.array([3, 7])
    expected = sum(
        np.square(X.toarray()[:, j] - X.toarray() @ W[:, j]).sum() / (2 * 60)
        + 0.2 * 0.3 * W[:, j].sum()
        + 0.5 * 0.2 * 0.7 * np.square(W[:, j]).sum()
        for j in columns
    )
    assert peer_slim.objective(X, sp.csr_matrix(W), config, columns) == pytest.approx(expected, rel=1e-5)


def test_every_comparison_fills_its_rows(small, monkeypatch):
    """The other libraries are replaced by our own fits: whether they are installed must not matter."""
    monkeypatch.setattr(contest, "find_spec", lambda library: object())
    stub_libraries(monkeypatch)
    monkeypatch.setattr(peers.ease, "PRODUCT", 64)
    monkeypatch.setattr(peers.ann, "QUICK_USERS", 10)
    table = peers.compare(*small, rounds=1, quick=True)
    assert list(peers.compare(*small, ["ease"], rounds=1, quick=True)) == [n for n in table if n.startswith("EASE")]
    assert [name.split(" ")[0].rstrip(",") for name in table] == [
        "SLIM", "SLIM", "ALS", "ALS", "BPR", "BPR", "EASE", "EASE", "ANN", "als", "bpr", "adaptive_bpr",
    ]  # fmt: skip
    for name, row in table.items():
        assert list(row) == COLUMNS, name
        assert row["ours, s"] > 0, name
        assert row["note"], name
        if name.startswith(("SLIM", "ALS")):
            assert row["ours recall@10"] == pytest.approx(row["peer recall@10"], abs=0.05), name
    objective = table["SLIM / scikit-learn"]["note"].rsplit("objective ours ")[1].split(", peer ")
    assert float(objective[0]) == pytest.approx(float(objective[1]), rel=1e-3)


def threads(X, config):
    """Take the place of processes, which are slow to start."""
    parameters = {"alpha": config.alpha, "l1_ratio": config.l1_ratio, "tol": config.tolerance}
    peer_slim._worker.update(X=sp.csc_matrix(X, dtype=np.float32), parameters=parameters | {"max_iter": 1000})
    return ThreadPool(1)


@pytest.mark.slow
def test_scikit_learn_in_processes(bench):
    X, config = sp.csr_matrix(bench.X("slim")), bench.config("slim")
    found = peer_slim._solve(peer_slim._pool(X, config), np.arange(4, 30), 30).toarray()
    assert np.abs(found[:, 4:] - slim.fit(X, config).toarray()[:, 4:]).max() < 1e-3
    assert not found[:, :4].any()


def stub_libraries(monkeypatch):
    def slim_like(X, config):
        return lambda: slim.fit(sp.csr_matrix(X), config)

    monkeypatch.setattr(peers.slim, "_irspack", slim_like)
    monkeypatch.setattr(peers.slim, "_learn", lambda fit: fit())
    monkeypatch.setattr(peers.slim, "_pool", threads)
    monkeypatch.setattr(peers.als, "_irspack", lambda X, config: lambda: als.fit(X, config))
    monkeypatch.setattr(peers.als, "_learn", lambda fit: fit())
    monkeypatch.setattr(peers.als, "implicit", lambda config, regularization: lambda X: als.fit(X, config))
    monkeypatch.setattr(peers.bpr, "implicit", lambda X, config, rate: lambda X: bpr.fit(X, config))
    for module in (peers.als, peers.bpr):
        monkeypatch.setattr(module, "fit_implicit", lambda model, X: model(X))


def test_a_hint_at_settings_that_slow_blas_down(monkeypatch, capsys):
    for name in peers.BLAS_SETTINGS:
        monkeypatch.delenv(name, raising=False)
    peers.hint_at_environment()
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    peers.hint_at_environment()
    assert "OPENBLAS_CORETYPE=Haswell" in capsys.readouterr().err


def test_the_sample_is_fixed():
    first = peer_slim._sample(1000, 10)
    assert len(set(first.tolist())) == 10
    assert (first == peer_slim._sample(1000, 10)).all()
    assert (peer_slim._sample(5, 10) == np.arange(5)).all()


def test_outcomes_without_a_judge_have_no_recall():
    assert Outcome(1.0, None).recall == {}
