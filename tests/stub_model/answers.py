"""What the stub model says: pure functions from a request to an answer."""

import json
import re
import time

from behaviour import LINE_ENDS

NOTICE = "[STUB MODEL: this text was made by a stub for tests, no real model is connected]"
QUOTE_CHARS = 200
MESSAGE_CHARS = 2000
CHARS_PER_TOKEN = 4

_TAGS = re.compile(r"<(/?)(scratchpad|thinking|think|reasoning|reason|thought)>", re.IGNORECASE)


def text_of(content):
    """The text of a message's content, which is a string or a list of typed parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content if isinstance(part, dict))
    return ""


def quote(text, limit):
    """`text` on one line and bounded; its thinking tags become brackets, so that a quote is not cut as thinking."""
    flat = " ".join(_TAGS.sub(r"[\1\2]", text).split())
    return flat if len(flat) <= limit else flat[:limit] + "..."


def parts_of_system(system):
    """The world, the character and the memory in a system message; without those headings all of it is character."""
    if not system.startswith("WORLD SETTING:"):
        return "", system, ""
    world, _, rest = system.partition("\n###\n")
    character, _, memory = rest.partition("### PREVIOUS DIALOGUE:")
    return world[len("WORLD SETTING:"):], character, memory


def compose(body, notice):
    """An answer that lets a test tell which prompt arrived: who it is, what it remembers, what was said."""
    messages = [m for m in body.get("messages", []) if isinstance(m, dict)]
    system = "\n".join(text_of(m.get("content")) for m in messages if m.get("role") == "system")
    world, character, memory = parts_of_system(system)
    last = text_of(messages[-1].get("content")) if messages else ""
    lines = [notice] if notice else []
    if character:
        lines.append("My character: " + quote(character, QUOTE_CHARS))
    if world:
        lines.append("My world: " + quote(world, QUOTE_CHARS))
    if memory:
        lines.append("My memory: " + quote(memory, QUOTE_CHARS))
    lines.append("You said: " + quote(last, MESSAGE_CHARS))
    lines.append(f"Messages received: {len(messages)}.")
    return "\n".join(lines)


def count_tokens(text):
    """An estimate, four characters a token and never 0: counts only have to be plausible."""
    return max(1, len(text) // CHARS_PER_TOKEN)


def usage_of(body, answer):
    prompt = sum(count_tokens(text_of(m.get("content"))) + 4 for m in body.get("messages", []) if isinstance(m, dict))
    completion = count_tokens(answer)
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def completion(body, answer, number, finish="stop"):
    """A whole chat completion in OpenAI's form."""
    return {
        "id": f"chatcmpl-stub-{number}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": body.get("model", "stub"),
        "system_fingerprint": "stub-model",
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": answer},
            "logprobs": None,
            "finish_reason": finish,
        }],
        "usage": usage_of(body, answer),
    }


def pieces_of(answer):
    """Words with the white space before them; joined they are the answer again."""
    return re.findall(r"\s*\S+|\s+$", answer) or [answer]


def stream_events(body, answer, todo, number):
    """The server-sent events of a streamed completion, as bytes, one item each."""
    base = {
        "id": f"chatcmpl-stub-{number}",
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": body.get("model", "stub"),
        "system_fingerprint": "stub-model",
    }
    pieces = pieces_of(answer) if todo.pieces is None else todo.pieces
    options = body.get("stream_options")
    with_usage = isinstance(options, dict) and options.get("include_usage")
    # OpenAI's own endpoint says that the others have none.
    none = {"usage": None} if with_usage else {}

    def event(delta, finish=None):
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return sse(json.dumps({**base, "choices": [choice], **none}), todo)

    yield event({"role": "assistant", "content": ""})
    for number_of_piece, piece in enumerate(pieces):
        if number_of_piece == len(pieces) // 2 and todo.stream_fault is not None:
            yield from faulty_events(todo, event({"content": piece}))
        yield event({"content": piece})
    yield event({}, todo.finish)
    if with_usage:
        yield sse(json.dumps({**base, "choices": [], "usage": usage_of(body, "".join(pieces))}), todo)
    if todo.done:
        yield sse("[DONE]", todo)


def faulty_events(todo, event):
    """What comes in the middle of a stream that is told to go wrong; None stands for a reset connection."""
    if todo.stream_fault == "half_chunk":
        yield event[:len(event) // 2]
        yield b""
    elif todo.stream_fault == "invalid_utf8":
        yield event.replace(b'"content": "', b'"content": "\xff\xfe')
    elif todo.stream_fault == "long_line":
        yield b"data: " + b"x" * 10_000_000 + b"\n\n"
    elif todo.stream_fault == "error_event":
        yield sse(json.dumps({"error": {"message": "stub error in mid-stream", "type": "server_error"}}), todo)
    elif todo.stream_fault == "not_json":
        yield sse("this is not JSON", todo)
    elif todo.stream_fault == "reset":
        yield None


def sse(text, todo):
    """An event, with the line ends that `todo` says."""
    end = LINE_ENDS[todo.line_end]
    comment = f": a comment{end}{end}" if todo.comments else ""
    return f"{comment}data: {text}{end}{end}".encode()


def error_body(kind, status):
    """The body and content type of an error answer; `kind` is json, html, text or empty."""
    if kind == "html":
        page = f"<html><head><title>{status}</title></head><body><h1>{status} stub error</h1></body></html>"
        return page.encode(), "text/html"
    if kind == "text":
        return f"stub error {status}".encode(), "text/plain"
    if kind == "empty":
        return b"", "application/json"
    error = {"message": f"stub error {status}", "type": "stub_error", "param": None, "code": None}
    return json.dumps({"error": error}).encode(), "application/json"


def embeddings(body):
    """Embeddings in OpenAI's form: three numbers that tell texts apart."""
    given = body.get("input")
    texts = given if isinstance(given, list) else [given]
    data = [{"object": "embedding", "index": at, "embedding": [len(str(text)) / 8, at + 0.5, -1.0]}
            for at, text in enumerate(texts)]
    tokens = sum(count_tokens(str(text)) for text in texts)
    return {"object": "list", "data": data, "model": body.get("model", "stub"),
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}


def malformed_body(kind, body, answer, number):
    """The body and content type of an answer with status 200 that is no usable completion."""
    whole = completion(body, answer, number)
    if kind == "html":
        return b"<html><body><h1>Welcome to stub!</h1></body></html>", "text/html"
    if kind == "not_json":
        return b"this is not JSON", "application/json"
    if kind == "half_json":
        text = json.dumps(whole).encode()
        return text[:len(text) // 2], "application/json"
    if kind == "empty_body":
        return b"", "application/json"
    if kind == "no_choices":
        whole["choices"] = []
    elif kind == "missing_choices":
        del whole["choices"]
    elif kind == "empty_choice":
        whole["choices"] = [{}]
    elif kind == "empty_content":
        whole["choices"][0]["message"]["content"] = ""
    elif kind == "null_content":
        whole["choices"][0]["message"]["content"] = None
    elif kind == "wrong_types":
        whole["choices"] = {"message": "not a list"}
    return json.dumps(whole).encode(), "application/json"
