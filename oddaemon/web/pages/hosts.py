"""The hosts of a fleet, as the fleet page shows them. Pure."""

from oddaemon.core.fleet.member import Departure, Stage
from oddaemon.core.fleet.overview import FleetOverview, MemberSummary
from oddaemon.core.reporting.formatting import format_count
from oddaemon.web.pages.view_models import GoneHostView, HostsView, HostView

_STAGE_TEXTS = {
    Stage.JOINING: "joining: waits for its part of the requests",
    Stage.WORKING: "working",
    Stage.DRAINING: "draining: gives its offices away",
}
_DEPARTURE_TEXTS = {
    Departure.DRAINED: "Stopped in good order.",
    Departure.REJOINED: "Lost the database and joined again.",
    Departure.EXPIRED: "Did not renew in time: it died, stood still, or was cut off from the database.",
}


def make_hosts_view(overview: FleetOverview) -> HostsView:
    """The hosts without what changes at every look, so that an open page is left alone while nothing happens."""
    return HostsView(
        me=overview.host,
        hosts=tuple(_make_host_view(each) for each in overview.members),
        gone=tuple(_make_gone_view(each) for each in overview.gone),
        warnings=tuple(_list_warnings(overview)),
    )


def _make_host_view(member: MemberSummary) -> HostView:
    return HostView(
        member.host, _STAGE_TEXTS[member.stage], member.offices, member.version, member.joined_at, member.network
    )


def _make_gone_view(member: MemberSummary) -> GoneHostView:
    assert member.gone_at is not None, "it is gone"
    why = "" if member.departure is None else _DEPARTURE_TEXTS[member.departure]
    return GoneHostView(member.host, member.gone_at, why)


def _list_warnings(overview: FleetOverview) -> list[str]:
    warnings = []
    if overview.differences:
        warnings.append(f"Hosts differ: {' '.join(each.sentence for each in overview.differences)}")
    if overview.unheld:
        warnings.append(f"No host works for {format_count(overview.unheld, 'office')}.")
    return warnings
