"""Takes what a sink of kind "webhook" pushes and keeps the last whole snapshot of every office.

SECRET=whsec_… PORT=8000 python consumer.py
"""

import base64
import hmac
import json
import os
import sqlite3
import time
import zlib
from http.server import BaseHTTPRequestHandler, HTTPServer

BYTES_MAX = 64 * 2**20
KEY = base64.b64decode(os.environ["SECRET"].removeprefix("whsec_"))
db = sqlite3.connect("balances.db")
db.execute("CREATE TABLE IF NOT EXISTS part (office, delivery, part, parts, body, UNIQUE (delivery, part))")


class Consumer(BaseHTTPRequestHandler):
    def do_POST(self):
        packed = self.rfile.read(min(int(self.headers["content-length"]), BYTES_MAX))
        body = zlib.decompressobj(wbits=31).decompress(packed, BYTES_MAX)  # more is not signed by the daemon
        sent_at, said = self.headers["webhook-timestamp"], json.loads(body)
        mac = hmac.digest(KEY, f"{self.headers['webhook-id']}.{sent_at}.".encode() + body, "sha256")
        genuine = hmac.compare_digest("v1," + base64.b64encode(mac).decode(), self.headers["webhook-signature"])
        if accepted := genuine and abs(time.time() - int(sent_at)) < 300:
            office, delivery, part, parts = (said[name] for name in ("office", "delivery_id", "part", "parts"))
            with db:  # all of it or nothing, and only then acknowledged
                db.execute("REPLACE INTO part VALUES (?, ?, ?, ?, ?)", (office, delivery, part, parts, body))
                if part == parts:  # the last one: the delivery is whole, and what came before it is old
                    old = "DELETE FROM part WHERE office = ? AND (delivery, parts) <> (?, ?)"
                    db.execute(old, (office, delivery, parts))
        self.send_response(204 if accepted else 401)
        self.end_headers()


HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Consumer).serve_forever()
