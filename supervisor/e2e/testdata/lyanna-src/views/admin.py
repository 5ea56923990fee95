"""What the administrator does."""
from sanic import Blueprint
from sanic.exceptions import Forbidden
from sanic.response import json

from models import Post, User, digest

bp = Blueprint("admin", url_prefix="/api")


@bp.route("/post/new", methods=["POST"])
async def new_post(request):
    author = await User.filter(name=request.form.get("name"), password=digest(request.form.get("password", ""))).first()
    if author is None:
        raise Forbidden("name or password is wrong")
    post = await Post.publish(request.form.get("title"), request.form.get("content"), author)
    return json({"ok": True, "post": {"id": post.id, "title": post.title}})
