"""The commands, one file a family of them. No logic beyond presentation; the top of the house."""

from oddaemon.cli.app import main

__all__ = ["main"]
