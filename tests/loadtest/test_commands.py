"""The smaller measurements, each once on a small release."""

import numpy as np
import pytest

from loadtest import ann, linear, pauses, swap, workers
from loadtest.synthetic import Size, publish
from service import registry


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return publish(tmp_path_factory.mktemp("store"), Size(items=1200, users=250, dense=False))


def test_ways_to_one_list_are_compared(store):
    rows = linear.compare(store, "slim", n=50, n_users=5)
    assert rows[linear.CG]["× the CG"] == 1
    assert rows[linear.PLAIN]["µs"] > 0


def test_another_list_is_not_compared():
    scores = np.array([3.0, 2.0, 1.0])
    linear._check_alike({linear.CG: (None, scores[:2]), linear.PLAIN: (None, scores)})
    with pytest.raises(SystemExit, match="finds another list"):
        linear._check_alike({linear.CG: (None, scores), linear.PLAIN: (None, scores[::-1])})


def test_two_workers_share_what_is_mapped(store):
    one, two = rows = workers.measure(store.root, "slim", n=10, rounds=1, seconds=0.5, apart=False)
    assert (len(one.pss_mb), len(two.pss_mb)) == (1, 2)
    assert min(*one.model_rss_mb, *two.model_rss_mb) > 0
    assert two.model_mb < sum(two.model_rss_mb), "a page that both have is counted once"
    assert "mapped model memory" in workers.report(rows)


def test_pauses_of_the_collector_are_counted(store):
    rows = pauses.measure(registry.load(store), "slim", 20)
    assert rows["as loaded"]["requests"] == rows["frozen"]["requests"] == 20
    assert float(rows["frozen"]["a full one, ms"]) < float(rows["as loaded"]["a full one, ms"])


def test_every_embedding_is_searched_in_both_spaces(tmp_path):
    small = publish(tmp_path, Size(items=300, users=60, graph=True, dense=False))
    rows = ann.rows(small, ["als", "ann"])
    assert len(rows) == 6
    assert rows["ann, 300 × 64, as served"]["space"] == "l2"
    assert rows["als, 300 × 64, as served"]["space"] == "exact"
    assert all(row["recall@100"] >= 0.98 for row in rows.values())


def test_a_release_is_started_and_swapped_twice(store):
    rows = swap.measure(store)
    assert len(rows) == 3
    assert all(row["seconds"] > 0 for row in rows.values())
    assert swap.size_of(5).users > 1_000_000
