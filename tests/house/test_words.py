"""Documentation under test: what the docs name exists, and what exists is named."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from dashboards.settings import Settings as DashboardSettings
from service.agencies.cards.actions import OVERDUE
from service.core import areas
from service.core.settings import Settings as ServiceSettings
from service.demo import people
from service.fleet.rules import AlertType
from service.reservations.notices import rules as notices
from stack import outages
from stack.home import ROOT
from stack.programs import DEFAULTS
from tests.compose import services

# Read by the launcher, the watchdog, Alembic and uvicorn, not by the processes' own settings.
READ_ELSEWHERE = {
    *("DATABASE_OWNER_URL", "DATABASE_BACKUP_URL", "GENBA_HOME", "POSTGRESQL_PROGRAMS", "FORWARDED_ALLOW_IPS"),
    "SECRETS_FOLDER",
    *("GENBA_SITE", "GENBA_TLS", "GENBA_VERSION", "GENBA_SUBNET", "GENBA_PROXY_ADDRESS"),
    *("WATCHDOG_SOURCE", "WATCHDOG_FILE", "WATCHDOG_DOWN_AFTER", "WATCHDOG_SLACK_CHANNEL", "BACKUP_FOLDER"),
    *("BACKUP_KEY", "DATABASE_REHEARSAL_URL", "SMOKE_LOGIN_ID", "SMOKE_PASSWORD"),
}
README = (ROOT / "README.md").read_text()


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [ROOT / name for name in listed.split() if (ROOT / name).is_file()]


def variables() -> dict[str, object]:
    """Every variable that a process reads, with its default: of the service, the dashboards and each area."""
    area_settings = [module.Settings for module in areas.modules("settings")]
    return {
        str(field.validation_alias or f"{model.model_config.get('env_prefix', '')}{name}").upper(): field.default
        for model in (ServiceSettings, DashboardSettings, *area_settings)
        for name, field in model.model_fields.items()
    }


def test_env_example_names_every_setting_and_no_other() -> None:
    named = set(re.findall(r"^#? ?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))

    read = variables().keys() | set(DEFAULTS) | READ_ELSEWHERE

    assert named == read, f"add to .env.example: {sorted(read - named)}; remove from it: {sorted(named - read)}"


def test_the_defaults_in_env_example_are_the_real_ones() -> None:
    shown = dict(re.findall(r"^#? ?([A-Z_]+)=(.+)$", (ROOT / ".env.example").read_text(), re.MULTILINE))
    for variable, default in variables().items():
        if variable in shown and variable != "GENBA_MODE":
            assert str(default).lower() == shown[variable].lower(), variable


def test_an_areas_settings_have_its_name_as_prefix() -> None:
    """The settings of service.core belong to no area."""
    for module in areas.modules("settings"):
        area = module.__name__.split(".")[1]
        assert module.Settings.model_config["env_prefix"] == f"{area.upper()}_"
    assert not [name for name in ServiceSettings.model_fields if name.split("_")[0] in areas.AREAS]


def test_the_readme_names_every_demo_account() -> None:
    for login_id in people.accounts():
        assert f"`{login_id}`" in README, f"add the account `{login_id}` to README.md"
    assert people.PASSWORD in README


def test_the_commands_page_names_every_make_target() -> None:
    commands = (ROOT / "docs" / "commands.md").read_text()
    targets = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for target in targets:
        if target != "help":
            assert f"make {target}`" in commands or f"make {target} " in commands, f"add {target} to docs/commands.md"


def test_every_test_that_a_document_names_exists() -> None:
    existing = {
        name for path in tracked("tests/*.py") for name in re.findall(r"^def (test_\w+)", path.read_text(), re.M)
    }
    for document in tracked("docs/*.md"):
        for name in re.findall(r"`(test_\w+)`", document.read_text()):
            assert name in existing, f"{document.name}: {name}"


@pytest.mark.parametrize("path", tracked("requirements*.txt", "tests/requirements.txt", "stack/installer.txt"), ids=str)
def test_pinned_requirements_are_hashed_and_name_no_registry(path: Path) -> None:
    text = path.read_text()
    assert "://" not in text
    for line in re.findall(r"^[a-z].*==.*$", text, re.MULTILINE):
        assert line.endswith("\\"), f"no hash: {line}"


def test_no_file_names_a_machine() -> None:
    """Paths of the machine it was written on would break elsewhere."""
    home = re.compile(r"/(?:home|Users)/\w+|(?<![\w.])/root/|/work/\w")
    for path in tracked("*.py", "*.md", "*.toml", "*.js", "*.html", "*.css", "Makefile", ".ci/run", ".env.example"):
        if path != Path(__file__).resolve():
            assert home.search(path.read_text()) is None, path


OPERATIONS = (ROOT / "docs" / "operations.md").read_text()


def test_every_alert_and_every_notice_has_its_row_in_the_operations_manual() -> None:
    """The row says what the alert or notice means and what to do."""
    rules = yaml.safe_load((ROOT / "stack" / "production" / "alerts.yml").read_text())["groups"][0]["rules"]
    severity = {"critical": "緊急", "warning": "注意"}
    for rule in rules:
        assert f"| `{rule['alert']}` | {severity[rule['labels']['severity']]} |" in OPERATIONS, (
            f"add a row for {rule['alert']} to docs/operations.md: what it means and what to do"
        )
    listed = (
        *(
            notice
            for source in (notices.alarm_notices, notices.burst_notices, notices.clock_notices)
            for notice in source()
        ),
        *(notice for source in (notices.enquiry_notices, notices.incident_notices) for notice in source()),
        *notices.other_notices(),
    )
    for title in (*(notice.title for notice in listed), outages.DOWN, outages.STALLED, *AlertType.labels().values()):
        assert f"\n| {title} |" in OPERATIONS, f"add a row for {title} to docs/operations.md: what to do about it"
    assert OVERDUE in OPERATIONS


def test_the_operations_manual_names_only_existing_alerts() -> None:
    rules = yaml.safe_load((ROOT / "stack" / "production" / "alerts.yml").read_text())["groups"][0]["rules"]

    assert set(re.findall(r"`(Genba\w+)`", OPERATIONS)) == {rule["alert"] for rule in rules}


def test_the_operations_manual_knows_every_job_that_may_be_missed() -> None:
    for name, tick in areas.ticks().items():
        if tick.silence is not None:
            assert f"| `{name}` |" in OPERATIONS, f"add a row for the job `{name}` to docs/operations.md"


def test_the_operations_manual_names_only_existing_containers() -> None:
    command = r"docker compose (?:logs|ps|restart|exec|stop)((?: --[\w-]+(?: \d+\w?)?)*(?: [a-z]+)+)"
    matches = re.findall(command, OPERATIONS)
    names = {name for match in matches for name in re.findall(r"(?<!-)\b[a-z]{4,}\b", match)} - {
        "psql",
        "python",
        "vacuumdb",
    }
    flags = {"tail", "since", "log", "prefix"}

    assert names - flags <= services().keys()
