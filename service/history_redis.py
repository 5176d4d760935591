"""Live events in Redis: one sorted set per user, seen by every worker at once.

A key is `candgen:history:{user}`, so it works on a cluster too; a member is `item NUL event_id`, its score
the event's time. The scripts touch one key each and are one round trip. A forgotten user's set holds one more
member whose score is infinite, so that it is never trimmed; all forgotten users are in `candgen:forgotten`
too, which every worker keeps a copy of: a user stays forgotten while Redis is away or after it lost its data.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError, ResponseError

from service.breaker import Breaker
from service.errors import HistoryUnavailableError
from service.history_live import MAX_EVENTS, Event, LiveEvents
from service.ids import Id

log = logging.getLogger(__name__)
T = TypeVar("T")

CLUSTER = "+cluster"
WRITE_SECONDS = 1.0
"""How long a write may take: nobody waits for candidates meanwhile."""
SYNC_SECONDS = 1.0
"""How often the copy of the forgotten users is brought up to date."""
_CONNECTIONS = 256
_FORGOTTEN_KEY = "candgen:forgotten"
_OVERLAP_SECONDS = 3600
"""By how much the clocks of workers may differ."""

READ = """
local flat = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
for i = 1, #flat, 2 do flat[i] = string.match(flat[i], '^[^%z]*') end
return {KEYS[1], table.concat(flat, '\\0')}
"""
"""The answer names its key, so that it cannot be taken for another user's; items and times are one text,
because redis-py takes about 10 µs for every part of an answer."""
APPEND = """
local seen, added = {}, 0
for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  seen[string.match(member, '%z(.*)$')] = true
end
for i = 2, #ARGV, 3 do
  if not seen[ARGV[i + 1]] then
    seen[ARGV[i + 1]] = true
    added = added + 1
    redis.call('ZADD', KEYS[1], ARGV[i + 2], ARGV[i] .. '\\0' .. ARGV[i + 1])
  end
