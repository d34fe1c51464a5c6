"""Fields of LOADA: what is checked before the first access, and what follows from them."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.errors import ErrorCode
from flightvgm_arch.formats import HEAD_CHANNELS_LEAST, HEAD_CHANNELS_STEP, KEYS_AT_ONCE
from flightvgm_arch.operations import BY_NAME
from flightvgm_rtl.control.commands import body
from flightvgm_rtl.lib.pipeline import register

TARGET_A, TARGET_B, TARGET_P = range(3)
TRANSFORMS = 3
LINE_BITS = 19  # Lines of 32 bytes that a buffer address counts.
EXTENT_LINES = 24
CHANNEL_KEYS_MOST = 8192  # What the unit that prepares a channel holds.
_DIVISION = 22


def plan(words: int) -> data.StructLayout:
    """What follows from the fields, for a unit whose largest buffer has ``words`` words in a bank.

    Rows go round ``unit`` slots; ``word`` is where the first round begins, ``step`` the words between rounds,
    ``outer_step`` those between problems. In lines of 32 bytes: the first problem begins at ``line``, the next
    ones ``outer_lines`` further, a round takes ``reach``, the next begins ``advance`` further, and the buffer
    ends at ``limit``.
    """
    return data.StructLayout(
        {
            "row_beats": 12,
            "unit": 7,
            "word": range(words),
            "step": range(words),
            "outer_step": range(words),
            "line": LINE_BITS,
            "outer_lines": LINE_BITS,
            "reach": EXTENT_LINES,
            "advance": EXTENT_LINES,
            "limit": LINE_BITS + 1,
            "head_groups": 11,
            "key_words": 20,
        }
    )


class LoadFields(wiring.Component):
    """Check the fields of a LOADA, and derive what its parts need.

    ``code`` and ``plan`` are those of ``fields`` as they were ``latency`` cycles ago; so keep them still.
    Quotients by the number of banks are products with the modular inverse of its odd part, and exact where the
    address is a multiple.

    Parameters
    ----------
    rows, columns : int
        Banks of A and of B.
    a_words, b_words, p_words : int
        Words of 32 bytes in each bank of A and B, and in the parameter buffer.

    Members
    -------
    fields : In(body(LOADA))
    code : Out(5)
        An :class:`flightvgm_arch.errors.ErrorCode`; what the rows' places tell is not in it.
    plan : Out(plan(words))
    """

    latency = 5

    def __init__(self, *, rows: int, columns: int, a_words: int, b_words: int, p_words: int) -> None:
        self._rows, self._columns = rows, columns
        self._a_words, self._b_words, self._p_words = a_words, b_words, p_words
        super().__init__(
            {
                "fields": In(body(BY_NAME["LOADA"])),
                "code": Out(5),
                "plan": Out(plan(max(a_words, b_words, p_words))),
            }
        )
        self._plan = Signal(self.plan.shape(), name="plan_of_fields", reset_less=True)
        self._code = Signal(5, name="code_of_fields", reset_less=True)

    def elaborate(self, platform: Any) -> Module:
        """Derive, and check in the order of the golden machine."""
        m = Module()
        to_a, to_b = Signal(), Signal()
        m.d.comb += [self.plan.eq(self._plan), self.code.eq(self._code)]
        m.d.comb += [to_a.eq(self.fields.target == TARGET_A), to_b.eq(self.fields.target == TARGET_B)]
        exact = self._places(m, to_a, to_b)
        self._extents(m, to_a, to_b)
        self._check(m, exact)
        return m

    def _places(self, m: Module, to_a: Signal, to_b: Signal) -> Signal:
        """Words within a bank; gives whether addresses and steps begin on bank 0."""
        fields = self.fields
        exact = Signal()
        starts = [_quotient(m, fields.to[5:], banks, f"to_{banks}_{side}") for side, banks in self._sides]
        steps = [_quotient(m, fields.to_outer[5:], banks, f"outer_{banks}_{side}") for side, banks in self._sides]
        good = [start[1] & step[1] for start, step in zip(starts, steps, strict=True)]
        m.d.sync += [
            exact.eq(Mux(to_a, good[0], Mux(to_b, good[1], 1)) & ~fields.to[:5].any() & ~fields.to_outer[:5].any()),
            self._plan.word.eq(Mux(to_a, starts[0][0], Mux(to_b, starts[1][0], fields.to[5:]))),
            self._plan.outer_step.eq(Mux(to_a, steps[0][0], Mux(to_b, steps[1][0], fields.to_outer[5:]))),
            self._plan.step.eq(Mux(fields.flag_transposed, 1, fields.to_pitch[5:])),
        ]
        return exact

    @property
    def _sides(self) -> tuple[tuple[str, int], tuple[str, int]]:
        return ("a", self._rows), ("b", self._columns)

    def _extents(self, m: Module, to_a: Signal, to_b: Signal) -> None:
        """Lines that rounds take, and counts of beats, groups and words."""
        fields, plan = self.fields, self._plan
        pitch = Signal(16)
        m.d.comb += pitch.eq(fields.to_pitch[5:])
        of_a = register(m, (pitch * self._rows)[:EXTENT_LINES], "of_a")
        of_b = register(m, (pitch * self._columns)[:EXTENT_LINES], "of_b")
        unit = Mux(to_a, self._rows, Mux(to_b, Mux(fields.flag_transposed, KEYS_AT_ONCE, self._columns), 1))
        of_b_keys = Mux(fields.flag_transposed, pitch << (KEYS_AT_ONCE.bit_length() - 1), of_b)
        limits = self._a_words * self._rows, self._b_words * self._columns, self._p_words
        m.d.sync += [
            plan.row_beats.eq((fields.row_bytes + 31)[5:]),
            plan.unit.eq(unit),
            plan.line.eq(fields.to[5:]),
            plan.outer_lines.eq(fields.to_outer[5:]),
            plan.reach.eq(Mux(to_a, of_a, Mux(to_b, of_b_keys, (fields.row_bytes + 31)[5:]))),
            plan.advance.eq(Mux(to_a, of_a, Mux(to_b, of_b_keys, pitch))),
            plan.limit.eq(Mux(to_a, limits[0], Mux(to_b, limits[1], limits[2]))),
            plan.head_groups.eq((fields.head_dim + 7)[3:]),
            plan.key_words.eq((fields.count + KEYS_AT_ONCE - 1)[4:]),
        ]

    def _check(self, m: Module, exact: Signal) -> None:
        """The first thing that is wrong."""
        fields = self.fields
        width = register(m, fields.heads * fields.head_dim, "width")  # Channels of all heads.
        room = Signal(16)  # Values of a row.
        m.d.comb += room.eq(fields.row_bytes[1:])
        fits = register(m, (width <= room) & width.any(), "fits")
        fills = register(m, width == room, "fills")
        long_row = register(m, ~fields.row_bytes.any() | (fields.row_bytes > fields.to_pitch), "long_row")
        skewed = register(m, fields.source[:5].any() | fields.pitch[:5].any() | fields.to_pitch[:5].any(), "skewed")
        bytes_only = ~fields.heads.any()
        plain = register(m, fields.head_dim.any() | fields.flag_transposed | fields.transform.any(), "plain_has_heads")
        small = register(
            m,
            ((fields.heads > 1) | fields.transform.any())
            & (fields.head_dim[:3].any() | (fields.head_dim < HEAD_CHANNELS_LEAST)),
            "small",
        )
        refused = register(m, self._refused(), "refused") | self._narrow(m, width)
        skewed_parameters, beyond = self._parameters(m)
        misaligned = skewed_parameters | (fields.flag_mapped & fields.map[:5].any()) | ~exact
        heads_wrong = small | ~fits | (fields.flag_transposed & ~fills)
        with m.If(skewed):
            m.d.sync += self._code.eq(ErrorCode.MISALIGNED)
        with m.Elif(long_row):
            m.d.sync += self._code.eq(ErrorCode.FIELD_RANGE)
        with m.Elif(fields.row_bytes[0]):
            m.d.sync += self._code.eq(ErrorCode.MISALIGNED)
        with m.Elif(refused | Mux(bytes_only, plain, heads_wrong)):
            m.d.sync += self._code.eq(ErrorCode.FIELD_RANGE)
        with m.Elif(misaligned):
            m.d.sync += self._code.eq(ErrorCode.MISALIGNED)
        with m.Elif(beyond):
            m.d.sync += self._code.eq(ErrorCode.BUFFER_OVERRUN)
        with m.Else():
            m.d.sync += self._code.eq(ErrorCode.NONE)

    def _refused(self) -> Value:
        """Choices that do not exist or exclude each other."""
        fields = self.fields
        to_b, to_p = fields.target == TARGET_B, fields.target >= TARGET_P
        transform = fields.transform.any()
        return (
            (fields.target > TARGET_P)
            | (fields.transform >= TRANSFORMS)
            | (fields.flag_transposed & (~to_b | transform | (fields.count > CHANNEL_KEYS_MOST)))
            | (to_p & fields.heads.any())
        )

    def _narrow(self, m: Module, width: Signal) -> Value:
        """Whether the pitch of V has no room for its channels, rounded up to whole rounds of the banks."""
        shift = (self._columns & -self._columns).bit_length() - 1
        odd = self._columns >> shift
        parts = register(m, (width + (1 << shift) - 1)[shift:], "channel_parts")
        magic = -(-(1 << _DIVISION) // odd)  # Exact for fewer than 2^16 parts.
        rounds = register(m, ((parts + odd - 1)[:16] * magic)[_DIVISION:], "channel_rounds") if odd > 1 else parts
        need = rounds * (2 * self._columns)
        return self.fields.flag_transposed & (need > self.fields.to_pitch)

    def _parameters(self, m: Module) -> tuple[Value, Value]:
        """Whether norm weights or table are misaligned, and whether the weights end beyond the buffer."""
        fields = self.fields
        rotates = fields.transform == TRANSFORMS - 1
        skewed = register(
            m, (fields.transform.any() & fields.norm[:5].any()) | (rotates & fields.rope[:5].any()), "skewed_parameters"
        )
        end = register(m, fields.norm[5:] + fields.head_dim[HEAD_CHANNELS_STEP.bit_length() - 1 :], "norm_end")
        return skewed, fields.transform.any() & (end > self._p_words)


def _quotient(m: Module, lines: Value, banks: int, name: str) -> tuple[Signal, Value]:
    """``lines / banks`` and whether it is exact, one cycle later."""
    shift = (banks & -banks).bit_length() - 1
    odd = banks >> shift
    rest, high = lines[:shift], lines[shift:]
    if odd == 1:
        return register(m, high, name), register(m, ~rest.any() if shift else 1, f"{name}_exact")
    size = len(high)
    quotient = register(m, (high * pow(odd, -1, 1 << size))[:size], name)
    return quotient, ((quotient * odd) == high) & (~rest.any() if shift else 1)
