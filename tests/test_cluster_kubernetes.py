"""The manifest for Kubernetes, as far as it can be checked without a cluster."""

import importlib
import inspect
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.cluster import app

ROOT = Path(__file__).parents[1]
MANIFESTS: list[dict[str, Any]] = list(
    yaml.safe_load_all((ROOT / "engine/cluster/kubernetes.yaml").read_text(encoding="utf-8"))
)
SERVICE = MANIFESTS[0]["spec"]
SERVE: dict[str, Any] = yaml.safe_load(SERVICE["serveConfigV2"])


def applications() -> dict[str, Mapping[str, Any]]:
    """Those that are deployed, by their names."""
    return {application["name"]: application for application in SERVE["applications"]}


@pytest.mark.filterwarnings("ignore:::pydantic", "ignore::DeprecationWarning")  # of Ray
def test_serve_accepts_the_configuration() -> None:
    """By its own schema."""
    if not os.environ.get("CI"):
        pytest.importorskip("ray", reason="Ray is not installed (extra `cluster`).")
    schema = importlib.import_module("ray.serve.schema")
    config = schema.ServeDeploySchema.model_validate(SERVE)
    assert {application.name for application in config.applications} == {
        app.REPLICA_APP,
        app.GATEWAY_APP,
    }


def test_the_applications_have_builders_with_these_arguments() -> None:
    """A misspelt argument would be ignored."""
    for application in applications().values():
        module, _, name = application["import_path"].partition(":")
        builder = getattr(importlib.import_module(module), name)
        source = inspect.getsource(builder)
        assert set(application["args"]) <= set(re.findall(r'args\.get\("(\w+)"', source))


def test_the_service_leads_to_the_gateway() -> None:
    """Its port is that of the gateway, on the pod with its label."""
    service = next(manifest for manifest in MANIFESTS if manifest["kind"] == "Service")
    [port] = service["spec"]["ports"]
    head = SERVICE["rayClusterConfig"]["headGroupSpec"]["template"]
    assert port["port"] == applications()[app.GATEWAY_APP]["args"]["port"]
    assert service["spec"]["selector"].items() <= head["metadata"]["labels"].items()
    ports = head["spec"]["containers"][0]["ports"]
    assert port["port"] in [container_port["containerPort"] for container_port in ports]


def test_ray_has_the_version_that_is_installed() -> None:
    """KubeRay compares it with the image's."""
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert f"ray=={SERVICE['rayClusterConfig']['rayVersion']}" in pins


def test_there_are_as_many_machines_as_replicas() -> None:
    """Each has one GPU; the claim for the models is declared."""
    [group] = SERVICE["rayClusterConfig"]["workerGroupSpecs"]
    args = applications()[app.REPLICA_APP]["args"]
    assert (group["minReplicas"], group["maxReplicas"]) == (
        args["min_replicas"],
        args["max_replicas"],
    )
    claims = {
        manifest["metadata"]["name"] for manifest in MANIFESTS if manifest["kind"] != "Service"
    }
    for volume in group["template"]["spec"]["volumes"]:
        assert volume["persistentVolumeClaim"]["claimName"] in claims
