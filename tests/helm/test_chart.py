"""The chart, rendered by Helm: what Kubernetes accepts of it, what pods may do, and what its programs are told."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import jsonschema_rs
import pytest
import yaml

from passerelle_ops.settings import Settings
from tests.helm.chart import CASES, HERE, ROOT, Document, containers, laid_over, pods, said_of, template, values_of

VERSIONS = ("1.31", "1.34", "1.37")
WRONG: list[dict[str, Any]] = yaml.safe_load((HERE / "wrong.yaml").read_text("utf-8"))
# What asks for more than the restricted standard allows, by pod and container, and why. Nothing does.
EXCEPTIONS: Mapping[str, str] = {}
PER_TENANT = re.compile(r"PASSERELLE_TENANT_[A-Z0-9]+(_OWNER|_BROKER|_DIRECTORY)?_URL")


@pytest.fixture(scope="module")
def said() -> dict[str, Any]:
    cases = {case: values_of(case) for case in CASES}
    for number, wrong in enumerate(WRONG):
        cases[f"wrong-{number}"] = laid_over(values_of("one-tenant"), wrong["values"])
    cases["stopped"] = laid_over(values_of("four-sharing"), {"stopped": True})
    cases["again"] = laid_over(values_of("one-tenant"), {"image": {"tag": "0.2.0"}})
    cases["misspelt"] = laid_over(values_of("one-tenant"), {"tolerations": [{"key": "a", "operater": "Exists"}]})
    return said_of(cases, whole=[*CASES, "misspelt"], versions=VERSIONS)


def documents(said: Mapping[str, Any], case: str) -> list[Document]:
    assert "refused" not in said[case], said[case]
    found: list[Document] = said[case]["documents"]
    return found


@pytest.mark.parametrize("case", CASES)
def test_it_renders_and_kubernetes_would_take_it(said: Mapping[str, Any], case: str) -> None:
    """Strictly, by the schemas of three versions."""
    assert documents(said, case)
    assert said[case]["lint"]["errors"] == []
    assert [each for each in said[case]["lint"]["messages"] if each["severity"] > 1] == []
    assert said[case]["faults"] == {version: [] for version in VERSIONS}
    names = [(each["kind"], each["metadata"]["name"]) for each in documents(said, case)]
    assert len(set(names)) == len(names)


def test_a_misspelt_field_is_a_fault(said: Mapping[str, Any]) -> None:
    assert all("operater" in "".join(said["misspelt"]["faults"][version]) for version in VERSIONS)


def test_operators_would_take_what_is_theirs(said: Mapping[str, Any]) -> None:
    """By what we took down of their definitions: `operators.yaml`. Every kind there is made in one case or another."""
    known = yaml.safe_load((HERE / "operators.yaml").read_text("utf-8"))
    made = set()
    for each in (each for case in CASES for each in documents(said, case)):
        group = each["apiVersion"].partition("/")[0]
        if "." not in group or group.endswith(".k8s.io"):
            continue
        kind = f"{each['apiVersion']} {each['kind']}"
        jsonschema_rs.validate({**known["kinds"][kind]["spec"], "$defs": known["$defs"]}, each["spec"])
        made.add(kind)
    assert made == set(known["kinds"])


@pytest.mark.parametrize("wrong", range(len(WRONG)), ids=[each["says"] for each in WRONG])
def test_a_wrong_value_is_refused_by_its_key(said: Mapping[str, Any], wrong: int) -> None:
    """By the schema as `at '/web/replicas'` or with the unknown name, by our own checks as `web.replicas`."""
    refused = said[f"wrong-{wrong}"].get("refused", "")
    *place, name = WRONG[wrong]["says"].split(".")
    by_schema = f"at '/{'/'.join([*place, name])}'"
    unknown = f"at '{'/'.join(['', *place])}'"
    assert WRONG[wrong]["says"] + " :" in refused or by_schema in refused or (unknown in refused and name in refused)


@pytest.mark.parametrize("case", CASES)
def test_pods_keep_to_the_restricted_standard(said: Mapping[str, Any], case: str) -> None:
    """Pod Security Standards, `restricted`; and beyond it: a root that is not written, no token, no secret given."""
    found: list[str] = []
    for name, pod in pods(documents(said, case)):
        found += [f"{name}: {fault}" for fault in _of_pod(pod)]
        for each in containers(pod):
            found += [f"{name}/{each['name']}: {fault}" for fault in _of_container(each)]
    assert [each for each in found if each.partition(":")[0] not in EXCEPTIONS] == []
    assert all(EXCEPTIONS.values())


def _of_pod(pod: Document) -> list[str]:
    given = pod["securityContext"]
    volumes = {next(iter(set(each) - {"name"})) for each in pod["volumes"]}
    return [
        *(each for each in ("hostNetwork", "hostPID", "hostIPC") if pod.get(each)),
        *([] if given.get("runAsNonRoot") and given.get("runAsUser", 0) > 0 else ["may be root"]),
        *([] if given.get("seccompProfile") == {"type": "RuntimeDefault"} else ["no seccomp profile"]),
        *([] if not given.get("sysctls") else ["sysctls"]),
        *sorted(volumes - {"configMap", "emptyDir", "persistentVolumeClaim", "projected"}),
        *([] if pod["automountServiceAccountToken"] is False else ["holds a token of the cluster"]),
    ]


def _of_container(container: Document) -> list[str]:
    given = container["securityContext"]
    return [
        *([] if given.get("allowPrivilegeEscalation") is False else ["may gain privileges"]),
        *([] if given.get("capabilities") == {"drop": ["ALL"]} else ["keeps capabilities"]),
        *([] if given.get("readOnlyRootFilesystem") is True else ["writes its root"]),
        *(each for each in ("privileged", "runAsUser", "seLinuxOptions", "procMount") if each in given),
        *(["takes a port of its host"] if any("hostPort" in each for each in container.get("ports", [])) else []),
        *([] if container["resources"].get("limits", {}).get("memory") else ["no limit of memory"]),
        *(f"{each['name']} given" for each in container.get("env", []) if _is_given_secret(each)),
    ]


def _is_given_secret(variable: Document) -> bool:
    """A password, a key or a DSN that holds one, written out instead of named."""
    value = str(variable.get("value", ""))
    if "PASSWORD" in variable["name"] or "SECRET" in variable["name"]:
        return "value" in variable
    return re.search(r"://[^/@]*:(?!\$\([A-Z0-9_]+\)@)[^/@]*@", value) is not None


@pytest.mark.parametrize("case", CASES)
def test_programs_are_told_what_they_read(said: Mapping[str, Any], case: str) -> None:
    """Every PASSERELLE_… is a setting, in words that it takes, and what each program cannot do without is there."""
    needed = {
        "web": {"ISSUER", "DIRECTORY_URL", "CONTENTS_URL", "STATE", "ENVIRONMENT", "METRICS_FOLDER"},
        "worker": {"DIRECTORY_URL", "CONTENTS_URL", "LEDGER_URL", "STATE", "BEAT", "READY_FILE", "METRICS_PORT"},
        "beat": {"DIRECTORY_URL", "CONTENTS_URL", "LEDGER_URL", "STATE", "READY_FILE"},
        "migrate": {"DIRECTORY_URL", "DIRECTORY_OWNER_URL", "NETWORKS", "STATE"},
        "backup": {"DIRECTORY_URL", "DIRECTORY_OWNER_URL", "CONTENTS_URL", "LEDGER_URL", "STATE"},
    }
    tenants = {each.upper() for each in values_of(case)["tenants"]}
    for name, pod in pods(documents(said, case)):
        (main,) = pod["containers"]
        given = {each["name"]: each.get("value") for each in main["env"]}
        own = {each.removeprefix("PASSERELLE_") for each in given if each.startswith("PASSERELLE_")}
        of_networks = {each for each in own if PER_TENANT.fullmatch(f"PASSERELLE_{each}")}
        settings = {each.lower(): given[f"PASSERELLE_{each}"] for each in own - of_networks}
        assert set(settings) <= set(Settings.model_fields), name
        Settings(**{key: value for key, value in settings.items() if value is not None})
        assert needed[main["name"]] <= own, name
        only = given.get("PASSERELLE_WORKER_TENANT")
        served = tenants if only is None else {only.upper()}
        assert {f"TENANT_{each}_URL" for each in served} <= of_networks
        assert {each.split("_")[1] for each in of_networks} == served, f"{name} is told of others"
        if main["name"] in ("worker", "beat"):
            assert ("BROKER_URL" in own) == (only is None)
            assert only is None or f"TENANT_{only.upper()}_BROKER_URL" in own
        assert (main["name"] in ("migrate", "backup")) == any("OWNER" in each for each in own), (
            "what serves owns nothing"
        )


@pytest.mark.parametrize("case", CASES)
def test_what_is_mounted_is_there_and_what_is_referred_to_comes_before(said: Mapping[str, Any], case: str) -> None:
    for name, pod in pods(documents(said, case)):
        volumes = {each["name"] for each in pod["volumes"]}
        mounted = {mount["name"] for each in containers(pod) for mount in each["volumeMounts"]}
        assert mounted == volumes, name
        for each in containers(pod):
            told: set[str] = set()
            for variable in each["env"]:
                # Kubernetes writes $(NAME) out only when NAME stands above.
                assert set(re.findall(r"\$\(([A-Z0-9_]+)\)", str(variable.get("value", "")))) <= told, variable
                assert variable["name"] not in told, variable
                told.add(variable["name"])


def test_a_network_s_own_worker_has_nothing_of_the_others(said: Mapping[str, Any]) -> None:
    """Neither their keys, nor their Secrets, nor a way to their database."""
    apart = documents(said, "four-apart")
    networks = set(values_of("four-apart")["tenants"])
    for name, pod in pods(apart):
        own = name.rpartition("-")[2]
        if own in networks:
            assert not [other for other in networks - {own} if other in str(pod)], name
    ways = {each["metadata"]["name"]: each["spec"] for each in apart if each["kind"] == "NetworkPolicy"}
    for own in networks:
        reached = str(ways[f"passerelle-worker-{own}"]["egress"])
        assert not [other for other in networks - {own} if f"passerelle-{other}" in reached]


@pytest.mark.parametrize("case", CASES)
def test_every_pod_has_a_policy_and_selectors_find_their_pods(said: Mapping[str, Any], case: str) -> None:
    found = documents(said, case)
    labels = [
        template(each)["metadata"]["labels"] for each in found if each["kind"] in ("Deployment", "Job", "CronJob")
    ]
    for each in found:
        spec = each.get("spec", {})
        selector = spec.get("podSelector", spec.get("selector", {}))
        selector = selector.get("matchLabels", selector)
        if each["kind"] in ("Deployment", "PodDisruptionBudget", "NetworkPolicy", "Service") and "cnpg" not in str(
            selector
        ):
            assert [one for one in labels if selector.items() <= one.items()], each["metadata"]["name"]
    policies = [each["spec"] for each in found if each["kind"] == "NetworkPolicy"]
    for one in labels:
        of_it = [each for each in policies if each["podSelector"]["matchLabels"].items() <= one.items()]
        assert len(of_it) == 2  # nothing at all, and what it needs
        assert all(set(each["policyTypes"]) == {"Ingress", "Egress"} for each in of_it)


def test_pods_reach_the_ports_that_the_values_name_and_no_other(said: Mapping[str, Any]) -> None:
    def reached(case: str) -> dict[str, set[int]]:
        policies = [each for each in documents(said, case) if each["kind"] == "NetworkPolicy"]
        ways = {each["metadata"]["name"]: each["spec"].get("egress", []) for each in policies}
        return {name: {port["port"] for way in of_it for port in way["ports"]} for name, of_it in ways.items()}

    one, four = reached("one-tenant"), reached("four-sharing")
    assert one["passerelle-migrate"] == {53, 5432}
    assert one["passerelle-web"] == {53, 5432, 443, 9000}
    assert one["passerelle-worker"] == {53, 5432, 6379, 443, 9000}
    assert four["passerelle-worker"] == {53, 5432, 6379, 443, 4318}


def test_a_new_version_migrates_anew_and_nothing_starts_before(said: Mapping[str, Any]) -> None:
    jobs = {
        case: next(each["metadata"]["name"] for each in documents(said, case) if each["kind"] == "Job")
        for case in ("one-tenant", "again")
    }
    assert jobs["one-tenant"] != jobs["again"]
    for name, pod in pods(documents(said, "one-tenant")):
        first = [each["name"] for each in pod.get("initContainers", [])]
        assert first == (["keys"] if "migrate" in name else ["keys", "databases"])


def test_rules_and_panels_are_those_of_the_programs(said: Mapping[str, Any]) -> None:
    """The chart has no copy of them."""
    found = documents(said, "four-sharing")
    rules = [each["spec"] for each in found if each["kind"] == "PrometheusRule"]
    assert rules == [
        yaml.safe_load(each.read_text("utf-8")) for each in sorted((ROOT / "ops/watching/alerts").iterdir())
    ]
    (panels,) = (each["data"] for each in found if each["metadata"]["name"] == "passerelle-dashboards")
    assert panels == {each.name: each.read_text("utf-8") for each in (ROOT / "ops/watching/dashboards").iterdir()}


def test_what_is_stopped_stays_so_and_can_still_be_restored(said: Mapping[str, Any]) -> None:
    found = documents(said, "stopped")
    assert {each["spec"]["replicas"] for each in found if each["kind"] == "Deployment"} == {0}
    kinds = {each["kind"] for each in found}
    assert not kinds & {"HorizontalPodAutoscaler", "ScaledObject"}
    assert {"Job", "CronJob", "Cluster"} <= kinds


def test_client_certificates_are_asked_of_each_network_and_not_of_other_networks(said: Mapping[str, Any]) -> None:
    hosts = {
        each["spec"]["rules"][0]["host"]: each for each in documents(said, "four-apart") if each["kind"] == "Ingress"
    }
    asking = {
        host: each["metadata"]["annotations"].get("haproxy-ingress.github.io/auth-tls-secret")
        for host, each in hosts.items()
    }
    networks = values_of("four-apart")["tenants"]
    assert asking == {
        **{f"{each}.example.org": f"health/{each}-clients" for each in networks},
        "federation.example.org": None,
    }
    open_to_networks = [each["path"] for each in hosts["federation.example.org"]["spec"]["rules"][0]["http"]["paths"]]
    assert sorted(open_to_networks) == sorted(f"/{each}/federation" for each in [*networks, "hautsdefrance"])


@pytest.mark.parametrize("case", CASES)
def test_the_notes_name_every_secret_that_the_release_waits_for(said: Mapping[str, Any], case: str) -> None:
    awaited = set()
    for _, pod in pods(documents(said, case)):
        variables = [each for container in containers(pod) for each in container["env"]]
        awaited |= {each["valueFrom"]["secretKeyRef"]["name"] for each in variables if "valueFrom" in each}
        projected = [each for volume in pod["volumes"] for each in volume.get("projected", {}).get("sources", [])]
        awaited |= {each["secret"]["name"] for each in projected}
    made_by_clusters = re.compile(r"passerelle-[a-z0-9]+-(app|ca)")
    notes = said[case]["notes"]
    assert [each for each in awaited if not made_by_clusters.fullmatch(each) and each not in notes] == []
    assert "passerelle tenant key" in notes
