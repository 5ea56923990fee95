"""What the tests need: the running web at WEB_URL, and the same backends as the app.

The backends come from the app's own environment names (DB_URL, REDIS_URL,
MEMCACHED_HOST, REDIS_SENTINEL_SVC_HOST, ...), read by the app's own code.
"""

import os
import time

import httpx
import pymysql
import pytest
import redis
from redis.sentinel import Sentinel

from config import SENTINEL_MASTER, read_settings


WEB_URL = os.environ.get("WEB_URL", "http://lyanna-svc").rstrip("/")


@pytest.fixture(scope="session")
def settings():
    return read_settings()


@pytest.fixture(scope="session")
def web():
    """An HTTP client for the running web. Starts the tests once it answers."""
    with httpx.Client(base_url=WEB_URL, timeout=5) as client:
        wait_for(lambda: _answers(client), 30, f"{WEB_URL}/ to answer 200")
        yield client


def _answers(client) -> bool:
    try:
        return client.get("/").status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="session")
def query(settings):
    """Ask MariaDB directly: query("SELECT ...", arg) gives the rows. Each question
    has a connection of its own, so that it lives through restarts."""
    at = settings.database

    def ask(sql, *args):
        connection = pymysql.connect(
            host=at.host, port=at.port, user=at.user, password=at.password, database=at.name,
            charset=at.charset, autocommit=True, connect_timeout=3, read_timeout=10,
        )  # fmt: skip
        with connection, connection.cursor() as cursor:
            cursor.execute(sql, args)
            return cursor.fetchall()

    return ask


@pytest.fixture(scope="session")
def sentinel(settings):
    if settings.sentinel is None:
        pytest.skip("there is no Sentinel here (REDIS_SENTINEL_SVC_HOST), so nothing fails over")
    return Sentinel([settings.sentinel], socket_timeout=2)


@pytest.fixture
def master(settings):
    """The Redis master, by Sentinel where there is one."""
    if settings.sentinel is None:
        return redis.Redis.from_url(settings.redis_url, socket_timeout=2)
    return Sentinel([settings.sentinel], socket_timeout=2).master_for(
        SENTINEL_MASTER, socket_timeout=2
    )


def wait_for(ask, seconds, what):
    """Ask until the answer is true; returns it. Fails after `seconds`, saying `what`."""
    deadline = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer:
            return answer
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds} s in vain for {what}")
        time.sleep(0.1)
