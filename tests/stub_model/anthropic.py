"""The stub model's answers in the form of Anthropic's Messages API: the same functions as in answers.py."""

import json

import answers

STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}
KNOWN = {"model", "messages", "max_tokens", "system", "stream", "temperature", "top_p", "top_k", "stop_sequences",
         "metadata", "tools", "tool_choice", "thinking"}


def problem_of(body):
    """What the API would refuse in a request's body, or None."""
    unknown = set(body) - KNOWN
    if unknown:
        return f"{min(unknown)}: Extra inputs are not permitted"
    if not isinstance(body.get("max_tokens"), int) or body["max_tokens"] < 1:
        return "max_tokens: Field required"
    for message in body["messages"]:
        if message.get("role") not in ("user", "assistant"):
            return "messages: Unexpected role"
        if not message.get("content"):
            return "messages: text content blocks must be non-empty"
    return None


def as_openai(body):
    """The body with its system message where answers.py looks for it."""
    system = [{"role": "system", "content": body["system"]}] if body.get("system") else []
    return {**body, "messages": system + body["messages"]}


def _usage(body, answer):
    usage = answers.usage_of(as_openai(body), answer)
    return {"input_tokens": usage["prompt_tokens"], "output_tokens": usage["completion_tokens"]}


def completion(body, answer, number, finish="stop"):
    """A whole message."""
    return {
        "id": f"msg_stub_{number}",
        "type": "message",
        "role": "assistant",
        "model": body.get("model", "stub"),
        "content": [{"type": "text", "text": answer}],
        "stop_reason": STOP_REASONS.get(finish, finish),
        "stop_sequence": None,
        "usage": _usage(body, answer),
    }


def stream_events(body, answer, todo, number):
    """The server-sent events of a streamed message, as bytes, one item each."""
    pieces = answers.pieces_of(answer) if todo.pieces is None else todo.pieces
    whole = completion(body, "".join(pieces), number, todo.finish)

    def event(kind, **fields):
        return b"event: " + kind.encode() + b"\n" + answers.sse(json.dumps({"type": kind, **fields}), todo)

    start = {**whole, "content": [], "stop_reason": None, "usage": {**whole["usage"], "output_tokens": 1}}
    yield event("message_start", message=start)
    yield event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    yield event("ping")
    for at, piece in enumerate(pieces):
        if at == len(pieces) // 2 and todo.stream_fault == "error_event":
            yield event("error", error={"type": "overloaded_error", "message": "stub error in mid-stream"})
        yield event("content_block_delta", index=0, delta={"type": "text_delta", "text": piece})
    yield event("content_block_stop", index=0)
    yield event("message_delta", delta={"stop_reason": whole["stop_reason"], "stop_sequence": None},
                usage={"output_tokens": whole["usage"]["output_tokens"]})
    yield event("message_stop")
