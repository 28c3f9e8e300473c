"""A small OpenAI-compatible endpoint on loopback that fails as it is told to."""

import http.server
import json
import threading
import time


class FakeLlm:
    """`plan` holds what happens at the next calls, the last one for ever: an HTTP status, an
    answer as it is (dict), or a list of pieces of a streamed one, among them the words of `TRICKS`.

    With `embeds` it embeds, too: a function from a text to its vector, or an HTTP status, or SLOW: an
    error that takes its time."""

    TRICKS = ("BREAK", "MALFORMED", "ERROR", "SLOW", "SILENT", "NO END")

    def __init__(self, *plan, embeds=None):
        self.plan = list(plan)
        self.embeds = embeds
        self.requests = []  # (path, headers, body)
        self.broken = threading.Event()  # a client left in mid-stream
        fake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0"

            def log_message(self, *_):
                pass

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                fake.requests.append((self.path, dict(self.headers), body))
                try:
                    if fake.embeds is not None and self.path.endswith("/embeddings"):
                        fake.answer(self, fake.embed(body["input"]), body)
                        return
                    step = fake.plan.pop(0) if len(fake.plan) > 1 else fake.plan[0]
                    fake.answer(self, step, body)
                except OSError:
                    fake.broken.set()

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def embed(self, texts):
        embeds = self.embeds
        if embeds == "SLOW":
            time.sleep(0.7)
            return 503
        if isinstance(embeds, int):
            return embeds
        return {"data": [{"index": i, "embedding": embeds(text)} for i, text in enumerate(texts)]}

    def answer(self, handler, step, body):
        if isinstance(step, int):
            handler.send_response(step)
            if 300 <= step < 400:
                handler.send_header("Location", self.url + "/elsewhere")
            handler.end_headers()
            handler.wfile.write(json.dumps({"error": {"message": f"made to answer {step}"}}).encode())
            return
        if isinstance(step, dict):
            handler.send_response(200)
            handler.end_headers()
            handler.wfile.write(json.dumps(step).encode())
            return
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.end_headers()
        for piece in step:
            if piece == "BREAK" or piece == "NO END":
                return
            if piece == "MALFORMED":
                handler.wfile.write(b"data: {nonsense\n\n")
            elif piece == "ERROR":
                handler.wfile.write(b'data: {"error":{"message":"out of breath"}}\n\n')
            elif piece == "SLOW":
                for _ in range(600):
                    self.event(handler, "more ")
                    time.sleep(0.05)
            elif piece == "SILENT":  # until the client has left
                handler.wfile.flush()
                handler.connection.settimeout(60)
                if not handler.connection.recv(1):
                    raise ConnectionError("the client has left")
            else:
                self.event(handler, piece)
        handler.wfile.write(b"data: [DONE]\n\n")

    @staticmethod
    def event(handler, text):
        data = json.dumps({"choices": [{"index": 0, "delta": {"content": text}}]}, ensure_ascii=False)
        handler.wfile.write(f"data: {data}\n\n".encode())
        handler.wfile.flush()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
