"""The command line. It presents and sends; the logic is in the layers below."""

from oddaemon.cli.app import main

__all__ = ["main"]
