"""The command ``sparkcv``: every job under one name, on this machine or by ``sparkcv submit`` on a cluster."""

from sparkcv.cli.command import main

__all__ = ["main"]
