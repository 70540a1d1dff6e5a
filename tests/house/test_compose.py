"""Checks docker-compose.yml and the Dockerfile without Docker: against the specification's schema, the launcher's
commands and the hardening of containers. `make test-production` runs what they run."""

from __future__ import annotations

import configparser
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from pydantic import SecretStr
from pydantic_settings import BaseSettings

from service.core import areas
from service.core.settings import Settings
from stack.home import ROOT, Home
from stack.programs import DEFAULTS, PYTHON, programs
from tests.compose import compose, interpolate, own_services, services

SCHEMA = ROOT / "tests" / "schemas" / "compose-spec.json"
CADDYFILE = (ROOT / "stack" / "production" / "Caddyfile").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")


def steps(instruction: str) -> list[str]:
    return re.findall(rf"^{instruction} (.+)$", DOCKERFILE, re.MULTILINE)


def test_the_file_is_what_the_specification_allows() -> None:
    validator = jsonschema_rs.validator_for(json.loads(SCHEMA.read_text()))

    assert [f"{list(error.instance_path)}: {error.message}" for error in validator.iter_errors(compose())] == []


def test_every_container_runs_what_the_launcher_runs(tmp_path: Path) -> None:
    proxy = services()["service"]["command"][services()["service"]["command"].index("--forwarded-allow-ips") + 1]
    environ = DEFAULTS | {"GENBA_MODE": "production", "AGENCIES_OCR": "true", "LISTEN_ADDRESS": "0.0.0.0"}
    environ |= {"FORWARDED_ALLOW_IPS": proxy, "DATABASE_URL": "postgresql://postgres", "REDIS_URL": "redis://valkey"}
    launched = {program.name: program.command for program in programs(Home(tmp_path), environ)}
    # The launcher does it in its own process.
    launched["migrate"] = [PYTHON, "-m", "stack.migrations"]

    assert {name: container["command"] for name, container in own_services().items()} == {
        name: ["python" if part == PYTHON else part for part in command] for name, command in launched.items()
    }


def seconds(text: str) -> float:
    return float(text[:-1]) * {"s": 1, "m": 60}[text[-1]]


def test_every_process_has_time_for_a_graceful_shutdown(tmp_path: Path) -> None:
    """At least the launcher's seconds. The service also needs those in which it drains connections of the proxy."""
    environ = DEFAULTS | {"GENBA_MODE": "production", "AGENCIES_OCR": "true"}
    environ |= {"DATABASE_URL": "postgresql://postgres", "REDIS_URL": "redis://valkey"}
    launched = {program.name: program.stop_seconds for program in programs(Home(tmp_path), environ)}
    grace_seconds = {
        name: seconds(container.get("stop_grace_period", "10s"))
        for name, container in own_services().items()
        if name in launched
    }
    drain = float(interpolate(services()["service"]["environment"]["DRAIN_SECONDS"]))
    command = services()["service"]["command"]
    keepalives = re.findall(r"^\s*keepalive (\d+)s$", CADDYFILE, re.MULTILINE)

    assert [name for name in grace_seconds if grace_seconds[name] < launched[name]] == []
    assert grace_seconds["service"] > drain + float(command[command.index("--timeout-graceful-shutdown") + 1])
    assert len(keepalives) == 2
    assert all(drain > float(keepalive) for keepalive in keepalives)


def test_the_proxy_asks_the_containers_by_the_names_that_compose_gives_them() -> None:
    environ = services()["proxy"]["environment"]
    assert interpolate(environ["GENBA_REPLICAS"]) == "listed"
    for name, variable in (("service", "GENBA_SERVICES"), ("dashboards", "GENBA_DASHBOARDS")):
        replicas = int(interpolate(services()[name]["deploy"]["replicas"]))
        command = services()[name]["command"]
        port = command[command.index("--port") + 1]
        addresses = [f"{compose()['name']}-{name}-{number}:{port}" for number in range(1, replicas + 1)]
        assert interpolate(environ[variable]).split() == addresses


