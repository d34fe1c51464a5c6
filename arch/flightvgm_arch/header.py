"""The C header of the control port, for drivers that are not written in Python."""

from __future__ import annotations

from flightvgm_arch.errors import ErrorCode
from flightvgm_arch.registers import ID, REGISTER_MAP, SPAN_BYTES, VERSION

PREFIX = "FLIGHTVGM"


def c_header() -> str:
    """Text of ``flightvgm.h``: offsets, masks and shifts of all registers, and the error codes."""
    lines = [
        "/* Control port of FlightVGM. Generated from flightvgm_arch.registers; do not edit. */",
        f"#ifndef {PREFIX}_H",
        f"#define {PREFIX}_H",
        "",
        f"#define {PREFIX}_ID_VALUE {ID:#010x}u",
        f"#define {PREFIX}_VERSION_VALUE {VERSION[0] << 24 | VERSION[1] << 16 | VERSION[2]:#010x}u",
        f"#define {PREFIX}_SPAN {SPAN_BYTES:#x}u",
    ]
    for register in REGISTER_MAP:
        lines += ["", f"/* {register.text} {register.bits} bits, {register.access}. */"]
        lines.append(f"#define {PREFIX}_{register.name} {register.offset:#05x}u")
        for field in register.fields:
            name = f"{PREFIX}_{register.name}_{field.name}"
            mask = (1 << field.bits) - 1 << field.low
            lines.append(f"#define {name}_SHIFT {field.low}")
            lines.append(f"#define {name}_MASK {mask:#x}u /* {field.text} */")
    lines += ["", "enum flightvgm_error {"]
    lines += [f"    {PREFIX}_ERROR_{code.name} = {code.value}, /* {code.sentence} */" for code in ErrorCode]
    lines += ["};", "", "#endif", ""]
    return "\n".join(lines)
