"""What is deployed fits together: dashboard and metrics, lock file and requirements, image and context."""

import json
import re
import tomllib
from pathlib import Path

from service import metrics

ROOT = Path(__file__).parent.parent
SERIES = {"requests_total", "request_seconds_bucket", "candidates_returned_total", "fallbacks_total"}


def test_the_dashboard_asks_for_metrics_that_exist():
    dashboard = json.loads((ROOT / "deploy/grafana/dashboards/candgen.json").read_text())
    asked = " ".join(target["expr"] for panel in dashboard["panels"] for target in panel["targets"])
    known = SERIES | {f"{name}_total" for name in metrics.COUNTERS} | set(metrics.GAUGES)
    found = set(re.findall(r"candgen_(\w+)", asked))
    assert found - known == set()
    assert len(found) > 10


def test_the_lock_file_has_every_requirement_and_no_host():
    lock = (ROOT / "requirements.lock").read_text()
    pinned = {name.lower() for name in re.findall(r"^([\w.-]+)==", lock, re.M)}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["training"]]
    assert {re.match(r"[\w.-]+", one)[0].lower() for one in wanted} - pinned == set(), "run `make lock`"
    assert "://" not in lock


def test_the_compose_file_names_files_that_exist():
    text = (ROOT / "docker-compose.yml").read_text()
    for name in re.findall(r"- \./([^:]+):", text):
        assert (ROOT / name).exists(), name
