"""What the workers, couriers and backfill jobs of one daemon share."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from oddaemon.engine.fleet.holder import LeaseHolder
from oddaemon.opendental.rate_limiter import RateLimiter
from oddaemon.sftp.upload_slot import UploadReceiver
from oddaemon.store.database import Database
from oddaemon.telemetry.events.base import Event


@dataclass(frozen=True, slots=True)
class EngineContext:
    """What all tasks of the engine share."""

    database: Database
    """For reading, and for what is written under no lease."""
    holder: LeaseHolder
    """Says what is this daemon's to do, and has the database to write to meanwhile."""
    now: Callable[[], datetime]
    """The wall clock."""
    rate_limiter: RateLimiter
    """Its closing ends every wait: the daemon is stopping."""
    rng: random.Random
    """For back-off."""
    emit: Callable[[Event], None]
    receiver: UploadReceiver | None = None
    """Receives uploads. None: the SFTP receiver is disabled."""
