"""What everybody sees: the front page and the posts."""
from sanic import Blueprint
from sanic.exceptions import NotFound
from sanic.response import html, json

from ext import queue, redis
from models import Comment, Post, content_key
from templates import render

bp = Blueprint("blog", url_prefix="/")


@bp.route("/")
async def index(request):
    posts = []
    for post_id, title in await Post.listed():
        content = await (await redis()).get(content_key(post_id), encoding="utf-8")
        posts.append((post_id, title, content or ""))
    return html(render("index.html", posts=posts))


@bp.route("/post/<post_id:int>/")
async def show(request, post_id):
    post = await Post.filter(id=post_id).first()
    if post is None:
        raise NotFound(f"there is no post {post_id}")
    content = await (await redis()).get(content_key(post_id), encoding="utf-8")
    comments = await Comment.filter(post_id=post_id).order_by("id")
    return html(render("post.html", post=post, content=content, views=await post.visited(), comments=comments))


@bp.route("/j/post/<post_id:int>/comment", methods=["POST"])
async def comment(request, post_id):
    """Saves a comment. The worker finds out whom it mentions."""
    saved = await Comment.create(post_id=post_id, content=request.form.get("content"))
    job = await (await queue()).enqueue_job("mention_users", saved.id)
    return json({"r": 0, "id": saved.id, "job": job.job_id})
