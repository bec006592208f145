"""The files of infra/, read as compose, Kubernetes and systemd read them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from tests.house.tree import ROOT

INFRA = ROOT / "infra"
SERVICES = ("prefect-server", "mlflow", "prefect-worker", "portal", "deploy", "setup")
_SETTINGS = {"deploy": "prefect-worker"}  # it speaks to the same servers as the worker


@dataclass(frozen=True)
class Service:
    """One service as one of the three says it: the words of its command, and the files of settings it reads."""

    name: str
    command: tuple[str, ...]
    settings: tuple[str, ...]


def env_file(path: Path) -> dict[str, str]:
    """Read ``NAME=value`` lines, as all three do: no quotes, no expansion."""
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    pairs = [line.partition("=") for line in lines if line and not line.startswith("#")]
    return {name: value for name, _, value in pairs}


def settings_of(name: str) -> dict[str, str]:
    """Return what a service is told, secrets apart."""
    own = INFRA / "environment" / f"{_SETTINGS.get(name, name)}.env"
    return {**env_file(INFRA / "environment" / "common.env"), **env_file(own)}


def secret_names(name: str) -> set[str]:
    """Return the names of the secrets of a service."""
    path = INFRA / "secrets.template" / f"{_SETTINGS.get(name, name)}.env"
    return set(env_file(path)) if path.exists() else set()


def compose() -> dict[str, Any]:
    """Return the compose file."""
    read: dict[str, Any] = yaml.safe_load((INFRA / "compose.yaml").read_text(encoding="utf-8"))
    return read


def manifests() -> list[dict[str, Any]]:
    """Return every Kubernetes object that the kustomization names."""
    named = yaml.safe_load((INFRA / "kustomization.yaml").read_text(encoding="utf-8"))["resources"]
    documents = [yaml.safe_load_all((INFRA / name).read_text(encoding="utf-8")) for name in named]
    return [document for group in documents for document in group if document]


def copies() -> list[dict[str, Any]]:
    """Return the Kubernetes objects for backup and restore, which are no part of the installation."""
    text = (INFRA / "kubernetes" / "copies.yaml").read_text(encoding="utf-8")
    return [document for document in yaml.safe_load_all(text) if document]


def sent_to_the_builder(path: str) -> bool:
    """Return whether an image is built with a file: the last line of the ignore file that says anything of it wins."""
    parts = path.split("/")
    names = ["/".join(parts[: count + 1]) for count in range(len(parts))]
    is_sent = True
    for line in (INFRA / "Containerfile.dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.removeprefix("!").removeprefix("**/")
        if line and not line.startswith("#"):
            tried = parts if "**/" in line else names
            if any(fnmatchcase(name, pattern) and (pattern != "*" or "/" not in name) for name in tried):
                is_sent = line.startswith("!")
    return is_sent


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    """Give the name and the pod of every workload."""
    for one in manifests():
        if one["kind"] in ("Deployment", "StatefulSet", "Job"):
            yield one["metadata"]["name"], one["spec"]["template"]["spec"]


def unit(name: str) -> list[tuple[str, str]]:
    """Return the lines of a systemd unit, in order."""
    text = (INFRA / "systemd" / f"holdback-{name}.service").read_text(encoding="utf-8")
    pairs = [line.partition("=") for line in text.splitlines() if "=" in line and not line.startswith("#")]
    return [(key, value) for key, _, value in pairs]


def in_compose(name: str) -> Service:
    """Return a service as the compose file says it."""
    said = compose()["services"][name]
    return Service(name, _bare(said["command"]), tuple(Path(path).name for path in said["env_file"]))


def in_kubernetes(name: str) -> Service:
    """Return a service as its manifest says it."""
    [container] = dict(pods())[name]["containers"]
    files = [f"{next(iter(each.values()))['name']}.env" for each in container["envFrom"]]
    return Service(name, _bare(container["args"]), tuple(files))


def in_systemd(name: str) -> Service:
    """Return a service as its unit says it."""
    lines = unit(name)
    files = tuple(Path(value).name for key, value in lines if key == "EnvironmentFile")
    return Service(name, _bare(shlex.split(dict(lines)["ExecStart"])), files)


def _bare(command: list[str]) -> tuple[str, ...]:
    """Leave out where the program lies and where it listens: these belong to the place, not to the service."""
    words = [Path(command[0]).name, *command[1:]]
    if "--host" in words:
        at = words.index("--host")
        del words[at : at + 2]
    return tuple(words)


def replaced(values: Mapping[str, str], changes: Mapping[str, str]) -> dict[str, str]:
    """Return settings with addresses and folders of a test in the place of those of the company."""
    told = dict(values)
    for name, value in told.items():
        for old, new in changes.items():
            value = value.replace(old, new)
        told[name] = value
    return told
