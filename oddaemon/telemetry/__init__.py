"""Events go into `Telemetry.emit`; log lines and metrics come out."""
