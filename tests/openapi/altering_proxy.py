"""A server that passes everything on to another one and alters some replies: what a defect of the
server would look like to its clients."""

import http.client
import http.server
import json
import threading

LENGTH_MAX = 64 * 1024 * 1024


class AlteringProxy:
    """`alter(method, path, status, value)` gets each JSON reply and returns (status, value)."""

    def __init__(self, url, alter):
        target = url[len("http://"):]

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 65536  # one packet for head and body
            disable_nagle_algorithm = True

            def answer(self):
                length = min(int(self.headers.get("Content-Length") or 0), LENGTH_MAX)
                body = self.rfile.read(length) if length else None
                headers = {k: v for k, v in self.headers.items()
                           if k.lower() not in ("host", "connection", "content-length")}
                connection = http.client.HTTPConnection(target, timeout=30)
                try:
                    connection.request(self.command, self.path, body, headers)
                    reply = connection.getresponse()
                    status, content = reply.status, reply.read()
                    kept = [(k, v) for k, v in reply.getheaders()
                            if k.lower() in ("content-type", "allow")]
                finally:
                    connection.close()
                if reply.headers.get("Content-Type") == "application/json" and content:
                    status, value = alter(self.command, self.path, status, json.loads(content))
                    content = json.dumps(value).encode()
                self.send_response(status)
                for name, value in kept:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            def __getattr__(self, name):
                if name.startswith("do_"):  # any method
                    return self.answer
                raise AttributeError(name)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)
