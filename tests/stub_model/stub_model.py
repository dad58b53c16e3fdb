#!/usr/bin/env python3
"""A stub of an OpenAI-compatible model endpoint, for tests and for trying the service without a model.

It is NOT a model: it answers by quoting what it was sent, and says so in every answer.
"""

import argparse
import asyncio
import collections
import json
import os
import resource
import signal
import sys
import time
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import anthropic  # noqa: E402
import answers  # noqa: E402
import behaviour  # noqa: E402
import wire  # noqa: E402

EPILOG = """
routes (any prefix before /chat/completions, /messages, /embeddings and /models is accepted, such as /v1):
  POST   /v1/chat/completions  answers by quoting the character, the memory and the last message; "stream" works
  POST   /v1/messages          the same in the form of Anthropic's API
  POST   /v1/embeddings        three numbers for each text
  GET    /v1/models            the names given with --model
  POST   /stub/behaviour       sets how completions behave: a JSON object, or a list tried in order; {} is normal
  GET    /stub/behaviour       what is set now
  GET    /stub/requests        the completions recorded, newest last: ?since=NUMBER, ?match=TEXT
  DELETE /stub/requests        forgets them

settings of a behaviour:
  latency, chunk_gap (seconds), status, body (json, html, text, empty), retry_after, answer (text), chunked, close,
  match (text that the request's body has), count (for how many requests)
  malformed: """ + ", ".join(behaviour.BODY_FAULTS + behaviour.WIRE_FAULTS) + """
of a stream:
  cut_after, hang_after (events), pieces (list of texts), line_end (lf, crlf, cr), comments, trickle, done, finish
  stream_fault: """ + ", ".join(behaviour.STREAM_FAULTS) + """

example:
  curl -d '{"status": 500, "body": "html", "count": 1}' http://127.0.0.1:PORT/stub/behaviour
"""

ENDLESS_PIECE = b" " * 65536


