"""What /status says: which backends this process talks to, and whether they answer."""

import asyncio
import platform
from importlib.metadata import version

import posts
import redis_link

BUDGET_SECONDS = 1.0


async def read_status(settings, backends) -> dict:
    """Ask all three at once; `ok` is true where each of them is."""
    mariadb, memcached, redis = await asyncio.gather(
        _ask(_mariadb(backends)),
        _ask(backends.cache.status()),
        _ask(_redis(settings, backends.redis)),
    )
    at = settings.database
    return {
        "ok": all(part["ok"] for part in (mariadb, memcached, redis)),
        "pod": settings.pod,
        "version": settings.version,
        "runtime": {"python": platform.python_version(), "sanic": version("sanic")},
        "mariadb": {"address": f"{at.host}:{at.port}"} | mariadb,
        "memcached": {"address": backends.cache.address} | memcached,
        "redis": redis,
    }


async def _mariadb(backends) -> dict:
    found = await backends.database.run(posts.describe_server, BUDGET_SECONDS)
    if found["read_only"]:
        found |= {"ok": False, "error": "this server is read-only, not the master"}
    return found


async def _redis(settings, redis) -> dict:
    found = await redis_link.within(BUDGET_SECONDS, lambda: redis_link.describe(settings, redis))
    if found["role"] != "master":
        found |= {"ok": False, "error": f"this server is a {found['role']}, not the master"}
    return found


async def _ask(question) -> dict:
    try:
        async with asyncio.timeout(BUDGET_SECONDS + 0.2):
            return {"ok": True} | await question
    except Exception as error:
        return {"ok": False, "error": f"{type(error).__name__}: {error}".rstrip(": ")}
