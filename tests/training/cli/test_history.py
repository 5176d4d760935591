"""`history` fills a real Redis."""

import asyncio

import polars as pl
import pytest

from service.history_redis import RedisEvents
from tests.redis_server import free_port, redis_server
from training.__main__ import main


def read(url, user):
    async def main():
        store = RedisEvents(url, 5000)
        store.breaker.closed = True
        found = await store.read(user)
        await store.close()
        return found.events

    return asyncio.run(main())


def test_a_log_is_loaded_once(tmp_path, capsys):
    log = tmp_path / "e.parquet"
    pl.DataFrame(
        {
            "user_id": [2**63 + 1, 2**63 + 1, 2**63 + 1, 7, 7, 7],
            "item_id": [10, 10, 20, 10, 30, 30],
            "timestamp": [5, 6, 7, 8, 9, 10],
            "request_id": [1, 1, 2, 3, None, None],
            "action_type": ["AT_CartUpdate", "AT_Purchase", "AT_CartUpdate", "AT_View", "AT_Purchase", "AT_Purchase"],
        },
        schema_overrides={"user_id": pl.UInt64},
    ).write_parquet(log)
    with redis_server(tmp_path) as server:
        for new in (3, 0):
            assert main(["history", "--events", str(log), "--redis", server.url]) == 0
            assert f"2 users, {new} new events" in capsys.readouterr().out
        assert read(server.url, 2**63 + 1) == [("10", 6), ("20", 7)]
        assert read(server.url, 7) == [("30", 10)]
        server.flush()
        assert main(["history", "--events", str(log), "--redis", server.url, "--since", "9"]) == 0
        assert "1 users, 1 new events" in capsys.readouterr().out


def test_errors_are_one_line(tmp_path, capsys):
    log = tmp_path / "e.parquet"
    pl.DataFrame({"user_id": [1], "item_id": [1], "timestamp": [1]}).write_parquet(log)
    assert main(["history", "--events", str(log), "--redis", f"redis://127.0.0.1:{free_port()}"]) == 2
    printed = capsys.readouterr().err
    assert "redis does not answer" in printed
    assert printed.count("\n") == 1
    with pytest.raises(SystemExit):
        main(["history", "--events", str(log), "--redis", "localhost"])
