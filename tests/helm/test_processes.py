"""What the chart has pods run, run here: one network with a worker, a clock, a user of the broker and a role in the
directory of its own, over servers that others run, until its probes say yes.

Commands, environment and probes are those that Helm renders. What Kubernetes would do stands here in their place:
Secrets and the ConfigMap are files and words, each mount is a folder, each fixed port another one that is free.
"""

from __future__ import annotations

import base64
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
import redis

from passerelle_ops.cli import main
from passerelle_ops.stack.broker_users import rules
from passerelle_ops.stack.postgres import Postgres
from passerelle_ops.stack.state import StateFolder
from passerelle_ops.stack.valkey import Valkey
from tests.helm.chart import Document, laid_over, pods, said_of, values_of

SECONDS = 120.0  # only tells what never comes from what is slow
FOLDERS = re.compile(r"/(run/passerelle|run/metrics|etc/passerelle|var/lib/passerelle)\b")
PROGRAMS = {"passerelle": [sys.executable, "-P", "-m", "passerelle_ops"], "python": [sys.executable]}


@dataclass
class Ground:
    """Where the mounts of all pods lie, and what the Secrets hold."""

    folder: Path
    secrets: Mapping[str, Mapping[str, str]]
    ports: Mapping[str, str]


@dataclass
class Pod:
    """One pod: its containers begin with what is rendered, in folders of its own."""

    name: str
    spec: Document
    ground: Ground
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def here(self, text: str) -> str:
        """A path of a pod as one of this machine: what is mounted for all is shared, the rest is the pod's own."""
        text = FOLDERS.sub(lambda found: str(self._mounted(found[0])), text)
        return re.sub("|".join(self.ground.ports), lambda found: self.ground.ports[found[0]], text)

    def begin(self, container: Document) -> subprocess.Popen[bytes]:
        program, *arguments = (self.here(each) for each in container["command"])
        log = (self.ground.folder / f"{self.name}-{container['name']}.log").open("ab")
        with log:
            started = subprocess.Popen(
                [*PROGRAMS.get(program, [program]), *arguments],
                env=self._environment(container),
                cwd=self.ground.folder,
                stdout=log,
                stderr=log,
            )
        self.running.append(started)
        return started

    def init(self, name: str) -> subprocess.Popen[bytes]:
        return self.begin(next(each for each in self.spec["initContainers"] if each["name"] == name))

    def does(self, started: subprocess.Popen[bytes]) -> None:
        """It ends, and well."""
        assert started.wait(SECONDS) in (0, -signal.SIGTERM), self.log()

    def is_well(self) -> bool:
        """Whether every probe that is rendered says yes."""
        (container,) = self.spec["containers"]
        assert self.running[-1].poll() is None, self.log()
        ports = (
            {each["name"]: self.here(str(each["containerPort"])) for each in container["ports"]}
            if "ports" in container
            else {}
        )
        probes = [container[each] for each in ("startupProbe", "livenessProbe", "readinessProbe") if each in container]
        assert len(probes) > 1
        return all(self._says_yes(each, ports) for each in probes)

    def log(self) -> str:
        return "\n".join(each.read_text("utf-8") for each in sorted(self.ground.folder.glob(f"{self.name}-*.log")))

    def _says_yes(self, probe: Document, ports: Mapping[str, str]) -> bool:
        if "exec" in probe:
            command = [self.here(each) for each in probe["exec"]["command"]]
            return subprocess.run(command, check=False).returncode == 0
        asked = probe["httpGet"]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{ports[asked['port']]}{asked['path']}", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def _mounted(self, path: str) -> Path:
        folder = self.ground.folder / (self.name if path.startswith("/run") else "shared") / path[1:]
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _environment(self, container: Document) -> dict[str, str]:
        """As Kubernetes makes it: a reference to a Secret is its words, $(NAME) what stands above."""
        made: dict[str, str] = {}
        for each in container["env"]:
            if "valueFrom" in each:
                named = each["valueFrom"]["secretKeyRef"]
                made[each["name"]] = self.ground.secrets[named["name"]][named["key"]]
            else:
                made[each["name"]] = self.here(re.sub(r"\$\((\w+)\)", lambda found: made[found[1]], each["value"]))
        return {"PATH": "/usr/bin:/bin", **made}


