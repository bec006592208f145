"""The command line. It imports no heavy library until a command needs it, so that ``--help`` answers at once."""

from flows.cli.main import main

__all__ = ["main"]
