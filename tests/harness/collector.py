"""A collector of traces, as OpenTelemetry has them by OTLP/HTTP."""

import http.server
import json
import threading

from .waiting import wait_until


class Collector:
    """Keeps the spans that it was sent, between start() and stop()."""

    def __init__(self):
        self.requests = []
        self.status = 200
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.requests.append((self.path, dict(self.headers), json.loads(body)))
                self.send_response(collector.status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def start(self):
        self._thread.start()
        return self

    def stop(self):
        """May be called again."""
        if not self._thread.is_alive():
            return
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()

    def spans(self, trace_id):
        """The spans of a trace so far, by their names."""
        return {span["name"]: span for _, _, body in self.requests for resource in body["resourceSpans"]
                for scope in resource["scopeSpans"] for span in scope["spans"] if span["traceId"] == trace_id}

    def wait_for(self, trace_id, count):
        wait_until(lambda: len(self.spans(trace_id)) >= count, 10, f"{count} spans")
        return self.spans(trace_id)


def attributes(span):
    return {item["key"]: next(iter(item["value"].values())) for item in span["attributes"]}
