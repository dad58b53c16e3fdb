"""Streamed answers, read event by event while they come."""

import contextlib
import dataclasses
import http.client
import json

from .client import JSON_TYPE


@dataclasses.dataclass
class Event:
    """A server-sent event, or a comment (its kind is then `:`)."""

    kind: str
    data: str

    @property
    def json(self):
        return json.loads(self.data)


class Stream:
    """An answer that is read as it comes. Its status and headers are there when it is made."""

    def __init__(self, connection):
        self._connection = connection
        self._answer = connection.getresponse()
        self.status = self._answer.status
        self.headers = self._answer.headers

    def read_event(self):
        """The next event or comment; None at the end. A stream that breaks off raises IncompleteRead."""
        kind, data = "", []
        while line := self._answer.readline():
            text = line.decode("utf-8")
            assert text.endswith("\n"), f"half a line at the end: {text!r}"
            text = text[:-1]
            if text == "":
                if kind == ":" or data:
                    return Event(kind or "message", "\n".join(data))
            elif text.startswith(":"):
                kind, data = ":", [text[1:].strip()]
            else:
                name, _, value = text.partition(": ")
                if name == "event":
                    kind = value
                else:
                    assert name == "data", f"an unknown field: {text!r}"
                    data.append(value)
        assert not data, f"half an event at the end: {data!r}"
        return None

    def events(self):
        """All that are still to come, without comments."""
        found = []
        while (event := self.read_event()) is not None:
            if event.kind != ":":
                found.append(event)
        return found

    def body(self):
        """The rest as text: the body of an answer that is no stream."""
        return self._answer.read().decode("utf-8")

    def leave(self):
        """Closes the connection, whatever is still to come."""
        self._answer.close()
        self._connection.close()


@contextlib.contextmanager
def streaming(client, path, body, *, headers=None, timeout=30):
    """Sends a request and gives the answer as it comes; leaves it in the end."""
    connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=timeout)
    sent = {"Content-Type": JSON_TYPE, "Authorization": client.key or "", **(headers or {})}
    with contextlib.closing(connection):
        connection.request("POST", path, json.dumps(body), sent)
        stream = Stream(connection)
        try:
            yield stream
        finally:
            stream.leave()


def chat_stream(client, npc_id, message, chat_id=None, **fields):
    """A streamed message to an NPC, or to the plain assistant where `npc_id` is None."""
    body = {"message": message, "stream": True, **fields}
    if chat_id is not None:
        body["chat_id"] = chat_id
    if npc_id is None:
        return streaming(client, "/chat/", body)
    return streaming(client, "/chat_npc/", {"npc_id": npc_id, **body})


def say_streamed(client, npc_id, message, chat_id=None, **fields):
    """The deltas and the last event's JSON of a streamed answer that must succeed."""
    with chat_stream(client, npc_id, message, chat_id, **fields) as stream:
        assert stream.status == 200, stream.body()
        events = stream.events()
    assert all(event.kind == "message" for event in events), events
    deltas = [event.json["delta"] for event in events[:-1]]
    final = events[-1].json
    assert "".join(deltas) == final["response"]
    return deltas, final
