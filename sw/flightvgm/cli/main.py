"""Parse the command line, run a verb and turn what goes wrong into one sentence."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

VERBS = ("generate", "compile", "run", "inspect", "check", "bench", "verilog")
BAD_INPUT = 2
INTERRUPTED = 130


class Parser(argparse.ArgumentParser):
    """Parser whose complaint is one sentence, without the usage."""

    def error(self, message: str) -> NoReturn:
        """Print the complaint and leave with status 2."""
        self.exit(BAD_INPUT, f"{self.prog}: {plain(message)}; see {self.prog} --help\n")


def build_parser() -> Parser:
    """Parser of all verbs; each verb's module adds its arguments and its function ``run``."""
    parser = Parser(prog="flightvgm", description="Generate videos on an open accelerator's bit-exact model.")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    verbs = parser.add_subparsers(title="verbs", dest="verb", required=True, parser_class=Parser)
    for name in VERBS:
        module = importlib.import_module(f"flightvgm.cli.{name}")
        verb = verbs.add_parser(name, help=module.HELP, description=module.HELP)
        module.add_arguments(verb)
        verb.add_argument(
            "--debug", action="store_true", default=argparse.SUPPRESS, help="show the traceback of an error"
        )
        verb.set_defaults(function=module.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status.

    Status 0 is success, 1 a measurement beyond its bound, 2 a bad input or a machine that stopped, 130 Ctrl-C. An
    error is one sentence on standard error; with ``--debug`` the exception leaves this function.
    """
    # Products here are small: threads of BLAS that wait for each other cost more than they bring.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        args = build_parser().parse_args(argv)
    except KeyboardInterrupt:
        return INTERRUPTED
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else BAD_INPUT
    try:
        status: int = args.function(args)
    except KeyboardInterrupt:
        print("flightvgm: interrupted; nothing was left half written", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return BAD_INPUT
    except Exception as error:
        if args.debug:
            raise
        print(f"flightvgm: {plain(sentence(error))}", file=sys.stderr)
        return BAD_INPUT
    return status


def plain(text: str) -> str:
    """Text with control characters spelled out, so that no input can steer a terminal."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def sentence(error: Exception) -> str:
    """One line that says what went wrong."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"'{error.filename}': {error.strerror or error}; check the path and its permissions"
    if isinstance(error, ValueError) and str(error):
        return " ".join(str(error).split())
    if isinstance(error, OSError) and error.strerror:
        return f"the output cannot be written ({error.strerror}); make room or choose another place"
    if isinstance(error, MemoryError):
        return "the memory does not suffice; ask for fewer frames, fewer steps or a smaller machine"
    if isinstance(error, RecursionError):
        return "an input file is nested too deeply; write it flat"
    text = " ".join(str(error).split())
    return f"unexpected {type(error).__name__}: {text}; add --debug for the traceback and report it"
