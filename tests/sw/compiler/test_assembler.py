import numpy as np
import pytest

from flightvgm.compiler.assembler import Assembler, Register
from flightvgm_arch.isa import Address, Reg
from flightvgm_arch.presets import PRESETS
from flightvgm_sim.machine import Machine

CODE, OUT = 0, 1 << 16


def words_filled(emit):
    """Emit code that computes QUERY, and return its value: so many words are filled."""
    asm = Assembler()
    emit(asm)
    asm.emit("FILL", to=Address(0, OUT), count=Reg(Register.QUERY), value=7)
    asm.emit("END")
    machine = Machine(PRESETS["TINY"])
    machine.open_window(0, 1 << 18)
    machine.memory.write(CODE, np.frombuffer(asm.encode(), np.uint8))
    machine.start(CODE)
    machine.run()
    return np.count_nonzero(machine.memory.read(OUT, 1 << 16).view(np.uint32)) // 8


@pytest.mark.parametrize(("value", "factor"), [(0, 5), (1, 5), (7, 3), (19, 0)])
def test_multiply(value, factor):
    def emit(asm):
        asm.set(Register.START_A, value)
        asm.multiply(Register.QUERY, Register.START_A, factor)

    assert words_filled(emit) == value * factor


@pytest.mark.parametrize("value", range(8))
def test_multiply_quotient(value):
    def emit(asm):
        asm.set(Register.START_A, value)
        asm.multiply_quotient(Register.QUERY, Register.START_A, 3, 11)

    assert words_filled(emit) == value // 3 * 11


@pytest.mark.parametrize("value", range(3))
def test_choose_runs_one_case(value):
    def emit(asm):
        asm.set(Register.START_A, value)
        cases = [lambda number=number: asm.add(Register.QUERY, Register.QUERY, 10 + number) for number in range(3)]
        asm.choose(Register.START_A, cases)

    assert words_filled(emit) == 10 + value
