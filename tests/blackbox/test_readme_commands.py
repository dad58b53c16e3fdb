"""The commands of the system that came before, typed into a shell: only address and keys are other ones."""

import json
import subprocess

from harness.product import fresh_name

CREATE_NPC = """
curl -X 'POST' \\
  'http://127.0.0.1:{port}/create_npc/' \\
  -H 'accept: application/json' \\
  -H 'Authorization: {key}' \\
  -H 'Content-Type: application/json' \\
  -d '{{
  "char_descr": "You'\\''re a knight at the court of Edward I.",
  "world_descr": "You'\\''re in London. And it'\\''s XIII century.",
  "has_scratchpad": true
}}'
"""

CHAT_NPC = """
curl -X 'POST' \\
  'http://127.0.0.1:{port}/chat_npc/' \\
  -H 'accept: application/json' \\
  -H 'Authorization: {key}' \\
  -H 'Content-Type: application/json' \\
  -d '{{
  "chat_id": "ZjlhOWY2ZTdjY2Y0NDVmMW",
  "npc_id": "{npc_id}",
  "message": "Oh wow! Your math knowledge is much better than mine. Can you multiply? What is 3 times 8?",
  "model": "meta-llama/Meta-Llama-3.1-405B-Instruct"
}}'
"""

END_CHAT_SESSION = """
curl -X 'POST' \\
  'http://127.0.0.1:{port}/end_chat_session/?chat_id=ZjlhOWY2ZTdjY2Y0NDVmMW' \\
  -H 'accept: application/json' \\
  -H 'Authorization: {key}' \\
  -d ''
"""

HISTORY = """
curl -X 'GET' \\
  'http://127.0.0.1:{port}/chat/{key}/ZjlhOWY2ZTdjY2Y0NDVmMW/history' \\
  -H 'accept: application/json' \\
  -H 'Authorization: {admin_key}'
"""


def run(command, **values):
    """The JSON that a command prints. curl's --fail makes an error status an error of the command."""
    text = command.format(**values).replace("curl ", "curl --silent --show-error --fail-with-body ", 1)
    done = subprocess.run(["sh", "-c", text], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_the_old_commands_work(any_product):
    product = any_product
    user = product.sign_up()
    values = {"port": product.port, "key": user.key, "admin_key": product.admin_key}
    # The old README makes its NPC with the admin's key.
    created = run(CREATE_NPC, port=product.port, key=product.admin_key)
    assert created["status"] == "NPC successfully saved"
    answer = run(CHAT_NPC, npc_id=created["npc_id"], **values)
    assert answer["chat_id"] == "ZjlhOWY2ZTdjY2Y0NDVmMW"
    assert "a knight at the court of Edward I." in answer["response"] and "3 times 8?" in answer["response"]
    assert product.stub.bodies()[-1]["model"] == "meta-llama/Meta-Llama-3.1-405B-Instruct"
    assert run(END_CHAT_SESSION, **values)["status"] == "Chat session ended, summary saved"
    shown = run(HISTORY, **values)
    assert shown["chat_id"] == "ZjlhOWY2ZTdjY2Y0NDVmMW" and shown["user_id"] == user.name
    assert [turn["role"] for turn in shown["history"]] == ["user", "assistant"]
    assert shown["history"][1]["text"] == answer["response"]
    assert shown["summary"]


SIGN_UP = "curl -d 'username={name}&password=a+b%26c%2Bd+e' http://127.0.0.1:{port}/signup/"
RENEW = "curl -d 'username={name}' --data-urlencode 'password=a b&c+d e' http://127.0.0.1:{port}/api_key/"


def test_signing_up_by_form(product):
    name = fresh_name("curl")
    made = run(SIGN_UP, name=name, port=product.port)
    assert made["message"] == "User created successfully."
    renewed = run(RENEW, name=name, port=product.port)
    assert product.client_of(renewed["api_key"], name).post("/verify_token/").json["username"] == name
    assert product.client_of(made["api_key"], name).post("/verify_token/").status == 401
