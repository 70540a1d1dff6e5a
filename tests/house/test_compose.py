"""docker-compose.yml and the Dockerfile, as far as they can be judged without Docker: the specification's own schema,
the launcher's own commands, and what makes a container a closed one. `make test-production` runs what they run."""

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
from stack.programs import DEFAULTS, MIGRATE, PYTHON, programs
from tests.compose import compose, filled, ours, services

SCHEMA = ROOT / "tests" / "schemas" / "compose-spec.json"
CADDYFILE = (ROOT / "stack" / "production" / "Caddyfile").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")


def steps(word: str) -> list[str]:
    return re.findall(rf"^{word} (.+)$", DOCKERFILE, re.MULTILINE)


def test_the_file_is_what_the_specification_allows() -> None:
    validator = jsonschema_rs.validator_for(json.loads(SCHEMA.read_text()))

    assert [f"{list(error.instance_path)}: {error.message}" for error in validator.iter_errors(compose())] == []


def test_every_container_runs_what_the_launcher_runs(tmp_path: Path) -> None:
    proxy = services()["service"]["command"][services()["service"]["command"].index("--forwarded-allow-ips") + 1]
    environ = DEFAULTS | {"GENBA_MODE": "production", "AGENCIES_OCR": "true", "LISTEN_ADDRESS": "0.0.0.0"}
    environ |= {"FORWARDED_ALLOW_IPS": proxy, "DATABASE_URL": "postgresql://postgres", "REDIS_URL": "redis://valkey"}
    launched = {one.name: one.command for one in programs(Home(tmp_path), environ)} | {"migrate": MIGRATE}

    assert {name: one["command"] for name, one in ours().items()} == {
        name: ["python" if word == PYTHON else word for word in command] for name, command in launched.items()
    }


def seconds(said: str) -> float:
    return float(said[:-1]) * {"s": 1, "m": 60}[said[-1]]


def test_whoever_is_asked_to_end_has_the_time_for_it(tmp_path: Path) -> None:
    """The launcher's seconds at least; a service also those in which it says goodbye to the proxy."""
    environ = DEFAULTS | {"GENBA_MODE": "production", "AGENCIES_OCR": "true"}
    environ |= {"DATABASE_URL": "postgresql://postgres", "REDIS_URL": "redis://valkey"}
    launched = {one.name: one.stop_seconds for one in programs(Home(tmp_path), environ)}
    given = {name: seconds(one.get("stop_grace_period", "10s")) for name, one in ours().items() if name in launched}
    drain = float(filled(services()["service"]["environment"]["DRAIN_SECONDS"]))
    command = services()["service"]["command"]
    kept = re.findall(r"^\s*keepalive (\d+)s$", CADDYFILE, re.MULTILINE)

    assert [name for name in given if given[name] < launched[name]] == []
    assert given["service"] > drain + float(command[command.index("--timeout-graceful-shutdown") + 1])
    assert len(kept) == 2
    assert all(drain > float(one) for one in kept)


def test_the_proxy_asks_the_containers_by_the_names_that_compose_gives_them() -> None:
    environ = services()["proxy"]["environment"]
    assert filled(environ["GENBA_REPLICAS"]) == "listed"
    for name, listed in (("service", "GENBA_SERVICES"), ("dashboards", "GENBA_DASHBOARDS")):
        replicas = int(filled(services()[name]["deploy"]["replicas"]))
        command = services()[name]["command"]
        port = command[command.index("--port") + 1]
        made = [f"{compose()['name']}-{name}-{number}:{port}" for number in range(1, replicas + 1)]
        assert filled(environ[listed]).split() == made


def test_the_service_believes_the_proxys_own_address_alone() -> None:
    address = services()["proxy"]["networks"]["front"]["ipv4_address"]
    for name in ("service", "dashboards"):
        assert address in services()[name]["command"]
        assert services()[name]["environment"]["FORWARDED_ALLOW_IPS"] == address


@pytest.mark.parametrize("name", services())
def test_every_container_is_closed_limited_and_watched(name: str) -> None:
    one = services()[name]
    version = filled(one["image"]).rpartition(":")[2]

    assert re.search(r"\d+\.\d+", version) or version == "local"
    assert one["read_only"] is True
    assert "no-new-privileges:true" in one["security_opt"]
    assert not one.get("privileged")
    assert one["cap_drop"] == ["ALL"]
    assert {"cpus", "memory"} <= one["deploy"]["resources"]["limits"].keys()
    assert one["logging"]["options"]["max-size"]
    assert ("healthcheck" in one) == (name != "migrate")
    assert one["restart"] == ("no" if name == "migrate" else "unless-stopped")


@pytest.mark.parametrize("name", [*ours(), "pgbouncer"])
def test_no_process_of_ours_is_root(name: str) -> None:
    assert services()[name]["user"] == "10001:10001" == steps("USER")[-1]


def test_what_starts_waits_until_what_it_needs_is_well() -> None:
    for name, one in services().items():
        for other, how in one.get("depends_on", {}).items():
            wanted = "service_completed_successfully" if other == "migrate" else "service_healthy"
            assert how["condition"] == wanted, (name, other)
    for name in ("service", "worker", "beat"):
        assert "migrate" in services()[name]["depends_on"]