class StubModel:
    """The server: what it was told to do, what it was sent, and one task for each connection."""

    def __init__(self, options):
        self._notice = options.notice
        self._models = options.model or ["stub-model"]
        self._queue = behaviour.Queue(options.latency)
        self._requests = collections.deque(maxlen=options.keep)
        self._number = 0
        self._connections = set()

    async def serve(self, reader, writer):
        """Answers the requests of one connection until it ends."""
        task = asyncio.current_task()
        self._connections.add(task)
        connection = wire.Connection(reader, writer)
        try:
            await self._serve_requests(connection)
        except (wire.Gone, ConnectionError):
            pass
        finally:
            self._connections.discard(task)
            await connection.close()

    async def _serve_requests(self, connection):
        try:
            while (request := await connection.read_request()) is not None:
                if not await self._route(connection, request) or not request.keep_alive:
                    return
        except (wire.BadRequest, ValueError) as error:
            await self._say_error(connection, 400, str(error), keep_alive=False)

    async def stop(self):
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _route(self, connection, request):
        """Answers one request; False where the connection has to end."""
        path = request.path.rstrip("/")
        if path.endswith("/chat/completions"):
            if request.method != "POST":
                return await self._say_error(connection, 405, "POST a chat completion here")
            return await self._complete(connection, request)
        if path.endswith("/messages") and request.method == "POST":
            return await self._complete(connection, request, anthropic)
        if path.endswith("/embeddings") and request.method == "POST":
            return await self._embed(connection, request)
        if path.endswith("/models") and request.method == "GET":
            models = [{"id": name, "object": "model", "owned_by": "stub-model", "created": 0} for name in self._models]
            return await self._say(connection, {"object": "list", "data": models})
        if path == "/stub/behaviour":
            return await self._set_behaviour(connection, request)
        if path == "/stub/requests":
            return await self._show_requests(connection, request)
        return await self._say_error(connection, 404, "no such route in the stub model")

    async def _complete(self, connection, request, form=answers):
        """Answers in a `form`: the module of an API."""
        try:
            body = json.loads(request.body)
        except ValueError:
            body = None
        if not isinstance(body, dict) or not isinstance(body.get("messages"), list):
            self._record(request, None)
            return await self._say_error(connection, 400, "the stub model wants a JSON object with messages")
        record = self._record(request, body)
        if form is anthropic and (problem := anthropic.problem_of(body)):
            return await self._say_error(connection, 400, problem)
        todo = self._queue.take(request.body.decode("utf-8", "replace"))
        answering = asyncio.ensure_future(self._behave(connection, request, body, todo, record["number"], form))
        leaving = asyncio.ensure_future(connection.wait_for_leaving())
        try:
            await asyncio.wait((answering, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                raise wire.Gone
            kept = answering.result()
            record["outcome"] = "answered"
            return kept
        except (wire.Gone, ConnectionError):
            record["outcome"] = "client left"
            raise
        finally:
            answering.cancel()
            leaving.cancel()
            await asyncio.gather(answering, leaving, return_exceptions=True)

    async def _behave(self, connection, request, body, todo, number, form):
        """Answers a completion as `todo` says; False where the connection has to end."""
        if todo.malformed == "hang":
            await asyncio.get_running_loop().create_future()
        await asyncio.sleep(todo.latency)
        asked = anthropic.as_openai(body) if form is anthropic else body
        answer = answers.compose(asked, self._notice) if todo.answer is None else todo.answer
        keep_alive = request.keep_alive and not todo.close
        headers = [f"Retry-After: {todo.retry_after}"] if todo.retry_after is not None else []
        if todo.malformed in behaviour.WIRE_FAULTS:
            return await self._break_wire(connection, body, answer, todo, number)
        if todo.malformed is not None:
            text, kind = answers.malformed_body(todo.malformed, body, answer, number)
        elif todo.status != 200:
            text, kind = answers.error_body(todo.body, todo.status)
        elif body.get("stream") is True:
            return await self._stream(connection, form.stream_events(body, answer, todo, number), todo)
        else:
            text, kind = wire.to_json(form.completion(body, answer, number, todo.finish)), "application/json"
        await connection.answer(todo.status, text, kind, headers, keep_alive=keep_alive, chunked=todo.chunked)
        return keep_alive

    async def _break_wire(self, connection, body, answer, todo, number):
        """Answers that go wrong below HTTP; the connection always ends."""
        text = wire.to_json(answers.completion(body, answer, number))
        if todo.malformed == "reset":
            connection.reset()
        elif todo.malformed == "truncated":
            await connection.answer(200, text[:len(text) // 2], keep_alive=False, claimed_length=len(text))
        elif todo.malformed == "slow_trickle":
            await connection.answer(200, b"", keep_alive=False, claimed_length=len(text))
            for at in range(len(text)):
                await connection.write(text[at:at + 1])
                await asyncio.sleep(todo.chunk_gap or 0.2)
        elif todo.malformed == "endless":
            await connection.write(connection.head(200, "application/json", ["Transfer-Encoding: chunked"], False))
            while True:
                await connection.write(wire.chunk(ENDLESS_PIECE))
                await asyncio.sleep(todo.chunk_gap)
        return False

    async def _stream(self, connection, events, todo):
        head = connection.head(200, "text/event-stream", ["Transfer-Encoding: chunked"], True)
        await connection.write(head)
        for sent, event in enumerate(events):
            if sent == todo.hang_after:
                await asyncio.get_running_loop().create_future()
            if sent == todo.cut_after:
                return False
            if event is None:
                connection.reset()
                return False
            if sent and todo.chunk_gap and not todo.trickle:
                await asyncio.sleep(todo.chunk_gap)
            await self._write_event(connection, event, todo)
            if event == b"":
                break
        await connection.write(wire.LAST_CHUNK)
        return not todo.close

    @staticmethod
    async def _write_event(connection, event, todo):
        if not todo.trickle:
            return await connection.write(wire.chunk(event))
        for at in range(len(event)):
            await connection.write(wire.chunk(event[at:at + 1]))
            await asyncio.sleep(todo.chunk_gap)

    async def _embed(self, connection, request):
        try:
            body = json.loads(request.body)
        except ValueError:
            return await self._say_error(connection, 400, "the stub model wants a JSON object")
        record = self._record(request, body)
        todo = self._queue.take(request.body.decode("utf-8", "replace"))
        record["outcome"] = "answered"
        if todo.status != 200:
            text, kind = answers.error_body(todo.body, todo.status)
            await connection.answer(todo.status, text, kind)
            return True
        return await self._say(connection, answers.embeddings(body))

    def _record(self, request, body):
        """Keeps what came. Of keys, which are secrets, only their presence is kept."""
        self._number += 1
        secret = ("authorization", "x-api-key")
        headers = {name: value for name, value in request.headers.items() if name not in secret}
        record = {
            "number": self._number,
            "time": time.time(),
            "path": request.path,
            "headers": headers,
            "authorization": "authorization" in request.headers,
            "x_api_key": "x-api-key" in request.headers,
            "body": body,
            "text": request.body.decode("utf-8", "replace"),
            "outcome": "running" if body is not None else "refused",
        }
        self._requests.append(record)
        return record

    async def _set_behaviour(self, connection, request):
        if request.method == "POST":
            try:
                self._queue.replace(behaviour.parse(json.loads(request.body or b"{}")))
            except ValueError as error:
                return await self._say_error(connection, 400, str(error))
        elif request.method != "GET":
            return await self._say_error(connection, 405, "GET or POST")
        return await self._say(connection, self._queue.describe())

    async def _show_requests(self, connection, request):
        if request.method == "DELETE":
            self._requests.clear()
        elif request.method != "GET":
            return await self._say_error(connection, 405, "GET or DELETE")
        query = dict(urllib.parse.parse_qsl(request.query))
        since = int(query.get("since", "0"))
        match = query.get("match", "")
        newer = [record for record in self._requests if record["number"] > since]
        shown = [record for record in newer if match in json.dumps(record["body"], ensure_ascii=False)]
        return await self._say(connection, {"count": self._number, "requests": shown})

    @staticmethod
    async def _say(connection, value):
        await connection.answer(200, wire.to_json(value))
        return True

    @staticmethod
    async def _say_error(connection, status, message, keep_alive=True):
        error = {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}}
        await connection.answer(status, wire.to_json(error), keep_alive=keep_alive)
        return keep_alive


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(description=__doc__, epilog=EPILOG,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    parser.add_argument("--port", type=int, required=True, help="port to listen on; 0 takes a free one and prints it")
    parser.add_argument("--port-file", metavar="FILE", help="write the port here once the server listens")
    parser.add_argument("--latency", type=float, default=0.0, metavar="SECONDS", help="before every answer (default 0)")
    parser.add_argument("--notice", default=answers.NOTICE, metavar="TEXT", help="first line of every answer")
    parser.add_argument("--model", action="append", metavar="NAME", help="a name that /v1/models lists; repeatable")
    parser.add_argument("--keep", type=int, default=5000, metavar="N", help="requests to keep (default %(default)s)")
    return parser.parse_args(arguments)


def raise_file_limit():
    """Every connection is a descriptor, so the soft limit goes up to the hard one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def write_port_file(path, port):
    """In one step, so that who waits for the file never reads half of it."""
    partial = f"{path}.partial"
    with open(partial, "w", encoding="ascii") as file:
        file.write(f"{port}\n")
    os.replace(partial, path)


async def run(options):
    stub = StubModel(options)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    server = await asyncio.start_server(stub.serve, options.host, options.port, backlog=4096)
    port = server.sockets[0].getsockname()[1]
    print(f"stub model (no real model) on http://{options.host}:{port}/v1", flush=True)
    if options.port_file:
        write_port_file(options.port_file, port)
    await stopping.wait()
    server.close()
    await stub.stop()


def main():
    options = parse_arguments(sys.argv[1:])
    raise_file_limit()
    try:
        asyncio.run(run(options))
    except OSError as error:
        print(f"stub model: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
