"""Prometheus' rules and Grafana's dashboard: that they ask for what the product says, and that alerts fire when they
should and not before."""

import json
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest
import yaml
from harness import ROOT
from harness.launcher import REDIS, Launcher
from harness.prometheus import Metrics
from harness.talk import make_npc, say

HERE = ROOT / "tests" / "fleet"
PROMETHEUS = ROOT / "monitoring" / "prometheus"
GRAFANA = ROOT / "monitoring" / "grafana"
DASHBOARD = json.loads((GRAFANA / "dashboards" / "npcchat.json").read_text(encoding="utf-8"))
RULES = [rule for group in yaml.safe_load((PROMETHEUS / "alerts.yml").read_text(encoding="utf-8"))["groups"]
         for rule in group["rules"]]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
TRIALS = yaml.safe_load((HERE / "alerts_test.yml").read_text(encoding="utf-8"))["tests"]
NAME = re.compile(r"\b(?:npcchat|gen_ai)_[a-z0-9_]+")
GROUPING = re.compile(r"\bby \(([^)]*)\)")
MATCHER = re.compile(r"((?:npcchat|gen_ai)_[a-z0-9_]+)\{([^}]*)\}")


def panel_expressions():
    """The dashboard's questions, with a value for each of Grafana's variables."""
    for panel in PANELS:
        for target in panel["targets"]:
            yield target["expr"].replace("$__rate_interval", "5m").replace("$instance", ".*")


def expressions():
    return [*panel_expressions(), *(rule["expr"] for rule in RULES)]


def names(text):
    """The metrics that an expression asks for, without the labels that it groups by."""
    return NAME.findall(GROUPING.sub("", text))


def promtool(*arguments):
    done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def exported():
    """What the product shows on both pages, after some use: an answer, refusals, a failure of the model."""
    with tempfile.TemporaryDirectory(prefix="npcchat-fleet-") as folder:
        pathlib.Path(folder).chmod(0o711)  # PostgreSQL's user has to get in
        launcher = Launcher(folder)
        try:
            product = launcher.shared(REDIS, RATE_LIMIT="3")
            user = product.sign_up()
            say(user.client, None, "hello")
            say(product.admin, make_npc(product.admin), "hello")
            product.admin.post("/v1/chat/completions", json_body={
                "model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello"}]}).expect(200)
            product.stub.behave(status=500)
            for _ in range(4):
                user.client.post("/chat/", json_body={"message": "hello"})
            product.anyone.get("/readyz").expect(200)
            product.anyone.with_key("no-such-key").post("/chat/", json_body={"message": "hello"}).expect_error(401)
            yield [Metrics(product.admin.get(path).expect(200).text) for path in ("/metrics/edge", "/metrics")]
        finally:
            launcher.close()


def family(name, kinds):
    """The metric that a sample's name belongs to, and its kind."""
    if name in kinds:
        return name, kinds[name]
    stem = re.sub(r"_(bucket|sum|count)$", "", name)
    assert kinds.get(stem) == "histogram", f"{name} is not exported"
    return stem, "histogram"


def test_they_ask_for_what_is_exported(exported):
    kinds = {name: kind for page in exported for name, kind in page.kinds.items()}
    asked = {name for text in expressions() for name in names(text)}
    assert len(asked) > 15
    for name in asked:
        _, kind = family(name, kinds)
        for text in expressions():
            for found in re.finditer(rf"(\w+)\(\s*{name}(?:\{{[^}}]*\}})?\[", text):
                assert kind in ("counter", "histogram") or found[1] == "changes", f"{found[1]} of a {kind}: {text}"
    variable = next(one for one in DASHBOARD["templating"]["list"] if one["name"] == "instance")
    assert set(NAME.findall(variable["query"]["query"])) <= set(kinds)


def test_labels_and_values_are_those_that_are_exported(exported):
    """Every label that an expression names; and of those of few values, the values."""
    labels = {}
    for page in exported:
        for name in page.names():
            for one in page.labels(name):
                for label, value in one.items():
                    labels.setdefault(name, {}).setdefault(label, set()).add(value)
    for text in expressions():
        known = {"job", "instance"}.union(*(labels.get(name, {}) for name in names(text)))
        for grouping in GROUPING.findall(text):
            assert {label.strip() for label in grouping.split(",")} <= known, text
        for name, matchers in MATCHER.findall(text):
            have = labels.get(name) or labels.get(name + "_bucket", {})
            for label, kind, value in re.findall(r'(\w+)(=~|=)"([^"]*)"', matchers):
                if label == "instance":
                    continue
                assert label in have, f"{name} has no label {label}"
                if label in ("result", "state", "route"):
                    wanted = value.split("|") if kind == "=~" else [value]
                    assert set(wanted) <= have[label], f"{name}: {label}={value}"


