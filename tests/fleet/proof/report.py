"""What a run has shown: whether all is there, and what clients saw of each fault."""

import collections
import dataclasses

from .checker import Stretch, bound_of_requests, bound_of_tokens, check_chat, fullest_stretch
from .fleet import LIMITED, SPENDER, SPENDERS

WIDTHS = (46, 8, 8, 10, 9, 11)
HEAD = ("fault", "turns", "errors", "given up", "error s", "longest s")


def table(record, outcomes):
    """A line for each fault: acknowledged turns, failed requests, turns that their client gave up (it had no key to try
    again with), from the first to the last error, the longest wait for an answer with all tries."""
    lines = [row(*HEAD, "what they were")]
    for outcome in outcomes:
        seen = record.between(outcome.begun, outcome.ended)
        errors = record.errors_between(outcome.begun, outcome.ended)
        turns = {turn.text: turn for turn, _ in seen}.values()
        done = [turn for turn in turns if turn.answer is not None]
        lost = [turn for turn in turns if turn.answer is None and turn.errors()]
        span = max(error.ended for error in errors) - min(error.begun for error in errors) if errors else 0.0
        longest = max((turn.ended - turn.begun for turn in done if not turn.contended), default=0.0)
        kinds = collections.Counter(str(error.outcome) for error in errors)
        lines.append(row(outcome.fault.name, len(done), len(errors), len(lost), f"{span:.1f}", f"{longest:.1f}",
                         ", ".join(f"{count}× {kind}" for kind, count in sorted(kinds.items()))))
    return "\n".join(lines)


def row(*cells):
    name, *numbers = cells[:-1]
    widths = zip(numbers, WIDTHS[1:])
    return f"{name:<{WIDTHS[0]}}" + "".join(f"{cell:>{width}}" for cell, width in widths) + f"  {cells[-1]}".rstrip()


@dataclasses.dataclass
class Limit:
    """What came of a plan that a user exceeded."""

    name: str
    unit: str
    stretch: Stretch | None
    refused: int

    def findings(self):
        if self.stretch is None or self.refused == 0:
            return [f"{self.name}: its plan was not tried"]
        return [f"{self.name}: {self.stretch.text(self.unit)}"] if self.stretch.exceeded else []


def limits(fleet, record, outcomes):
    requests = _turns_of(fleet.limited, record)
    lives = [tuple(life) for edge in fleet.edges for life in edge.lives]
    by_edge = bound_of_requests(lives, LIMITED["requests_per_minute"], LIMITED["burst"])
    spent = _turns_of(fleet.spender, record)
    failovers = [(outcome.begun, outcome.ended) for outcome in outcomes if outcome.failed_over]
    together = bound_of_tokens(failovers, SPENDER["tokens_per_minute"], SPENDERS,
                               max((turn.tokens for turn in spent), default=0))
    return [Limit("requests a minute", "turns", fullest_stretch(
                [(turn.begun, turn.ended, 1) for turn in requests], by_edge), _refusals(fleet.limited, record)),
            Limit("tokens a minute", "tokens", fullest_stretch(
                [(turn.begun, turn.ended, turn.tokens) for turn in spent], together), _refusals(fleet.spender, record))]


def _turns_of(person, record):
    return [turn for turn in record.turns if turn.user == person.name and turn.answer is not None]


def _refusals(person, record):
    return sum(attempt.outcome == 429 for turn in record.turns if turn.user == person.name for attempt in turn.attempts)


def findings(fleet, record, outcomes, limits):
    """Sentences on what is wrong; none where the proof holds."""
    found = list(record.wrong)
    for outcome in outcomes:
        errors = record.errors_between(outcome.begun, outcome.ended)
        if outcome.fault.harmless and errors:
            found.append(f"{outcome.fault.name}: {len(errors)} failed requests: "
                         f"{sorted({str(error.outcome) for error in errors})}")
    return (found + _check_histories(fleet, record) + _check_npcs(fleet, record)
            + [finding for limit in limits for finding in limit.findings()])


def _check_histories(fleet, record):
    found = []
    for (user, chat), turns in record.chats().items():
        answer = fleet.balancer.client(fleet.key_of(user)).get(f"/chat/{chat}/history")
        if answer.status == 404:
            messages = []
        else:
            messages = [(turn["role"], turn["text"]) for turn in answer.expect(200).json["history"]]
        found += check_chat(turns, messages)
    return found


def _check_npcs(fleet, record):
    found = []
    client = fleet.balancer.client(fleet.admin_key)
    for npc_id, text in record.npcs.items():
        answer = client.get(f"/npcs/{npc_id}")
        if answer.status != 200 or answer.json["char_descr"] != text:
            found.append(f"NPC {npc_id} was made and is lost: {answer}")
    return found


def summary(record, outcomes, limits):
    turns = record.turns
    done = [turn for turn in turns if turn.answer is not None]
    again = [turn for turn in done if len(turn.attempts) > 1]
    lines = [f"{len(done)} turns acknowledged in {len(record.chats())} chats, {len(again)} of them after more than one "
             f"try; {len(record.npcs)} NPCs made"]
    lines += [f"{limit.name}: nearest to its bound with {limit.stretch.text(limit.unit)}; {limit.refused} refused"
              for limit in limits if limit.stretch]
    lines.append(f"another Redis took over in {sum(outcome.failed_over for outcome in outcomes)} of the faults")
    return "\n".join(lines)
