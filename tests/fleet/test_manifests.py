"""The Kubernetes manifests: what the API takes, what belongs together, what an operator relies on."""

import json
import re

import jsonschema
import pytest
import yaml
from harness import ROOT

from manifests import (K8S, NAME, TARGETS, TOP_LEVEL, build, builders, by_key, containers, environment, key, normal,
                       problems, read, references, selects, templates)

every_target = pytest.mark.parametrize("target", TARGETS)
EXAMPLES = sorted(path.name for path in (K8S / "examples").glob("*.yaml"))
OUR_IMAGES = re.compile(r"(.*/)?npcchat-(edge|sidecar|stub-model)(:[\w.-]+)?")


@every_target
def test_the_api_takes_them(target, schemas):
    assert problems(build(target), schemas) == []


@pytest.mark.parametrize("name", TOP_LEVEL)
def test_the_api_takes_the_single_files(name, schemas):
    objects = read(K8S / name)
    assert objects and problems(objects, schemas) == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_api_takes_the_examples(name, schemas):
    assert problems(read(K8S / "examples" / name), schemas) == []


def test_the_schemas_find_mistakes(schemas):
    """Or else the tests above would say nothing."""
    deployment = json.loads(json.dumps(by_key(build("base"))["Deployment", "gateway-service"]))
    deployment["spec"]["replica"] = 2
    deployment["spec"]["template"]["spec"]["containers"][0]["ports"][0]["containerPort"] = "http"
    text = " ".join(problems([deployment], schemas))
    assert "/containerPort" in text
    deployment["spec"]["template"]["spec"]["containers"][0]["ports"][0]["containerPort"] = 1
    assert problems([deployment], schemas) == ["Deployment gateway-service: unknown field /spec/replica"]
    assert problems([{"apiVersion": "apps/v1", "kind": "Deploymint"}], schemas)
    (route,) = [thing for thing in read(K8S / "examples" / "gateway.yaml") if thing["kind"] == "HTTPRoute"]
    route["spec"]["rules"][0]["timeouts"] = {"request": "two minutes", "backend": "1s"}
    text = " ".join(problems([route], schemas))
    assert "/request" in text
    route["spec"]["rules"][0]["timeouts"]["request"] = "1s"
    assert problems([route], schemas) == ["HTTPRoute gateway-service: unknown field /spec/rules/0/timeouts/backend"]


@every_target
def test_every_kustomize_builds_the_same(target):
    """The one in kubectl 1.20, today's, and one that stands alone, as far as they are installed."""
    found = [{name: normal(thing) for name, thing in by_key(build(target, tuple(builder))).items()}
             for builder in builders()]
    assert found, "there is no kubectl"
    assert all(objects == found[0] for objects in found)


def test_the_syntax_is_the_older_one():
    """What kustomize 2.0.3, the one in kubectl 1.20, does not know."""
    for target in TARGETS:
        text = yaml.safe_load((K8S / target / "kustomization.yaml").read_text(encoding="utf-8"))
        assert set(text) <= {"apiVersion", "kind", "namespace", "bases", "resources", "patchesStrategicMerge", "images"}
        assert all((K8S / target / name).is_file() for name in text.get("resources", []))
        assert all((K8S / target / name).is_dir() for name in text.get("bases", []))


@pytest.mark.parametrize("name", TOP_LEVEL)
def test_single_files_are_those_of_the_base(name):
    assert (K8S / name).resolve() == K8S / "base" / name


def test_the_commands_of_the_old_readme():
    """The four files that it applies have all that the pods need, but for the two secrets."""
    objects = [thing for name in TOP_LEVEL if name != "gpt-4o-deployment.yaml" for thing in read(K8S / name)]
    check_references(objects)


@every_target
def test_all_that_is_referred_to_is_there(target):
    check_references(build(target))


