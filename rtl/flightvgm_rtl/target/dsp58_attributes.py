"""Attributes of a DSP58, and which of them go together."""

from __future__ import annotations

from dataclasses import dataclass, fields

OPMODES = 1 << 9
ALUMODES = range(4)
X_MULTIPLIER, X_P, X_AB = 1, 2, 3
Y_MULTIPLIER, Y_ONES, Y_C = 1, 2, 3
Z_PCIN, Z_P, Z_C, Z_P_EXTENDED, Z_PCIN_SHIFTED, Z_P_SHIFTED = 1, 2, 3, 4, 5, 6
W_P, W_RND, W_C = 1, 2, 3
ENABLES = ("cea1", "cea2", "ceb1", "ceb2", "cec", "ced", "cead", "cem", "cep", "cectrl", "cealumode", "ceinmode")
RESETS = ("rsta", "rstb", "rstc", "rstd", "rstm", "rstp", "rstctrl", "rstalumode", "rstinmode")
_CHOICES = {
    "dsp_mode": ("INT24", "INT8"),
    "amultsel": ("A", "AD"),
    "bmultsel": ("B", "AD"),
    "preaddinsel": ("A", "B"),
    "a_input": ("DIRECT", "CASCADE"),
    "b_input": ("DIRECT", "CASCADE"),
    "use_mult": ("MULTIPLY", "DYNAMIC", "NONE"),
}


def opmode(*, w: int = 0, x: int = 0, y: int = 0, z: int = 0) -> int:
    """OPMODE of four selections: ``{W[8:7], Z[6:4], Y[3:2], X[1:0]}``."""
    return w << 7 | z << 4 | y << 2 | x


def multiply(*, w: int = 0, z: int = 0) -> int:
    """OPMODE of a product plus what W and Z select."""
    return opmode(w=w, x=X_MULTIPLIER, y=Y_MULTIPLIER, z=z)


@dataclass(frozen=True, kw_only=True)
class Attributes:
    """Static settings of a DSP58, under the vendor's names in lower case.

    Parameters
    ----------
    dsp_mode : str
        INT24: one signed product of 27 x 24 bits; INT8: the sum of three of 9 x 8 bits.
    areg, breg : int
        Registers behind A and B, 0 to 2. ``acascreg`` and ``bcascreg`` are those of the cascade outputs: 1 or 2 where
        there are two, otherwise as many.
    creg, dreg, adreg, mreg, preg, opmodereg, alumodereg, inmodereg : int
        0 or 1.
    amultsel, bmultsel, preaddinsel, a_input, b_input, use_mult : str
        What multiplies, what enters the pre-adder beside D, where A and B come from, whether the multiplier is used.
    rnd : int
        Constant at the W multiplexer, 58 bits.
    opmodes, alumodes, inmodes : tuple of int
        Values that the ports OPMODE, ALUMODE and INMODE take; others give undefined results in the twin, whose
        multiplexers have only what these need. Empty: all that are legal.
    controls : tuple of str
        Which of :data:`ENABLES`, :data:`RESETS` and ``negate`` are connected; the twin ignores the others, which must
        stay at one (enables) or zero.

    Raises
    ------
    ValueError
        The primitive has no such combination.
    """

    dsp_mode: str = "INT24"
    areg: int = 1
    breg: int = 1
    acascreg: int = 1
    bcascreg: int = 1
    creg: int = 1
    dreg: int = 1
    adreg: int = 1
    mreg: int = 1
    preg: int = 1
    opmodereg: int = 1
    alumodereg: int = 1
    inmodereg: int = 1
    amultsel: str = "A"
    bmultsel: str = "B"
    preaddinsel: str = "A"
    a_input: str = "DIRECT"
    b_input: str = "DIRECT"
    use_mult: str = "MULTIPLY"
    rnd: int = 0
    opmodes: tuple[int, ...] = ()
    alumodes: tuple[int, ...] = ()
    inmodes: tuple[int, ...] = ()
    controls: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name.upper()} is '{getattr(self, name)}'; a DSP58 knows {', '.join(choices)}")
        self._check_depths()
        self._check_multiplier()
        self._check_modes()
        for name in self.controls:
            if name not in (*ENABLES, *RESETS, "negate"):
                raise ValueError(f"'{name}' is no enable or reset of a DSP58; see ENABLES and RESETS")

    def _check_depths(self) -> None:
        for field in fields(self):
            most = 2 if field.name in ("areg", "breg", "acascreg", "bcascreg") else 1
            if field.name.endswith("reg") and getattr(self, field.name) not in range(most + 1):
                raise ValueError(f"{field.name.upper()} is {getattr(self, field.name)}; it must be 0 to {most}")
        for port in ("a", "b"):
            registers, cascade = getattr(self, f"{port}reg"), getattr(self, f"{port}cascreg")
            legal = (1, 2) if registers == 2 else (registers,)
            if cascade not in legal:
                use = " or ".join(map(str, legal))
                raise ValueError(f"{port.upper()}CASCREG is {cascade} with {port.upper()}REG {registers}; use {use}")
        if not 0 <= self.rnd < 1 << 58:
            raise ValueError(f"RND is {self.rnd}; it has 58 bits")

    def _check_multiplier(self) -> None:
        if self.use_mult == "NONE" and self.mreg:
            raise ValueError("USE_MULT is NONE with MREG 1; without a multiplier MREG must be 0")
        if self.dsp_mode == "INT8" and "AD" in (self.amultsel, self.bmultsel):
            raise ValueError("DSP_MODE INT8 has no pre-adder; set AMULTSEL to A and BMULTSEL to B")

    def _check_modes(self) -> None:
        for value in self.opmodes:
            if not 0 <= value < OPMODES or not legal_opmode(value):
                raise ValueError(f"OPMODE {value:03x} is illegal: Z is 0 to 6, X is 01 where Y is, and nowhere else")
            if value & 3 == X_MULTIPLIER and self.use_mult == "NONE":
                raise ValueError(f"OPMODE {value:03x} selects the product with USE_MULT NONE; use MULTIPLY or DYNAMIC")
            if not self.preg and (
                value & 3 == X_P or value >> 7 == W_P or value >> 4 & 7 in (Z_P, Z_P_EXTENDED, Z_P_SHIFTED)
            ):
                raise ValueError(f"OPMODE {value:03x} feeds P back with PREG 0; set PREG to 1")
        for value in self.alumodes:
            if value not in ALUMODES:
                raise ValueError(f"ALUMODE {value} is not supported; use 0 to 3")
        for value in self.inmodes:
            if not 0 <= value < 32:
                raise ValueError(f"INMODE {value} is illegal; it has 5 bits")
            if (value & 1 and self.areg != 2) or (value & 16 and self.breg != 2):
                raise ValueError(f"INMODE {value:02x} selects the first of two registers; set AREG or BREG to 2")

    @property
    def pre_adder(self) -> bool:
        """The multiplier takes the sum of the pre-adder."""
        return "AD" in (self.amultsel, self.bmultsel)


def legal_opmode(value: int) -> bool:
    """Whether the four selections exist together."""
    x, y, z = value & 3, value >> 2 & 3, value >> 4 & 7
    return (x == X_MULTIPLIER) == (y == Y_MULTIPLIER) and z <= Z_P_SHIFTED
