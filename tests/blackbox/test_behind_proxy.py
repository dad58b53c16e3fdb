"""Load balancers in front of nginx: whose X-Forwarded-For is believed, and what it decides."""

from harness.launcher import EMBEDDED

SETTINGS = {"TRUSTED_PROXIES": "127.7.7.0/24, 127.8.8.8", "METRICS_ALLOW": "203.0.113.0/24"}


def status(product, address, forwarded):
    headers = {"X-Forwarded-For": forwarded}
    statuses = {product.anyone.from_address(address).get(path, headers=headers).status
                for path in ("/metrics", "/metrics/edge")}
    assert len(statuses) == 1
    return statuses.pop()


def test_a_trusted_one_says_who_the_client_is(launcher):
    product = launcher.shared(EMBEDDED, **SETTINGS)
    assert status(product, "127.7.7.7", "203.0.113.9") == 200
    # Through both: the last address that is not theirs counts, not what the client wrote before it.
    assert status(product, "127.7.7.7", "203.0.113.9, 127.8.8.8") == 200
    assert status(product, "127.7.7.7", "203.0.113.9, 198.51.100.1, 127.8.8.8") == 401


def test_nobody_else_is_believed(launcher):
    product = launcher.shared(EMBEDDED, **SETTINGS)
    assert status(product, "127.9.9.9", "203.0.113.9") == 401


def test_signing_up_is_limited_by_the_clients_address(launcher):
    product = launcher.shared(EMBEDDED, **SETTINGS)
    balancer = product.anyone.from_address("127.8.8.8")

    def sign_up(client):
        return balancer.post("/signup/", data=b"{}", headers={"X-Forwarded-For": client}).status
    assert 429 in [sign_up("198.51.100.7") for _ in range(26)]
    assert sign_up("198.51.100.8") == 422


def test_a_wrong_setting_is_named(fresh):
    product = fresh.product({"TRUSTED_PROXIES": "10.0.0.0/8; include /etc/passwd"})
    product.begin()
    assert product.wait(30) != 0
    assert "TRUSTED_PROXIES must be addresses" in product.output
