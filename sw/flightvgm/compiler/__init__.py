"""From weights, a shape, a recipe and a machine to a program file."""

from __future__ import annotations

from flightvgm.compiler.compile import compile_model
from flightvgm.compiler.errors import CompileError
from flightvgm.compiler.program import Program, ProgramError

__all__ = ["CompileError", "Program", "ProgramError", "compile_model"]
