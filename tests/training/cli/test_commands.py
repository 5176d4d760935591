"""The commands as a user types them, one after the other, on a small log."""

import json
import multiprocessing

import numpy as np
import polars as pl
import pytest

from service import registry
from service.generate import Request, generate
from service.store import Store
from training.__main__ import main
from training.cli import COMMANDS


def write_log(path, ids, n_users=40, n_items=30, seed=0):
    """Two tastes: even users take even items, odd users odd ones."""
    rng = np.random.default_rng(seed)
    users = np.repeat(np.arange(n_users), 8)
    items = (rng.integers(0, n_items // 2, len(users)) * 2 + users % 2) % n_items
    kinds = {
        "int64": (lambda x: x.astype(np.int64) - 5, pl.Int64),
        "uint64": (lambda x: x.astype(np.uint64) + np.uint64(2**63), pl.UInt64),
        "string": (lambda x: [f"id-{v}-ж" for v in x], pl.String),
    }
    make, dtype = kinds[ids]
    pl.DataFrame(
        {
            "user_id": pl.Series(make(users), dtype=dtype),
            "item_id": pl.Series(make(items), dtype=dtype),
            "timestamp": np.arange(len(users)) + 1_700_000_000,
        }
    ).write_parquet(path)
    return path


def run(*arguments):
    return main([str(argument) for argument in arguments])


@pytest.mark.parametrize("ids", ["uint64", "string"])
def test_fit_evaluate_and_serve_any_parquet(tmp_path, capsys, ids):
    events, store = write_log(tmp_path / "e.parquet", ids), tmp_path / "store"
    train, test = tmp_path / "a.parquet", tmp_path / "b.parquet"
    assert run("split", "--events", events, "--train", train, "--test", test, "--by", "user") == 0
    assert run("fit", "ease", "--events", train, "--store", store, "--set", "lambd=8") == 0
    capsys.readouterr()
    evaluated = run(
        *(
            "evaluate",
            "--store",
            store,
            "--events",
            test,
            "--exclude-seen",
            "--by",
            "user",
            "--k",
            5,
            "--json",
            "-",
        )
    )
    assert evaluated == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"ease", "popular"}
    assert set(found["ease"]) >= {"recall@5", "ndcg@5", "novelty@5", "category_diversity@5", "requests"}
    assert found["ease"]["recall@5"] > 0.3 > found["popular"]["recall@5"]
    release = registry.load(Store(store))
    ids_seen = set(pl.read_parquet(train)["item_id"].to_list())
    assert set(release.items.ids_of(np.arange(len(release.items), dtype=np.int32))) == ids_seen


def test_later_fits_stay_beside_earlier_ones(tmp_path, capsys):
    events, store = write_log(tmp_path / "e.parquet", "int64"), tmp_path / "store"
    other = write_log(tmp_path / "o.parquet", "int64", seed=1)
    assert run("fit", "personal_top", "--events", events, "--store", store, "--set", "half_life_days=30") == 0
    assert run("fit", "ease", "--events", other, "--store", store, "--name", "ease2", "--set", "lambd=3") == 0
    assert set(registry.load(Store(store)).cgs) == {"ease2", "personal_top", "popular"}
    capsys.readouterr()
    assert run("inspect", "--store", store) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "OTHER DATA" in next(line for line in lines if line.startswith("| personal_top"))
    assert "OTHER DATA" not in next(line for line in lines if line.startswith("| ease2"))
    first = Store(store).releases()[0]
    assert run("rollback", "--store", store) == 0
    assert Store(store).current() == first
    assert run("publish", "--store", store, "--include-seen", "--default-cg", "popular") == 0
    assert (Store(store).release().exclude_seen, Store(store).release().default_cg) == (False, "popular")
    assert run("releases", "--store", store) == 0
    assert run("prune", "--store", store, "--keep", 1) == 0
    assert len(Store(store).releases()) == 1


def test_no_publish_leaves_the_release_alone(tmp_path, capsys):
    events, store = write_log(tmp_path / "e.parquet", "int64"), tmp_path / "store"
    assert run("fit", "popular", "--events", events, "--store", store) == 0
    before = Store(store).current()
    capsys.readouterr()
    assert run("fit", "ease", "--events", events, "--store", store, "--no-publish") == 0
    artifact = capsys.readouterr().out.split()[0]
    assert Store(store).current() == before
    assert run("publish", "--store", store, "--artifact", artifact) == 0
    assert set(registry.load(Store(store)).cgs) == {"ease", "popular"}


def test_offline_candidates_are_the_answers_of_the_service(tmp_path, capsys):
    events, store = write_log(tmp_path / "e.parquet", "uint64"), tmp_path / "store"
    run("fit", "ease", "--events", events, "--store", store, "--set", "lambd=8")
    users = [2**63, 2**63 + 7, 123]
    (tmp_path / "users.txt").write_text("\n".join(str(user) for user in users) + "\n")
    out = tmp_path / "new" / "x.parquet"
    done = run(
        *("candidates", "--store", store, "--users", tmp_path / "users.txt", "--cgs", "ease,popular"),
        *("--n", 20, "--out", out, "--exclude-seen"),
    )
    assert done == 0
    frame = pl.read_parquet(out)
    assert frame.schema["item_id"] == frame.schema["user_id"] == pl.UInt64
    release = registry.load(Store(store))
    for user in users:
        for cg in ("ease", "popular"):
            answer = generate(release, Request(user, cg, 20, True), release.history.lookup(user))
            rows = frame.filter((pl.col("user_id") == user) & (pl.col("cg") == cg))
            assert rows["item_id"].to_list() == release.items.ids_of(answer.result.items)
            assert rows["rank"].to_list() == list(range(1, len(rows) + 1))
            assert rows["score"].drop_nulls().to_list() == pytest.approx(answer.result.own.scores.tolist())
            assert rows["fill"].sum() == len(answer.result.fill)


def _fit_in_a_process(events, store, seed):
    raise SystemExit(run("fit", "popular", "--events", events, "--store", store, "--name", f"p{seed}"))


def test_eight_fits_in_parallel_end_in_one_release_with_all(tmp_path):
    events, store = write_log(tmp_path / "e.parquet", "int64"), tmp_path / "store"
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_fit_in_a_process, args=(events, store, seed)) for seed in range(8)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 8
    assert set(registry.load(Store(store)).cgs) == {"popular", *(f"p{seed}" for seed in range(8))}