def check_references(objects):
    found = by_key(objects)
    for _, pod, container in containers(objects):
        volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
        claims = {claim["metadata"]["name"] for thing in objects if thing["kind"] == "StatefulSet"
                  for claim in thing["spec"]["volumeClaimTemplates"]}
        for mount in container.get("volumeMounts", []):
            assert mount["name"] in volumes or mount["name"] in claims
        for volume in volumes.values():
            if "configMap" in volume:
                assert ("ConfigMap", volume["configMap"]["name"]) in found
        for value in environment(container, objects).values():
            if isinstance(value, dict) and "configMapKeyRef" in value:
                reference = value["configMapKeyRef"]
                assert reference["key"] in found["ConfigMap", reference["name"]]["data"]
    for thing in objects:
        if thing["kind"] == "Service":
            pods = [template for _, template in templates(objects)
                    if thing["spec"]["selector"].items() <= template["metadata"]["labels"].items()]
            assert len(pods) == 1
            ports = {port["name"] for container in pods[0]["spec"]["containers"] for port in container.get("ports", [])}
            assert {port["targetPort"] for port in thing["spec"]["ports"]} <= ports
        if thing["kind"] == "HorizontalPodAutoscaler":
            target = thing["spec"]["scaleTargetRef"]
            assert "replicas" not in found[target["kind"], target["name"]]["spec"], "it would undo the autoscaler"


def test_secrets_are_only_referred_to():
    """Two secrets, made by the operator, and none in a file."""
    wanted = {}
    for target in TARGETS:
        objects = build(target)
        assert not [thing for thing in objects if thing["kind"] == "Secret"]
        for _, _, container in containers(objects):
            for name, value in environment(container, objects).items():
                secret = isinstance(value, dict) and value.get("secretKeyRef")
                if secret:
                    wanted.setdefault(secret["name"], set()).add(secret["key"])
                else:
                    words = references(value) if isinstance(value, str) else []
                    assert words or not re.search("KEY|PASSWORD|SECRET|AUTH", name), f"{name} stands open"
    assert wanted == {"gateway-creds": {"ADMIN_KEY", "POSTGRES_PASSWORD", "REDIS_PASSWORD"},
                      "openai-api-key": {"OPENAI_API_KEY"}}
    text = (K8S / "README.md").read_text(encoding="utf-8")
    assert all(f"{name}=" in text for names in wanted.values() for name in names)


@every_target
def test_variables_are_set_before_they_are_used(target):
    for _, _, container in containers(build(target)):
        known = set()
        for entry in container.get("env", []):
            assert set(references(entry.get("value", ""))) <= known, entry["name"]
            known.add(entry["name"])
        assert all(set(references(word)) <= known for word in container.get("args", []))


@every_target
def test_settings_are_those_of_the_readme(target):
    """A name that the product does not know would be a setting without effect."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    known = set(re.findall(r"`([A-Z][A-Z0-9_]+)`", readme)) | {"PGPASSWORD", "REDIS_PASSWORD"}
    for _, _, container in containers(build(target)):
        if OUR_IMAGES.fullmatch(container["image"]):
            assert set(environment(container, build(target))) <= known


@every_target
def test_pods_have_no_privileges(target):
    """What the namespace's "restricted" level asks for, and a root that cannot be written to."""
    for thing, pod, container in containers(build(target)):
        assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] > 0, key(thing)
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert not set(pod) & {"hostNetwork", "hostPID", "hostIPC"}
        assert not [volume for volume in pod.get("volumes", []) if "hostPath" in volume]
        assert container["securityContext"] == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                                                "capabilities": {"drop": ["ALL"]}}


@every_target
def test_resources_and_probes(target):
    for thing, _, container in containers(build(target)):
        resources = container["resources"]
        assert set(resources["requests"]) == {"cpu", "memory"} and "memory" in resources["limits"]
        assert "cpu" not in resources["limits"], "a limit on CPU holds up answers on an idle node"
        if thing["kind"] != "Job":
            assert "livenessProbe" in container
            assert "readinessProbe" in container or container["name"] == "sidecar"


