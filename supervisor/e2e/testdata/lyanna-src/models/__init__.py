"""The tables, and what is kept in Redis and Memcached beside them."""
import hashlib
import json

from aioredis.errors import RedisError
from tortoise import fields
from tortoise.models import Model

from ext import memcache, redis

ALL_POSTS = b"core:posts"
VISITED = "lyanna:visited_post_ids"


def content_key(post_id):
    return f"post/{post_id}/props/content"


def pageview_key(post_id):
    return f"lyanna:pageview:{post_id}"


def digest(password):
    return hashlib.sha256(b"lyanna:" + password.encode()).hexdigest()


class User(Model):
    id = fields.IntField(pk=True)
    name = fields.CharField(max_length=100, unique=True)
    email = fields.CharField(max_length=100, null=True)
    password = fields.CharField(max_length=100)

    class Meta:
        table = "users"


class Post(Model):
    id = fields.IntField(pk=True)
    created_at = fields.DatetimeField(auto_now_add=True)
    title = fields.CharField(max_length=100, unique=True)
    author_id = fields.IntField()
    slug = fields.CharField(max_length=100)
    pageview = fields.IntField(default=0)

    class Meta:
        table = "posts"

    @classmethod
    async def publish(cls, title, content, author):
        post = await cls.create(title=title, slug=title.replace(" ", "-"), author_id=author.id)
        await (await redis()).set(content_key(post.id), content)
        await memcache().delete(ALL_POSTS)
        return post

    @classmethod
    async def listed(cls):
        """The IDs and titles of all posts, the newest first: of Memcached if it has them."""
        cached = await memcache().get(ALL_POSTS)
        if cached is not None:
            return json.loads(cached)
        rows = [[p.id, p.title] for p in await cls.all().order_by("-id")]
        await memcache().set(ALL_POSTS, json.dumps(rows).encode())
        return rows

    async def visited(self):
        """Counts a visit. A Redis that takes no writes, as after a failover, does not matter."""
        r = await redis()
        try:
            await r.sadd(VISITED, self.id)
            return await r.incrby(pageview_key(self.id), 1)
        except RedisError:
            return self.pageview


class Comment(Model):
    id = fields.IntField(pk=True)
    post_id = fields.IntField()
    content = fields.CharField(max_length=1000)
    mentioned = fields.CharField(max_length=255, default="")

    class Meta:
        table = "comments"
