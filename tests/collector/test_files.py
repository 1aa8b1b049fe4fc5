"""The files whose programs are not here to ask, against schemas and against each other."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import checks
import pytest
import yaml
from servers import HERE as CONFIG
from servers import PROMETHEUS, StackError, built

from otelprov import semconv

GRAFANA = CONFIG / "grafana"
DASHBOARDS = sorted((GRAFANA / "dashboards").glob("*.json"))
COMPOSE = ("compose.yaml", "compose-full.yaml")
KUBERNETES = "kubernetes/sidecar.yaml"
DATA_SOURCES = "grafana/provisioning/datasources/otelprov.yaml"
PROVIDERS = "grafana/provisioning/dashboards/otelprov.yaml"
TEMPO = "tempo/tempo.yaml"
PROMTOOL_RULES = Path("prometheus/rules.yml")
ELSEWHERE = {
    # The Collector is built from it, and the locked modules must be those that it names.
    "collector-builder.yaml",
    # Jaeger starts with it, and a test in tests/e2e follows its links.
    "jaeger/ui.json",
}


@pytest.fixture(scope="module", autouse=True)
def buildable() -> None:
    """Nothing has to be built for these."""


@pytest.fixture(scope="module")
def promtool() -> Path:
    """Debian's, taken out of its package."""
    try:
        return built(PROMETHEUS).with_name("promtool")
    except StackError as error:
        if os.environ.get("OTELPROV_REQUIRE_SERVERS") == "1":
            raise
        pytest.skip(str(error))


def load(*parts: str) -> Any:
    return yaml.safe_load(CONFIG.joinpath(*parts).read_text())


def test_every_yaml_and_json_file_is_well_formed() -> None:
    files = [*CONFIG.rglob("*.yaml"), *CONFIG.rglob("*.yml"), *CONFIG.rglob("*.json")]
    assert len(files) >= 18
    for path in files:
        text = path.read_text()
        assert json.loads(text) if path.suffix == ".json" else list(yaml.safe_load_all(text))


def test_every_configuration_file_is_checked_by_its_program_its_schema_or_a_test_here() -> None:
    # A new file has to be put into one of these, each of which is what the check itself goes by.
    checked = checks.CHECKED | {*COMPOSE, KUBERNETES, DATA_SOURCES, PROVIDERS, TEMPO} | ELSEWHERE
    checked |= {str(path.relative_to(CONFIG)) for path in DASHBOARDS}
    told = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=CONFIG,
        capture_output=True,
        text=True,
        check=True,
    )
    files = set(told.stdout.splitlines())
    # What is no configuration: programs, prose, and the modules of the Go programs with hashes.
    rest = {name for name in files if name.endswith((".py", ".md", "go.mod", "go.sum"))}
    assert files - rest == checked
    assert str(PROMTOOL_RULES) in checks.CHECKED
    with_rules = load("prometheus", "prometheus.yml")["rule_files"]
    assert with_rules == [PROMTOOL_RULES.name], "promtool checks the rules that it is led to"


def test_every_configuration_file_is_named_in_the_readme() -> None:
    readme = (CONFIG / "README.md").read_text()
    for path in CONFIG.rglob("*.y*ml"):
        name = str(path.relative_to(CONFIG))
        assert f"`{name}`" in readme, name


