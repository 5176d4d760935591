"""Counting, adding up over workers, and what Prometheus reads."""

import fcntl
import json

import pytest
from prometheus_client.parser import text_string_to_metric_families

from service import metrics, metrics_text
from service.metrics_share import Share, own_snapshot


@pytest.fixture(autouse=True)
def _counted_anew():
    metrics.reset()
    yield
    metrics.reset()


def series(content):
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(content.decode())
        for sample in family.samples
    }


def test_an_answer_is_counted_everywhere():
    metrics.observe("/mix/{user_id}", "mix", 200, 0.003, 50, True, ["history"])
    metrics.observe("/mix/{user_id}", "mix", 200, 7.0, 10)
    metrics.slots({"ease": 40, "als": 10, "slim": 0})
    metrics.gauge("release_info", 1, ("a",))
    metrics.gauge("release_info", 1, ("b",))
    found = series(metrics_text.text(Share(None).collect()))
    route = (("cg", "mix"), ("route", "/mix/{user_id}"))
    answered = (*route, ("status", "200"))
    assert found["candgen_requests_total", answered] == 2
    assert found["candgen_candidates_returned_total", route] == 60
    assert found["candgen_fallbacks_total", route] == 1
    assert found["candgen_degraded_total", (("route", "/mix/{user_id}"), ("what", "history"))] == 1
    assert found["candgen_mix_slots_total", (("cg", "ease"),)] == 40
    assert ("candgen_mix_slots_total", (("cg", "slim"),)) not in found
    assert found["candgen_request_seconds_sum", answered] == pytest.approx(7.003)
    buckets = {dict(labels)["le"]: value for (name, labels), value in found.items() if name.endswith("_bucket")}
    assert (buckets["0.0025"], buckets["0.005"], buckets["1.0"], buckets["+Inf"]) == (0, 1, 1, 2)
    assert [dict(labels)["release"] for name, labels in found if name == "candgen_release_info"] == ["b"]


def other_worker(folder, name, *, alive):
    """Leave the files of another worker that counted one shed request."""
    metrics.count("shed", ("overload",))
    metrics.gauge("threads", 3)
    (folder / f"{name}.json").write_text(json.dumps({**own_snapshot(), "pid": 1}))
    metrics.reset()
    lock = (folder / f"{name}.lock").open("wb")
    if alive:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return lock
    return lock.close()


def test_workers_are_added_up_and_the_dead_are_kept(tmp_path):
    lock = other_worker(tmp_path, "1-a", alive=True)
    other_worker(tmp_path, "2-b", alive=False)
    own = Share(tmp_path)
    own.open()
    own.write()
    metrics.count("shed", ("overload",))
    for _ in range(2):  # the second time the dead one has been swept
        counts = own.collect()
        assert counts.counters == {("shed", ("overload",)): 3}
        assert {pid for _, _, pid in counts.gauges} == {1}
        assert not (tmp_path / "2-b.json").exists()
    lock.close()  # it dies
    assert own.collect().counters == {("shed", ("overload",)): 3}
    assert {path.name.partition(".")[0][-2:] for path in tmp_path.glob("*-*")} == {own._name[-2:]}
    own.close()
