"""What the control socket of a daemon at work offers: who takes which orders there, and who shows what."""

from dataclasses import dataclass

from starlette.types import ASGIApp

from oddaemon.engine.doctor_visits import Visits
from oddaemon.engine.errand_desk import ErrandDesk
from oddaemon.engine.inspector import Inspector
from oddaemon.engine.orders import Desk
from oddaemon.engine.past_days import PastDaysDesk
from oddaemon.engine.sink_orders import SinkDesk
from oddaemon.telemetry.fleet import FleetView
from oddaemon.telemetry.telemetry import Telemetry
from oddaemon.web.backfilling import PastDays, backfill_routes
from oddaemon.web.control import create_control
from oddaemon.web.delivering import sink_routes
from oddaemon.web.examining import Examinations, examination_routes
from oddaemon.web.inspection import Inspection, inspection_routes
from oddaemon.web.tending import tending_routes


@dataclass(frozen=True, slots=True)
class Desks:
    """Who answers there."""

    orders: Desk
    past_days: PastDaysDesk
    visits: Visits
    sinks: SinkDesk
    inspector: Inspector
    errands: ErrandDesk


def control(desks: Desks, telemetry: Telemetry, figures: FleetView) -> ASGIApp:
    """The application that serves the socket.

    Args:
        desks: Who answers.
        telemetry: Has the metrics.
        figures: Has those of each office.
    """
    routes = (
        *backfill_routes(PastDays(desks.past_days.order, desks.past_days.cancel, desks.past_days.orders)),
        *examination_routes(Examinations(desks.visits.begin, desks.visits.told)),
        *sink_routes(desks.sinks.orders),
        *tending_routes(desks.errands.orders),
        *inspection_routes(Inspection(desks.inspector.fleet, desks.inspector.office), telemetry, figures),
    )
    return create_control(desks.orders.orders, routes)
