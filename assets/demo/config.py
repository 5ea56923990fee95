"""The app's settings, read from the environment in one place."""

import os
import socket
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

VERSION = "1.0.0"
SENTINEL_MASTER = "mymaster"


@dataclass(frozen=True)
class Database:
    """Where MariaDB is and who we are there."""

    host: str
    port: int
    user: str
    password: str
    name: str
    charset: str


@dataclass(frozen=True)
class Settings:
    """Everything the environment decides. Times are in seconds."""

    database: Database
    redis_url: str
    sentinel: tuple[str, int] | None  # with it, the master's address comes from Sentinel
    memcached: tuple[str, int]
    pod: str
    version: str
    flush_every: int  # how often counted views go to the database; 1 to 30


def read_database(url: str) -> Database:
    """Read mysql://user:password@host:port/name?charset=utf8mb4."""
    parts = urlsplit(url)
    if parts.scheme not in ("mysql", "mariadb") or not parts.hostname:
        raise ValueError("DB_URL must look like mysql://user:password@host:3306/name")
    return Database(
        host=parts.hostname,
        port=parts.port or 3306,
        user=unquote(parts.username or "root"),
        password=unquote(parts.password or ""),
        name=parts.path.lstrip("/") or "lyanna",
        charset=parse_qs(parts.query).get("charset", ["utf8mb4"])[0],
    )


def read_settings(env=os.environ) -> Settings:
    """Read the settings; raises ValueError for what cannot be understood."""
    sentinel_host = env.get("REDIS_SENTINEL_SVC_HOST", "")
    sentinel_port = int(env.get("REDIS_SENTINEL_SVC_PORT") or 26379)
    return Settings(
        database=read_database(
            env.get("DB_URL") or "mysql://root@127.0.0.1:3306/lyanna?charset=utf8mb4"
        ),
        redis_url=env.get("REDIS_URL") or "redis://127.0.0.1:6379",
        sentinel=(sentinel_host, sentinel_port) if sentinel_host else None,
        memcached=(
            env.get("MEMCACHED_HOST") or "127.0.0.1",
            int(env.get("MEMCACHED_PORT") or 11211),
        ),
        pod=env.get("HOSTNAME") or socket.gethostname(),
        version=env.get("APP_VERSION") or VERSION,
        flush_every=min(30, max(1, int(env.get("VIEWS_FLUSH_SECONDS") or 5))),
    )
