"""A server with /health and nothing else, which starts at once and fails as it is told.

Variables: PORT; EXIT_CODE (says something and exits); SICK (health answers 503); DEAF (ignores
SIGTERM); EAT_MB (takes memory at GET /eat); WRITE (a path to write a megabyte to at GET /write).
"""

import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

print("the plain server starts", flush=True)
if code := os.environ.get("EXIT_CODE"):
    print("no licence found in /etc/licence", file=sys.stderr, flush=True)
    sys.exit(int(code))
if os.environ.get("DEAF"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/die":
            print("the plain server dies", flush=True)
            os._exit(7)
        if self.path == "/eat":
            self.server.eaten = bytearray(os.urandom(1024)) * 1024 * int(os.environ["EAT_MB"])
        answer = f"{os.getuid()} {os.environ}".encode()
        if self.path == "/write":
            try:
                with open(os.environ["WRITE"], "wb") as file:
                    file.write(b"x" * 2**20)
            except OSError as error:
                answer = str(error).encode()
        self.send_response(503 if os.environ.get("SICK") else 200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args):
        pass


ThreadingHTTPServer(("", int(os.environ.get("PORT", "8000"))), Handler).serve_forever()
