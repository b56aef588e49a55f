"""The chart as Helm renders it, once for all cases that are asked for together."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
CASES = ("one-tenant", "four-sharing", "four-apart")
Document = Mapping[str, Any]


def values_of(case: str) -> dict[str, Any]:
    """The values of a case, as its file says them."""
    loaded: dict[str, Any] = yaml.safe_load((HERE / "values" / f"{case}.yaml").read_text("utf-8"))
    return loaded


def laid_over(under: Any, over: Any) -> Any:
    """Two values as Helm lays one file over another: null takes away."""
    if not isinstance(under, dict) or not isinstance(over, dict):
        return over
    both = {**under, **{key: laid_over(under.get(key), value) for key, value in over.items()}}
    return {key: value for key, value in both.items() if value is not None}


def said_of(cases: Mapping[str, Any], *, whole: Sequence[str] = (), versions: Sequence[str] = ()) -> dict[str, Any]:
    """What Helm makes of each; of those that are `whole`, what lint and the schemas of Kubernetes say too."""
    subprocess.run([ROOT / "ops" / "prepare", "helm"], check=True, timeout=280)
    python = ROOT / ".venv.helm" / "bin" / "python"
    done = subprocess.run(
        [python, "-P", HERE / "rendering.py"],
        input=json.dumps({"cases": cases, "whole": whole, "versions": versions}),
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def pods(documents: Sequence[Document]) -> Iterator[tuple[str, Document]]:
    """Each pod that is made, by the name of what makes it."""
    for each in documents:
        if each["kind"] in ("Deployment", "Job", "CronJob"):
            yield each["metadata"]["name"], template(each)["spec"]


def template(document: Document) -> Document:
    """What a Deployment, a Job or a CronJob makes its pods of."""
    spec = document["spec"]
    made: Document = (spec["jobTemplate"]["spec"] if document["kind"] == "CronJob" else spec)["template"]
    return made


def containers(pod: Document) -> list[Document]:
    """Those that run before the others included."""
    return [*pod.get("initContainers", []), *pod["containers"]]
