"""When a request is refused."""

from service import gate
from service.gate import LEAST_WAITING, Gate


def answers(monkeypatch, guarded, seconds, n, waiting=1):
    now = 0.0
    for _ in range(n):
        now += seconds
        monkeypatch.setattr(gate.time, "perf_counter", lambda now=now: now)
        guarded.answered(waiting)


def test_few_may_always_wait(monkeypatch):
    guarded = Gate(0.1)
    answers(monkeypatch, guarded, 1.0, 200)
    assert not guarded.shut(LEAST_WAITING - 1)
    assert guarded.shut(LEAST_WAITING)


def test_as_many_may_wait_as_are_answered_in_time(monkeypatch):
    guarded = Gate(0.1)
    answers(monkeypatch, guarded, 0.002, 200)
    assert not guarded.shut(45)
    assert guarded.shut(55)
    answers(monkeypatch, guarded, 0.0002, 400)
    assert not guarded.shut(400)


def test_pauses_without_work_do_not_count(monkeypatch):
    guarded = Gate(0.1)
    answers(monkeypatch, guarded, 0.002, 200)
    answers(monkeypatch, guarded, 0.002, 1, waiting=0)  # nobody waits any more
    answers(monkeypatch, guarded, 60.0, 50, waiting=0)
    assert not guarded.shut(20)