@pytest.fixture
def ground(postgres: Postgres, valkey: Valkey, tmp_path: Path) -> Iterator[Ground]:
    """What the notes ask for beforehand: roles, databases, keys."""
    accounts = ("directory-serving", "directory-owner", "directory-oncomip", "oncomip-serving", "oncomip-owner")
    secrets: dict[str, Mapping[str, str]] = {
        name: {
            "username": f"helm_{name.replace('-', '_')}",
            "password": base64.b32encode(name.encode()).decode().strip("="),
        }
        for name in accounts
    }
    with psycopg.connect(postgres.url(), autocommit=True) as admin:
        admin.execute("do $$ begin create role passerelle_serving; exception when duplicate_object then null; end $$")
        for each in secrets.values():
            group = "" if each["username"].endswith("owner") else "in role passerelle_serving"
            admin.execute(f"create role {each['username']} login password '{each['password']}' {group}".encode())
        admin.execute(b"create database helm_directory owner helm_directory_owner")
        admin.execute(b"create database helm_oncomip owner helm_oncomip_owner")
    secrets["broker-oncomip"] = {"username": "helm_oncomip", "password": "worker-of-oncomip"}
    keys = tmp_path / "shared" / "etc" / "passerelle" / "keys"
    for file in ("locator.key", "networks/oncomip.key"):
        assert main(["tenant", "key", str(keys / file)]) == 0
        (keys / file).chmod(0o440)  # as a Secret is mounted for a group
    state = StateFolder(tmp_path / "ports")
    with redis.Redis.from_url(valkey.url()) as broker:
        broker.execute_command("ACL", "SETUSER", "helm_oncomip", *rules("oncomip", "worker-of-oncomip"))
        yield Ground(tmp_path, secrets, {name: str(state.port(name)) for name in ("8000", "9100")})
        broker.execute_command("ACL", "DELUSER", "helm_oncomip")


def rendered(postgres: Postgres, valkey: Valkey) -> list[Document]:
    database = {"host": "127.0.0.1", "port": postgres.port}
    over = {
        "tenants": {
            "oncomip": {
                "database": {**database, "name": "helm_oncomip"},
                "brokerSecret": "broker-oncomip",
                "directorySecret": "directory-oncomip",
            }
        },
        "worker": {"perTenant": True},
        "directory": {"database": {**database, "name": "helm_directory"}},
        "databaseTls": {"mode": "disable", "caSecret": None},
        "broker": {
            "host": "127.0.0.1",
            "port": valkey.port,
            "database": 6,
            "tls": {"enabled": False, "caSecret": None},
        },
        "contents": {"url": None, "endpoint": None, "region": None, "secret": None, "claim": "documents"},
        "ledger": {"url": None, "claim": "ledger"},
        "operations": {"configMap": None},
        "web": {"processes": 1},
    }
    made = said_of({"local": laid_over(values_of("one-tenant"), over)})["local"]
    assert "refused" not in made, made
    documents: list[Document] = made["documents"]
    return documents


def until(holds: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.1)


def test_pods_begin_in_their_order_are_well_and_end(postgres: Postgres, valkey: Valkey, ground: Ground) -> None:
    documents = rendered(postgres, valkey)
    (networks,) = (each["data"] for each in documents if each["kind"] == "ConfigMap")
    declared = ground.folder / "shared" / "etc" / "passerelle" / "networks"
    declared.mkdir(parents=True)
    for name, text in networks.items():
        (declared / name).write_text(text, "utf-8")
    made = {spec["containers"][0]["name"]: Pod(name, spec, ground) for name, spec in pods(documents)}
    assert set(made) == {"web", "worker", "beat", "migrate"}
    try:
        for pod in made.values():
            pod.does(pod.init("keys"))
        waiting = made["web"].init("databases")  # nobody orders pods: they begin together
        made["migrate"].does(made["migrate"].begin(made["migrate"].spec["containers"][0]))
        made["web"].does(waiting)

        serving = [made[each] for each in ("web", "worker", "beat")]
        for pod in serving:
            pod.begin(pod.spec["containers"][0])
        for pod in serving:
            until(pod.is_well, f"{pod.name} is well")

        def has_turned() -> bool:
            """The clock called and the worker came: it has no clock of its own, and published its network's keys."""
            owner = ground.secrets["directory-owner"]
            url = f"postgresql://{owner['username']}:{owner['password']}@127.0.0.1:{postgres.port}/helm_directory"
            with psycopg.connect(url) as directory:
                return directory.execute("select 1 from tenant_key where tenant_id = 'oncomip'").fetchone() is not None

        until(has_turned, "a turn of the worker")
        for pod in serving:
            pod.running[-1].send_signal(signal.SIGTERM)
        for pod in serving:
            pod.does(pod.running[-1])
    finally:
        for started in [each for pod in made.values() for each in pod.running if each.poll() is None]:
            started.kill()
            started.wait()
