"""What most tests do: make an NPC, talk to it, read what was kept."""

import concurrent.futures
import itertools

KNIGHT = {"char_descr": "You're a knight at the court of Edward I.",
          "world_descr": "You're in London. And it's XIII century."}

_numbers = itertools.count(1)


def make_npc(client, **fields):
    """The id of a new NPC, a knight unless told otherwise."""
    return client.post("/create_npc/", json_body={**KNIGHT, **fields}).expect(200).json["npc_id"]


def send(client, npc_id, message, chat_id=None, **fields):
    """A message to an NPC, or to the plain assistant where `npc_id` is None."""
    body = {"message": message, **fields}
    if chat_id is not None:
        body["chat_id"] = chat_id
    if npc_id is None:
        return client.post("/chat/", json_body=body)
    return client.post("/chat_npc/", json_body={"npc_id": npc_id, **body})


def say(client, npc_id, message, chat_id=None, **fields):
    """The JSON of an answer that must be a 200."""
    return send(client, npc_id, message, chat_id, **fields).expect(200).json


def end(client, chat_id):
    return client.post(f"/end_chat_session/?chat_id={chat_id}", data=b"")


def history(client, chat_id):
    """The turns of a client's own chat."""
    return client.get(f"/chat/{chat_id}/history").expect(200).json["history"]


def full_history(product, user_name, chat_id):
    """The admin's view of a user's chat."""
    return product.admin.get(f"/chat/{user_name}/{chat_id}/history").expect(200).json


def said(turns):
    """(role, text) of each message of a history."""
    return [(turn["role"], turn["text"]) for turn in turns]


def fresh_chat_id(prefix="chat"):
    """A chosen chat id that no other chat of this process has."""
    return f"{prefix}-{next(_numbers)}"


def in_background(function, *arguments):
    """Starts `function` in a thread; result() of what this returns waits for it."""
    executor = concurrent.futures.ThreadPoolExecutor(1)
    future = executor.submit(function, *arguments)
    executor.shutdown(wait=False)
    return future


def all_at_once(function, items, workers=64):
    """`function` of every item, in threads; the results in order."""
    with concurrent.futures.ThreadPoolExecutor(workers) as executor:
        return list(executor.map(function, items))