BAD = [
    (["fit", "ease", "--events", "nowhere.parquet"], "no such file"),
    (["fit", "magic", "--events", "e.parquet"], "invalid choice"),
    (["fit", "ease", "--events", "e.parquet", "--set", "lambd"], "not key=value"),
    (["fit", "ease", "--events", "e.parquet", "--set", "lambd=-1"], "lambd"),
    (["fit", "ease", "--events", "e.parquet", "--set", "lambda=1"], "has no key 'lambda'"),
    (["fit", "ease", "--events", "e.parquet", "--set", "weighting=triple"], "weighting"),
    (["fit", "ease", "--events", "e.parquet", "--set", "min_item_users=1000"], "min_item_users"),
    (["fit", "ease", "--events", "e.parquet", "--preset", "nope"], "no preset"),
    (["fit", "ease", "--events", "e.parquet", "--name", "../x"], "name"),
    (["fit", "ease", "--events", "e.parquet", "--name", "data"], "taken"),
    (["evaluate", "--store", "empty", "--events", "e.parquet"], "holds no release"),
    (["evaluate", "--store", "full", "--events", "nowhere.parquet"], "no such file"),
    (["evaluate", "--store", "full", "--events", "e.parquet", "--cgs", "nope"], "no candidate generator"),
    (["evaluate", "--store", "full", "--events", "e.parquet", "--k", "0"], "at least 1"),
    (["evaluate", "--store", "full", "--events", "s.parquet"], "cast its column"),
    (["candidates", "--store", "full", "--users", "nowhere", "--n", "5", "--out", "x"], "no such file"),
    (["candidates", "--store", "full", "--users", "bad.txt", "--n", "5", "--out", "x"], "row 2"),
    (["candidates", "--store", "full", "--users", "e.csv", "--n", "5", "--out", "x"], "user_id"),
    (["rollback", "--store", "empty"], "holds no release"),
    (["rollback", "--store", "full"], "no parent"),
    (["releases", "--store", "empty"], "holds no release"),
    (["inspect", "--store", "full", "--release", "x"], "not the name of a release"),
    (["prune", "--store", "full", "--keep", "0"], "at least 1"),
    (["publish", "--store", "full", "--artifact", "ease=latest"], "does not name"),
    (["pipeline", "--dataset", "nope"], "invalid choice"),
    ([], "required"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with logs, lists of users and a store with one release."""
    root = tmp_path_factory.mktemp("commands")
    write_log(root / "e.parquet", "int64")
    write_log(root / "s.parquet", "string")
    (root / "bad.txt").write_text("1\nx\n")
    (root / "e.csv").write_text("a,b\n1,2\n")
    assert run("fit", "popular", "--events", root / "e.parquet", "--store", root / "full") == 0
    return root


@pytest.mark.parametrize(("arguments", "message"), BAD, ids=[" ".join(case[0]) for case in BAD])
def test_a_mistake_is_one_line_and_status_2(folder, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(folder)
    try:
        status = main(arguments)
    except SystemExit as exit_:
        status = exit_.code
    error = capsys.readouterr().err
    assert status == 2
    assert error.count("\n") == 1
    assert message in error
    assert "Traceback" not in error


def test_every_command_has_help(capsys):
    for command in COMMANDS:
        with pytest.raises(SystemExit) as exit_:
            main([command.NAME, "--help"])
        assert exit_.value.code == 0
        assert command.HELP.split()[0] in capsys.readouterr().out
