"""Debian's promtool, and what is asked of it: the rules as they are shipped, over series as they were scraped."""

import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import pytest
import yaml

PROMETHEUS = Path(__file__).parents[2] / "deploy" / "prometheus"
RULES = PROMETHEUS / "oddaemon.rules.yml"
TESTS = PROMETHEUS / "tests"
_TIMEOUT_SECONDS = 120
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_FIRED = 'max by (alertname) (max_over_time(ALERTS{alertstate="firing"}[%dm]))'

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="no promtool: install Debian's package `prometheus`"
)


def run_promtool(*arguments: str | Path, stdin: bytes | None = None) -> subprocess.CompletedProcess[str]:
    """One call of the real one, with all that it said."""
    done = subprocess.run(
        ["promtool", *map(str, arguments)],
        input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=_TIMEOUT_SECONDS,
    )  # fmt: skip
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode())


def load_alerts() -> dict[str, Mapping[str, object]]:
    """The shipped alerts by name."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}


def load_expressions() -> list[str]:
    """Of every shipped rule, recording ones included."""
    return [rule["expr"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


@dataclass
class ScrapeRecording:
    """What a Prometheus would have scraped, one sample of each series at each interval; None: it was not there."""

    interval_seconds: int
    started_at: float
    """The Unix time of the first scrape; promtool's own time begins one interval before it."""
    samples: dict[str, list[float | None]] = field(default_factory=dict)
    scrapes: int = 0

    def add_scrape(self, exposition: str, families: Iterable[str], target: Mapping[str, str]) -> None:
        """One scrape of the text format. `families`: names of the series that are needed."""
        wanted = set(families)
        labels = _format_labels(target)
        self._add_sample(f"up{{{labels}}}", 1)
        for line in exposition.splitlines():
            name = _NAME.match(line)
            if name is None or name.group() not in wanted:
                continue
            series, _, value = line.rpartition(" ")
            bare = series[name.end() :].strip("{}")
            self._add_sample(f"{name.group()}{{{','.join(filter(None, (bare, labels)))}}}", float(value))
        self.scrapes += 1

    def add_failed_scrape(self, target: Mapping[str, str]) -> None:
        """A scrape without a response."""
        self._add_sample(f"up{{{_format_labels(target)}}}", 0)
        self.scrapes += 1

    def _add_sample(self, series: str, value: float) -> None:
        name = series.partition("{")[0]
        if value and name.endswith(("_timestamp_seconds", "_start_time_seconds")):
            value -= self.started_at - self.interval_seconds
        values = self.samples.setdefault(series, [])
        values += [None] * (self.scrapes - len(values))
        values.append(value)

    def find_fired_alerts(self, directory: Path) -> str:
        """Which alerts the shipped rules fired at any time, in promtool's own words; "" is none but the watchdog."""
        minutes = (self.scrapes + 1) * self.interval_seconds // 60
        test = self._build_rule_test([{"expr": _FIRED % minutes, "eval_time": f"{minutes}m", "exp_samples": []}])
        path = directory / "recorded.yml"
        path.write_text(yaml.safe_dump(test))
        result = run_promtool("test", "rules", path)
        got = next(line for line in result.stdout.splitlines() if line.strip().startswith("got:"))
        return " ".join(sorted(set(re.findall(r'alertname="Oddaemon(\w+)"', got)) - {"Watchdog"}))

    def _build_rule_test(self, expectations: Sequence[Mapping[str, object]]) -> Mapping[str, object]:
        interval = f"{self.interval_seconds}s"
        series = [
            {"series": name, "values": self._format_series(values)} for name, values in sorted(self.samples.items())
        ]
        return {
            "rule_files": [str(RULES)],
            "evaluation_interval": interval,
            "tests": [{"interval": interval, "input_series": series, "promql_expr_test": list(expectations)}],
        }

    def _format_series(self, values: Sequence[float | None]) -> str:
        """One interval of nothing, then the samples, equal ones together; a series that ends is stale at once."""
        parts = ["_"]
        for value, run in groupby(values):
            more = len(list(run)) - 1
            parts.append(f"stale _x{more}" if value is None else f"{_format_decimal(value)}x{more}")
        return " ".join(parts if len(values) == self.scrapes else [*parts, "stale"])


def _format_labels(target: Mapping[str, str]) -> str:
    return ",".join(f'{name}="{value}"' for name, value in target.items())


def _format_decimal(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")


def find_series_names(expression: str) -> set[str]:
    """Names in an expression that can only be series of ours or of the process: ours are prefixed."""
    return set(re.findall(r"\b(?:oddaemon_\w+|process_\w+|python_\w+|up)\b", expression))
