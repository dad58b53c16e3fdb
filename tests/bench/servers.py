"""The nginx servers that npcchat is compared with. Each has one worker, keeps connections, and writes no access log."""

import json
import os
import pathlib

from harness import processes
from harness.ports import free_port
from harness.processes import Process
from harness.waiting import quietly, wait_until
from harness.client import Client

ANSWER = json.dumps({
    "id": "chatcmpl-canned", "object": "chat.completion", "created": 1700000000, "model": "gpt-4o-mini",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {
        "role": "assistant",
        "content": "Well met, traveller. The roads to London are long this winter, yet the court keeps good fires."}}],
    "usage": {"prompt_tokens": 120, "completion_tokens": 22, "total_tokens": 142}})

CONFIGURATION = """
{user}
{modules}
daemon off;
worker_processes 1;
worker_rlimit_nofile 16384;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    keepalive_timeout 1h;
    keepalive_requests 1000000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {http}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        {server}
    }}
}}
"""


class Nginx:
    """An nginx of its own. `http` and `server` are put into the blocks of these names."""

    def __init__(self, folder, *, server, http="", modules=""):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        self.port = free_port()
        conf = self.folder / "nginx.conf"
        conf.write_text(CONFIGURATION.format(
            folder=self.folder, port=self.port, http=http, server=server, modules=modules,
            user="user root;" if os.geteuid() == 0 else ""))
        program = processes.find_program("nginx", "/usr/sbin")
        self._process = Process("nginx", [program, "-p", self.folder, "-c", conf, "-e", self.folder / "error.log"],
                                self.folder / "nginx.log")

    @property
    def pid(self):
        return self._process.pid

    def url(self, path="/"):
        return f"http://127.0.0.1:{self.port}{path}"

    def start(self):
        self._process.start()
        wait_until(self._answers, 15, "nginx")
        return self

    def stop(self):
        self._process.stop()

    def _answers(self):
        self._process.require_alive()
        return quietly(lambda: Client(self.port).get("/"), OSError)


def canned(folder):
    """Answers every request with one completion: the model endpoint of the benchmark."""
    return Nginx(folder, server=f"location / {{ default_type application/json; return 200 '{ANSWER}'; }}").start()


def plain_proxy(folder, upstream):
    """nginx as a mere proxy to `upstream`, with kept-alive connections."""
    http = f"upstream canned {{ server 127.0.0.1:{upstream.port}; keepalive 64; keepalive_requests 1000000000; }}"
    server = """location / {
            proxy_pass http://canned;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }"""
    return Nginx(folder, http=http, server=server).start()