def test_prometheus_takes_the_rules_and_the_configuration(tmp_path):
    promtool("check", "rules", PROMETHEUS / "alerts.yml")
    shutil.copytree(PROMETHEUS, tmp_path / "prometheus")
    configuration = tmp_path / "prometheus" / "prometheus.yml"
    key = tmp_path / "key"
    key.touch()
    configuration.write_text(configuration.read_text(encoding="utf-8").replace("/run/secrets/admin_key", str(key)),
                             encoding="utf-8")
    promtool("check", "config", configuration)


def test_prometheus_takes_the_dashboards_questions(tmp_path):
    rules = {"groups": [{"name": "dashboard", "rules": [
        {"record": f"panel:{number}", "expr": text} for number, text in enumerate(panel_expressions())]}]}
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(rules), encoding="utf-8")
    promtool("check", "rules", tmp_path / "rules.yml")


def test_alerts_fire_when_they_should(tmp_path):
    """alerts_test.yml has series of each kind of trouble, and says which alerts there are, and when."""
    shutil.copy(PROMETHEUS / "alerts.yml", tmp_path)
    shutil.copy(HERE / "alerts_test.yml", tmp_path)
    promtool("test", "rules", tmp_path / "alerts_test.yml")
    tried = {alert["alertname"] for test in TRIALS for alert in test["alert_rule_test"] if alert.get("exp_alerts")}
    assert tried == {rule["alert"] for rule in RULES}


def test_what_alerts_are_tried_with_is_exported(exported):
    """A bound of a histogram that nobody exports could make an alert look alive that never fires."""
    kinds = {name: kind for page in exported for name, kind in page.kinds.items()} | {"up": "gauge"}
    bounds = {}
    for page in exported:
        for name in page.names():
            bounds.setdefault(name, set()).update(labels.get("le") for labels in page.labels(name))
    for series in (one["series"] for test in TRIALS for one in test["input_series"]):
        name = series.split("{")[0]
        family(name, kinds)
        bound = re.search(r'le="([^"]*)"', series)
        assert not bound or bound[1] in bounds[name], series


def test_every_alert_is_explained():
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    for rule in RULES:
        assert f"**{rule['alert']}**" in text, rule["alert"]
        assert rule["labels"]["severity"] in ("page", "ticket") and rule["annotations"]["summary"]


def test_the_dashboard_is_whole():
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    sources = {one["name"] for one in DASHBOARD["templating"]["list"]}
    for panel in PANELS:
        assert panel["datasource"]["uid"] == "${datasource}" and panel["targets"] and panel["title"]
    for text in (target["expr"] for panel in PANELS for target in panel["targets"]):
        assert set(re.findall(r"\$([a-z]+)", text)) <= sources
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    cells = [(x, y) for place in places for x in range(place["x"], place["x"] + place["w"])
             for y in range(place["y"], place["y"] + place["h"])]
    assert len(set(cells)) == len(cells) and max(x for x, _ in cells) == 23


def test_grafana_is_provisioned_with_them():
    compose = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text(encoding="utf-8"))["services"]
    (source,) = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yaml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090" and "prometheus" in compose
    (provider,) = yaml.safe_load((GRAFANA / "provisioning/dashboards/npcchat.yaml").read_text())["providers"]
    mounts = dict(volume.split(":")[:2] for volume in compose["grafana"]["volumes"])
    assert mounts["../monitoring/grafana/dashboards"] == provider["options"]["path"]
    assert mounts["../monitoring/grafana/provisioning"] == "/etc/grafana/provisioning"


def test_prometheus_scrapes_the_compose_files_edge():
    configuration = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text(encoding="utf-8"))
    jobs = {job["job_name"]: job for job in configuration["scrape_configs"]}
    assert {name: job["metrics_path"] for name, job in jobs.items()} == {
        "npcchat-edge": "/metrics/edge", "npcchat-sidecar": "/metrics"}
    for job in jobs.values():
        assert job["static_configs"] == [{"targets": ["edge:8001"]}]
        assert job["authorization"]["credentials_file"] == "/run/secrets/admin_key"
