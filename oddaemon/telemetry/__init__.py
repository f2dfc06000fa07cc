"""What happened, told once: `events` go into `Telemetry.emit`, log lines and metrics come out."""
