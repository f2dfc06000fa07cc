"""Records what a sink acknowledged: deliveries that end while another is being recorded share the next commit.

A delivery counts as done only after the commit that holds it. None waits for one that is still on its way.
"""

import anyio

from oddaemon.core.delivery import DeliveryAttempt
from oddaemon.engine.context import EngineContext
from oddaemon.store import outbox


class Acknowledgements:
    """Of one sink.

    Args:
        context: The database and the clock.
        sink: Its name.
    """

    def __init__(self, context: EngineContext, sink: str) -> None:
        self._context = context
        self._sink = sink
        self._lock = anyio.Lock()
        self._unrecorded: list[DeliveryAttempt] = []

    async def record(self, attempt: DeliveryAttempt) -> None:
        """Return once it is committed that the sink has acknowledged this attempt.

        Raises:
            StoreError: It was not recorded.
        """
        self._unrecorded.append(attempt)
        try:
            async with self._lock:
                if attempt in self._unrecorded:
                    batch = list(self._unrecorded)
                    await outbox.mark_done(self._context.database, self._sink, batch, self._context.now())
                    # Not before: after a failure each of them tries for itself.
                    self._unrecorded = [each for each in self._unrecorded if each not in batch]
        finally:
            if attempt in self._unrecorded:
                self._unrecorded.remove(attempt)
