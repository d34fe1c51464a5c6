"""Registers of the host: the AXI4-Lite port, its storage, and the interrupt."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.isa import REGISTER_BITS
from flightvgm_arch.registers import BY_NAME, FIRST_ARGUMENT, ID, REGISTER_MAP, SPAN_BYTES, VERSION, WINDOWS, Register
from flightvgm_rtl.control.bank import WORD_BITS, Bank
from flightvgm_rtl.dma.windows import Windows
from flightvgm_rtl.lib.reset import add_with_own_reset

_FIXED = ("ID", "VERSION", "CONFIG_DIGEST")
_SPECIAL = ("CONTROL", "ISR", "RESET")
_PAIR = 8  # Bytes of two words.
_BLOCK = 8  # Pairs that are chosen from in a cycle; a power of two.
_BANK = 6  # Registers that a reset register reaches.
_PAIR_BITS = (SPAN_BYTES // _PAIR - 1).bit_length()
_ARGUMENT_BITS = 4

Report = data.StructLayout(
    {item.name.lower(): item.bits for item in REGISTER_MAP if item.access == "ro" and item.name not in _FIXED}
)
"""What the machine reports: the registers that only the machine writes, by name."""


class Registers(wiring.Component):
    """AXI4-Lite slave with the registers of :mod:`flightvgm_arch.registers`; answers always, with OKAY.

    One write and one read at a time; a read takes five cycles. Addresses and arguments keep 40 bits, WATCHDOG 64.
    Addresses without a register read zero. Reading the low word of 64 bits latches the high one, which the next read
    of it gives, unless the low word of another one is read before. START stays set until ``started``, with
    AUTO_RESTART for ever; ISR notes an event that IER enables.

    Parameters
    ----------
    digest : int
        CONFIG_DIGEST.

    Members
    -------
    awvalid, awready, awaddr, wvalid, wready, wdata, wstrb, bvalid, bready, bresp :
    arvalid, arready, araddr, rvalid, rready, rdata, rresp :
        AXI4-Lite, 32 bits of data, 12 of address.
    interrupt : Out(1)
    start : Out(1)
        The host wants a start.
    started : In(1)
        A pulse: the start was taken, and arguments may change.
    stopped : In(1)
        A pulse: the machine has stopped.
    idle : In(1)
    reset : Out(1)
        A pulse: the host wants a soft reset.
    entry, ledger : Out(40)
    watchdog : Out(64)
    windows : Out(Windows)
    index : In(4)
        Argument to read; 0 is r16.
    argument : Out(40)
        A cycle after ``index``.
    report : In(Report)
    """

    def __init__(self, *, digest: int) -> None:
        self._digest = digest
        super().__init__(
            {
                "awvalid": In(1),
                "awready": Out(1),
                "awaddr": In(12),
                "wvalid": In(1),
                "wready": Out(1),
                "wdata": In(32),
                "wstrb": In(4),
                "bvalid": Out(1),
                "bready": In(1),
                "bresp": Out(2),
                "arvalid": In(1),
                "arready": Out(1),
                "araddr": In(12),
                "rvalid": Out(1),
                "rready": In(1),
                "rdata": Out(32),
                "rresp": Out(2),
                "interrupt": Out(1),
                "start": Out(1),
                "started": In(1),
                "stopped": In(1),
                "idle": In(1),
                "reset": Out(1),
                "entry": Out(REGISTER_BITS),
                "ledger": Out(REGISTER_BITS),
                "watchdog": Out(64),
                "windows": Out(Windows),
                "index": In(_ARGUMENT_BITS),
                "argument": Out(REGISTER_BITS),
                "report": In(Report),
            }
        )
        plain = [item for item in REGISTER_MAP if item.access == "rw" and item.name not in _SPECIAL]
        groups = [plain[first : first + _BANK] for first in range(0, len(plain), _BANK)]
        self._banks = [Bank(group) for group in groups]
        self._kept = {
            item.name: getattr(bank, item.name.lower())
            for bank, group in zip(self._banks, groups, strict=True)
            for item in group
        }
        self._done, self._auto, self._ready = Signal(), Signal(), Signal(init=1)
        self._isr = Signal(2)
        self._hit, self._word = Signal(), Signal(WORD_BITS, reset_less=True)
        self._data, self._strobe = Signal(32, reset_less=True), Signal(4, reset_less=True)
        self._seen = Signal()  # CONTROL is being read.

    def elaborate(self, _: Any) -> Module:
        """Take writes, answer reads, and keep what the host wrote."""
        m = Module()
        self._write_channel(m)
        self._read_channel(m)
        for number, bank in enumerate(self._banks):
            add_with_own_reset(m, f"bank_{number}", bank)
            m.d.comb += [
                bank.hit.eq(self._hit),
                bank.word.eq(self._word),
                bank.data.eq(self._data),
                bank.strobe.eq(self._strobe),
            ]
        self._control(m)
        kept = self._kept
        m.d.comb += [
            self.entry.eq(kept["ENTRY"]),
            self.ledger.eq(kept["LEDGER"]),
            self.watchdog.eq(kept["WATCHDOG"]),
            self.interrupt.eq(kept["GIE"] & self._isr.any()),
        ]
        for number in range(WINDOWS):
            window = self.windows[number]
            m.d.comb += [window[end.lower()].eq(kept[f"WINDOW{number}_{end}"]) for end in ("BASE", "LIMIT")]
        arguments = Cat(kept[f"R{FIRST_ARGUMENT + number}"] for number in range(1 << _ARGUMENT_BITS))
        m.d.sync += self.argument.eq(arguments.word_select(self.index, REGISTER_BITS))
        return m

    def _write_channel(self, m: Module) -> None:
        """Join address and data, which may come in any order; write, then answer."""
        address, held, given = Signal(WORD_BITS, reset_less=True), Signal(), Signal()
        m.d.comb += [self.awready.eq(~held), self.wready.eq(~given)]
        with m.If(self.awvalid & self.awready):
            m.d.sync += [held.eq(1), address.eq(self.awaddr[2:])]
        with m.If(self.wvalid & self.wready):
            m.d.sync += [given.eq(1), self._data.eq(self.wdata), self._strobe.eq(self.wstrb)]
        m.d.sync += [self._hit.eq(held & given & ~self._hit & ~self.bvalid), self._word.eq(address)]
        with m.If(self._hit):
            m.d.sync += self.bvalid.eq(1)
        with m.If(self.bvalid & self.bready):
            m.d.sync += [self.bvalid.eq(0), held.eq(0), given.eq(0)]

    def _hits(self, register: Register) -> Value:
        return self._hit & (self._word == register.offset // 4)

    def _control(self, m: Module) -> None:
        """ap_ctrl_hs, events, and the reset."""
        events = Cat(self.stopped, self.started)
        low = self._strobe[0]
        m.d.sync += self.reset.eq(self._hits(BY_NAME["RESET"]) & low & self._data[0])
        with m.If(self.started):
            m.d.sync += [self.start.eq(self._auto), self._ready.eq(1)]
        with m.If(self._seen):
            m.d.sync += self._done.eq(0)
        with m.If(self.stopped):
            m.d.sync += self._done.eq(1)
        toggled = Mux(self._hits(BY_NAME["ISR"]) & low, self._data[:2], 0)
        m.d.sync += self._isr.eq((self._isr ^ toggled) | (events & self._kept["IER"]))
        with m.If(self._hits(BY_NAME["CONTROL"]) & low):
            m.d.sync += self._auto.eq(self._data[7])
            with m.If(self._data[0] | self._data[7] & self.start):
                m.d.sync += [self.start.eq(1), self._ready.eq(0)]
            with m.Elif(self._auto):
                m.d.sync += [self.start.eq(0), self._ready.eq(1)]

    def _values(self) -> dict[str, Value]:
        """What each register reads."""
        major, minor, patch = VERSION
        values: dict[str, Value] = {
            "CONTROL": Cat(self.start, self._done, self.idle, self._ready, Const(0, 3), self._auto),
            "ISR": self._isr,
            "ID": Const(ID, 32),
            "VERSION": Const(major << 24 | minor << 16 | patch, 32),
            "CONFIG_DIGEST": Const(self._digest, 64),
        }
        return values | self._kept | {name.upper(): self.report[name] for name in Report.members}

    def _read_channel(self, m: Module) -> None:
        """Choose a pair of words in two steps, then one of them."""
        pairs: dict[int, list[Value]] = {}
        wide = set()
        for item in REGISTER_MAP:
            value = self._values().get(item.name)
            if value is not None:
                words = pairs.setdefault(item.offset // _PAIR, [Const(0, 32), Const(0, 32)])
                for word in range(item.bits // 32):
                    words[item.offset // 4 % 2 + word] = _extended(value, 32 * word)
                wide |= {item.offset // _PAIR} if item.bits == 64 else set()
        pair, upper, step = Signal(_PAIR_BITS, reset_less=True), Signal(reset_less=True), Signal(3)
        m.d.comb += self.arready.eq((step == 0) & ~self.rvalid)
        m.d.sync += step.eq(Cat(self.arvalid & self.arready, step[:2]))
        with m.If(self.arvalid & self.arready):
            m.d.sync += [pair.eq(self.araddr[3:]), upper.eq(self.araddr[2])]
        is_wide, chosen = self._choose(m, pairs, wide, pair)
        high, of, latched = Signal(32, reset_less=True), Signal(_PAIR_BITS, reset_less=True), Signal()
        m.d.comb += self._seen.eq(step[0] & ~upper & (pair == BY_NAME["CONTROL"].offset // _PAIR))
        with m.If(step[2]):
            m.d.sync += [self.rvalid.eq(1), self.rdata.eq(Mux(upper, chosen[32:], chosen[:32]))]
            with m.If(is_wide & upper & latched & (of == pair)):
                m.d.sync += [self.rdata.eq(high), latched.eq(0)]
            with m.Elif(is_wide & ~upper):
                m.d.sync += [high.eq(chosen[32:]), of.eq(pair), latched.eq(1)]
        with m.If(self.rvalid & self.rready):
            m.d.sync += self.rvalid.eq(0)

    def _choose(self, m: Module, pairs: dict[int, list[Value]], wide: set[int], pair: Signal) -> Any:
        """The pair of a number, and whether it is one register of 64 bits; chosen again in each cycle, in two."""
        parts: list[Value] = []
        bits = (_BLOCK - 1).bit_length()
        for block in sorted({number // _BLOCK for number in pairs}):
            part = Signal(65, name=f"block_{block}", reset_less=True)
            place = Signal(bits, name=f"place_{block}", reset_less=True, attrs={"keep": "true"})
            numbers = range(block * _BLOCK, (block + 1) * _BLOCK)
            words = Cat(Cat(*pairs.get(number, [Const(0, 64)]), Const(number in wide, 1)) for number in numbers)
            with m.If(self.arvalid & self.arready):
                m.d.sync += place.eq(self.araddr[3 : 3 + bits])
            m.d.sync += part.eq(words.word_select(place, 65))
            mine = Signal(name=f"is_block_{block}", reset_less=True)
            m.d.sync += mine.eq(pair[bits:] == block)
            parts.append(part & mine.replicate(65))
        chosen = Signal(65, reset_less=True)
        m.d.sync += chosen.eq(reduce(or_, parts))
        return chosen[64], chosen[:64]


def _extended(value: Any, low: int) -> Value:
    """32 bits of a value from ``low`` on, with zeros above its end."""
    bits = Value.cast(value)[low : low + 32]
    return Cat(bits, Const(0, 32 - len(bits)))
