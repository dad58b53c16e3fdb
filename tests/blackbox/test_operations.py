"""What those who run it look at: health, readiness, metrics, and the page of the API."""

import html.parser
import re
import urllib.parse

import pytest
from harness.launcher import EMBEDDED
from harness.talk import all_at_once, make_npc, say, send
from harness.waiting import wait_until

SAMPLE = re.compile(r'[a-zA-Z_:][a-zA-Z0-9_:]*(\{([a-zA-Z_][a-zA-Z0-9_]*="(\\.|[^"\\\n])*",?)*\})? '
                    r'([-+]?[0-9.]+([eE][-+]?[0-9]+)?|[-+]Inf|NaN)( [0-9]+)?')


def test_health(any_product):
    for path in ("/healthz", "/readyz"):
        assert any_product.anyone.get(path).expect(200).json["status"]


def samples(text):
    """Name with labels to value, of Prometheus text that is well formed."""
    assert text.endswith("\n")
    found = {}
    for line in text.splitlines():
        if line.startswith("#"):
            assert re.match(r"# (HELP|TYPE) [a-zA-Z_:][a-zA-Z0-9_:]*( .*)?$", line), line
        elif line:
            assert SAMPLE.fullmatch(line), line
            name, value = line.rsplit(" ", 1)
            assert name not in found, f"{name} is there twice"
            found[name] = float(value)
    return found


def test_prometheus_text(product):
    answer = product.admin.get("/metrics").expect(200)
    assert answer.headers["Content-Type"].startswith("text/plain")
    before = samples(answer.text)
    assert "# TYPE" in answer.text
    client = product.sign_up().client
    say(client, None, "hello")
    npc_id = make_npc(client)
    for method in ("GET", "PUT", "DELETE"):
        client.request(method, f"/npcs/{npc_id}", json_body={})
    after = samples(product.admin.get("/metrics").text)
    assert set(before) <= set(after)
    risen = [name for name in after if after[name] > before.get(name, 0)]
    assert [name for name in risen if "token" in name], "no count of tokens rose"
    assert [name for name in risen if "request" in name], "no count of requests rose"


def test_prometheus_text_has_no_names(product):
    user = product.sign_up()
    npc_id = make_npc(user.client)
    chat_id = say(user.client, npc_id, "hello")["chat_id"]
    text = product.admin.get("/metrics").text
    assert user.name not in text and chat_id not in text and npc_id not in text


class Totals:
    """Reads the totals without counting itself, and only once they stand still: nginx counts after the answer."""

    def __init__(self, product):
        self._product = product
        self._reads = 0

    def read(self):
        last = [None]

        def stands_still():
            before, last[0] = last[0], self._read_once()
            return before == last[0]
        wait_until(stands_still, 5, "the totals to stand still")
        return last[0]

    def _read_once(self):
        answer = self._product.admin.get("/metrics", headers={"Accept": "application/json"}).expect(200)
        shown = answer.json
        for name in ("200x", "total_requests"):
            shown[name] -= self._reads
        self._reads += 1
        return shown


def test_totals_count_refusals_at_the_edge(product):
    user = product.sign_up()
    totals = Totals(product)
    before = totals.read()
    assert set(before) >= {"200x", "400x", "500x", "total_requests", "tokens_in", "tokens_out"}
    for _ in range(5):
        product.anyone.get("/npcs/").expect_error(401)
    for _ in range(3):
        user.client.get("/nowhere").expect_error(404)
    for _ in range(4):
        user.client.get("/npcs/").expect(200)
    product.stub.behave(status=500)
    for _ in range(2):
        send(user.client, None, "hello").expect_error(502)
    after = totals.read()
    rise = {name: after[name] - before[name] for name in before}
    assert rise == {"200x": 4, "400x": 8, "500x": 2, "total_requests": 14, "tokens_in": 0, "tokens_out": 0}


def test_totals_count_tokens(product):
    user = product.sign_up()
    totals = Totals(product)
    before = totals.read()
    usage = say(user.client, None, "hello")["usage"]
    after = totals.read()
    assert after["tokens_in"] - before["tokens_in"] == usage["prompt_tokens"]
    assert after["tokens_out"] - before["tokens_out"] == usage["completion_tokens"]


def test_totals_over_all_workers(embedded):
    totals = Totals(embedded)
    before = totals.read()
    all_at_once(lambda _: embedded.anyone.get("/healthz").expect(200), range(100))
    assert totals.read()["200x"] - before["200x"] == 100


def test_metrics_are_the_admins(product):
    product.anyone.get("/metrics").expect_error(401)
    product.sign_up().client.get("/metrics").expect_error(403)


def test_metrics_for_addresses(launcher):
    product = launcher.shared(EMBEDDED, RATE_LIMIT=None, METRICS_ALLOW="127.9.9.0/24")
    inside = product.anyone.from_address("127.9.9.9")
    inside.get("/metrics").expect(200)
    inside.with_key(product.sign_up().key).get("/metrics").expect(200)
    for outside in (product.anyone, product.anyone.from_address("127.9.8.9")):
        outside.get("/metrics").expect_error(401)
        outside.get("/metrics", headers={"X-Forwarded-For": "127.9.9.9", "X-Real-IP": "127.9.9.9"}).expect_error(401)
    product.admin.get("/metrics").expect(200)
    assert samples(inside.get("/metrics").text)
    # Only to read, and only metrics.
    inside.get("/npcs/").expect_error(401)


@pytest.mark.parametrize("value", ["127.9.9.9", "127.9.9.9,127.8.0.0/16", "127.8.0.1 127.9.9.9"])
def test_metrics_for_a_list_of_addresses(fresh, value):
    product = fresh.start(EMBEDDED, METRICS_ALLOW=value)
    product.anyone.from_address("127.9.9.9").get("/metrics").expect(200)
    product.anyone.get("/metrics").expect_error(401)


class Links(html.parser.HTMLParser):
    """What a page loads."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if (name == "src" or name == "href" and tag == "link") and not value.startswith("data:"):
                self.found.append(value)


def test_the_page_of_the_api_works_offline(embedded):
    page = embedded.anyone.get("/docs").expect(200)
    assert page.headers["Content-Type"].startswith("text/html")
    links = Links()
    links.feed(page.text)
    assert len(links.found) >= 2
    for link in links.found:
        target = urllib.parse.urljoin("http://here/docs", link)
        assert target.startswith("http://here/"), f"{link} is loaded from elsewhere"
        loaded = embedded.anyone.get(target[len("http://here"):]).expect(200)
        kind = loaded.headers["Content-Type"]
        assert ("css" in kind) == target.endswith(".css") and ("javascript" in kind) == target.endswith(".js")
        assert len(loaded.body) > 20
    assert embedded.anyone.get("/docs/").expect(200).body == page.body
    embedded.anyone.get("/docs/no-such-file.js").expect_error(404)


def test_the_page_may_load_nothing_from_elsewhere(embedded):
    policy = embedded.anyone.get("/docs").headers["Content-Security-Policy"]
    assert "default-src" in policy and "http:" not in policy and "https:" not in policy and "*" not in policy
