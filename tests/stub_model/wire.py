"""HTTP/1.1 on asyncio streams, as much of it as a model endpoint needs."""

import asyncio
import dataclasses
import json
import socket
import struct

MAX_HEAD = 64 * 1024
MAX_BODY = 64 * 1024 * 1024
REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 405: "Method Not Allowed",
           413: "Payload Too Large", 429: "Too Many Requests", 500: "Internal Server Error",
           502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout"}


class Gone(Exception):
    """The client closed the connection."""


class BadRequest(Exception):
    """What came is not HTTP that this server reads."""


@dataclasses.dataclass
class Request:
    method: str
    path: str
    query: str
    headers: dict          # names in lower case
    body: bytes
    keep_alive: bool


class Connection:
    """One client connection: reads requests, writes answers, and can notice that the client left meanwhile."""

    def __init__(self, reader, writer):
        self._reader = reader
        self._writer = writer
        self._buffer = bytearray()
        self._reading = None

    async def read_request(self):
        """The next request, or None at a clean end of the connection."""
        head = await self._take_head()
        if head is None:
            return None
        lines = head.decode("latin-1").split("\r\n")
        try:
            method, target, version = lines[0].split(" ")
        except ValueError:
            raise BadRequest("bad request line") from None
        headers = {}
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon:
                raise BadRequest("bad header line")
            headers[name.strip().lower()] = value.strip()
        if headers.get("expect", "").lower() == "100-continue":
            self._writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await self._take_body(headers)
        path, _, query = target.partition("?")
        connection = headers.get("connection", "").lower()
        keep_alive = connection != "close" if version == "HTTP/1.1" else connection == "keep-alive"
        return Request(method, path, query, headers, body, keep_alive)

    async def wait_for_leaving(self):
        """Returns when the client has closed. Bytes that come instead are kept for the next request."""
        try:
            while True:
                await self._fill()
        except Gone:
            return

    async def write(self, data):
        self._writer.write(data)
        try:
            await self._writer.drain()
        except ConnectionError:
            raise Gone from None

    async def answer(self, status, body, content_type="application/json", headers=(), *, keep_alive=True,
                     chunked=False, claimed_length=None):
        """Writes a whole answer. `claimed_length` lies about the length, for answers that end too early."""
        length = len(body) if claimed_length is None else claimed_length
        framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {length}"
        head = self.head(status, content_type, [framing, *headers], keep_alive)
        await self.write(head + (chunk(body) + LAST_CHUNK if chunked else body))

    @staticmethod
    def head(status, content_type, headers, keep_alive):
        lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}", f"Content-Type: {content_type}", *headers,
                 f"Connection: {'keep-alive' if keep_alive else 'close'}"]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def reset(self):
        """Ends the connection with a RST instead of a FIN."""
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def close(self):
        if self._reading is not None:
            self._reading.cancel()
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except (ConnectionError, OSError):
            pass

    async def _fill(self):
        # A read outlives the caller that was cancelled while waiting for it, so that no byte is lost.
        if self._reading is None:
            self._reading = asyncio.ensure_future(self._reader.read(65536))
        reading = self._reading
        try:
            data = await asyncio.shield(reading)
        except ConnectionError:
            data = b""
        if self._reading is reading:
            self._reading = None
        if not data:
            raise Gone
        self._buffer += data

    async def _take_head(self):
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > MAX_HEAD:
                raise BadRequest("the head is too long")
            try:
                await self._fill()
            except Gone:
                if self._buffer:
                    raise
                return None
        head = bytes(self._buffer[:end])
        del self._buffer[:end + 4]
        return head

    async def _take_body(self, headers):
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return await self._take_chunks()
        try:
            length = int(headers.get("content-length", "0"))
        except ValueError:
            raise BadRequest("bad content length") from None
        if not 0 <= length <= MAX_BODY:
            raise BadRequest("the body is too long")
        return await self._take(length)

    async def _take(self, count):
        while len(self._buffer) < count:
            await self._fill()
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    async def _take_chunks(self):
        body = bytearray()
        while True:
            size = int((await self._take_line()).split(b";")[0] or b"x", 16)
            if size == 0:
                while await self._take_line():
                    pass
                return bytes(body)
            body += await self._take(size)
            await self._take_line()
            if len(body) > MAX_BODY:
                raise BadRequest("the body is too long")

    async def _take_line(self):
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > MAX_HEAD:
                raise BadRequest("a line is too long")
            await self._fill()
        line = bytes(self._buffer[:end])
        del self._buffer[:end + 2]
        return line


LAST_CHUNK = b"0\r\n\r\n"


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data) if data else b""


def to_json(value):
    return json.dumps(value).encode()
