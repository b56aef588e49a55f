"""What the chart has pods run, run as processes of this machine, over servers that are not theirs.

Commands, environment and probes are those that Helm renders. What Kubernetes would do stands here in their place:
Secrets and the ConfigMap are files and words, each mount is a folder, each fixed port another one that is free.
"""

from __future__ import annotations

import base64
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import redis

from passerelle_ops.cli import main
from passerelle_ops.stack.broker_users import rules
from passerelle_ops.stack.postgres import Postgres
from passerelle_ops.stack.valkey import Valkey
from tests.helm.chart import ROOT, Document, laid_over, pods, said_of, values_of

SECONDS = 300.0  # only tells what never comes from what is slow
DATABASE = 6  # of the broker
ISSUER = "https://auth.example.org/realms/psc"
FOLDERS = re.compile(r"/(run/passerelle|run/metrics|etc/passerelle|var/lib/passerelle)\b")
PORTS = re.compile(r"\b(8000|9100)\b")
PROGRAMS = {"passerelle": [sys.executable, "-P", "-m", "passerelle_ops"], "python": [sys.executable]}


@dataclass
class Ground:
    """Where the mounts of all pods lie, what the Secrets hold, and the pods that Helm rendered, by container."""

    folder: Path
    secrets: Mapping[str, Mapping[str, str]]
    postgres: Postgres
    rendered: Mapping[str, Document]
    issuer: str = ISSUER
    pods: list[Pod] = field(default_factory=list)

    def pod(self, name: str) -> Pod:
        """Another pod of what makes them: `web`, `worker-oncomip`."""
        self.pods.append(Pod(f"{name}-{len(self.pods)}", self.rendered[name], self))
        return self.pods[-1]

    def rows(self, database: str, statement: str) -> list[tuple[Any, ...]]:
        """What a database of the ground answers to its owner: `directory` or a network's."""
        owner = self.secrets[f"{database}-owner"]
        url = f"postgresql://{owner['username']}:{owner['password']}@127.0.0.1:{self.postgres.port}/helm_{database}"
        with psycopg.connect(url, autocommit=True) as connection:
            return connection.execute(statement.encode()).fetchall()

    def close(self) -> None:
        for started in [each for pod in self.pods for each in pod.running if each.poll() is None]:
            started.kill()
            started.wait()


