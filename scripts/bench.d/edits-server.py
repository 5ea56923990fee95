import http.server, os, signal, sys, threading
VERSION = "v0"
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/":
            body = VERSION
        elif self.path.startswith("/count/"):
            want, n = self.path[7:], 0
            for d, _, files in os.walk("/app/static/many"):
                for f in files:
                    with open(os.path.join(d, f)) as g:
                        n += g.read() == want
            body = str(n)
        else:
            try:
                with open("/app" + self.path) as f:
                    body = f.read()
            except OSError:
                body = ""
        body = body.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *a):
        pass
class S(http.server.ThreadingHTTPServer):
    request_queue_size = 128
signal.signal(signal.SIGTERM, lambda *a: os._exit(0))
S(("", 8000), H).serve_forever()
