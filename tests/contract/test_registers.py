import shutil
import subprocess
from dataclasses import replace

import pytest

from flightvgm_arch import reference
from flightvgm_arch.errors import SENTENCES, ErrorCode
from flightvgm_arch.header import c_header
from flightvgm_arch.registers import BY_NAME, REGISTER_MAP, WINDOWS, Register, RegisterError, RegisterField, check


def test_the_first_registers_are_those_of_ap_ctrl_hs():
    offsets = {name: BY_NAME[name].offset for name in ("CONTROL", "GIE", "IER", "ISR")}
    assert offsets == {"CONTROL": 0x00, "GIE": 0x04, "IER": 0x08, "ISR": 0x0C}
    bits = {field.name: field.low for field in BY_NAME["CONTROL"].fields}
    assert bits == {"START": 0, "DONE": 1, "IDLE": 2, "READY": 3, "AUTO_RESTART": 7}


def test_arguments_and_windows_are_pairs_in_a_row():
    assert [BY_NAME[f"R{number}"].offset for number in range(16, 32)] == list(range(0x40, 0xC0, 8))
    ends = [(BY_NAME[f"WINDOW{n}_BASE"].offset, BY_NAME[f"WINDOW{n}_LIMIT"].offset) for n in range(WINDOWS)]
    assert ends == [(0x100 + 16 * n, 0x108 + 16 * n) for n in range(WINDOWS)]


def test_the_map_has_no_overlap():
    taken = [byte for item in REGISTER_MAP for byte in range(item.offset, item.offset + item.bytes)]
    assert len(set(taken)) == len(taken)


@pytest.mark.parametrize(
    ("register", "sentence"),
    [
        (Register("X", 0x182, 32, "ro", ""), "register X at 0x182 must be aligned to its 4 bytes"),
        (Register("X", 0x2FC, 64, "ro", ""), "register X at 0x2fc must be aligned to its 8 bytes"),
        (Register("X", 0x1C, 32, "ro", ""), "register X at 0x1c overlaps CONFIG_DIGEST; move it to 0x20"),
        (Register("X", 0x1000, 32, "ro", ""), "lies beyond the span of 4096 bytes"),
        (Register("X", 0x300, 16, "ro", ""), "must have 32 or 64 bits"),
        (Register("X", 0x300, 32, "maybe", ""), "an access of rw, ro"),
        (replace(BY_NAME["ID"], offset=0x300), "register ID at 0x300 has a name that is taken"),
        (Register("X", 0x300, 32, "ro", "", (RegisterField("A", 30, 3, "ro", ""),)), "field A"),
        (
            Register(
                "X", 0x300, 32, "ro", "", (RegisterField("A", 0, 3, "ro", ""), RegisterField("B", 2, 1, "ro", ""))
            ),
            "field B overlaps",
        ),
    ],
)
def test_a_map_that_hardware_cannot_have_is_refused(register, sentence):
    with pytest.raises(RegisterError, match=sentence):
        check([*REGISTER_MAP, register])


def test_every_error_has_one_sentence():
    assert set(SENTENCES) == set(ErrorCode)
    for code in ErrorCode:
        assert code.sentence.endswith(".")
        assert len({code.sentence for code in ErrorCode}) == len(ErrorCode)


@pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc")
def test_the_header_is_c(tmp_path):
    (tmp_path / "flightvgm.h").write_text(c_header())
    program = tmp_path / "use.c"
    program.write_text(
        '#include "flightvgm.h"\n#include "flightvgm.h"\n'
        '_Static_assert(FLIGHTVGM_CONTROL_DONE_MASK == 1u << FLIGHTVGM_CONTROL_DONE_SHIFT, "mask");\n'
        f'_Static_assert(FLIGHTVGM_CYCLES == {BY_NAME["CYCLES"].offset} && FLIGHTVGM_ERROR_WATCHDOG == 9, "map");\n'
        "int main(void) { return FLIGHTVGM_ERROR_NONE; }\n"
    )
    subprocess.run(["gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", str(program)], check=True)


def test_the_committed_pages_are_up_to_date(request, tmp_path):
    assert reference.main([str(tmp_path)]) == 0
    folder = request.config.rootpath / "docs" / "reference"
    for name, text in reference.pages().items():
        assert (tmp_path / name).read_text(encoding="utf-8") == text
        assert (folder / name).read_text(encoding="utf-8") == text, f"run nox -s docs: {name} is out of date"


def test_the_pages_need_a_folder(capsys):
    assert reference.main([]) == 2
    assert "name one folder" in capsys.readouterr().err
