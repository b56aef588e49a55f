"""Helm itself over the chart, in a process of its own: it is Go in a shared library, with its own interpreter.

Reads a JSON object {case: values} and writes {case: {"files": …} or {"refused": sentence}}, what `helm lint` says of
each, and what the schemas of each version of Kubernetes have against its manifests. Run by .venv.helm.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import helm_python
import jsonschema
import yaml
from kubernetes_validate.utils import schema_contents
from referencing import Registry, Resource

CHART = Path(__file__).resolve().parents[2] / "helm" / "passerelle"


def rendered(chart: helm_python.Chart, values: Mapping[str, Any]) -> dict[str, Any]:
    try:
        chart.validate_schema(dict(values))
        files = chart.render(dict(values), name="passerelle", namespace="health", is_install=True)
    except helm_python.HelmError as refused:
        return {"refused": str(refused)}
    notes = next((text for name, text in files.items() if name.endswith("NOTES.txt")), "")
    texts = (text for name, text in files.items() if name.endswith(".yaml"))
    # The faster reader of YAML, where it was built.
    reader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    documents = [each for text in texts for each in yaml.load_all(text, Loader=reader) if each]
    return {"documents": documents, "notes": notes}


def faults(documents: list[dict[str, Any]], version: str) -> list[str]:
    found = []
    for each in documents:
        group = each["apiVersion"].partition("/")[0]
        if "." in group and not group.endswith(".k8s.io"):
            continue  # of an operator: the tests have their schemas
        checked = validator(version, each["kind"].lower(), group.partition(".")[0], each["apiVersion"])
        name = f"{each['kind']}/{each['metadata']['name']}"
        found += [f"{name} {fault.json_path}: {fault.message}"[:400] for fault in checked.iter_errors(each)]
    return found


@cache
def validator(version: str, kind: str, group: str, api: str) -> jsonschema.Draft202012Validator:
    """Strict: what the schema does not know is a fault. Made once for a kind: the definitions are two megabytes."""
    folder = f"kubernetes-json-schema/v{version}.0-local-strict"
    name = f"{kind}-{group}-{api.partition('/')[2]}" if "/" in api else f"{kind}-{api}"
    schema = schema_contents(f"{folder}/{name}.json", version)
    registry = Resource.from_contents(schema) @ (definitions(folder, version) @ Registry())
    return jsonschema.Draft202012Validator(schema, registry=registry)


@cache
def definitions(folder: str, version: str) -> Resource[Any]:
    return Resource.from_contents(schema_contents(f"{folder}/_definitions.json", version))


def main() -> None:
    asked = json.load(sys.stdin)
    said: dict[str, Any] = {}
    with helm_python.Chart.load(CHART) as chart:
        for case, values in asked["cases"].items():
            said[case] = rendered(chart, values)
            if case in asked["whole"]:
                said[case]["lint"] = helm_python.lint(CHART, values, strict=True)
                documents = said[case].get("documents", [])
                said[case]["faults"] = {each: faults(documents, each) for each in asked["versions"]}
    json.dump(said, sys.stdout)


if __name__ == "__main__":
    main()
