"""Connections: one pool for Redis and one for arq, made when they are first used and never again."""
import aiomcache
import aioredis
from arq import create_pool
from arq.connections import RedisSettings
from tortoise import Tortoise

import config

_pools = {}


async def init_db(create_db=False):
    await Tortoise.init(db_url=config.DB_URL, modules={"models": ["models"]}, _create_db=create_db)


async def redis():
    if "redis" not in _pools:
        _pools["redis"] = await aioredis.create_redis_pool(config.REDIS_URL, minsize=5, maxsize=20)
    return _pools["redis"]


async def queue():
    if "queue" not in _pools:
        host, _, port = config.REDIS_URL.split("//")[1].split("/")[0].partition(":")
        _pools["queue"] = await create_pool(RedisSettings(host=host, port=int(port or 6379)))
    return _pools["queue"]


def memcache():
    if "memcache" not in _pools:
        _pools["memcache"] = aiomcache.Client(config.MEMCACHED_HOST, config.MEMCACHED_PORT)
    return _pools["memcache"]
