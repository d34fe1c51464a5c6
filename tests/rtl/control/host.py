"""A host at the control port."""

import random

from cocotb.triggers import RisingEdge

from flightvgm_arch.registers import BY_NAME


class Host:
    """Reads and writes registers by name, with random pauses."""

    def __init__(self, dut, *, prefix="", stalls=0.3):
        self.dut, self.prefix, self.stalls = dut, prefix, stalls

    def _signal(self, name):
        return getattr(self.dut, self.prefix + name)

    async def _pause(self):
        while random.random() < self.stalls:
            await RisingEdge(self.dut.clk)

    async def _send(self, valid, ready):
        self._signal(valid).value = 1
        while True:
            await RisingEdge(self.dut.clk)
            if int(self._signal(ready).value):
                break
        self._signal(valid).value = 0

    async def write_word(self, address, value, strobe=15):
        self._signal("awaddr").value = address
        self._signal("wdata").value, self._signal("wstrb").value = value, strobe
        channels = [("awvalid", "awready"), ("wvalid", "wready")]
        random.shuffle(channels)
        for valid, ready in channels:
            await self._pause()
            await self._send(valid, ready)
        await self._pause()
        await self._take("bvalid", "bready")
        assert int(self._signal("bresp").value) == 0

    async def read_word(self, address):
        await self._pause()
        self._signal("araddr").value = address
        await self._send("arvalid", "arready")
        await self._pause()
        await self._take("rvalid", "rready")
        assert int(self._signal("rresp").value) == 0
        return self.data

    async def _take(self, valid, ready):
        self._signal(ready).value = 1
        while True:
            await RisingEdge(self.dut.clk)
            if int(self._signal(valid).value):
                break
        self.data = int(self._signal("rdata").value)
        self._signal(ready).value = 0

    async def write(self, name, value):
        register = BY_NAME[name]
        for word in range(register.bits // 32):
            await self.write_word(register.offset + 4 * word, value >> 32 * word & 0xFFFFFFFF)

    async def read(self, name):
        register = BY_NAME[name]
        words = [await self.read_word(register.offset + 4 * word) for word in range(register.bits // 32)]
        return sum(word << 32 * place for place, word in enumerate(words))