@every_target
def test_a_pod_ends_without_a_lost_request(target):
    spec = by_key(build(target))["Deployment", "gateway-service"]["spec"]
    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    pod = spec["template"]["spec"]
    edge, sidecar = (next(one for one in pod["containers"] if one["name"] == name) for name in ("edge", "sidecar"))
    pause = int(edge["lifecycle"]["preStop"]["exec"]["command"][1])
    wait = int(sidecar["lifecycle"]["preStop"]["exec"]["command"][1])
    assert sidecar["lifecycle"]["preStop"]["exec"]["command"][0] == "wait-for-edge"
    # The edge's requests have a minute; then the sidecar has some seconds of its own.
    assert pause + 60 <= wait < pod["terminationGracePeriodSeconds"] - 5
    run = {mount["name"] for one in (edge, sidecar) for mount in one["volumeMounts"]
           if mount["mountPath"] == "/run/npcchat"}
    assert run == {"run"}
    volume = next(volume for volume in pod["volumes"] if volume["name"] == "run")
    assert volume["emptyDir"]["medium"] == "Memory"


@every_target
def test_who_may_reach_whom(target):
    """Every pod has a policy for both directions, and what one pod may send another may receive."""
    objects = build(target)
    policies = [thing["spec"] for thing in objects if thing["kind"] == "NetworkPolicy"]
    pods = {template["metadata"]["labels"][NAME]: template["metadata"]["labels"] for _, template in templates(objects)}

    def allowed(name, direction, side):
        found = []
        for policy in policies:
            if selects(policy["podSelector"], pods[name]):
                found += [(other, port["port"]) for rule in policy.get(direction, []) for peer in rule.get(side, [])
                          if "podSelector" in peer for other in pods if selects(peer["podSelector"], pods[other])
                          for port in rule["ports"]]
        return set(found)

    for name, labels in pods.items():
        types = {kind for policy in policies if selects(policy["podSelector"], labels)
                 for kind in policy["policyTypes"]}
        assert types == {"Ingress", "Egress"}, name
        for other, port in allowed(name, "egress", "to"):
            assert (name, port) in allowed(other, "ingress", "from"), f"{name} to {other}"
        for other, port in allowed(name, "ingress", "from"):
            assert (name, port) in allowed(other, "egress", "to"), f"{other} to {name}"
    assert {("postgres", 5432), ("redis", 6379)} <= allowed("gateway-service", "egress", "to")


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_lead_to_the_service(name):
    """A name and a port of the Service, and more time than an edge gives an answer."""
    (service,) = [thing for thing in build("base") if key(thing) == ("Service", "gateway-service")]
    (port,) = service["spec"]["ports"]
    found = {thing["kind"]: thing for thing in read(K8S / "examples" / name)}
    edge = (ROOT / "conf" / "npcchat-server.conf").read_text(encoding="utf-8")
    answer = max(map(int, re.findall(r"proxy_read_timeout (\d+)s", edge)))
    if "Ingress" in found:
        (rule,) = found["Ingress"]["spec"]["rules"]
        backend = rule["http"]["paths"][0]["backend"]["service"]
        assert backend == {"name": "gateway-service", "port": {"name": port["name"]}}
        annotations = found["Ingress"]["metadata"]["annotations"]
        assert int(annotations["nginx.ingress.kubernetes.io/proxy-read-timeout"]) > answer
        hosts, secured = {rule["host"]}, {host for tls in found["Ingress"]["spec"]["tls"] for host in tls["hosts"]}
    else:
        gateway, route = found["Gateway"], found["HTTPRoute"]["spec"]
        (parent,), (rule,), (listener,) = route["parentRefs"], route["rules"], gateway["spec"]["listeners"]
        assert parent == {"name": gateway["metadata"]["name"], "sectionName": listener["name"]}
        assert rule["backendRefs"] == [{"name": "gateway-service", "port": port["port"]}]
        times = {one: int(text.removesuffix("s")) for one, text in rule["timeouts"].items()}
        assert times["request"] >= times["backendRequest"] > answer
        assert listener["protocol"] == "HTTPS" and "retry" not in rule
        hosts, secured = set(route["hostnames"]), {listener["hostname"]}
    assert hosts == secured


