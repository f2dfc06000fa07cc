"""What the daemon sends to others than Open Dental: one file a destination."""