end
local keep = tonumber(ARGV[1])
if redis.call('ZSCORE', KEYS[1], '\\0') then keep = keep + 1 end
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -keep - 1)
return added
"""
FORGET = "redis.call('DEL', KEYS[1]); redis.call('ZADD', KEYS[1], '+inf', '\\0')"


class RedisEvents:
    """Asks a Redis within a budget, and lets it alone while it does not answer."""

    def __init__(self, url: str, budget_ms: float) -> None:
        self._budget = budget_ms / 1000
        self._client: Any = connect(url)
        self._scripts: dict[str, str] = {}
        self._forgotten: set[str] = set()
        self._synced = 0.0
        self.breaker = Breaker("redis", self._probe)
        self.lookups = 0
        self.failures = 0
        """Lookups that were answered without live events."""

    async def read(self, user: Id) -> LiveEvents:
        """Return a user's events within the budget."""
        self.lookups += 1
        try:
            if not self.breaker.closed:
                raise HistoryUnavailableError("redis does not answer")
            return await self._guarded(lambda: self._read(user), self._budget)
        except HistoryUnavailableError:
            self.failures += 1
            raise

    def is_forgotten(self, user: Id) -> bool:
        """Look into the worker's copy."""
        return str(user) in self._forgotten

    async def append(self, user: Id, events: Sequence[Event]) -> int:
        """Add what is new by event_id, trim to the latest."""
        arguments = [part for event in events for part in (str(event.item), event.event_id, event.timestamp)]
        work = lambda: self._run(APPEND, key_of(user), MAX_EVENTS, *arguments)  # noqa: E731
        return int(await self._guarded(work, WRITE_SECONDS)) if events else 0

    async def forget(self, user: Id) -> None:
        """Replace a user's events by the mark of a forgotten one."""

        async def work() -> None:
            await self._client.zadd(_FORGOTTEN_KEY, {str(user): time.time()})
            await self._run(FORGET, key_of(user))

        await self._guarded(work, WRITE_SECONDS)
        self._forgotten.add(str(user))

    async def run(self) -> None:
        """Probe while Redis is away; keep the copy of the forgotten users while it is there."""
        probing = asyncio.create_task(self.breaker.run())
        try:
            while True:
                if self.breaker.closed:
                    try:
                        await asyncio.wait_for(self._sync_forgotten(), WRITE_SECONDS)
                    except Exception as error:
                        log.warning("redis: the forgotten users could not be read: %s", error)
                await asyncio.sleep(SYNC_SECONDS)
        finally:
            probing.cancel()

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def _read(self, user: Id) -> LiveEvents:
        key = key_of(user)
        answered, joined = await self._run(READ, key)
        if answered.decode() != key:  # must not be possible: a connection is closed when a read is given up
            raise RedisError(f"asked for {key}, answered for another")
        flat = joined.decode().split("\0") if joined else []
        forgotten = len(flat) > 0 and not flat[-2]  # the mark has no item, and the highest score
        events = [(item, int(score)) for item, score in zip(flat[::2], flat[1::2], strict=True) if item]
        return LiveEvents(events, forgotten or self.is_forgotten(user))

    async def _guarded(self, work: Callable[[], Awaitable[T]], seconds: float) -> T:
        """Run a command; what fails or takes too long counts against the breaker.

        A refusal (a key of another type) is an answer: it fails this request, not all of them.
        """
        try:
            result = await within(work(), seconds)
        except ResponseError as error:
            log.warning("redis refused a command: %s", error)
            raise HistoryUnavailableError(f"redis refused the command ({error})") from None
        except (RedisError, OSError, TimeoutError, RuntimeError) as error:
            # RuntimeError: uvloop's, where a connection closes between redis-py's look at it and its write
            self.breaker.failed()
            raise HistoryUnavailableError(f"redis does not answer ({type(error).__name__})") from None
        self.breaker.succeeded()
        return result

    async def _run(self, script: str, key: str, *arguments: Any) -> Any:
        """Run a script by its digest, or as text where Redis does not know it (any more)."""
        digest = self._scripts.get(script)
        if digest is not None:
            try:
                return await self._client.evalsha(digest, 1, key, *arguments)
            except NoScriptError:
                pass
        result = await self._client.eval(script, 1, key, *arguments)
        self._scripts[script] = _digest(script)
        return result

    async def _probe(self) -> None:
        """Connect, with time; then a read must be within the budget."""
        try:
            await within(self._read(""), WRITE_SECONDS)
            await within(self._read(""), self._budget)
            await within(self._sync_forgotten(), WRITE_SECONDS)
        except TimeoutError:
            raise TimeoutError(f"no answer within {self._budget * 1000:g} ms") from None

    async def _sync_forgotten(self) -> None:
        """Learn of users forgotten through other workers; tell a Redis that lost its data of those known here."""
        start = time.time()
        new = await self._client.zrangebyscore(_FORGOTTEN_KEY, self._synced - _OVERLAP_SECONDS, "+inf")
        self._forgotten.update(user.decode() for user in new)
        self._synced = start
        there = await self._client.zcard(_FORGOTTEN_KEY)
        if there > len(self._forgotten):  # noted by a clock that was back by more than the overlap
            self._forgotten.update(user.decode() for user in await self._client.zrange(_FORGOTTEN_KEY, 0, -1))
        if there < len(self._forgotten):
            log.warning("redis lost its data; it is told of %d forgotten users again", len(self._forgotten))
            await self._client.zadd(_FORGOTTEN_KEY, dict.fromkeys(self._forgotten, start), nx=True)


def connect(url: str) -> Redis | RedisCluster:
    """Return a client of a URL: redis://, rediss:// or unix://, and redis+cluster:// of any node of a cluster.

    By default redis-py would wait 5 s and try ten times: an unresponsive server would cost a minute for each call.
    """
    options: dict[str, Any] = {
        "socket_timeout": WRITE_SECONDS,
        "socket_connect_timeout": WRITE_SECONDS,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        "max_connections": _CONNECTIONS,
    }
    scheme, _, rest = url.partition("://")
    if scheme.endswith(CLUSTER):
        return RedisCluster.from_url(f"{scheme.removesuffix(CLUSTER)}://{rest}", **options)
    return Redis.from_url(url, **options)


def key_of(user: Id) -> str:
    """Return the key of a user's events; braces in an id must not end the cluster's hash tag."""
    return f"candgen:history:{{{quote(str(user), safe='')}}}"


async def within(work: Awaitable[T], seconds: float) -> T:
    """Wait for work, but not longer; work that is given up is cancelled, which closes its connection.

    By as much as the event loop itself was late, the answer may still come: it may lie in the socket already.
    """
    task = asyncio.ensure_future(work)
    end = time.monotonic() + seconds
    try:
        await asyncio.wait({task}, timeout=seconds)
        if not task.done():
            late = time.monotonic() - end
            await asyncio.wait({task}, timeout=min(late, seconds))
        if task.done():
            return task.result()
    finally:
        if not task.done():
            task.cancel()
    raise TimeoutError


def _digest(script: str) -> str:
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()  # what EVALSHA is defined by