def test_only_the_proxy_is_reached_from_outside() -> None:
    published = {name: one["ports"] for name, one in services().items() if "ports" in one}

    assert published.keys() == {"proxy", "prometheus"}
    assert all(port.startswith("127.0.0.1:") for port in published["prometheus"])
    assert compose()["networks"]["data"]["internal"] is True
    for name in ("postgres", "valkey", "pgbouncer", "migrate"):
        assert services()[name]["networks"] == ["data"]
    assert services()["dashboards"]["networks"] == ["front"]


# --- secrets ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "secrets"
    subprocess.run(["sh", ROOT / "stack" / "production" / "make-secrets.sh", folder], check=True)
    return folder


def test_every_secret_is_a_file_that_the_script_makes(made: Path) -> None:
    listed: dict[str, Any] = compose()["secrets"]

    assert {name: one["file"] for name, one in listed.items()} == {name: f"./secrets/{name}" for name in listed}
    # A password is in the addresses that hold it, and in no container that needs it alone.
    assert {file.name for file in made.iterdir()} == listed.keys() | {"valkey_password"}
    assert {name for one in services().values() for name in one.get("secrets", ())} == listed.keys()


def test_secrets_are_random_closed_to_others_and_stay_when_made_again(made: Path) -> None:
    before = {file.name: file.read_text() for file in made.iterdir()}
    subprocess.run(["sh", ROOT / "stack" / "production" / "make-secrets.sh", made], check=True)

    assert {file.name: file.read_text() for file in made.iterdir()} == before
    assert made.stat().st_mode & 0o777 == 0o700
    random = [value for name, value in before.items() if name.endswith("password") and value.strip()]
    assert len(set(random)) == len(random)
    assert all(len(value.strip()) == 64 for value in random)


def test_every_secret_setting_may_stand_in_a_file() -> None:
    models: list[type[BaseSettings]] = [Settings, *(module.Settings for module in areas.modules("settings"))]
    secret = {
        f"{model.model_config.get('env_prefix', '')}{name}".lower()
        for model in models
        for name, field in model.model_fields.items()
        if field.annotation is SecretStr
    }

    assert secret == set(services()["worker"]["secrets"])


def test_no_secret_stands_in_an_environment_or_in_the_image() -> None:
    words = re.compile("PASSWORD|SECRET|TOKEN|_KEY|DATABASE_|REDIS_")
    given = {name for one in services().values() for name in one.get("environment", {}) if words.search(name)}

    assert given == {"SECRETS_FOLDER", "POSTGRES_PASSWORD_FILE"}
    assert [line for line in (*steps("ENV"), *steps("ARG")) if words.search(line)] == []


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
def test_nobody_sees_what_is_not_his(name: str, may_not: set[str]) -> None:
    assert not set(services()[name].get("secrets", ())) & may_not


# --- files -----------------------------------------------------------------------------------------------------------


def test_what_is_mounted_is_there_and_read_only() -> None:
    for name, one in services().items():
        for volume in one.get("volumes", ()):
            source, target, *how = volume.split(":")
            if source.startswith("."):
                assert (ROOT / source).is_file(), volume
                assert how == ["ro"], volume
            else:
                assert source in compose()["volumes"], volume
            assert target.startswith("/"), (name, volume)


def test_docker_runs_the_databases_script_and_does_not_read_it_into_its_own() -> None:
    for name in ("init-database.sh", "make-secrets.sh"):
        assert (ROOT / "stack" / "production" / name).stat().st_mode & 0o111


def test_pgbouncers_configuration_is_the_shipped_one_with_other_addresses() -> None:
    [_, _, script] = services()["pgbouncer"]["command"]
    made = subprocess.run(
        ["sh", "-ec", script.partition(" > ")[0]], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    read = [configparser.ConfigParser() for _ in range(2)]
    read[0].read_string((ROOT / "stack" / "production" / "pgbouncer.ini").read_text())
    read[1].read_string(made)
    before, after = ({**one["databases"], **one["pgbouncer"]} for one in read)

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
        for installing in re.findall(r"pip install[^&;]*", step):
            assert "--require-hashes" in installing
        if "apt-get install" in step:
            assert "--no-install-recommends" in step
            assert "rm -rf /var/lib/apt/lists" in step


def test_the_image_holds_the_product_and_no_more() -> None:
    """Neither tests nor data nor somebody's .env: what is not named stays out."""
    said = (ROOT / ".dockerignore").read_text().splitlines()
    let_in = {line.removeprefix("!") for line in said if line.startswith("!")}
    copied = {source for step in steps("COPY") for source in step.split()[:-1]}

    assert said[0] == "*"
    assert copied == let_in
    assert all((ROOT / source).exists() for source in copied)
    assert {"service", "jobs", "dashboards", "agent", "stack", "scanner_station"} <= copied


def test_folders_that_are_written_belong_to_the_account() -> None:
    """A new volume takes over its owner from the folder of the image."""
    made = " ".join(steps("RUN"))
    for name in [*ours(), "pgbouncer"]:
        for volume in services()[name].get("volumes", ()):
            assert volume.split(":")[1] in made, (name, volume)
