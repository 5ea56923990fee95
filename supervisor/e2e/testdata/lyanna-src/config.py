"""Settings, from the environment. With a Sentinel, importing this module asks it for the master."""
import os

DB_URL = os.getenv("DB_URL", "mysql://root:@localhost:3306/test?charset=utf8mb4")
REDIS_URL = os.getenv("REDIS_URL", "redis://localhost:6379")
MEMCACHED_HOST = os.getenv("MEMCACHED_HOST", "127.0.0.1")
MEMCACHED_PORT = 11211
DEBUG = os.getenv("DEBUG", "") in ("1", "true")

_sentinel = os.getenv("REDIS_SENTINEL_SVC_HOST")
if _sentinel:
    from redis.sentinel import Sentinel

    _host, _port = Sentinel(
        [(_sentinel, os.getenv("REDIS_SENTINEL_SVC_PORT", 26379))], socket_timeout=0.1
    ).discover_master("mymaster")
    REDIS_URL = f"redis://{_host}:{_port}"