@dataclass
class Pod:
    """One pod: its containers begin with what is rendered, in folders and on ports of its own."""

    name: str
    spec: Document
    ground: Ground
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)
    ports: dict[str, str] = field(default_factory=dict)

    @property
    def container(self) -> Document:
        (only,) = self.spec["containers"]
        found: Document = only
        return found

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port('8000')}"

    def here(self, text: str) -> str:
        """What is rendered as it is on this machine: what is mounted for all is shared, the rest is the pod's own."""
        text = FOLDERS.sub(lambda found: str(self._mounted(found[0])), text)
        return PORTS.sub(lambda found: self._port(found[0]), text).replace(ISSUER, self.ground.issuer)

    def begin(self, container: Document) -> subprocess.Popen[bytes]:
        with (self.ground.folder / f"{self.name}-{container['name']}.log").open("ab") as log:
            started = self._run(container["command"], container, stdout=log, stderr=log)
        self.running.append(started)
        return started

    def init(self, name: str) -> subprocess.Popen[bytes]:
        return self.begin(next(each for each in self.spec["initContainers"] if each["name"] == name))

    def does(self, started: subprocess.Popen[bytes]) -> None:
        """It ends, and well."""
        assert started.wait(SECONDS) in (0, -signal.SIGTERM), self.log()

    def start(self, *first: str) -> None:
        """Its containers, those that come first one by one; all of these unless named."""
        for each in self.spec["initContainers"]:
            if not first or each["name"] in first:
                self.does(self.begin(each))
        self.begin(self.container)

    def end(self) -> None:
        """As Kubernetes ends it. It is not killed: what goes on ends within the grace that is rendered."""
        assert "lifecycle" not in self.container
        self.running[-1].send_signal(signal.SIGTERM)

    def ended(self) -> None:
        assert self.running[-1].wait(self.spec["terminationGracePeriodSeconds"]) in (0, -signal.SIGTERM), self.log()

    def executes(self, *command: str) -> str:
        """What a command says that is run in it, as `kubectl exec`; it ends well."""
        done = self._run(command, self.container, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, err = done.communicate(timeout=SECONDS)
        assert done.returncode == 0, (out, err)
        return out.decode()

    def is_well(self) -> bool:
        """Whether every probe that is rendered says yes."""
        assert self.running[-1].poll() is None, self.log()
        ports = {each["name"]: self._port(str(each["containerPort"])) for each in self.container.get("ports", [])}
        named = ("startupProbe", "livenessProbe", "readinessProbe")
        probes = [self.container[each] for each in named if each in self.container]
        assert len(probes) > 1
        return all(self._says_yes(each, ports) for each in probes)

    def log(self) -> str:
        return "\n".join(each.read_text("utf-8") for each in sorted(self.ground.folder.glob(f"{self.name}-*.log")))

    def environment(self, container: Document) -> dict[str, str]:
        """As Kubernetes makes it: a reference to a Secret is its words, $(NAME) what stands above."""
        made: dict[str, str] = {}
        for each in container["env"]:
            if "valueFrom" in each:
                named = each["valueFrom"]["secretKeyRef"]
                made[each["name"]] = self.ground.secrets[named["name"]][named["key"]]
            else:
                made[each["name"]] = re.sub(r"\$\((\w+)\)", lambda found: made[found[1]], self.here(each["value"]))
        return {"PATH": "/usr/bin:/bin", **made}

    def _run(self, command: Sequence[str], container: Document, **output: Any) -> subprocess.Popen[bytes]:
        program, *arguments = (self.here(each) for each in command)
        return subprocess.Popen(
            [*PROGRAMS.get(program, [program]), *arguments],
            env=self.environment(container),
            cwd=self.ground.folder,
            **output,
        )

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

    def _port(self, rendered: str) -> str:
        if rendered not in self.ports:
            with socket.create_server(("127.0.0.1", 0)) as free:
                self.ports[rendered] = str(free.getsockname()[1])
        return self.ports[rendered]


@contextmanager
def laid(postgres: Postgres, valkey: Valkey, folder: Path, networks: Sequence[str], **over: Any) -> Iterator[Ground]:
    """What the notes ask for beforehand, roles, databases, keys, users of the broker; and what Helm renders of
    `four-apart` for these networks, its clusters being this PostgreSQL."""
    secrets: dict[str, Mapping[str, str]] = {}
    with psycopg.connect(postgres.url(), autocommit=True) as admin:
        admin.execute("do $$ begin create role passerelle_serving; exception when duplicate_object then null; end $$")
        for database in ("directory", *networks):
            for account in (f"{database}-serving", f"{database}-owner", f"directory-{database}"):
                if account != "directory-directory":
                    secrets[account] = _account(account)
                    group = "" if account.endswith("owner") else "in role passerelle_serving"
                    name, password = secrets[account].values()
                    admin.execute(f"create role {name} login password '{password}' {group}".encode())
            owner = secrets[f"{database}-owner"]["username"]
            admin.execute(f"create database helm_{database} owner {owner}".encode())
    keys = folder / "shared" / "etc" / "passerelle" / "keys"
    for file in ("locator.key", *(f"networks/{each}.key" for each in networks)):
        assert main(["tenant", "key", str(keys / file)]) == 0
        (keys / file).chmod(0o440)  # as a Secret is mounted for a group
    with redis.Redis.from_url(valkey.url()) as broker:
        for each in networks:
            secrets[f"broker-{each}"] = user = _account(f"broker-{each}")
            broker.execute_command("ACL", "SETUSER", user["username"], *rules(each, user["password"]))
        documents = _rendered(postgres, valkey, networks, over)
        (declared,) = (each["data"] for each in documents if each["kind"] == "ConfigMap" and "networks" in str(each))
        for name, text in declared.items():
            file = folder / "shared" / "etc" / "passerelle" / "networks" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
        ground = Ground(folder, secrets, postgres, {_part(name): spec for name, spec in pods(documents)})
        try:
            yield ground
        finally:
            ground.close()
            for each in networks:
                broker.execute_command("ACL", "DELUSER", secrets[f"broker-{each}"]["username"])
            with psycopg.connect(postgres.url(), autocommit=True) as admin:
                _taken_away(admin, secrets)


def until(holds: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.1)


def _account(name: str) -> Mapping[str, str]:
    password = base64.b32encode(name.encode()).decode().strip("=")
    return {"username": f"helm_{name.replace('-', '_')}", "password": password}


def _taken_away(admin: psycopg.Connection[Any], secrets: Mapping[str, Mapping[str, str]]) -> None:
    """The databases and roles of a ground, for the next one of this server."""
    for database in (each.removesuffix("-owner") for each in secrets if each.endswith("-owner")):
        admin.execute(f"drop database helm_{database} with (force)".encode())
    for account, said in secrets.items():
        if not account.startswith("broker-"):
            admin.execute(f"drop role {said['username']}".encode())


def _part(name: str) -> str:
    """What it is a part of the release as: a Job's name ends with a hash."""
    part = name.removeprefix("passerelle-")
    return "migrate" if part.startswith("migrate-") else part


def _rendered(
    postgres: Postgres, valkey: Valkey, networks: Sequence[str], over: Mapping[str, Any]
) -> Sequence[Document]:
    def database(name: str) -> Mapping[str, Any]:
        at = {"cluster": None, "host": "127.0.0.1", "port": postgres.port, "name": f"helm_{name}"}
        return {**at, "secret": f"{name}-serving", "ownerSecret": f"{name}-owner"}

    apart = values_of("four-apart")

    def network(name: str) -> Any:
        declared = (ROOT / "tenants" / f"{name}.toml").read_text("utf-8")  # as --set-file does
        return laid_over(apart["tenants"][name], {"declaration": declared, "database": database(name)})

    values = {
        **apart,
        "tenants": {each: network(each) for each in networks},
        "clusters": {},
    }
    here = {
        "directory": {"database": database("directory")},
        "databaseTls": {"mode": "disable"},
        "broker": {"host": "127.0.0.1", "port": valkey.port, "database": DATABASE, "tls": {"enabled": False}},
        "contents": {"url": None, "claim": "documents"},
        "ledger": {"url": None, "claim": "ledger"},
        "monitoring": {"enabled": False},
        "web": {"address": "127.0.0.1", "processes": 1},
    }
    made = said_of({"local": laid_over(laid_over(values, here), over)})["local"]
    assert "refused" not in made, made
    documents: Sequence[Document] = made["documents"]
    return documents
