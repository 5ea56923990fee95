"""Redis: the connection for the queue and the view counts, by Sentinel or by URL."""

import asyncio
import time
from urllib.parse import urlsplit

from arq.connections import ArqRedis, RedisSettings
from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelManagedConnection
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, ReadOnlyError, RedisError, TimeoutError

from config import SENTINEL_MASTER, Settings

VIEWS = "lyanna:views"
FLUSHING = "lyanna:views:flushing"
# Without these redis-py waits for ever on a master that is frozen or cut off.
TIMEOUTS = {"socket_timeout": 1, "socket_connect_timeout": 1}
DOWN = (RedisError, OSError, asyncio.TimeoutError)
REST_SECONDS = 1.0  # after a failure, count no views for so long


class Patience(Retry):
    """Tries for ever, up to a second apart, for as long as the worker runs.

    The first task to use it is arq's main one. When that has ended, the worker is
    stopping, and its last commands must not wait for a Redis that is away. redis-py
    copies a Retry for each connection, so what they share is kept on the class.
    """

    main: asyncio.Task | None = None

    def __init__(self):
        super().__init__(NoBackoff(), -1)

    async def call_with_retry(self, do, fail):
        if Patience.main is None:
            Patience.main = asyncio.current_task()
        pause = 0.05
        while True:
            try:
                return await do()
            except self._supported_errors as error:
                await fail(error)
                if Patience.main.done():
                    raise
            await asyncio.sleep(pause)
            pause = min(pause * 2, 1.0)


class FollowingConnection(SentinelManagedConnection):
    """Asks Sentinel before every attempt. The base class, once patient, would go on
    trying the address of the dead master instead."""

    async def connect_to(self, address):
        patience, self.retry = self.retry, Retry(NoBackoff(), 0)
        try:
            await super().connect_to(address)
        finally:
            self.retry = patience


def connect(settings: Settings, patient: bool = False) -> ArqRedis:
    """A client for the master; it connects when first used. A `patient` one (the
    worker's) holds every command until Redis answers, others raise what is in DOWN."""
    options = dict(TIMEOUTS)
    if patient:
        errors = [ConnectionError, TimeoutError, ReadOnlyError, OSError]
        options |= {"retry": Patience(), "retry_on_error": errors}
    if settings.sentinel is None:
        return ArqRedis(ConnectionPool.from_url(settings.redis_url, **options))
    url = urlsplit(settings.redis_url)
    return Sentinel([settings.sentinel], **TIMEOUTS).master_for(
        SENTINEL_MASTER,
        redis_class=ArqRedis,
        connection_class=FollowingConnection,
        password=url.password,
        db=int(url.path.lstrip("/") or 0),
        **options,
    )


def arq_settings(settings: Settings) -> RedisSettings:
    """The same in arq's own terms, for `arq --check`."""
    found = RedisSettings.from_dsn(settings.redis_url)
    if settings.sentinel is not None:
        found.sentinel, found.sentinel_master = True, SENTINEL_MASTER
        found.host = [settings.sentinel]
    return found


class Counter:
    """Counts views in Redis. None everywhere means that Redis does not answer."""

    def __init__(self, redis: ArqRedis):
        self._redis = redis
        self._rest_until = 0.0

    async def count(self, post_id: int, by: int = 1) -> int | None:
        """Count a view; returns the post's views that are not in the database yet."""

        async def ask():
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.hincrby(VIEWS, post_id, by)
                pipe.hget(FLUSHING, post_id)
                counted, flushing = await pipe.execute()
            return int(counted) + int(flushing or 0)

        return await self._try(ask)

    async def pending(self) -> dict[int, int] | None:
        """All views that are not in the database yet, by post."""

        async def ask():
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.hgetall(VIEWS)
                pipe.hgetall(FLUSHING)
                hashes = await pipe.execute()
            total: dict[int, int] = {}
            for one in hashes:
                for post_id, count in one.items():
                    if post_id.isdigit():
                        total[int(post_id)] = total.get(int(post_id), 0) + int(count)
            return total

        return await self._try(ask)

    async def _try(self, ask):
        if time.monotonic() < self._rest_until:
            return None
        try:
            return await within(0.5, ask)
        except DOWN:
            self._rest_until = time.monotonic() + REST_SECONDS
            return None


async def within(budget: float, ask):
    """Ask, and again after errors of Redis, for `budget` seconds in all; a pool's
    idle connections each fail once after Redis was restarted."""
    pause = 0.02
    async with asyncio.timeout(budget):
        while True:
            try:
                return await ask()
            except (RedisError, OSError):
                if pause > budget / 2:
                    raise
            await asyncio.sleep(pause)
            pause *= 2


async def describe(settings: Settings, redis: ArqRedis) -> dict:
    """Which Redis this is, for /status."""
    async with redis.pipeline(transaction=False) as pipe:
        pipe.info("server")
        pipe.info("replication")
        pipe.zcard("arq:queue")
        server, replication, queued = await pipe.execute()
    pool = redis.connection_pool
    if settings.sentinel is not None:
        host, port = pool.master_address
    else:
        host, port = pool.connection_kwargs.get("host"), pool.connection_kwargs.get("port", 6379)
    return {
        "via": "sentinel" if settings.sentinel else "url",
        "sentinel": "{}:{}".format(*settings.sentinel) if settings.sentinel else None,
        "address": f"{host}:{port}",
        "run_id": server["run_id"],
        "role": replication["role"],
        "replicas": replication.get("connected_slaves", 0),
        "version": server["redis_version"],
        "queued": queued,
    }
