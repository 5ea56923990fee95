"""The posts a new blog starts with: id, title, body, date."""

POSTS = (
    (
        1,
        "Hello from lyanna",
        "This blog is small, but it has the shape of a real one: Sanic behind gunicorn, "
        "an arq worker, MariaDB for what must last, Redis for the queue and the view "
        "counts, and Memcached in front of the database.\n\n"
        "Write a comment below. The web process saves it as pending and hands it to the "
        "queue; the worker renders it, publishes it and signs it with its pod's name.",
        "2025-01-06 09:00:00",
    ),
    (
        2,
        "Where your page views go",
        "Every view is counted in a Redis hash. Every few seconds the worker takes the "
        "hash away under another name, adds it to the posts in one transaction and only "
        "then deletes it.\n\n"
        "Each batch carries an id that is stored in the same transaction, so a worker that "
        "dies half-way counts nothing twice and loses nothing.",
        "2025-01-13 09:00:00",
    ),
    (
        3,
        "What happens when Redis fails over",
        "The address of the master comes from Sentinel, each time a connection is made. "
        "While nobody is master the pages keep rendering; the view count is a dash.\n\n"
        "Comments are safe as well: they are rows in MariaDB first and jobs second. A job "
        "that the old master took with it is found again by a sweep.",
        "2025-01-20 09:00:00",
    ),
    (
        4,
        "A database that restarts under you",
        "Connections break, the server refuses for a second, then it is back. A request "
        "tries again for a moment, and when that is not enough it says so: 503, with "
        "Retry-After, on a page a person can read.",
        "2025-01-27 09:00:00",
    ),
)
