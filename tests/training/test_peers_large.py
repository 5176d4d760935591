import numpy as np
import pytest

from training import ease, peers
from training.__main__ import main
from training.peers import ann_large, checkin_large, ease_large

SIZE = ease_large.Size(users=60, items=80, interactions=900, product=64)


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(ease_large, "QUICK_SIZE", SIZE)
    monkeypatch.setattr(ann_large, "QUICK_ITEMS", 2000)
    monkeypatch.setattr(ann_large, "USERS", 20)


def test_the_check_in_log_has_the_size_asked_for_and_a_long_tail():
    X = ease_large.check_ins(SIZE)
    assert (X.shape, X.nnz) == ((60, 80), 900)
    assert set(X.data) == {1}
    users, items = np.bincount(X.indices, minlength=80), np.diff(X.indptr)
    assert users[:8].sum() > 2 * users[-8:].sum()
    assert items.min() >= 1
    assert (ease_large.check_ins(SIZE) != X).nnz == 0


def test_the_residual_is_small_for_the_inverse_and_large_for_another_matrix():
    X = ease_large.check_ins(SIZE)
    W = np.asarray(ease.fit(X, ease.Config(lambd=5.0)))
    assert 0 < ease_large.residual(X, W, 5.0) < 1e-5
    assert ease_large.residual(X, 1.01 * W, 5.0) > 1e-3


def test_vectors_lie_in_clusters():
    model = ann_large.clustered(3000)
    assert model.items.shape == (3000, ann_large.DIM)
    squares = np.square(model.items[:1, None] - model.items[None, 1:]).sum(2)[0] / ann_large.DIM
    near = squares < 1  # 2 · WITHIN² within a cluster, 2 more between two
    assert 0.2 < near.mean() < 0.5


def test_large_measurements_by_name(tmp_path, capsys):
    command = ["benchmark", "--dataset", "synthetic", "--out", str(tmp_path), "--quick"]
    assert main([*command, "--peers", "ease-large", "ann-large"]) == 0
    printed = capsys.readouterr().out
    assert printed.strip() == (tmp_path / "synthetic-peers.md").read_text().split("\n\n", 1)[1].strip()
    assert "EASE, 60 × 80, 900 interactions" in printed
    assert "2,000 × 64, clustered" in printed


def test_bare_means_the_comparisons_on_a_dataset(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(peers, "compare", lambda plan, log, names, **_: asked.append(names) or {})
    command = ["benchmark", "--dataset", "synthetic", "--out", str(tmp_path), "--peers"]
    assert main(command) == 0
    assert main([*command, "slim", "ease"]) == 0
    assert asked == [list(peers.COMPARISONS), ["slim", "ease"]]


def test_large_measurements_have_no_other_dataset(tmp_path, capsys):
    command = ["benchmark", "--dataset", "complete-journey", "--out", str(tmp_path), "--peers", "ann-large"]
    assert main(command) == 2
    assert "use --dataset synthetic" in capsys.readouterr().err


def test_every_model_is_fitted_on_the_check_in_log_in_a_process_of_its_own(monkeypatch):
    monkeypatch.setattr(checkin_large, "QUICK_SIZE", SIZE)
    table = checkin_large.measure(quick=True)
    assert [name.split(",")[0] for name in table] == ["slim", "als", "bpr"]
    assert all(row["fit, s"] >= 0 and row["peak RSS, MiB"] > 50 for row in table.values())
    results = [row[""] for row in table.values()]
    assert results[0].endswith(" weights")
    assert not results[0].startswith("0 ")
    assert results[1:] == ["32 factors", "128 factors"]
