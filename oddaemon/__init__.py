"""Watches many Open Dental offices and publishes their aged balances, true to the cent."""

__version__ = "0.1.0"
