"""One HTTP request on a connection of its own, for load that has to tell an answer from a part of one."""

import asyncio
import json


class NoAnswer(Exception):
    """No whole answer came; str() says how it failed in a word or two."""


class Reply:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def retry_after(self):
        """Seconds; 0 where it says none."""
        text = self.headers.get("retry-after", "")
        return int(text) if text.isdigit() else 0

    def turn(self):
        """The JSON of a turn's answer, whole or at the end of a stream; None where there is none."""
        if self.headers.get("content-type", "").startswith("text/event-stream"):
            return self._last_event()
        return json.loads(self.body)

    def _last_event(self):
        found, deltas = None, []
        for event in self.body.decode().split("\n\n"):
            if not event.startswith("data: "):
                continue
            data = json.loads(event[len("data: "):])
            if "delta" in data:
                deltas.append(data["delta"])
            elif "response" in data:
                found = data
        if found is not None and "".join(deltas) != found["response"]:
            raise ValueError(f"the pieces of a stream are not its answer: {deltas} and {found['response']!r}")
        return found


async def post(host, port, path, key, body, *, headers=(), timeout=10):
    """The whole answer, or NoAnswer."""
    try:
        async with asyncio.timeout(timeout):
            return await _post(host, port, path, key, body, headers)
    except TimeoutError:
        raise NoAnswer("timed out") from None
    except (OSError, asyncio.IncompleteReadError, ValueError, IndexError) as error:
        raise NoAnswer({ConnectionRefusedError: "refused", ConnectionResetError: "reset",
                        asyncio.IncompleteReadError: "cut off"}.get(type(error), type(error).__name__)) from None


async def _post(host, port, path, key, body, headers):
    reader, writer = await asyncio.open_connection(host, port)
    try:
        text = json.dumps(body).encode()
        lines = [f"POST {path} HTTP/1.1", f"Host: {host}", "Connection: close", f"Authorization: {key}",
                 "Content-Type: application/json", f"Content-Length: {len(text)}",
                 *(f"{name}: {value}" for name, value in headers)]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + text)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in head[1:] if ": " in line)
        if fields.get("transfer-encoding") == "chunked":
            content = await _chunks(reader)
        else:
            content = await reader.readexactly(int(fields["content-length"]))
        return Reply(int(head[0].split()[1]), fields, content)
    finally:
        writer.transport.abort()


async def _chunks(reader):
    content = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        content += (await reader.readexactly(size + 2))[:-2]
    await reader.readexactly(2)
    return content
