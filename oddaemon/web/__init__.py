"""What the daemon shows over HTTP, read-only and free of patient data."""
