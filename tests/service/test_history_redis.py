"""Live events in a real Redis: what is kept, what a cancelled read leaves behind, a cluster."""

import asyncio
import contextlib
import time

import pytest
from redis.asyncio.connection import AbstractConnection

from service import breaker, history_redis
from service.errors import HistoryUnavailableError
from service.history_live import MAX_EVENTS, Event
from service.history_redis import RedisEvents, key_of
from tests.redis_server import redis_server
from tests.tcp_proxy import tcp_proxy


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis")) as started:
        yield started


@pytest.fixture(autouse=True)
def _quickly(monkeypatch):
    monkeypatch.setattr(breaker, "PROBE_SECONDS", 0.02)
    monkeypatch.setattr(history_redis, "SYNC_SECONDS", 0.02)


async def until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


def with_store(url, work, budget_ms=2000):
    """Run `work(store)` once the store has found its Redis."""

    async def main():
        store = RedisEvents(url, budget_ms)
        running = asyncio.create_task(store.run())
        try:
            await until(lambda: store.breaker.closed)
            await work(store)
        finally:
            running.cancel()
            await store.close()

    asyncio.run(main())


@pytest.mark.parametrize("user", [7, 2**64 - 1, "a}b{c", "}", "ü x:\n"])
def test_events_are_kept_once_and_forgotten(server, user):
    async def work(store):
        assert (await store.read(user)).events == []
        assert await store.append(user, [Event(20, 5, "a"), Event(30, 6, "a"), Event("ж,x", 4, "b")]) == 2
        assert await store.append(user, [Event(20, 5, "a"), Event(1, 9, "c")]) == 1
        assert (await store.read(user)).events == [("ж,x", 4), ("20", 5), ("1", 9)]
        assert await store.append(user, []) == 0
        await store.forget(user)
        assert (await store.read(user)).forgotten
        assert (await store.read(user)).events == []
        assert await store.append(user, [Event(20, 5, "a")]) == 1
        assert (await store.read(user)).events == [("20", 5)]
        assert (await store.read(user)).forgotten
        assert not (await store.read("other")).forgotten

    server.flush()
    with_store(server.url, work)


@pytest.mark.parametrize("forgotten", [False, True])
def test_the_latest_are_kept(server, forgotten):
    async def work(store):
        if forgotten:
            await store.forget(1)
        for start in range(0, MAX_EVENTS + 200, 100):
            await store.append(1, [Event(i, i, str(i)) for i in range(start, start + 100)])
        found = await store.read(1)
        assert [int(item) for item, _ in found.events] == list(range(200, MAX_EVENTS + 200))
        assert found.forgotten == forgotten

    server.flush()
    with_store(server.url, work)


def test_a_cluster(tmp_path):
    with redis_server(tmp_path, "--cluster-enabled", "yes") as server:
        server.make_cluster()

        async def work(store):
            for user in ("a", "}", 5):
                assert await store.append(user, [Event(1, 2, "x"), Event(1, 2, "x")]) == 1
                assert (await store.read(user)).events == [("1", 2)]
            await store.forget(5)
            assert (await store.read(5)).forgotten

        with_store(server.url.replace("redis://", "redis+cluster://"), work)


def test_another_worker_learns_who_was_forgotten_and_a_flushed_redis_is_told_again(server):
    server.flush()

    async def work(store):
        other = RedisEvents(server.url, 2000)
        running = asyncio.create_task(other.run())
        await store.forget(8)
        await until(lambda: other.is_forgotten(8))
        server.flush()
        assert (await store.read(8)).forgotten
        assert (await other.read(8)).forgotten
        await until(lambda: server.client().zcard("candgen:forgotten") == 1)
        running.cancel()
        await other.close()

    with_store(server.url, work)


@pytest.mark.parametrize("days", [-400, 400])
def test_it_learns_who_was_forgotten_whatever_the_clock_says(server, monkeypatch, days):
    server.flush()
    real = time.time

    async def work(store):
        other = RedisEvents(server.url, 2000)
        running = asyncio.create_task(other.run())
        await until(lambda: other._synced > 0)
        monkeypatch.setattr(history_redis.time, "time", lambda: real() + days * 86_400)
        await store.forget(8)
        monkeypatch.setattr(history_redis.time, "time", real)
        await until(lambda: other.is_forgotten(8))
        running.cancel()
        await other.close()

    with_store(server.url, work)


def test_a_refused_command_fails_its_request_alone(server):
    server.flush()
    server.client().set(key_of(1), "a text, no sorted set")

    async def work(store):
        for _ in range(2 * breaker.FAILURES):
            with pytest.raises(HistoryUnavailableError, match="WRONGTYPE"):
                await store.read(1)
        assert (await store.read(2)).events == []
        assert store.breaker.closed

    with_store(server.url, work)


def test_reads_that_are_given_up_never_answer_for_another_user(server):
    """Answers of cancelled reads are still on their way when the next users are asked about."""
    server.flush()

    async def main(slow):
        store = RedisEvents(slow.url, 30)
        store.breaker.closed = True
        for user in range(40):
            await store.append(user, [Event(user, 1, "x")])
        given_up = right = 0
        for turn in range(15):
            slow.passing.clear()
            reads = [asyncio.create_task(store.read(user)) for user in range(20)]
            await asyncio.sleep(0.01 if turn % 2 else 0)
            for read in reads[::3]:
                read.cancel()  # as by a server that shuts down
            answers = await asyncio.gather(*reads, return_exceptions=True)
            given_up += sum(isinstance(answer, HistoryUnavailableError) for answer in answers)
            slow.passing.set()
            for user in range(20, 40):
                store.breaker.closed = True
                with contextlib.suppress(HistoryUnavailableError):
                    assert (await store.read(user)).events == [(str(user), 1)]
                    right += 1
        assert given_up > 100
        assert right > 200
        await store.close()

    with tcp_proxy(server.port) as slow:
        asyncio.run(main(slow))


def test_an_answer_that_names_another_key_is_refused(server, monkeypatch):
    async def work(store):
        monkeypatch.setattr(history_redis, "READ", "return {'candgen:history:{5}', ''}")
        with pytest.raises(HistoryUnavailableError):
            await store.read(1)

    with_store(server.url, work)


def test_a_late_event_loop_is_not_a_late_redis(server):
    async def work(store):
        for _ in range(50):
            read = asyncio.create_task(store.read(1))
            for _ in range(4):
                await asyncio.sleep(0)
            time.sleep(0.03)  # longer than the budget, while the answer comes in
            await read

    with_store(server.url, work, budget_ms=20)


def test_the_breaker_opens_after_failures_in_a_row_and_closes_by_itself(server):
    async def work(store):
        store.breaker.failed()
        store.breaker.succeeded()
        for _ in range(breaker.FAILURES):
            store.breaker.failed()
        assert not store.breaker.closed
        assert store.breaker.opened == 1
        with pytest.raises(HistoryUnavailableError):
            await store.read(1)
        await until(lambda: store.breaker.closed)
        await store.read(1)

    with_store(server.url, work)


def test_a_connection_that_closes_under_a_write_is_no_error_of_the_request(server, monkeypatch):
    """uvloop says so with a RuntimeError, which redis-py passes on."""

    async def send(*_, **__):
        raise RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed")

    async def work(store):
        assert (await store.read(707)).events == []
        monkeypatch.setattr(AbstractConnection, "send_packed_command", send)
        for _ in range(breaker.FAILURES):
            with pytest.raises(HistoryUnavailableError, match="RuntimeError"):
                await store.read(707)
        assert not store.breaker.closed, "it counts as a failure of Redis"

    with_store(server.url, work)
