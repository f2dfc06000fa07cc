"""What a command asks a fleet's database of the other hosts and of the server; nothing, if the database is a file."""

from typing import TypedDict

from oddaemon.cli.sources.database import read_database
from oddaemon.core.fleet.member import Member
from oddaemon.core.reporting.fleet_document import (
    DifferenceDocument,
    ReplicationDocument,
    make_difference_document,
    make_replication_document,
)
from oddaemon.engine.fleet.fingerprints import compare_config, fingerprint_config
from oddaemon.settings import Settings
from oddaemon.store.fleet.overview import read_members, read_replication


class ComparisonDocument(TypedDict):
    """`hosts` of `check --plan --json`."""

    compared: list[str]
    """The other hosts."""
    differences: list[DifferenceDocument]
    """How the hosts would differ if this one had its files in use."""


def compare_with_hosts(settings: Settings | None) -> ComparisonDocument | None:
    """Compare a configuration with those of the other hosts; a problem with the database ends the command.

    Returns:
        None: There are no settings, or no fleet.
    """
    if settings is None or not settings.state.is_postgresql:
        return None
    members = read_database(settings, read_members, if_missing=tuple[Member, ...])
    host = settings.fleet.host
    compared, differences = compare_config(fingerprint_config(settings, host), host, members)
    return {"compared": compared, "differences": [make_difference_document(each) for each in differences]}


def describe_comparison(comparison: ComparisonDocument) -> str:
    """The comparison in one line."""
    hosts = ", ".join(comparison["compared"])
    if not hosts:
        return "No other host is there to compare with."
    if not comparison["differences"]:
        return f"The other hosts have the same: {hosts}."
    sentences = " ".join(each["sentence"] for each in comparison["differences"])
    return f"With these files the hosts would differ: {sentences}"


def read_replication_document(settings: Settings) -> ReplicationDocument | None:
    """What the server says of its standbys; a problem with the database ends the command. None: it is a file."""
    if not settings.state.is_postgresql:
        return None
    return make_replication_document(read_database(settings, read_replication))