def test_the_service_trusts_only_the_proxys_own_address() -> None:
    address = services()["proxy"]["networks"]["front"]["ipv4_address"]
    for name in ("service", "dashboards"):
        assert address in services()[name]["command"]
        assert services()[name]["environment"]["FORWARDED_ALLOW_IPS"] == address


@pytest.mark.parametrize("name", services())
def test_every_container_is_closed_limited_and_watched(name: str) -> None:
    container = services()[name]
    version = interpolate(container["image"]).rpartition(":")[2]

    assert re.search(r"\d+\.\d+", version) or version == "local"
    assert container["read_only"] is True
    assert "no-new-privileges:true" in container["security_opt"]
    assert not container.get("privileged")
    assert container["cap_drop"] == ["ALL"]
    assert {"cpus", "memory"} <= container["deploy"]["resources"]["limits"].keys()
    assert container["logging"]["options"]["max-size"]
    assert ("healthcheck" in container) == (name != "migrate")
    assert container["restart"] == ("no" if name == "migrate" else "unless-stopped")


@pytest.mark.parametrize("name", [*own_services(), "pgbouncer"])
def test_no_process_of_ours_is_root(name: str) -> None:
    assert services()[name]["user"] == "10001:10001" == steps("USER")[-1]


def test_every_container_waits_until_its_dependencies_are_healthy() -> None:
    for name, container in services().items():
        for dependency, options in container.get("depends_on", {}).items():
            expected = "service_completed_successfully" if dependency == "migrate" else "service_healthy"
            assert options["condition"] == expected, (name, dependency)
    for name in ("service", "worker", "beat"):
        assert "migrate" in services()[name]["depends_on"]


def test_only_the_proxy_is_reached_from_outside() -> None:
    published = {name: container["ports"] for name, container in services().items() if "ports" in container}

    assert published.keys() == {"proxy", "prometheus"}
    assert all(port.startswith("127.0.0.1:") for port in published["prometheus"])
    assert compose()["networks"]["data"]["internal"] is True
    for name in ("postgres", "valkey", "pgbouncer", "migrate"):
        assert services()[name]["networks"] == ["data"]
    assert services()["dashboards"]["networks"] == ["front"]


# --- secrets ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def secrets_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "secrets"
    subprocess.run(["sh", ROOT / "stack" / "production" / "make-secrets.sh", folder], check=True)
    return folder


def test_every_secret_is_a_file_that_the_script_makes(secrets_folder: Path) -> None:
    listed: dict[str, Any] = compose()["secrets"]

    assert {name: secret["file"] for name, secret in listed.items()} == {name: f"./secrets/{name}" for name in listed}
    # The Valkey password is part of URLs; no container needs it alone.
    assert {file.name for file in secrets_folder.iterdir()} == listed.keys() | {"valkey_password"}
    assert {name for container in services().values() for name in container.get("secrets", ())} == listed.keys()


def test_secrets_are_random_closed_to_others_and_stay_when_made_again(secrets_folder: Path) -> None:
    before = {file.name: file.read_text() for file in secrets_folder.iterdir()}
    subprocess.run(["sh", ROOT / "stack" / "production" / "make-secrets.sh", secrets_folder], check=True)

    assert {file.name: file.read_text() for file in secrets_folder.iterdir()} == before
    assert secrets_folder.stat().st_mode & 0o777 == 0o700
    random = [value for name, value in before.items() if name.endswith("password") and value.strip()]
    assert len(set(random)) == len(random)
    assert all(len(value.strip()) == 64 for value in random)


def test_every_secret_setting_can_come_from_a_file() -> None:
    models: list[type[BaseSettings]] = [Settings, *(module.Settings for module in areas.modules("settings"))]
    secret = {
        f"{model.model_config.get('env_prefix', '')}{name}".lower()
        for model in models
        for name, field in model.model_fields.items()
        if field.annotation is SecretStr
    }

    assert secret == set(services()["worker"]["secrets"])


