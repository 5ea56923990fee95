from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import redis

db = redis.Redis("redis", decode_responses=True)


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"hello, visit {db.incr('visits')}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


try:
    ThreadingHTTPServer(("", 8000), Page).serve_forever()
except KeyboardInterrupt:
    pass
