"""The daemon's configuration for a simulated world: one file for headquarters, one for each office, all 0600."""

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from oddaemon.simulator.api.keys import Mode
from oddaemon.simulator.plan.plan_file import OfficePlan, SimulatorPlan


def write_config(plan: SimulatorPlan, base_url: str, directory: Path) -> Path:
    """Write `oddaemon.toml` and `offices.d/ID.toml`, and replace existing files of these names.

    Args:
        plan: The world.
        base_url: The URL of its headquarters, including `/api/v1`.
        directory: The directory of the files; created if missing.

    Returns:
        The path of `oddaemon.toml`.
    """
    (directory / "offices.d").mkdir(parents=True, exist_ok=True)
    top: dict[str, object] = {
        "api": {
            "base_url": base_url,
            "developer_key": plan.options.developer_key,
            "developer_name": plan.options.developer_name,
        },
        "state": {"database": "oddaemon.db"},
        "http": {"listen": "127.0.0.1:0"},
        "offices": {"directory": "offices.d"},
    }
    path = directory / "oddaemon.toml"
    _write(path, _merge(top, plan.config))
    for office in plan.offices:
        table = _merge(_make_office_table(office, base_url), office.config)
        _write(directory / "offices.d" / f"{office.spec.office_id}.toml", {"office": [table]})
    return path


def render_toml(table: Mapping[str, object], path: str = "") -> str:
    """Format a table as TOML: plain values first, then tables, then lists of tables."""
    plain, below = [], []
    for name, value in table.items():
        full_name = f"{path}.{_render_key(name)}" if path else _render_key(name)
        if isinstance(value, Mapping):
            below.append(f"\n[{full_name}]\n{render_toml(value, full_name)}")
        elif isinstance(value, list | tuple) and value and all(isinstance(each, Mapping) for each in value):
            below += [f"\n[[{full_name}]]\n{render_toml(each, full_name)}" for each in value]
        else:
            plain.append(f"{_render_key(name)} = {_render_value(value)}\n")
    return "".join(plain + below)


def _make_office_table(office: OfficePlan, base_url: str) -> dict[str, object]:
    table: dict[str, object] = {
        "id": office.spec.office_id,
        "name": office.name,
        "customer_key": office.key.customer_key,
        "timezone": office.spec.zone,
        "tier": office.key.permission.value,
    }
    if office.key.spacing_override_seconds is not None:
        table["min_interval_seconds"] = office.key.spacing_override_seconds
    if office.key.mode is Mode.LOCAL:
        # Another name of the same machine. With the same name the daemon would treat it as headquarters.
        table["base_url"] = base_url.replace("127.0.0.1", "localhost")
    return table


def _merge(base: Mapping[str, object], overrides: Mapping[str, object]) -> dict[str, object]:
    merged = dict(base)
    for name, value in overrides.items():
        base_value = merged.get(name)
        merged[name] = (
            _merge(base_value, value) if isinstance(base_value, dict) and isinstance(value, Mapping) else value
        )
    return merged


def _write(path: Path, table: Mapping[str, object]) -> None:
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(render_toml(table).lstrip(), encoding="utf-8")


def _render_key(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() and name.isascii() else json.dumps(name)


def _render_value(value: object) -> str:
    if isinstance(value, date):  # a datetime too
        return value.isoformat()
    if isinstance(value, list | tuple):
        return f"[{', '.join(_render_value(each) for each in value)}]"
    return json.dumps(value, ensure_ascii=False)