def test_no_secret_is_in_an_environment_or_in_the_image() -> None:
    pattern = re.compile("PASSWORD|SECRET|TOKEN|_KEY|DATABASE_|REDIS_")
    names = {
        name for container in services().values() for name in container.get("environment", {}) if pattern.search(name)
    }

    assert names == {"SECRETS_FOLDER", "POSTGRES_PASSWORD_FILE"}
    assert [line for line in (*steps("ENV"), *steps("ARG")) if pattern.search(line)] == []


@pytest.mark.parametrize(
    ("name", "may_not"),
    [
        ("service", {"database_owner_url", "database_backup_url"}),
        ("worker", {"database_owner_url", "database_backup_url"}),
        ("dashboards", {"database_url", "redis_url"}),
        ("watchdog", {"database_url", "secret_key"}),
        ("proxy", {"secret_key"}),
    ],
)
def test_no_container_gets_the_secrets_of_others(name: str, may_not: set[str]) -> None:
    assert not set(services()[name].get("secrets", ())) & may_not


# --- files -----------------------------------------------------------------------------------------------------------


def test_what_is_mounted_is_there_and_read_only() -> None:
    for name, container in services().items():
        for volume in container.get("volumes", ()):
            source, target, *mode = volume.split(":")
            if source.startswith("."):
                assert (ROOT / source).is_file(), volume
                assert mode == ["ro"], volume
            else:
                assert source in compose()["volumes"], volume
            assert target.startswith("/"), (name, volume)


def test_scripts_for_docker_are_executable() -> None:
    for name in ("init-database.sh", "make-secrets.sh"):
        assert (ROOT / "stack" / "production" / name).stat().st_mode & 0o111


def test_pgbouncers_configuration_is_the_shipped_one_with_other_addresses() -> None:
    [_, _, script] = services()["pgbouncer"]["command"]
    rendered = subprocess.run(
        ["sh", "-ec", script.partition(" > ")[0]], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    parsers = [configparser.ConfigParser() for _ in range(2)]
    parsers[0].read_string((ROOT / "stack" / "production" / "pgbouncer.ini").read_text())
    parsers[1].read_string(rendered)
    before, after = ({**parser["databases"], **parser["pgbouncer"]} for parser in parsers)

    assert {name: after.get(name) for name in before if after.get(name) != before[name]} == {
        "genba": "host=postgres port=5432 dbname=genba",
        "listen_addr": "*",
        "auth_file": "/run/secrets/userlist.txt",
        "logfile": None,
        "pidfile": None,
    }
    assert "exec pgbouncer /tmp/pgbouncer.ini" in script


# --- the image -------------------------------------------------------------------------------------------------------


def test_the_image_is_built_on_a_version_and_installs_what_is_pinned() -> None:
    [base] = steps("FROM")

    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", base)
    assert steps("ADD") == []
    for step in steps("RUN"):
        assert "sudo" not in step
        assert "curl" not in step
        for pip_command in re.findall(r"pip install[^&;]*", step):
            assert "--require-hashes" in pip_command
        if "apt-get install" in step:
            assert "--no-install-recommends" in step
            assert "rm -rf /var/lib/apt/lists" in step


def test_the_image_holds_the_product_and_no_more() -> None:
    """No tests, no sandbox, no gallery of widgets, no data and no local .env: what is not named stays out."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    allowed = {line.removeprefix("!") for line in lines if line.startswith("!")}
    copied = {source for step in steps("COPY") for source in step.split()[:-1]}

    assert lines[0] == "*"
    assert copied == allowed
    assert all((ROOT / source).exists() for source in copied)
    assert {"service", "jobs", "dashboards", "agent", "stack", "scanner_station"} <= copied
    assert not {"sandbox", "tests"} & copied
    assert "dashboards/gallery*" in lines


def test_folders_that_are_written_belong_to_the_account() -> None:
    """A new volume takes its owner from the folder in the image."""
    commands = " ".join(steps("RUN"))
    for name in [*own_services(), "pgbouncer"]:
        for volume in services()[name].get("volumes", ()):
            assert volume.split(":")[1] in commands, (name, volume)
