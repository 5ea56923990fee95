"""The web process: python app.py."""
from sanic import Sanic
from sanic.exceptions import NotFound
from sanic.response import text

import config
from ext import init_db, redis
from views import admin, blog

app = Sanic("lyanna")
app.blueprint(blog.bp)
app.blueprint(admin.bp)


@app.listener("before_server_start")
async def connect(app, loop):
    await init_db()
    await redis()


@app.exception(NotFound)
async def not_found(request, exception):
    return text("there is no such page", status=404)


if __name__ == "__main__":
    app.run(host="0.0.0.0", port=8000, debug=config.DEBUG)
