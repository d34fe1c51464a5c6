"""The command ``flightvgm``; one module for each verb."""

from flightvgm.cli.main import main

__all__ = ["main"]
