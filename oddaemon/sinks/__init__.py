"""Where the daemon sends balances and pings: one module for each kind of destination."""
