"""How each operation of the document is made to succeed, and who it is tried with.

A new operation needs a line in `RECIPES`, or the walk fails for it.
"""

import copy
import dataclasses
import json
import os
import secrets
import urllib.parse

from .document import JSON_TYPE
from harness.client import FORM_TYPE, Client
from harness.ports import fresh_address
from harness.waiting import wait_until

LIMITED_BY_ADDRESS = ("signup", "renewKey")
LIMITED_BY_USER = ("chatWithNpc", "chatWithAssistant", "askDocuments", "createChatCompletion", "createEmbeddings")
PASSWORD = "correct horse battery"
MULTIPART_TYPE = "multipart/form-data"
BOUNDARY = "the-parts-are-divided-by-this"


@dataclasses.dataclass
class Call:
    """What varies in a request to an operation."""
    path: dict = dataclasses.field(default_factory=dict)
    query: dict = dataclasses.field(default_factory=dict)
    body: dict | None = None
    headers: dict = dataclasses.field(default_factory=dict)

    def changed(self, place, name, value):
        """The same call with one value more, or another one."""
        other = copy.deepcopy(self)
        getattr(other, place)[name] = value
        return other

    def without(self, place, name):
        other = copy.deepcopy(self)
        del getattr(other, place)[name]
        return other


class World:
    """A running server with a user, an NPC and a chat in it."""

    def __init__(self, host, port, admin_key):
        self.anyone = Client(port, host=host, timeout=150)
        self.admin = self.anyone.with_key(admin_key)
        self._on_loopback = host.startswith("127.") or host == "localhost"
        self._port = port
        self._host = host
        self.name = self.fresh_name()
        self.user = self.anyone.with_key(self.sign_up(self.name))
        self.npc_id = self.new_npc()
        self.chat_id = self.new_chat()
        self.world = f"world-{secrets.token_hex(6)}"

    # --- making things ---

    @staticmethod
    def fresh_name():
        return f"walker.{os.getpid()}.{secrets.token_hex(6)}"

    def sign_up(self, name):
        """A new user's key. With the admin's key: the server may have SIGNUP=admin."""
        answer = self.patiently(lambda: self.from_anywhere(self.admin).post(
            "/signup/", json_body={"username": name, "password": PASSWORD}))
        return answer.expect(200).json["api_key"]

    def new_npc(self):
        answer = self.user.post("/create_npc/", json_body={"char_descr": "You keep the gate.", "world_descr": "A town."})
        return answer.expect(200).json["npc_id"]

    def new_chat(self, client=None):
        body = {"npc_id": self.npc_id, "message": "Who goes there?"}
        answer = self.patiently(lambda: (client or self.user).post("/chat_npc/", json_body=body))
        return answer.expect(200).json["chat_id"]

    def new_document(self, path):
        """The id of a document that nobody has yet."""
        client = self.admin if path == "/add_to_rag_db/" else self.user
        answer = client.post(path, json_body={"text": f"The gate's word is {secrets.token_hex(8)}."})
        assert answer.status in (200, 201), answer
        return answer.json["document_id"] if answer.status == 201 else answer.json["document_ids"][0]

    # --- sending ---

    def from_anywhere(self, client):
        """The client from an address that was not used yet, where there are such: limits by address start anew."""
        return client.from_address(fresh_address()) if self._on_loopback else client

    def patiently(self, send):
        """What `send` answers; where a limit refuses it, what it answers once the limit lets it through."""
        answers = []

        def passed():
            answers.append(send())
            return answers[-1].status != 429
        wait_until(passed, 90, "the limit to let a request through", interval=1)
        return answers[-1]

    def client_for(self, operation, key=None):
        """A client with the key that the operation is tried with, or with `key` (empty: none)."""
        client = self.admin if operation.role == "admin" or operation.id in LIMITED_BY_USER else self.user
        client = self.anyone if operation.role == "open" else client
        # SIGNUP=admin needs the admin's key; SIGNUP=open does not look at it.
        client = self.admin if operation.role == "optional" else client
        if key is not None:
            client = self.anyone.with_key(key or None)
        return self.from_anywhere(client) if operation.id in LIMITED_BY_ADDRESS else client

    def send(self, operation, call, *, key=None, media=JSON_TYPE, slash=None, method=None, data=None):
        """Sends a call. `data` stands for the body as it is; `slash` puts or leaves out the path's last slash."""
        headers = dict(call.headers)
        if data is not None:
            headers["Content-Type"] = media
        elif call.body is not None:
            data, headers["Content-Type"] = encode(call.body, media)
        path = path_of(operation.path, call, slash)
        client = self.client_for(operation, key)
        verb = method or operation.method.upper()
        if operation.id in LIMITED_BY_ADDRESS and not self._on_loopback:
            return self.patiently(lambda: client.request(verb, path, data=data, headers=headers))
        return client.request(verb, path, data=data, headers=headers)

    @property
    def address(self):
        return self._host, self._port


def encode(body, media):
    """A body and its Content-Type."""
    if media == FORM_TYPE:
        return urllib.parse.urlencode(body).encode(), media
    if media == MULTIPART_TYPE:
        parts = [f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
                 for name, value in body.items()]
        return "".join([*parts, f"--{BOUNDARY}--\r\n"]).encode(), f"{media}; boundary={BOUNDARY}"
    return json.dumps(body).encode(), media


