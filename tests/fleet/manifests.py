"""Kubernetes objects: read from files or built by kustomize, and looked through."""

import functools
import json
import pathlib
import re
import shutil
import subprocess

import yaml
from harness import ROOT

K8S = ROOT / "k8s"
# The names that the commands of the FastAPI system's README have.
TOP_LEVEL = ("gateway-service-deployment.yaml", "gpt-4-mini-deployment.yaml", "gpt-4o-deployment.yaml",
             "postgres-deployment.yaml", "redis-deployment.yaml")
TARGETS = ("base", "overlays/dev", "overlays/production", "overlays/retrieval")
NAME = "app.kubernetes.io/name"


def builders():
    """Commands that build a folder with kustomize, whichever are installed."""
    found = [(shutil.which("kubectl"), ["kubectl", "kustomize"]), (shutil.which("kustomize"), ["kustomize", "build"])]
    return [command for path, command in found if path]


@functools.cache
def build(target, builder=("kubectl", "kustomize")):
    """The objects of one of TARGETS."""
    done = subprocess.run([*builder, K8S / target], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return read(done.stdout)


def read(source):
    """The objects in a file or a text."""
    text = source.read_text(encoding="utf-8") if isinstance(source, pathlib.Path) else source
    return [document for document in yaml.safe_load_all(text) if document]


def key(thing):
    return thing["kind"], thing["metadata"]["name"]


def by_key(objects):
    found = {key(thing): thing for thing in objects}
    assert len(found) == len(objects), "an object twice"
    return found


def problems(objects, schemas):
    """What the API's schemas find wrong with objects."""
    done = subprocess.run(["node", "validate.js"], input=json.dumps(objects), cwd=schemas, capture_output=True,
                          text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def templates(objects):
    """The pod templates of all that runs pods: (object, template)."""
    return [(thing, thing["spec"]["template"]) for thing in objects
            if thing["kind"] in ("Deployment", "StatefulSet", "Job")]


def containers(objects):
    """All containers: (object, pod's spec, container)."""
    for thing, template in templates(objects):
        for container in template["spec"].get("initContainers", []) + template["spec"]["containers"]:
            yield thing, template["spec"], container


def selects(selector, labels):
    """Whether a selector of `matchLabels` alone has these labels."""
    assert set(selector) <= {"matchLabels"}
    return selector.get("matchLabels", {}).items() <= labels.items()


def environment(container, objects):
    """A container's environment by name: texts, or mappings for what comes from secrets."""
    found = {}
    for reference in (source["configMapRef"] for source in container.get("envFrom", [])):
        settings = by_key(objects).get(("ConfigMap", reference["name"]))
        assert settings or reference.get("optional"), reference["name"]
        found |= settings["data"] if settings else {}
    for entry in container.get("env", []):
        found[entry["name"]] = entry.get("value", entry.get("valueFrom"))
    return found


def normal(thing):
    """The same object with lists whose order means nothing in one order."""
    if isinstance(thing, dict):
        return {name: normal(value) for name, value in thing.items()}
    if isinstance(thing, list):
        values = [normal(value) for value in thing]
        if all(isinstance(value, dict) and "name" in value for value in values):
            values.sort(key=lambda value: value["name"])
        return values
    return thing


def references(text):
    """The names in `$(NAME)`."""
    return re.findall(r"\$\(([A-Za-z_][A-Za-z0-9_]*)\)", text)
