"""The dashboard loads as it is: no input to fill in, every query understood by Prometheus, every metric there."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.alerts.families import collect_families
from tests.alerts.promtool import find_series_names, needs_promtool, run_promtool

GRAFANA = Path(__file__).parents[2] / "deploy" / "grafana"
DASHBOARD: dict[str, Any] = json.loads((GRAFANA / "dashboards" / "oddaemon.json").read_text())
PROCESS_METRICS = {"process_resident_memory_bytes", "process_cpu_seconds_total"}
COLUMNS = 24
DATASOURCE_VARIABLE = {"type": "prometheus", "uid": "${datasource}"}
VARIABLE_VALUES = {
    "$__rate_interval": "2m",
    "$__interval": "1m",
    "$instance": "balances:9464",
    "$office": "mesa|smile",
}
"""What Grafana puts in the place of its variables."""


def list_panels() -> list[dict[str, Any]]:
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def list_queries() -> list[tuple[str, str]]:
    """Every expression, with where it stands."""
    annotations = [each for each in DASHBOARD["annotations"]["list"] if "expr" in each]
    return [
        *(
            (f"{panel['title']} {target['refId']}", target["expr"])
            for panel in list_panels()
            for target in panel["targets"]
        ),
        *((each["name"], each["expr"]) for each in annotations),
    ]


def fill_variables(expression: str) -> str:
    for variable, value in VARIABLE_VALUES.items():
        expression = expression.replace(variable, value)
    assert "$" not in expression, expression
    return expression


@needs_promtool
def test_prometheus_understands_every_query(tmp_path: Path) -> None:
    rules = [
        {"record": f"query:{number}", "expr": fill_variables(query)} for number, (_, query) in enumerate(list_queries())
    ]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    result = run_promtool("check", "rules", path)
    assert result.returncode == 0, result.stdout
    assert f"{len(rules)} rules found" in result.stdout


@pytest.mark.parametrize(("where", "query"), list_queries())
def test_every_metric_that_a_query_names_exists_with_its_labels(where: str, query: str) -> None:
    known = {sample: family for family in collect_families().values() for sample in family.samples}
    named = find_series_names(query)
    assert named, where
    assert named <= known.keys() | PROCESS_METRICS, where
    for name, matchers in re.findall(r"\b(oddaemon_\w+)\{([^}]*)\}", query):
        labels = set(re.findall(r"(\w+)\s*[=!]", matchers))
        assert labels <= known[name].labels | {"instance", "job"}, where


def test_every_alert_worthy_family_is_shown_somewhere() -> None:
    """What is exported and shown nowhere is exported for nothing; some are for the alerts or for queries by hand."""
    shown = set[str]().union(*(find_series_names(query) for _, query in list_queries()))
    for name, family in collect_families().items():
        by_hand = {
            "oddaemon_api_host_unusable",
            "oddaemon_events_total",
            "oddaemon_heartbeat_pings_total",
            "oddaemon_backfills_total",
            "oddaemon_background_task_crashes_total",
            "oddaemon_delivery_oldest_pending_timestamp_seconds",
            "oddaemon_office_aging_date_timestamp_seconds",
            "oddaemon_office_snapshot_published_timestamp_seconds",
        }
        assert name in by_hand or family.samples & shown, name


def test_nothing_has_to_be_filled_in() -> None:
    assert "__inputs" not in DASHBOARD
    assert "__requires" not in DASHBOARD
    assert "id" not in DASHBOARD, "an id of another Grafana would overwrite a dashboard"
    datasource, *others = DASHBOARD["templating"]["list"]
    assert (datasource["name"], datasource["type"], datasource["query"]) == ("datasource", "datasource", "prometheus")
    assert datasource["current"]["value"] == "default"
    assert {variable["name"] for variable in others} == {"instance", "office"}
    for each in [*others, *list_panels(), *(target for panel in list_panels() for target in panel["targets"])]:
        assert each["datasource"] == DATASOURCE_VARIABLE
    text = json.dumps(DASHBOARD)
    assert "http" not in text.replace("http_", ""), "no address of a server"


def test_every_panel_has_a_place_a_title_and_an_explanation() -> None:
    taken = set[tuple[int, int]]()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}  # fmt: skip
        assert max(x for x, _ in cells) < COLUMNS
        assert not cells & taken, f"{panel['title']} lies over another"
        taken |= cells
        assert panel["title"]
    assert all(panel["description"].endswith(".") for panel in list_panels())
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))


def test_variables_that_are_used_are_there() -> None:
    known = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]\w*)", json.dumps(DASHBOARD)))
    assert used == known


def test_provisioning_finds_the_dashboard_and_the_default_datasource() -> None:
    dashboards = yaml.safe_load((GRAFANA / "provisioning" / "dashboards" / "oddaemon.yml").read_text())
    sources = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "prometheus.yml").read_text())
    assert [each["options"]["path"] for each in dashboards["providers"]] == ["/etc/grafana/dashboards"]
    assert [(each["type"], each["isDefault"]) for each in sources["datasources"]] == [("prometheus", True)]
