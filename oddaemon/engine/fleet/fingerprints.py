"""Fingerprints of settings, by which hosts find out whether their configurations agree without showing them.

A secret counts by a hash that only those can compute who have the developer key, so that what stands in the database
cannot be tried against guesses.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from hashlib import blake2b

from pydantic import BaseModel

from oddaemon.core.config_diff import Effect
from oddaemon.core.fleet.agreement import ConfigDifference, list_differences
from oddaemon.core.fleet.member import Member
from oddaemon.core.secret import Secret
from oddaemon.settings import Settings

DIGEST_BYTES = 6
_HOST_SETTINGS = frozenset({"on"})
"""What may differ between hosts without being a difference."""
_UNSHARED = frozenset({Effect.NONE, Effect.DISPLAY_ONLY})


@dataclass(frozen=True, slots=True)
class ConfigFingerprints:
    """What one host's configuration is, for the others."""

    settings: str
    """Of what the hosts share: caps, sinks, alerts."""
    offices: Mapping[str, str]
    sinks: Mapping[str, str]
    """The sinks that may run on this host."""


def fingerprint_config(settings: Settings, host: str) -> ConfigFingerprints:
    """The fingerprints of a configuration on a host."""
    key = blake2b(settings.api.developer_key.reveal().encode()).digest()

    def compute(*values: object) -> str:
        text = "\n".join(part for value in values for part in _describe("", value, key))
        return blake2b(text.encode(), digest_size=DIGEST_BYTES, key=key).hexdigest()

    api, sinks = settings.api, {sink.name: sink for sink in settings.sinks}
    shared = (api.max_in_flight, api.max_requests_per_second, api.base_url, api.developer_key, settings.alerts)
    return ConfigFingerprints(
        settings=compute(*shared, *sinks.values()),
        offices={office_id: compute(office) for office_id, office in settings.offices.items()},
        sinks={name: compute(sink) for name, sink in sinks.items() if not sink.on or host in sink.on},
    )


def compare_config(
    config: ConfigFingerprints, host: str, members: Iterable[Member]
) -> tuple[list[str], list[ConfigDifference]]:
    """The other hosts, and how the hosts would differ if this one had this configuration."""
    others = {each.host: each for each in members if each.is_alive and each.host != host}
    if not others:
        return [], []
    any_other = next(iter(others.values()))
    me = replace(any_other, host=host, settings=config.settings, offices=config.offices, sinks=config.sinks)
    return sorted(others), list_differences([me, *others.values()])


def _describe(name: str, value: object, key: bytes) -> Iterator[str]:
    """The parts of a setting as lines that are equal exactly if the settings are."""
    if isinstance(value, Secret):
        yield f"{name}={blake2b(value.reveal().encode(), key=key).hexdigest()}"
    elif (parts := _list_parts(value)) is None:
        yield f"{name}={value!r}"
    else:
        yield f"{name}#{len(parts)}"
        for each, held in parts:
            yield from _describe(f"{name}.{each}", held, key)


def _list_parts(value: object) -> list[tuple[object, object]] | None:
    """What a setting consists of, each part with its name; None: it has no parts."""
    if isinstance(value, BaseModel):
        return [(each, held) for each, held in value if each not in _HOST_SETTINGS]
    if isinstance(value, Mapping):
        return sorted(value.items())
    if isinstance(value, tuple | list):
        return list(enumerate(value))
    if is_dataclass(value):
        shared = [each for each in fields(value) if each.metadata.get("effect") not in _UNSHARED]
        return [(each.name, getattr(value, each.name)) for each in shared]
    return None
