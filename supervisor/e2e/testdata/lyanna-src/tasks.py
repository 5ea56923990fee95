"""What the worker does: arq tasks.WorkerSettings."""
import re

from arq import cron
from arq.worker import logger

from ext import init_db, redis
from models import VISITED, Comment, Post, User, pageview_key


async def mention_users(ctx, comment_id):
    """Writes down which users a comment mentions."""
    await init_db()
    comment = await Comment.get(id=comment_id)
    names = [u.name for u in await User.filter(name__in=re.findall(r"@(\w+)", comment.content) or [""])]
    comment.mentioned = " ".join(sorted(names)) or "nobody"
    await comment.save()
    logger.info("comment %s mentions %s", comment_id, comment.mentioned)


async def flush_to_db(ctx):
    """Writes the page views of the visited posts to the database, every minute."""
    await init_db()
    r = await redis()
    while (post_id := await r.spop(VISITED)) is not None:
        await Post.filter(id=int(post_id)).update(pageview=int(await r.get(pageview_key(int(post_id))) or 0))


class WorkerSettings:
    functions = [mention_users]
    cron_jobs = [cron(flush_to_db, hour=None)]
