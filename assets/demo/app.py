"""The blog's web process: `gunicorn app:app`."""

import asyncio
import logging
import re
import uuid
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup
from sanic import Sanic, response
from sanic.exceptions import SanicException

import posts
import redis_link
from cache import Cache
from config import read_settings
from database import Database, Unavailable
from status import read_status
from text import render

AUTHOR_MAX, BODY_MAX = 40, 2000
TOKEN = re.compile(r"[0-9a-f]{32}")
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}

logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
log = logging.getLogger("lyanna.web")
settings = read_settings()
pages = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=True,  # a synced template shows with the next request
)
pages.filters["text"] = render

app = Sanic("lyanna", configure_logging=False)
app.config.update(
    {
        "ACCESS_LOG": False,
        "KEEP_ALIVE_TIMEOUT": 30,
        "MOTD": False,
        "REQUEST_MAX_SIZE": 64 * 1024,
        "RESPONSE_TIMEOUT": 10,
    }
)


@app.before_server_start
async def open_backends(app):
    app.ctx.database = Database(settings.database)
    app.ctx.cache = Cache(*settings.memcached)
    app.ctx.redis = redis_link.connect(settings)
    app.ctx.counter = redis_link.Counter(app.ctx.redis)
    app.ctx.schema = asyncio.create_task(app.ctx.database.make_ready())


@app.after_server_stop
async def close_backends(app):
    app.ctx.schema.cancel()
    await app.ctx.database.close()
    await app.ctx.cache.close()
    await app.ctx.redis.aclose(close_connection_pool=True)


@app.route("/", methods=["GET", "HEAD"])
async def index(request):
    (found, x_cache), pending = await asyncio.gather(
        _cached("posts", posts.list_posts), app.ctx.counter.pending()
    )
    for post in found:
        waiting = None if pending is None else pending.get(post["id"], 0)
        post["views"] = _total(post["views"], waiting)
    return _page("index.html", {"X-Cache": x_cache}, posts=found)


@app.get("/post/<post_id:int>")
async def show_post(request, post_id):
    mine = request.args.get("comment", "")
    comment = None
    if TOKEN.fullmatch(mine):
        comment = await app.ctx.database.run(posts.read_comment(mine))
    return await _show_post(post_id, comment=comment, views=0 if comment else 1)


async def _show_post(post_id, status=200, views=0, **page):
    post, x_cache = await _cached(f"post:{post_id}", posts.read_post(post_id))
    if post is None:
        raise SanicException("There is no such post.", status_code=404)
    for comment in post["comments"]:
        comment["html"] = Markup(comment["html"])  # made by text.render in the worker
    post["views"] = _total(post["views"], await app.ctx.counter.count(post_id, by=views))
    page = {"comment": None, "error": None, "draft": {}, "token": uuid.uuid4().hex} | page
    return _page("post.html", {"X-Cache": x_cache}, status, post=post, **page)


@app.post("/post/<post_id:int>/comment")
async def comment_on(request, post_id):
    author = " ".join((request.form.get("author") or "").split())
    body = (request.form.get("body") or "").replace("\r\n", "\n").strip()
    token = request.form.get("token") or ""
    token = token if TOKEN.fullmatch(token) else uuid.uuid4().hex
    error = _complain(author, body)
    if error:
        draft = {"author": author, "body": body}
        return await _show_post(post_id, 400, error=error, draft=draft)
    work = posts.add_comment(post_id, token, author, body)
    comment_id = await app.ctx.database.run(work)
    if comment_id is None:
        raise SanicException("There is no such post.", status_code=404)
    queue = "queued" if await _enqueue(comment_id) else "later"
    where = f"/post/{post_id}?comment={token}#comments"
    return response.redirect(where, status=303, headers={"X-Queue": queue})


def _complain(author, body) -> str | None:
    if not author or not body:
        return "A comment needs a name and a text."
    if len(author) > AUTHOR_MAX or len(body) > BODY_MAX:
        return f"At most {AUTHOR_MAX} characters for the name and {BODY_MAX} for the text."
    return None


async def _enqueue(comment_id) -> bool:
    """Hand the comment to the worker. Without Redis that is not lost: it is a
    pending row already, and the worker looks for forgotten ones."""
    try:
        await redis_link.within(
            0.8,
            lambda: app.ctx.redis.enqueue_job(
                "publish_comment", comment_id, _job_id=f"comment-{comment_id}"
            ),
        )
    except redis_link.DOWN as error:
        log.warning("comment %d is left for the sweep, cannot enqueue: %r", comment_id, error)
        return False
    return True


async def _cached(name, work):
    """What `work` reads, from Memcached where it is fresh there: (value, hit or miss)."""
    value, generation = await app.ctx.cache.get(name)
    if value is not None:
        return value, "hit"
    value = await app.ctx.database.run(work)
    if value is not None:
        await app.ctx.cache.put(name, generation, value)
    return value, "miss"


def _total(stored, waiting) -> str:
    return "–" if waiting is None else f"{stored + waiting:,}"


@app.route("/healthz", methods=["GET", "HEAD"])
async def healthz(request):
    return response.text("ok\n")


@app.get("/status")
async def status(request):
    found = await read_status(settings, app.ctx)
    return response.json(found, status=200 if found["ok"] else 503, indent=2)


@app.exception(Unavailable)
async def unavailable(request, error):
    log.warning("503 %s: %s", request.path, error)
    text = f"{error.backend} does not answer at the moment. Nothing is lost; try again shortly."
    return _page("error.html", {"Retry-After": "1"}, 503, code=503, text=text, again=request.path)


@app.exception(Exception)
async def failed(request, error):
    code = getattr(error, "status_code", 500)
    if code >= 500:
        log.error("%s %s", request.method, request.path, exc_info=error)
        return _page("error.html", {}, code, code=code, text="Something broke here.", again=None)
    return _page("error.html", {}, code, code=code, text=str(error), again=None)


def _page(name, headers, status=200, **values):
    values |= {"settings": settings, "limits": {"author": AUTHOR_MAX, "body": BODY_MAX}}
    html = pages.get_template(name).render(values)
    return response.html(html, status=status, headers=headers)


@app.on_response
async def add_headers(request, answer):
    for name, value in HEADERS.items():
        answer.headers.setdefault(name, value)
    answer.headers["X-Pod"] = settings.pod
