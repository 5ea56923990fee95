"""Memcached: pages' data by name, forgotten all at once.

Every entry carries the generation it was read in, and forgetting is one `incr` of
that number. A slow reader can thus never put back what has just been forgotten:
it writes under a generation that nobody asks for any more.

The rest makes aiomcache fit for outages: it knows no timeouts, gives back a
connection whose reply was not awaited, and spins for ever when the server closes
in the middle of a line.
"""

import asyncio
import json
import socket
import time

import aiomcache
from aiomcache.pool import Connection, MemcachePool

GENERATION = b"lyanna:generation"
TTL_SECONDS = 30
CONNECT_SECONDS = 0.3
REPLY_SECONDS = 0.3
REST_SECONDS = 1.0  # after a failure, do without the cache for so long
DOWN = (OSError, EOFError, TimeoutError, aiomcache.ClientException)


class _Reader(asyncio.StreamReader):
    """Gives up after REPLY_SECONDS, and marks itself unfit when a read was not finished."""

    async def readline(self):
        return await self._finish(super().readline())

    async def readexactly(self, n):
        return await self._finish(super().readexactly(n))

    async def _finish(self, reading):
        try:
            async with asyncio.timeout(REPLY_SECONDS):
                data = await reading
        except BaseException:
            self.set_exception(ConnectionAbortedError("a reply was given up"))
            raise
        if not data:
            raise ConnectionResetError("Memcached closed the connection")
        return data


class _Pool(MemcachePool):
    async def _create_new_conn(self):
        if self.size() >= self._maxsize:
            return None
        loop = asyncio.get_running_loop()
        reader = _Reader(loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        async with asyncio.timeout(CONNECT_SECONDS):
            transport, _ = await loop.create_connection(lambda: protocol, self._host, self._port)
        return Connection(reader, asyncio.StreamWriter(transport, protocol, reader, loop))


def _open(host: str, port: int, size: int) -> aiomcache.Client:
    client = aiomcache.Client(host, port, pool_size=size, pool_minsize=1)
    client._pool = _Pool(host, port, minsize=1, maxsize=size)
    return client


class Cache:
    """Never raises for an unreachable Memcached, `status` apart: the pages do without."""

    def __init__(self, host: str, port: int):
        self.address = f"{host}:{port}"
        self._host, self._port = host, port
        self._client = _open(host, port, 8)
        self._rest_until = 0.0

    async def get(self, name: str):
        """The value or None, and the generation to hand to `put`."""
        if time.monotonic() < self._rest_until:
            return None, None
        try:
            generation = await self._generation()
            found = await self._client.get(_key(generation, name))
        except DOWN:
            self._rest_until = time.monotonic() + REST_SECONDS
            return None, None
        return (json.loads(found) if found else None), generation

    async def put(self, name: str, generation: bytes | None, value) -> None:
        if generation is None:
            return
        try:
            data = json.dumps(value).encode()
            await self._client.set(_key(generation, name), data, exptime=TTL_SECONDS)
        except DOWN:
            self._rest_until = time.monotonic() + REST_SECONDS

    async def forget_all(self) -> bool:
        """Make every entry unreachable, in each Memcached behind the name: another
        process may have its entries in another one. False where one cannot be told;
        its entries then live on for TTL_SECONDS at most."""
        for _ in range(3):
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    found = await asyncio.get_running_loop().getaddrinfo(
                        self._host, self._port, type=socket.SOCK_STREAM
                    )
                addresses = {address[0] for *_, address in found}
                await asyncio.gather(*(self._forget(one) for one in addresses))
                return True
            except DOWN:
                await asyncio.sleep(0.1)
        return False

    async def _forget(self, address: str) -> None:
        client = _open(address, self._port, 1)
        try:
            await self._generation(client)
            await client.incr(GENERATION, 1)
        finally:
            await client.close()

    async def _generation(self, client: aiomcache.Client | None = None) -> bytes:
        client = client or self._client
        found = await client.get(GENERATION)
        if found is None:  # a new Memcached: start where no earlier one can have been
            await client.add(GENERATION, str(time.time_ns() // 1_000_000).encode())
            found = await client.get(GENERATION)
        return found or b"0"

    async def status(self) -> dict:
        stats = await self._client.stats()
        wanted = ("curr_items", "curr_connections", "get_hits", "get_misses", "limit_maxbytes")
        return {
            "version": _text(stats.get(b"version")),
            "pid": int(_text(stats.get(b"pid"))),
            "uptime": int(_text(stats.get(b"uptime"))),
            "stats": {name: int(_text(stats.get(name.encode(), b"0"))) for name in wanted},
        }

    async def close(self) -> None:
        await self._client.close()


def _key(generation: bytes, name: str) -> bytes:
    return b"lyanna:" + generation + b":" + name.encode()


def _text(value: bytes | None) -> str:
    return (value or b"").decode()
