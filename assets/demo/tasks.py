"""The arq worker: `arq tasks.WorkerSettings`.

It publishes comments, and writes the counted views to the database. Both survive
being run twice, so a lost reply or a killed worker does no harm.
"""

import asyncio
import logging
import uuid

from arq import Retry, cron

import posts
from cache import Cache
from config import read_settings
from database import Database, Unavailable
from redis_link import FLUSHING, VIEWS, arq_settings, connect
from text import render

log = logging.getLogger("arq.lyanna")
settings = read_settings()
FORGOTTEN_SECONDS = 3

# Take the counted views away under another name, with an id; or take up again the
# batch that an earlier worker left behind.
TAKE = """
if redis.call('exists', KEYS[2]) == 0 then
  if redis.call('exists', KEYS[1]) == 0 then return {} end
  redis.call('rename', KEYS[1], KEYS[2])
end
redis.call('hsetnx', KEYS[2], 'batch', ARGV[1])
return redis.call('hgetall', KEYS[2])
"""
# Delete a batch, unless another has taken its place.
DROP = """
if redis.call('hget', KEYS[1], 'batch') == ARGV[1] then return redis.call('del', KEYS[1]) end
return 0
"""


async def publish_comment(ctx, comment_id: int) -> str:
    try:
        done = await _publish(ctx, comment_id)
    except Unavailable as error:
        raise Retry(defer=min(ctx["job_try"], 5)) from error
    return "published" if done else "nothing to do"


async def publish_forgotten(ctx) -> int:
    """Publish the comments whose job never came: Redis was away when they were
    written, or a failover lost the job."""
    try:
        found = await ctx["database"].run(posts.forgotten_comments(FORGOTTEN_SECONDS))
        for comment_id in found:
            await _publish(ctx, comment_id)
    except Unavailable as error:
        log.warning("cannot look for forgotten comments: %s", error)
        return 0
    if found:
        log.info("published %d forgotten comments", len(found))
    return len(found)


async def flush_views(ctx) -> int:
    """Move the counted views into the database. What cannot be written stays in
    Redis, with its id, for the next time."""
    flat = await ctx["redis"].eval(TAKE, 2, VIEWS, FLUSHING, uuid.uuid4().hex)
    if not flat:
        return 0
    batch = dict(zip(flat[::2], flat[1::2], strict=True))
    batch_id = batch.pop(b"batch").decode()
    views = {int(post_id): int(count) for post_id, count in batch.items()}
    try:
        await ctx["database"].run(posts.add_views(batch_id, views))
    except Unavailable as error:
        log.warning("views stay in Redis for now: %s", error)
        return 0
    await ctx["redis"].eval(DROP, 1, FLUSHING, batch_id)
    await ctx["cache"].forget_all()
    return sum(views.values())


async def _publish(ctx, comment_id: int) -> bool:
    work = posts.publish_comment(comment_id, settings.pod, render)
    done = await ctx["database"].run(work)
    if done:
        await ctx["cache"].forget_all()
    return done


async def start(ctx) -> None:
    ctx["cache"] = Cache(*settings.memcached)
    ctx["database"] = Database(settings.database)
    ctx["schema"] = asyncio.create_task(ctx["database"].make_ready())


async def stop(ctx) -> None:
    ctx["schema"].cancel()
    await ctx["database"].close()
    await ctx["cache"].close()


class _WithoutRoutine(logging.Filter):
    """arq tells of every job and of its health, and both come every few seconds."""

    def filter(self, record):
        text = record.getMessage()
        routine = " cron:" in text or text.startswith("recording health")
        return record.levelno > logging.INFO or not routine or text.startswith("Starting")


logging.getLogger("arq.worker").addFilter(_WithoutRoutine())
_seconds = set(range(0, 60, settings.flush_every))


class WorkerSettings:
    """What the arq command reads."""

    functions = [publish_comment]
    cron_jobs = [
        cron(flush_views, second=_seconds, keep_result=10, timeout=20),
        cron(publish_forgotten, second=set(range(0, 60, 2)), keep_result=10, timeout=20),
    ]
    redis_pool = connect(settings, patient=True)
    redis_settings = arq_settings(settings)  # for `arq --check` alone
    on_startup = start
    on_shutdown = stop
    poll_delay = 0.2
    job_timeout = 20
    max_tries = 10
    keep_result = 60
    health_check_interval = 5