def path_of(template, call, slash=None):
    path = template
    for name, value in call.path.items():
        path = path.replace("{%s}" % name, urllib.parse.quote(value, safe=""))
    if slash is not None:
        path = path.rstrip("/") + ("/" if slash else "")
    return path + ("?" + urllib.parse.urlencode(call.query) if call.query else "")


def renewable(world):
    name = world.fresh_name()
    world.sign_up(name)
    return Call(body={"username": name, "password": PASSWORD, "grace_seconds": 1})


def deletable(world):
    return Call(path={"npc_id": world.new_npc()})


def limitable_user(world):
    """One whom no other test needs unlimited."""
    call = deletable_user(world)
    call.body = {"requests_per_minute": 60, "burst": 5}
    return call


def deletable_user(world):
    name = world.fresh_name()
    world.sign_up(name)
    return Call(path={"name": name})


def npc_document(world):
    return Call(path={"npc_id": world.npc_id,
                      "document_id": world.new_document(f"/npcs/{world.npc_id}/documents/")})


def world_document(world):
    return Call(path={"world": world.world, "document_id": world.new_document(f"/worlds/{world.world}/documents/")})


def shared_document(world):
    return Call(path={"document_id": world.new_document("/add_to_rag_db/")})


DOCUMENT_BODY = {"text": "# Prices\n\nA steel sword costs thirty gold.", "title": "Prices"}

RECIPES = {
    "signup": lambda world: Call(body={"username": world.fresh_name(), "password": PASSWORD}),
    "renewKey": renewable,
    "verifyKey": lambda world: Call(),
    "createNpc": lambda world: Call(body={"char_descr": "You sell fish.", "world_descr": "A port.",
                                          "has_scratchpad": True}),
    "listNpcs": lambda world: Call(query={"limit": "2", "after": ""}),
    "getNpc": lambda world: Call(path={"npc_id": world.npc_id}),
    "updateNpc": lambda world: Call(path={"npc_id": world.npc_id}, body={"world_descr": "A town in the rain."}),
    "deleteNpc": deletable,
    "chatWithNpc": lambda world: Call(body={"npc_id": world.npc_id, "message": "Good day!", "chat_id": ""}),
    "chatWithAssistant": lambda world: Call(body={"message": "Good day!", "chat_id": ""}),
    "listNpcDocuments": lambda world: Call(path={"npc_id": world.npc_id}, query={"limit": "2", "after": ""}),
    "addNpcDocument": lambda world: Call(path={"npc_id": world.npc_id}, body=DOCUMENT_BODY),
    "getNpcDocument": npc_document,
    "deleteNpcDocument": npc_document,
    "listWorldDocuments": lambda world: Call(path={"world": world.world}, query={"limit": "2", "after": ""}),
    "addWorldDocument": lambda world: Call(path={"world": world.world}, body=DOCUMENT_BODY),
    "getWorldDocument": world_document,
    "deleteWorldDocument": world_document,
    "addToRagDb": lambda world: Call(body={"text": "A steel sword costs thirty gold."}),
    "askDocuments": lambda world: Call(body={"query": "What does a sword cost?", "chat_id": ""}),
    "embeddingStatus": lambda world: Call(),
    "reindex": lambda world: Call(),
    "listSharedDocuments": lambda world: Call(query={"limit": "2", "after": ""}),
    "getSharedDocument": shared_document,
    "deleteSharedDocument": shared_document,
    "endChatSession": lambda world: Call(query={"chat_id": world.chat_id}),
    "ownHistory": lambda world: Call(path={"chat_id": world.chat_id}),
    "anyHistory": lambda world: Call(path={"user": world.name, "chat_id": world.chat_id}),
    "usage": lambda world: Call(query={"from": "2025-01-01", "to": "2025-12-31"}),
    "listUsers": lambda world: Call(query={"limit": "2", "after": ""}),
    "deleteUser": deletable_user,
    "getPlan": lambda world: Call(path={"name": world.name}),
    "setPlan": limitable_user,
    "createChatCompletion": lambda world: Call(body={"model": f"npc/{world.npc_id}",
                                                     "messages": [{"role": "user", "content": "Good day!"}]}),
    "createEmbeddings": lambda world: Call(body={"input": ["Good day!"]}),
    "listModels": lambda world: Call(),
    "getModel": lambda world: Call(path={"model": f"npc/{world.npc_id}"}),
    "metrics": lambda world: Call(),
    "edgeMetrics": lambda world: Call(),
    "healthz": lambda world: Call(),
    "readyz": lambda world: Call(),
    "openapi": lambda world: Call(),
    "docs": lambda world: Call(),
    "docsAsset": lambda world: Call(path={"asset": "init.js"}),
}

# Values of path parameters that name nothing.
UNKNOWN = {"npc_id": "00000000-0000-4000-8000-000000000000", "chat_id": "never-heard-of", "user": "nobody-at-all",
           "name": "nobody-at-all", "asset": "nothing.js", "model": "npc/nobody",
           "document_id": "never-heard-of", "world": "no such world"}
