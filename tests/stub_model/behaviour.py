"""How the stub model behaves: the settings a test may change at run time, and the queue that applies them."""

import dataclasses

BODY_FAULTS = ("html", "not_json", "half_json", "empty_body", "no_choices", "missing_choices", "empty_choice",
               "empty_content", "null_content", "wrong_types")
WIRE_FAULTS = ("truncated", "reset", "hang", "slow_trickle", "endless")
STREAM_FAULTS = ("half_chunk", "invalid_utf8", "long_line", "error_event", "reset", "not_json")
LINE_ENDS = {"lf": "\n", "crlf": "\r\n", "cr": "\r"}
ERROR_BODIES = ("json", "html", "text", "empty")


@dataclasses.dataclass
class Behaviour:
    """One way to answer. `count` is for how many requests it holds, None for as many as come."""

    latency: float | None = None        # seconds before the answer begins
    chunk_gap: float = 0.0              # seconds between the pieces of a stream or of a trickle
    status: int = 200
    body: str = "json"                  # body of an error status, one of ERROR_BODIES
    retry_after: str | None = None      # value of a Retry-After header
    malformed: str | None = None        # one of BODY_FAULTS or WIRE_FAULTS
    answer: str | None = None           # text instead of the composed answer, without the notice
    chunked: bool = False               # a chunked body instead of a content length
    close: bool = False                 # close the connection after the answer
    cut_after: int | None = None        # end a stream without its end after this many events
    hang_after: int | None = None       # send nothing more after this many events
    pieces: list | None = None          # the deltas of a stream, instead of the answer's words
    stream_fault: str | None = None     # one of STREAM_FAULTS, in the middle of the stream
    line_end: str = "lf"                # of a stream, one of LINE_ENDS
    comments: bool = False              # a comment before each event
    trickle: bool = False               # a stream byte by byte, chunk_gap between the bytes
    done: bool = True                   # the [DONE] at a stream's end
    finish: str = "stop"                # finish_reason
    match: str | None = None            # only for requests whose body has this text
    count: int | None = None


_TYPES = {
    "latency": (int, float), "chunk_gap": (int, float), "status": int, "body": str, "retry_after": (str, int),
    "malformed": str, "answer": str, "chunked": bool, "close": bool, "cut_after": int, "match": str, "count": int,
    "hang_after": int, "pieces": list, "stream_fault": str, "line_end": str, "comments": bool, "trickle": bool,
    "done": bool, "finish": str,
}


def parse(value):
    """Behaviours from the JSON of POST /stub/behaviour, an object or a list of them; ValueError says what is wrong."""
    items = value if isinstance(value, list) else [value]
    return [_parse_one(item) for item in items]


def _parse_one(item):
    if not isinstance(item, dict):
        raise ValueError("a behaviour is a JSON object")
    fields = {}
    for name, setting in item.items():
        if name not in _TYPES:
            raise ValueError(f"unknown setting {name}; there are: {', '.join(_TYPES)}")
        if setting is None:
            continue
        wanted = _TYPES[name]
        if not isinstance(setting, wanted) or isinstance(setting, bool) != (wanted is bool):
            raise ValueError(f"{name} has the wrong type")
        fields[name] = setting
    _check_ranges(fields)
    return Behaviour(**fields)


def _check_ranges(fields):
    if fields.get("malformed") not in (None, *BODY_FAULTS, *WIRE_FAULTS):
        raise ValueError(f"malformed is one of: {', '.join(BODY_FAULTS + WIRE_FAULTS)}")
    if fields.get("stream_fault") not in (None, *STREAM_FAULTS):
        raise ValueError(f"stream_fault is one of: {', '.join(STREAM_FAULTS)}")
    if fields.get("line_end", "lf") not in LINE_ENDS:
        raise ValueError(f"line_end is one of: {', '.join(LINE_ENDS)}")
    if not all(isinstance(piece, str) for piece in fields.get("pieces", [])):
        raise ValueError("pieces is a list of texts")
    if fields.get("body") not in (None, *ERROR_BODIES):
        raise ValueError(f"body is one of: {', '.join(ERROR_BODIES)}")
    if not 200 <= fields.get("status", 200) <= 599:
        raise ValueError("status is 200 to 599")
    for name in ("latency", "chunk_gap", "count", "cut_after", "hang_after"):
        if fields.get(name, 0) < 0:
            raise ValueError(f"{name} is not negative")
    if "retry_after" in fields:
        fields["retry_after"] = str(fields["retry_after"])


class Queue:
    """The behaviours in force. The first that matches a request and is not used up answers it."""

    def __init__(self, default_latency):
        self._default_latency = default_latency
        self._behaviours = []

    def replace(self, behaviours):
        self._behaviours = list(behaviours)

    def take(self, body_text):
        """The behaviour for a request, counted down; the plain one where none applies."""
        for behaviour in self._behaviours:
            if behaviour.count == 0 or (behaviour.match is not None and behaviour.match not in body_text):
                continue
            if behaviour.count is not None:
                behaviour.count -= 1
            return self._with_latency(behaviour)
        return self._with_latency(Behaviour())

    def _with_latency(self, behaviour):
        latency = self._default_latency if behaviour.latency is None else behaviour.latency
        return dataclasses.replace(behaviour, latency=latency)

    def describe(self):
        return {"latency": self._default_latency, "behaviours": [dataclasses.asdict(b) for b in self._behaviours]}
