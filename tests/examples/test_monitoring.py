"""What examples/prometheus and examples/grafana say is in order, and about figures that there are."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PROMETHEUS, GRAFANA = ROOT / "examples" / "prometheus", ROOT / "examples" / "grafana" / "power-windows.json"
METRIC = re.compile(r"\bpower_[a-z_]+\b")


@pytest.fixture(scope="module")
def promtool() -> str:
    subprocess.run([ROOT / "bin" / "promtool"], check=True, capture_output=True, timeout=300)
    beside = Path(sys.executable).parent / "promtool"
    return str(beside) if beside.exists() else shutil.which("promtool") or ""


@pytest.mark.parametrize(
    "words",
    [
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "power-windows.rules.yml"),
        ("test", "rules", "power-windows.test.yml"),
    ],
    ids=" ".join,
)
def test_promtool_finds_nothing_wrong(promtool: str, words: tuple[str, ...]) -> None:
    done = subprocess.run([promtool, *words], cwd=PROMETHEUS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_tried_both_ways() -> None:
    alerts = re.findall(r"- alert: (\w+)", (PROMETHEUS / "power-windows.rules.yml").read_text())
    tried = (PROMETHEUS / "power-windows.test.yml").read_text()
    assert alerts
    for alert in alerts:
        assert re.search(rf"alertname: {alert}}}", tried), f"{alert} is never seen silent"
        assert re.search(rf"alertname: {alert}\n\s+exp_alerts:", tried), f"{alert} is never seen to fire"


def listed() -> set[str]:
    """Every series there is, by docs/metrics.md, which a test holds against /metrics."""
    rows = re.findall(
        r"^\| `(power_\w+)` \| (\w+) \|", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE
    )
    series = {
        name + end for name, kind in rows for end in ("_bucket", "_sum", "_count") if kind == "histogram"
    }
    return series | {name for name, kind in rows if kind != "histogram"}


def test_every_figure_that_is_asked_for_exists() -> None:
    rules = re.findall(r"expr: (.*(?:\n {10}.*)?)", (PROMETHEUS / "power-windows.rules.yml").read_text())
    asked = {name for text in (*rules, *expressions()) for name in METRIC.findall(text)}
    assert len(asked) > 15
    assert asked <= listed()


def dashboard() -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(GRAFANA.read_text())
    return parsed


def expressions() -> Iterator[str]:
    for panel in dashboard()["panels"]:
        yield from (target["expr"] for target in panel["targets"])


def test_the_dashboard_is_whole() -> None:
    board = dashboard()
    variables = {one["name"]: one["type"] for one in board["templating"]["list"]}
    assert (board["schemaVersion"] >= 39, variables["datasource"]) == (True, "datasource")
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    for panel in board["panels"]:
        assert panel["datasource"]["uid"] == "${datasource}", panel["title"]
        assert {"x", "y", "w", "h"} == panel["gridPos"].keys()
    used = set(re.findall(r"\$(?!__)\{?(\w+)", json.dumps(board["panels"])))
    assert used <= variables.keys()


def test_no_two_panels_lie_on_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells


def test_each_question_of_the_dashboard_can_be_read(promtool: str, tmp_path: Path) -> None:
    """As recording rules, since that is what promtool checks without a server."""
    asked = [text.replace("$__rate_interval", "5m").replace("$__range", "6h") for text in expressions()]
    rules = [{"record": f"panel:{number}", "expr": text} for number, text in enumerate(asked)]
    file = tmp_path / "panels.yml"
    file.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    done = subprocess.run([promtool, "check", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
