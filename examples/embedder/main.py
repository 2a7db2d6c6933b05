#!/usr/bin/env python3
"""Serves a real embedding model (all-MiniLM-L6-v2) with OpenAI's API: POST /v1/embeddings, GET /healthz.

    PYTHONPATH=$(tests/python/get-packages embedder) python3 examples/embedder/main.py --port 9200

The first line on stdout is the address that was bound. One request at a time, on one core: enough to compare answers.
"""

import argparse
import json
from http.server import BaseHTTPRequestHandler, HTTPServer

from minilm import MiniLM

NAME = "all-MiniLM-L6-v2"

# A request holds some dozen answers of a language model.
MAX_BODY = 4 << 20


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    model = None
    # A client that says nothing more must not keep the others waiting.
    timeout = 5

    def do_GET(self):
        if self.path == "/healthz":
            self.reply(200, {"status": "ok"})
        else:
            self.refuse(404, "POST /v1/embeddings or GET /healthz")

    def do_POST(self):
        length = int(self.headers.get("content-length") or 0)
        if length > MAX_BODY:
            self.close_connection = True
            return self.refuse(413, f"more than {MAX_BODY} bytes")
        body = self.rfile.read(length)
        if self.path != "/v1/embeddings":
            return self.refuse(404, "POST /v1/embeddings or GET /healthz")
        try:
            asked = json.loads(body)
            texts = asked["input"]
            texts = [texts] if isinstance(texts, str) else [str(text) for text in texts]
        except (ValueError, KeyError, TypeError) as error:
            return self.refuse(400, f"not a request for embeddings: {error!r}")
        found = [self.model.embed(text) for text in texts]
        tokens = sum(count for _, count in found)
        data = [
            {"object": "embedding", "index": index, "embedding": [float(x) for x in vector]}
            for index, (vector, _) in enumerate(found)
        ]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return self.reply(200, {"object": "list", "model": NAME, "data": data, "usage": usage})

    def refuse(self, status, why):
        self.reply(status, {"error": {"message": why, "type": "invalid_request_error"}})

    def reply(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        """Says nothing: the caller knows what it asked."""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    Handler.model = MiniLM()
    server = HTTPServer(("127.0.0.1", parser.parse_args().port), Handler)
    print("{}:{}".format(*server.server_address), flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
