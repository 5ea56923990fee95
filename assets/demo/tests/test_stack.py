"""The app and its backends: what /status says, the flush of views, a Redis failover."""

import threading
import time
import uuid

import httpx
import redis

from config import SENTINEL_MASTER
from conftest import WEB_URL, wait_for


def test_status_names_the_backends(web, settings):
    answer = web.get("/status")
    found = answer.json()
    assert answer.status_code == 200, found
    assert found["ok"] and found["pod"] and found["version"]
    assert found["mariadb"]["hostname"]
    assert found["mariadb"]["server_id"] >= 1
    assert found["mariadb"]["read_only"] is False
    assert "MariaDB" in found["mariadb"]["version"]
    assert found["memcached"]["address"].startswith(settings.memcached[0])
    assert found["memcached"]["stats"]["limit_maxbytes"] > 0
    assert found["redis"]["role"] == "master"
    assert len(found["redis"]["run_id"]) == 40
    assert found["redis"]["via"] == ("sentinel" if settings.sentinel else "url")


def test_views_reach_the_database(web, query, settings):
    def stored():
        return int(query("SELECT views FROM posts WHERE id = 3")[0][0])

    before = stored()
    for _ in range(7):
        assert web.get("/post/3").status_code == 200
    wait_for(
        lambda: stored() >= before + 7, settings.flush_every * 2 + 10, "seven views in MariaDB"
    )


def test_a_batch_of_views_counts_once(query, master, settings):
    """A worker that died after its commit leaves the batch in Redis: the next one
    must not add it again."""
    batch = uuid.uuid4().hex
    query_views = "SELECT views FROM posts WHERE id = 4"
    before = int(query(query_views)[0][0])

    def leave_a_batch():
        script = """if redis.call('exists', KEYS[1]) == 1 then return 0 end
                    return redis.call('hset', KEYS[1], 'batch', ARGV[1], '4', '1000')"""
        return master.eval(script, 1, "lyanna:views:flushing", batch)

    for _ in range(2):
        wait_for(leave_a_batch, 10, "no flush to be under way")
        wait_for(
            lambda: not master.exists("lyanna:views:flushing"),
            settings.flush_every * 2 + 10,
            "the worker to take the batch",
        )
    after = int(query(query_views)[0][0])
    query("UPDATE posts SET views = views - 1000 WHERE id = 4")
    assert before + 1000 <= after < before + 2000


def test_comments_survive_a_redis_failover(web, query, sentinel):
    before = wait_for(lambda: master_of(sentinel), 30, "a Redis master")
    writer = Writer()
    writer.start()
    wait_for(lambda: len(writer.accepted) >= 5, 20, "the first comments")
    wait_for(lambda: start_failover(sentinel), 60, "Sentinel to accept a failover")
    wait_for(lambda: master_of(sentinel) not in (None, before), 60, "another Redis master")
    enough = len(writer.accepted) + 20
    wait_for(lambda: len(writer.accepted) >= enough, 30, "comments after the failover")
    writer.stop()

    def missing():
        marks = ", ".join(["%s"] * len(writer.accepted))
        sql = f"SELECT COUNT(*) FROM comments WHERE status = 'published' AND token IN ({marks})"
        return len(writer.accepted) - query(sql, *writer.accepted)[0][0]

    wait_for(lambda: missing() == 0, 90, f"{len(writer.accepted)} comments to be published")
    wait_for(
        lambda: web.get("/status").json()["redis"].get("address") not in (None, before),
        30,
        "the web to talk to the new master",
    )


class Writer(threading.Thread):
    """Posts a comment every 100 ms; one that is refused is sent again, same token."""

    def __init__(self):
        super().__init__(daemon=True)
        self.accepted: list[str] = []
        self._ended = threading.Event()

    def run(self):
        with httpx.Client(base_url=WEB_URL, timeout=5) as client:
            while not self._ended.is_set():
                token = uuid.uuid4().hex
                while not self._ended.is_set() and not self._send(client, token):
                    time.sleep(0.2)
                time.sleep(0.1)

    def _send(self, client, token) -> bool:
        form = {"author": "Failover", "body": f"failover {token}", "token": token}
        try:
            answer = client.post("/post/2/comment", data=form)
        except httpx.TransportError:
            return False
        if answer.status_code != 303:
            return False
        self.accepted.append(token)
        return True

    def stop(self):
        self._ended.set()
        self.join(10)


def master_of(sentinel) -> str | None:
    try:
        return "{}:{}".format(*sentinel.discover_master(SENTINEL_MASTER))
    except redis.RedisError:
        return None


def start_failover(sentinel) -> bool:
    """False while Sentinel refuses: the replicas are not ready, or one is under way."""
    try:
        return bool(sentinel.sentinels[0].execute_command("SENTINEL FAILOVER", SENTINEL_MASTER))
    except redis.RedisError:
        return False
