"""Files of rows: balances and changes for the command line and for sinks."""
