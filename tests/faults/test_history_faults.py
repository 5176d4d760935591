"""Redis goes wrong under load: every request is answered, the degraded ones say so, and it mends itself."""

import signal
import socket
import time
import urllib.error

import pytest

from service.history_redis import key_of
from tests.faults.process import service_process, wait_for
from tests.faults.traffic import Traffic
from tests.redis_server import RedisServer
from tests.stores import N_ITEMS, item_id, tiny_store
from tests.tcp_proxy import TcpProxy

USERS = range(1000, 1000 + N_ITEMS)
"""Users that only Redis knows; user 1000 + i has item i and no other."""
PATHS = [f"/candidates/{user}?n=8&cg=personal_top&exclude_seen=false" for user in USERS]


def owns(path: str, answer: dict) -> str | None:
    """An answer is made of the user's own history, or says that it is degraded."""
    user = int(path.split("/")[2].partition("?")[0])
    own = [one["item_id"] for one in answer["items"] if one["score"] is not None]
    if answer["user_id"] != user or own not in ([], [item_id(user - 1000)]):
        return "built from another user's history"
    return None


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """A service, its Redis, and a network between them that can be at fault."""
    folder = tmp_path_factory.mktemp("redis")
    store = tiny_store(folder / "store")
    redis = RedisServer(folder, start=False)
    proxy = TcpProxy(redis.port)
    try:
        # Redis is down at the start of the service
        with service_process(
            store.root,
            folder / "log",
            CANDGEN_HISTORY="redis",
            CANDGEN_REDIS_URL=proxy.url,
            CANDGEN_QUEUE_BUDGET_MS="5000",
        ) as service:
            yield service, redis, proxy
    finally:
        proxy.close()
        redis.kill()


def fill(service) -> None:
    for user in USERS:
        event = {"item_id": item_id(user - 1000), "event_id": "only"}
        wait_for(lambda user=user, event=event: accepted(service, user, event), "an event is taken", 60)


def accepted(service, user: int, event: dict) -> bool:
    try:
        service.request(f"/history/{user}", "POST", {"events": [event]})
    except urllib.error.HTTPError as error:
        if error.code != 503:
            raise
        return False
    return True


def healthy(service, times: int = 20) -> bool:
    """Whether all workers answer from Redis: each request is on a connection of its own."""
    for turn in range(times):
        answer = service.request(PATHS[turn % len(PATHS)])
        if answer["degraded"] or not answer["user_known"]:
            return False
    return True


def killed(redis, proxy):
    redis.kill()
    yield
    redis.start()


def restarted(redis, proxy):
    redis.kill()
    redis.start()
    yield


def stopped(redis, proxy):
    redis.signal(signal.SIGSTOP)
    yield
    redis.signal(signal.SIGCONT)


def slow(redis, proxy):
    proxy.delay = 0.2
    yield
    proxy.delay = 0.0


def half_replies(redis, proxy):
    proxy.half = True
    yield
    proxy.half = False


def reset(redis, proxy):
    for _ in range(20):
        proxy.reset_all()
        time.sleep(0.02)
    yield


def partitioned(redis, proxy):
    proxy.silent = True
    yield
    proxy.silent = False
    proxy.reset_all()


def flushed(redis, proxy):
    redis.flush()
    yield


def wrong_type(redis, proxy):
    with redis.client() as client:
        for user in USERS:
            client.delete(key_of(user))
            client.set(key_of(user), "a text")
    yield
    redis.flush()


def loading(redis, proxy):
    proxy.instead = b"-LOADING Redis is loading the dataset in memory\r\n"
    yield
    proxy.instead = b""


LOSES_DATA = (killed, restarted, flushed, wrong_type)
ALL = (killed, restarted, stopped, slow, half_replies, reset, partitioned, loading, flushed, wrong_type)


def test_down_at_start_then_there(stage):
    service, redis, _ = stage
    answer = service.request(PATHS[0])
    assert (answer["degraded"], answer["user_known"], answer["returned"]) == (["history"], False, 8)
    redis.start()
    fill(service)
    start = time.perf_counter()
    wait_for(lambda: healthy(service), "all workers ask Redis")
    print(f"COUNTED healthy {time.perf_counter() - start:.1f} s after Redis was filled")


@pytest.mark.parametrize("fault", ALL)
def test_every_request_is_answered(stage, counts, fault):
    service, redis, proxy = stage
    requests = counts(300, 20_000)
    wait_for(lambda: healthy(service), "all workers ask Redis", 60)
    with Traffic(service.port, PATHS, owns, connections=4, depth=2) as traffic:
        traffic.wait_for(requests)
        assert traffic.seen.degraded < traffic.seen.answered
        steady = traffic.seen.p99_ms()
        traffic.seen.seconds.clear()
        during = fault(redis, proxy)
        next(during)
        before = traffic.seen.degraded
        traffic.wait_for(requests)
        degraded = traffic.seen.degraded - before
        p99 = traffic.seen.p99_ms()
        for _ in during:
            raise AssertionError("a fault has two steps")
        start = time.perf_counter()
        if fault in LOSES_DATA:
            fill(service)
        wait_for(lambda: healthy(service), "all workers ask Redis again", 60)
        took = time.perf_counter() - start
    seen = traffic.seen
    assert (seen.wrong, seen.lost, seen.refused, set(seen.statuses)) == ([], 0, 0, {200})
    if fault in (killed, stopped, slow, half_replies, partitioned, loading, wrong_type):
        assert degraded > requests // 2
    print(
        f"COUNTED {fault.__name__}: {seen.answered:,} requests, 0 failed, {seen.degraded:,} degraded, p99 "
        f"{steady:.1f} ms before and {p99:.1f} ms during, well again after {took:.1f} s"
    )


def test_callers_who_hang_up_leave_no_answer_behind(stage, counts):
    """While their request waits for Redis: the next on the same connection to Redis gets its own user's history."""
    service, _, proxy = stage
    fill(service)
    wait_for(lambda: healthy(service), "all workers ask Redis")
    rounds = counts(200, 20_000)
    proxy.delay = 0.003
    try:
        with Traffic(service.port, PATHS, owns, connections=3, depth=2) as traffic:
            for turn in range(rounds):
                with socket.create_connection(("127.0.0.1", service.port)) as caller:
                    caller.sendall(f"GET {PATHS[turn % len(PATHS)]} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                    time.sleep(0.002 * (turn % 3))
    finally:
        proxy.delay = 0.0
    seen = traffic.seen
    assert (seen.wrong, seen.lost, seen.refused, set(seen.statuses)) == ([], 0, 0, {200})
    print(
        f"COUNTED {rounds:,} callers who hung up, {seen.answered:,} answers to others, each of its own user's history"
    )


def test_a_forgotten_user_stays_forgotten_when_redis_loses_its_data(stage):
    service, redis, _ = stage
    fill(service)
    wait_for(lambda: healthy(service), "all workers ask Redis")
    user = USERS[0]
    service.request(f"/history/{user}", "DELETE")
    known = 2**64 - 10  # one of the release's own users
    assert service.request(f"/candidates/{known}")["user_known"]
    service.request(f"/history/{known}", "DELETE")
    for _ in range(20):
        assert not service.request(f"/candidates/{known}")["user_known"]
    time.sleep(2.5)  # the other worker has its copy
    for step in (redis.flush, redis.kill, redis.start):
        step()
        for _ in range(20):
            assert not service.request(f"/candidates/{known}")["user_known"]
    wait_for(lambda: not service.request(f"/candidates/{known}")["degraded"], "Redis is asked again")
    for _ in range(20):
        assert not service.request(f"/candidates/{known}")["user_known"]
