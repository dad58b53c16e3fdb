#!/usr/bin/python3
"""A model endpoint that streams numbered tokens to thousands of connections: one write for each token.

The i-th token of every answer is "w<i> ". Prints its port. One thread, epoll: at two tokens a second each, 4,000 streams
take a fifth of a core.
"""

import argparse
import heapq
import json
import selectors
import socket
import time

HEAD = (b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
LARGEST_REQUEST = 1 << 20


def event(content, finish=None):
    delta = {"content": content} if finish is None else {}
    data = json.dumps({"id": "chatcmpl-tokens", "object": "chat.completion.chunk", "created": 1700000000,
                       "model": "tokens", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
    return f"data: {data}\n\n".encode()


def chunk(data):
    return b"%x\r\n%b\r\n" % (len(data), data)


class Connection:
    def __init__(self, sock):
        self.sock = sock
        self.received = b""
        self.next_token = None  # None: no answer is being written
        self.unsent = b""


class TokenServer:
    def __init__(self, tokens, interval):
        self._interval = interval
        self._chunks = [chunk(event(f"w{number} ")) for number in range(tokens)]
        self._end = chunk(event("", "stop")) + chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"
        self._due = []  # (when, number, connection): its next token
        self._counter = 0
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ, None)
        self.port = self._listener.getsockname()[1]

    def run(self):
        while True:
            wait = max(0, self._due[0][0] - time.monotonic()) if self._due else None
            for key, mask in self._selector.select(wait):
                if key.data is None:
                    self._accept()
                elif mask & selectors.EVENT_WRITE:
                    self._flush(key.data)
                else:
                    self._read(key.data)
            now = time.monotonic()
            for _ in range(len(self._due)):
                if self._due[0][0] > now:
                    break
                self._write_token(heapq.heappop(self._due)[2], now)

    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except BlockingIOError:
                return
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(sock, selectors.EVENT_READ, Connection(sock))

    def _close(self, connection):
        self._selector.unregister(connection.sock)
        connection.sock.close()
        connection.next_token = None

    def _read(self, connection):
        try:
            data = connection.sock.recv(65536)
        except OSError:
            data = b""
        connection.received += data
        if not data or len(connection.received) > LARGEST_REQUEST:
            self._close(connection)
            return
        head, separator, body = connection.received.partition(b"\r\n\r\n")
        if not separator:
            return
        length = next((int(line.split(b":")[1]) for line in head.lower().split(b"\r\n")
                       if line.startswith(b"content-length:")), 0)
        if len(body) < length:
            return
        connection.received = body[length:]
        connection.next_token = 0
        connection.unsent = HEAD
        self._write_token(connection, time.monotonic())

    def _write_token(self, connection, now):
        if connection.next_token is None:
            return
        number = connection.next_token
        last = number == len(self._chunks)
        connection.unsent += self._end if last else self._chunks[number]
        connection.next_token = None if last else number + 1
        if self._flush(connection) and not last:
            self._plan(connection, now + self._interval)

    def _plan(self, connection, when):
        self._counter += 1
        heapq.heappush(self._due, (when, self._counter, connection))

    def _flush(self, connection):
        """Whether all is sent; what is not goes out once there is room."""
        was_waiting = self._selector.get_key(connection.sock).events & selectors.EVENT_WRITE
        try:
            sent = connection.sock.send(connection.unsent)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._close(connection)
            return False
        connection.unsent = connection.unsent[sent:]
        waits = bool(connection.unsent)
        if waits != bool(was_waiting):
            self._selector.modify(connection.sock, selectors.EVENT_READ | (selectors.EVENT_WRITE if waits else 0),
                                  connection)
            if not waits and connection.next_token is not None:
                self._plan(connection, time.monotonic() + self._interval)
        return not waits


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, required=True, help="of each answer")
    parser.add_argument("--interval", type=float, required=True, help="seconds between two tokens of an answer")
    options = parser.parse_args()
    server = TokenServer(options.tokens, options.interval)
    print(server.port, flush=True)
    server.run()


if __name__ == "__main__":
    main()
