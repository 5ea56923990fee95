"""The blog as a reader and a commenter see it, through the whole stack."""

import re
import uuid

import pytest

from conftest import wait_for


def views_of(page: str) -> int:
    return int(re.search(r'<span id="views">([\d,]+)</span>', page).group(1).replace(",", ""))


def test_the_list_shows_posts(web):
    page = web.get("/")
    assert page.status_code == 200
    assert page.text.count("<article") >= 4
    assert 'href="/post/1"' in page.text
    assert page.headers["x-pod"] in page.text


def test_a_probe_can_use_head(web):
    assert web.head("/").status_code == 200


def test_healthz_is_cheap(web):
    answer = web.get("/healthz")
    assert (answer.status_code, answer.text) == (200, "ok\n")


@pytest.mark.parametrize("path", ["/post/999999", "/nothing/here", "/post/abc"])
def test_what_is_not_there_is_404(web, path):
    answer = web.get(path)
    assert answer.status_code == 404
    assert "Traceback" not in answer.text


def test_every_view_counts(web):
    first = views_of(web.get("/post/2").text)
    for _ in range(5):
        web.get("/post/2")
    last = wait_for(
        lambda: (n := views_of(web.get("/post/2").text)) >= first + 6 and n, 5, "six more views"
    )
    assert last >= first + 6


def test_second_read_comes_from_memcached(web):
    def twice():  # the worker may forget the cache between the two: then try again
        web.get("/")
        return web.get("/").headers["x-cache"] == "hit"

    wait_for(twice, 5, "a second read with X-Cache: hit")


def test_a_published_comment_is_not_hidden_by_the_cache(web, query):
    token = comment(web, "fresh one")
    wait_for(lambda: published(query, token), 15, "the worker to publish")
    wait_for(lambda: token in web.get("/post/1").text, 2, "the page to show the comment")


def test_comment_is_published_by_the_worker(web, query):
    token = comment(web, "`code` & <script>alert(1)</script>\n\nsee https://example.org/x")
    wait_for(lambda: published(query, token), 15, "the worker to publish")
    html, worker = query("SELECT html, worker FROM comments WHERE token = %s", token)[0]
    assert worker
    assert "<script" not in html
    assert "<code>code</code> &amp; &lt;script&gt;" in html
    assert 'href="https://example.org/x"' in html
    page = web.get("/post/1", params={"comment": token}).text
    assert "Your comment is published" in page
    assert "<script>alert" not in page


def test_the_same_token_saves_one_comment(web, query):
    token = uuid.uuid4().hex
    for _ in range(3):
        comment(web, "sent three times", token)
    assert query("SELECT COUNT(*) FROM comments WHERE token = %s", token)[0][0] == 1


@pytest.mark.parametrize(
    "form",
    [
        {"author": "", "body": "text"},
        {"author": "Ann", "body": "   "},
        {"author": "A" * 41, "body": "text"},
        {"author": "Ann", "body": "x" * 2001},
    ],
)
def test_a_bad_comment_is_refused_and_kept_in_the_form(web, form):
    answer = web.post("/post/1/comment", data=form)
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text
    assert form["body"].strip() in answer.text


def test_a_comment_on_no_post_is_404(web):
    answer = web.post("/post/999999/comment", data={"author": "Ann", "body": "text"})
    assert answer.status_code == 404


def comment(web, body, token=None) -> str:
    """Post a comment that carries its token in its text; returns the token."""
    token = token or uuid.uuid4().hex
    answer = web.post(
        "/post/1/comment", data={"author": "Test", "body": f"{body}\n\n{token}", "token": token}
    )
    assert answer.status_code == 303, answer.text
    assert answer.headers["x-queue"] in ("queued", "later")
    return token


def published(query, token) -> bool:
    rows = query("SELECT status FROM comments WHERE token = %s", token)
    return bool(rows) and rows[0][0] == "published"