def test_retrieval_is_that_of_compose():
    """The same images and models, under the names that the sidecar asks for."""
    objects = build("overlays/retrieval")
    found = by_key(objects)
    compose = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text(encoding="utf-8"))["services"]
    default = re.compile(r"\$\{\w+:-(.*)\}")
    settings = environment(sidecar_of(found), objects)
    for name, variable in (("embed", "EMBED_URL"), ("rerank", "RERANK_URL")):
        (container,) = found["StatefulSet", name]["spec"]["template"]["spec"]["containers"]
        assert container["image"] == default.fullmatch(compose[name]["image"])[1]
        options = dict(zip(container["args"][::2], container["args"][1::2], strict=True))
        assert options["--model-id"] == compose[name]["command"][1]
        assert int(options["--port"]) == container["ports"][0]["containerPort"] >= 1024, "only root may listen below"
        assert settings[variable] == default.fullmatch(compose["sidecar"]["environment"][variable])[1]
        assert settings[variable] == f"http://{name}/{name}"
        assert found["Service", name]["spec"]["ports"][0]["port"] == 80
        # What it writes: the model that it has fetched, and what is gone with the pod.
        assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/data", "/tmp"}
    assert not {"EMBED_URL", "RERANK_URL"} & set(environment(sidecar_of(by_key(build("base"))), build("base")))


def sidecar_of(found):
    containers = found["Deployment", "gateway-service"]["spec"]["template"]["spec"]["containers"]
    return next(container for container in containers if container["name"] == "sidecar")


@every_target
def test_disruptions_and_scaling(target):
    found = by_key(build(target))
    labels = found["Deployment", "gateway-service"]["spec"]["template"]["metadata"]["labels"]
    budget = found["PodDisruptionBudget", "gateway-service"]["spec"]
    assert budget["maxUnavailable"] == 1 and selects(budget["selector"], labels)
    spread = found["Deployment", "gateway-service"]["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert all(selects(constraint["labelSelector"], labels) for constraint in spread)
    scaler = found["HorizontalPodAutoscaler", "gateway-service"]["spec"]
    assert 1 <= scaler["minReplicas"] <= scaler["maxReplicas"]
    if target in ("overlays/production", "overlays/retrieval"):
        assert scaler["minReplicas"] >= 3


@pytest.mark.parametrize("name", TOP_LEVEL[1:3])
def test_the_tables_of_models(name):
    check_table(by_key(read(K8S / name)), "OPENAI_API_KEY")


@every_target
def test_the_tables_in_use(target):
    check_table(by_key(build(target)), "OPENAI_API_KEY")


def check_table(found, key_name):
    schema = json.loads((ROOT / "docs" / "models.schema.json").read_text(encoding="utf-8"))
    table = json.loads(found["ConfigMap", "npcchat-models"]["data"]["models.json"])
    jsonschema.Draft202012Validator(schema).validate(table)
    for model in table["models"]:
        for target in model["targets"]:
            assert target.get("api_key_env", key_name) == key_name


@every_target
def test_stores_keep_what_they_are_given(target):
    found = by_key(build(target))
    redis = found["StatefulSet", "redis"]["spec"]
    words = redis["template"]["spec"]["containers"][0]["args"]
    options = dict(zip(words[::2], words[1::2]))
    assert options["--appendonly"] == "yes" and options["--maxmemory-policy"] == "noeviction"
    for name in ("redis", "postgres"):
        spec = found["StatefulSet", name]["spec"]
        assert spec["replicas"] == 1 and spec["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"]
        assert found["Service", spec["serviceName"]]["spec"]["clusterIP"] == "None"


def test_namespaces():
    for target in TARGETS[1:]:
        objects = build(target)
        namespace = next(thing["metadata"] for thing in objects if thing["kind"] == "Namespace")
        assert namespace["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
        assert {thing["metadata"]["namespace"] for thing in objects if thing["kind"] != "Namespace"} == {
            namespace["name"]}
