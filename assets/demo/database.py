"""MariaDB: a pool that comes back by itself, and the schema.

A request may ask for a short piece of work again and again within its time, so
every piece of work must be safe to repeat (posts.py sees to that).
"""

import asyncio
import logging
import warnings
from collections.abc import Awaitable, Callable

import aiomysql
from pymysql import err

from config import Database as Address
from seed import POSTS

log = logging.getLogger("lyanna.database")
warnings.filterwarnings("ignore", category=err.Warning)

POOL_SIZE = 8
CONNECT_SECONDS = 1
BUDGET_SECONDS = 1.6
READ_ONLY = {1290, 1836}  # the server refuses writes: it is not the master (any more)
NO_TABLE = 1146
TRANSIENT = (err.OperationalError, err.InterfaceError, err.InternalError, OSError, EOFError)

SCHEMA = (
    """CREATE TABLE IF NOT EXISTS posts (
         id INT PRIMARY KEY, title VARCHAR(200) NOT NULL, body TEXT NOT NULL,
         views BIGINT NOT NULL DEFAULT 0, created_at DATETIME NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS comments (
         id BIGINT PRIMARY KEY AUTO_INCREMENT, token CHAR(32) NOT NULL UNIQUE,
         post_id INT NOT NULL, author VARCHAR(40) NOT NULL, body TEXT NOT NULL,
         html TEXT NULL, worker VARCHAR(100) NULL,
         status ENUM('pending', 'published') NOT NULL DEFAULT 'pending',
         created_at DATETIME(3) NOT NULL, published_at DATETIME(3) NULL,
         KEY by_post (post_id, status), KEY by_status (status, created_at),
         FOREIGN KEY (post_id) REFERENCES posts (id))""",
    """CREATE TABLE IF NOT EXISTS view_batches (
         id CHAR(32) PRIMARY KEY, applied_at DATETIME NOT NULL)""",
)


class Unavailable(Exception):
    """A backend did not answer in the time a request has."""

    def __init__(self, backend: str, cause: BaseException):
        super().__init__(f"{backend} is not available: {str(cause) or type(cause).__name__}")
        self.backend = backend


class Database:
    """Runs pieces of work on MariaDB, each in a transaction of its own."""

    def __init__(self, address: Address):
        self.address = address
        self._pool: aiomysql.Pool | None = None
        # aiomysql does not wake those who wait for a connection when one is
        # closed instead of given back, so nobody may have to wait in there.
        self._places = asyncio.Semaphore(POOL_SIZE)

    async def run[T](
        self, work: Callable[[aiomysql.Cursor], Awaitable[T]], budget: float = BUDGET_SECONDS
    ) -> T:
        """Run `work` and commit; again after a lost connection, a restart, a
        deadlock or a demoted master, for `budget` seconds in all. Then raises
        Unavailable. `work` must bear being repeated."""
        clock = asyncio.get_running_loop().time
        deadline, pause = clock() + budget, 0.05
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    return await self._once(work)
            except TRANSIENT as error:
                cause: BaseException = error
                if error.args and error.args[0] in READ_ONLY:
                    await self._forget_idle()
            except err.ProgrammingError as error:
                if error.args[0] != NO_TABLE or work is create_schema:
                    raise
                cause = error
                try:  # an empty database took the old one's place
                    async with asyncio.timeout_at(deadline):
                        await self._once(create_schema)
                    continue
                except TRANSIENT as second:
                    cause = second
            if clock() + pause >= deadline:
                raise Unavailable("MariaDB", cause) from cause
            await asyncio.sleep(pause)
            pause = min(pause * 2, 0.4)

    async def _once(self, work):
        async with self._places:
            pool = await self._open_pool()
            connection = await pool.acquire()
            try:
                async with connection.cursor(aiomysql.DictCursor) as cursor:
                    result = await work(cursor)
                await connection.commit()
                return result
            except BaseException:
                connection.close()  # whatever state it is in, nobody gets it again
                raise
            finally:
                pool.release(connection)

    async def _open_pool(self) -> aiomysql.Pool:
        if self._pool is None:
            at = self.address
            self._pool = await aiomysql.create_pool(
                minsize=0, maxsize=POOL_SIZE, pool_recycle=300, connect_timeout=CONNECT_SECONDS,
                host=at.host, port=at.port, user=at.user, password=at.password, db=at.name,
                charset=at.charset, init_command="SET time_zone = '+00:00'",
            )  # fmt: skip
        return self._pool

    async def _forget_idle(self) -> None:
        """The idle connections lead to the same wrong server: drop them all."""
        if self._pool is not None:
            await self._pool.clear()

    async def make_ready(self) -> None:
        """Create the schema as soon as the master can be reached. Returns then."""
        failures = 0
        while True:
            try:
                await self.run(create_schema, budget=8)
                return
            except Unavailable as error:
                failures += 1
                if failures in (1, 10) or failures % 100 == 0:
                    log.warning("cannot create the schema yet: %s", error)
                await asyncio.sleep(0.5)

    async def close(self) -> None:
        if self._pool is not None:
            self._pool.terminate()
            await self._pool.wait_closed()


async def create_schema(cursor) -> None:
    """Create tables and first posts where they are missing, one process at a time."""
    await cursor.execute("SELECT @@read_only AS read_only")
    if (await cursor.fetchone())["read_only"]:
        raise err.OperationalError(1290, "this MariaDB is read-only, not the master")
    await cursor.execute("SELECT GET_LOCK('lyanna.schema', 5) AS held")
    if not (await cursor.fetchone())["held"]:
        raise err.OperationalError(1205, "another process has been creating the schema for 5 s")
    try:
        for statement in SCHEMA:
            await cursor.execute(statement)
        await cursor.executemany(
            "INSERT IGNORE INTO posts (id, title, body, created_at) VALUES (%s, %s, %s, %s)", POSTS
        )
    finally:
        await cursor.execute("DO RELEASE_LOCK('lyanna.schema')")
