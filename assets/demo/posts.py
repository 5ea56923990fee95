"""What the blog does with its tables. Each function is one piece of work for
Database.run, safe to repeat."""

from collections.abc import Mapping

LIST = """SELECT p.id, p.title, LEFT(p.body, 240) AS excerpt, p.views,
                 DATE_FORMAT(p.created_at, '%Y-%m-%d') AS day, COUNT(c.id) AS comments
            FROM posts p LEFT JOIN comments c ON c.post_id = p.id AND c.status = 'published'
           GROUP BY p.id ORDER BY p.created_at DESC, p.id DESC LIMIT 50"""
POST = """SELECT id, title, body, views, DATE_FORMAT(created_at, '%%Y-%%m-%%d') AS day
            FROM posts WHERE id = %s"""
COMMENTS = """SELECT id, author, html, worker,
                     DATE_FORMAT(created_at, '%%Y-%%m-%%d %%H:%%i') AS at
                FROM comments WHERE post_id = %s AND status = 'published'
               ORDER BY id DESC LIMIT 100"""


async def list_posts(cursor) -> list[dict]:
    await cursor.execute(LIST)
    return list(await cursor.fetchall())


def read_post(post_id: int):
    """The post with its published comments, newest first; None where there is none."""

    async def work(cursor) -> dict | None:
        await cursor.execute(POST, (post_id,))
        post = await cursor.fetchone()
        if post:
            await cursor.execute(COMMENTS, (post_id,))
            post["comments"] = list(await cursor.fetchall())
        return post

    return work


def add_comment(post_id: int, token: str, author: str, body: str):
    """Save a pending comment and return its id; None where the post does not exist.
    The same token saves one comment, however often it is sent."""

    async def work(cursor) -> int | None:
        await cursor.execute(
            """INSERT INTO comments (token, post_id, author, body, created_at)
               SELECT %s, id, %s, %s, NOW(3) FROM posts WHERE id = %s
               ON DUPLICATE KEY UPDATE token = VALUES(token)""",
            (token, author, body, post_id),
        )
        await cursor.execute(
            "SELECT id FROM comments WHERE token = %s AND post_id = %s", (token, post_id)
        )
        row = await cursor.fetchone()
        return row and row["id"]

    return work


def read_comment(token: str):
    async def work(cursor) -> dict | None:
        await cursor.execute("SELECT id, status FROM comments WHERE token = %s", (token,))
        return await cursor.fetchone()

    return work


def publish_comment(comment_id: int, worker: str, render):
    """Render and publish a pending comment. False where there is nothing to do."""

    async def work(cursor) -> bool:
        await cursor.execute(
            "SELECT body FROM comments WHERE id = %s AND status = 'pending' FOR UPDATE",
            (comment_id,),
        )
        row = await cursor.fetchone()
        if row is None:
            return False
        await cursor.execute(
            """UPDATE comments SET html = %s, worker = %s, status = 'published',
                      published_at = NOW(3) WHERE id = %s""",
            (str(render(row["body"])), worker, comment_id),
        )
        return True

    return work


def forgotten_comments(older_than: int):
    """Ids of comments that have been pending for more than `older_than` seconds."""

    async def work(cursor) -> list[int]:
        await cursor.execute(
            """SELECT id FROM comments WHERE status = 'pending'
                  AND created_at < NOW(3) - INTERVAL %s SECOND ORDER BY id LIMIT 200""",
            (older_than,),
        )
        return [row["id"] for row in await cursor.fetchall()]

    return work


def add_views(batch: str, views: Mapping[int, int]):
    """Add counted views to the posts, once for each batch id."""

    async def work(cursor) -> bool:
        fresh = await cursor.execute(
            "INSERT IGNORE INTO view_batches (id, applied_at) VALUES (%s, NOW())", (batch,)
        )
        if not fresh:
            return False
        for post_id, count in sorted(views.items()):
            await cursor.execute(
                "UPDATE posts SET views = views + %s WHERE id = %s", (count, post_id)
            )
        await cursor.execute("DELETE FROM view_batches WHERE applied_at < NOW() - INTERVAL 7 DAY")
        return True

    return work


async def describe_server(cursor) -> dict:
    """Which MariaDB this is, for /status."""
    await cursor.execute(
        """SELECT @@hostname AS hostname, @@server_id AS server_id,
                  @@read_only AS read_only, VERSION() AS version"""
    )
    row = await cursor.fetchone()
    row["read_only"] = bool(row["read_only"])
    return row