# --- Kubernetes and Compose ----------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1.29", "1.33", "1.37"])
def test_the_kubernetes_example_is_what_the_schema_of_a_version_says(version: str) -> None:
    told = subprocess.run(
        [
            Path(sys.executable).with_name("kubernetes-validate"),
            *("-k", version, "--strict", CONFIG / KUBERNETES),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert (told.stdout + told.stderr).count("passed") == 2


def test_the_kubernetes_schema_would_notice_a_mistake(tmp_path: Path) -> None:
    text = (CONFIG / KUBERNETES).read_text()
    (tmp_path / "wrong.yaml").write_text(text.replace("concurrencyPolicy", "concurrentPolicy"))
    program = Path(sys.executable).with_name("kubernetes-validate")
    command = [program, "--strict", tmp_path / "wrong.yaml"]
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0


@pytest.mark.parametrize("name", COMPOSE)
def test_a_compose_file_is_what_its_schema_says(name: str, tmp_path: Path) -> None:
    check = [Path(sys.executable).with_name("check-jsonschema"), "--builtin-schema"]
    check.append("vendor.compose-spec")
    told = subprocess.run([*check, CONFIG / name], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
    (tmp_path / "wrong.yaml").write_text((CONFIG / name).read_text().replace("ports:", "prots:"))
    command = [*check, tmp_path / "wrong.yaml"]
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0


def test_the_compose_files_bind_to_loopback_pin_their_images_and_mount_what_there_is() -> None:
    for name in COMPOSE:
        for service in load(name)["services"].values():
            if "image" in service:
                _, _, tag = service["image"].rpartition(":")
                assert re.match(r"v?\d+\.\d+\.\d+$", tag), service["image"]
            for port in service.get("ports", ()):
                assert str(port).startswith("127.0.0.1:")
            for volume in service.get("volumes", ()):
                source = volume.split(":")[0]
                if source.startswith("./"):
                    assert (CONFIG / source).exists(), source


def test_the_containers_are_of_the_versions_that_are_built_and_tested() -> None:
    manifest = load("collector-builder.yaml")
    collector = load("compose.yaml")["services"]["collector"]["image"]
    assert collector.endswith(f":{manifest['dist']['version']}")
    cronjob = list(yaml.safe_load_all((CONFIG / KUBERNETES).read_text()))[1]
    pod = cronjob["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert pod["initContainers"][0]["image"] == collector
    loki = load("compose-full.yaml")["services"]["loki"]["image"].rpartition(":")[2]
    assert f"github.com/grafana/loki/v3 v{loki} " in (CONFIG / "loki" / "go.mod").read_text()


def test_the_containers_are_given_only_variables_that_the_files_read() -> None:
    read = "".join(
        path.read_text()
        for path in [*CONFIG.rglob("*.yaml"), CONFIG / "jaeger" / "ui.json"]
        if not path.name.startswith("compose") and path.name != "sidecar.yaml"
    )
    given = set()
    for name in COMPOSE:
        for service in load(name)["services"].values():
            given |= set(service.get("environment", {}))
    for name in given:
        if name.startswith("OTELPROV_"):
            assert name in read, name


# --- Grafana -------------------------------------------------------------------------------------


def data_sources() -> dict[str, dict[str, Any]]:
    found = load(DATA_SOURCES)["datasources"]
    return {source["uid"]: source for source in found}


def test_data_sources_lead_to_each_other() -> None:
    sources = data_sources()
    types = {uid: source["type"] for uid, source in sources.items()}
    assert sorted(types.values()) == ["jaeger", "loki", "prometheus", "tempo"]
    for uid, kind in types.items():
        data = sources[uid]["jsonData"]
        if kind in ("jaeger", "tempo"):
            assert types[data["tracesToLogsV2"]["datasourceUid"]] == "loki"
            assert types[data["tracesToMetrics"]["datasourceUid"]] == "prometheus"
            assert "trace_id" in data["tracesToLogsV2"]["query"]
        elif kind == "loki":
            assert types[data["derivedFields"][0]["datasourceUid"]] == "jaeger"
        else:
            assert types[data["exemplarTraceIdDestinations"][0]["datasourceUid"]] == "jaeger"


def test_grafana_finds_the_dashboards_where_compose_puts_them() -> None:
    (provider,) = load(PROVIDERS)["providers"]
    assert provider["type"] == "file"
    volumes = load("compose-full.yaml")["services"]["grafana"]["volumes"]
    places = dict(volume.split(":")[:2] for volume in volumes)
    assert places["./grafana/dashboards"] == provider["options"]["path"]
    assert "/etc/grafana/provisioning" in places["./grafana/provisioning"]


def recorded_names() -> set[str]:
    rules = load("prometheus", "rules.yml")
    return {
        rule["record"] for group in rules["groups"] for rule in group["rules"] if "record" in rule
    }


def test_what_data_sources_and_dashboards_ask_for_by_rule_is_recorded() -> None:
    texts = [path.read_text() for path in DASHBOARDS]
    texts.append((CONFIG / DATA_SOURCES).read_text())
    asked = {name for text in texts for name in re.findall(r"otelprov:\w+(?::\w+)?", text)}
    assert len(asked) >= 6
    assert asked <= recorded_names()


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.name)
def test_a_dashboard_is_built_as_grafana_expects(path: Path) -> None:
    board = json.loads(path.read_text())
    assert board["uid"].startswith("otelprov-")
    assert board["schemaVersion"] >= 36
    assert board["title"]
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) >= 4
    sources = data_sources()
    taken: set[tuple[int, int]] = set()
    variables = {variable["name"] for variable in board["templating"]["list"]}
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, f"{panel['title']} lies on another"
        taken |= cells
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["type"] in {"timeseries", "stat", "logs", "alertlist", "bargauge"}
        refs = [target["refId"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs)
        for target in panel["targets"]:
            kind = sources[target["datasource"]["uid"]]["type"]
            assert kind == target["datasource"]["type"] == panel["datasource"]["type"]
            used = set(re.findall(r"\$(\w+)", target["expr"])) - {"__range"}
            assert used <= variables, target["expr"]


def test_every_query_of_the_dashboards_is_promql(tmp_path: Path, promtool: Path) -> None:
    expressions = []
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel["targets"]:
                if target["datasource"]["type"] == "prometheus":
                    text = target["expr"].replace("$__range", "1d")
                    expressions.append(re.sub(r"\$\w+", ".*", text))
    assert len(expressions) > 15
    rules = [{"record": f"panel:{n}", "expr": text} for n, text in enumerate(expressions)]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "x", "rules": rules}]}))
    command = [promtool, "check", "rules", tmp_path / "rules.yml"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert f"{len(rules)} rules found" in told.stdout


# --- Tempo ---------------------------------------------------------------------------------------


def test_tempo_is_given_more_than_a_long_run_needs() -> None:
    # Not more than syntax and our own numbers can be checked without a Tempo.
    tempo = load(TEMPO)
    overrides = tempo["overrides"]["defaults"]
    assert overrides["global"]["max_bytes_per_trace"] > 5_000_000
    assert tempo["distributor"]["max_attribute_bytes"] >= 2048
    dedicated = tempo["storage"]["trace"]["block"]["parquet_dedicated_columns"]
    assert {one["name"] for one in dedicated} <= set(semconv.ATTRIBUTES)
    assert tempo["query_frontend"]["search"]["max_duration"] == "0s"
    assert tempo["usage_report"]["reporting_enabled"] is False


def test_every_alert_has_a_test_and_every_alert_says_what_it_is() -> None:
    rules = load("prometheus", "rules.yml")
    alerts = {
        rule["alert"]: rule
        for group in rules["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }
    tested: dict[str, list[bool]] = {}
    for test in load("prometheus", "rules.test.yml")["tests"]:
        for case in test["alert_rule_test"]:
            tested.setdefault(case["alertname"], []).append(bool(case["exp_alerts"]))
    assert set(tested) == set(alerts)
    # Each is seen to fire; all but a stale artifact of a pipeline that is gone, to be silent too.
    assert all({*cases} == {True, False} for cases in tested.values())
    for name, rule in alerts.items():
        assert rule["labels"]["severity"] in {"warning", "critical"}, name
        assert rule["annotations"]["summary"], name


def test_the_metrics_of_the_convention_have_alerts_for_what_must_not_happen() -> None:
    text = (CONFIG / "prometheus" / "rules.yml").read_text()
    for name in (semconv.JOURNAL_LOST, semconv.DELIVERY_REFUSED, semconv.FAULTS):
        assert f"{name.replace('.', '_')}_total" in text
