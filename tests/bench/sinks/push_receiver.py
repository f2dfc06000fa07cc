"""The receiver of pushes in the bench: takes every request and keeps nothing."""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class AcceptingHandler(BaseHTTPRequestHandler):
    """Says yes."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(204)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), AcceptingHandler)
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.flush()
    server.serve_forever()
