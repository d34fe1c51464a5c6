"""A DSP58 in plain integers, written from its description: what enters at an edge, what stands at the outputs."""

P_BITS = 58
WIDTHS = {
    "a": 34, "b": 24, "c": 58, "d": 27, "acin": 34, "bcin": 24, "pcin": 58,
    "opmode": 9, "alumode": 4, "inmode": 5, "negate": 3,
}  # fmt: skip


def wrap(value, bits):
    """Two's complement of ``bits`` bits."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> bits - 1 else value


class Register:
    """A register that may be absent."""

    def __init__(self, present, enable, reset):
        self.present, self.enable, self.reset, self.value = present, enable, reset, 0

    def read(self, entering):
        return self.value if self.present else entering

    def clock(self, entering, inputs):
        if inputs[self.reset]:
            self.value = 0
        elif inputs[self.enable]:
            self.value = entering


class Model:
    """State of one primitive; ``settings`` are its attributes."""

    def __init__(self, settings):
        self.settings = settings
        depth_a, depth_b = settings["areg"], settings["breg"]
        self.registers = {
            "a1": Register(depth_a == 2, "cea1", "rsta"),
            "a2": Register(depth_a > 0, "cea2", "rsta"),
            "b1": Register(depth_b == 2, "ceb1", "rstb"),
            "b2": Register(depth_b > 0, "ceb2", "rstb"),
            "c": Register(settings["creg"], "cec", "rstc"),
            "d": Register(settings["dreg"], "ced", "rstd"),
            "ad": Register(settings["adreg"], "cead", "rstd"),
            "m": Register(settings["mreg"], "cem", "rstm"),
            "p": Register(settings["preg"], "cep", "rstp"),
            "opmode": Register(settings["opmodereg"], "cectrl", "rstctrl"),
            "alumode": Register(settings["alumodereg"], "cealumode", "rstalumode"),
            "inmode": Register(settings["inmodereg"], "ceinmode", "rstinmode"),
            "negate": Register(settings["inmodereg"], "ceinmode", "rstinmode"),
        }

    def evaluate(self, inputs):
        """Values that enter the registers, and that stand behind them."""
        entering, behind = {}, {}

        def through(name, value):
            entering[name] = value
            behind[name] = self.registers[name].read(value)
            return behind[name]

        settings = self.settings
        for port in ("a", "b"):
            source = inputs[port + "cin"] if settings[port + "_input"] == "CASCADE" else inputs[port]
            through(port + "2", through(port + "1", source))
        for name in ("c", "d", "opmode", "alumode", "inmode", "negate"):
            through(name, inputs[name])
        inmode = behind["inmode"]
        a = wrap(behind["a1"] if inmode & 1 else behind["a2"], 27)
        b = wrap(behind["b1"] if inmode & 16 else behind["b2"], 24)
        if inmode & 2:
            a, b = (0, b) if settings["preaddinsel"] == "A" else (a, 0)
        added = a if settings["preaddinsel"] == "A" else b
        d = wrap(behind["d"], 27) if inmode & 4 else 0
        ad = wrap(through("ad", wrap(d - added if inmode & 8 else d + added, 27)), 27)
        left = ad if settings["amultsel"] == "AD" else a
        right = wrap(ad, 24) if settings["bmultsel"] == "AD" else b
        product = 0 if settings["use_mult"] == "NONE" else self.multiply(left, right, behind["negate"])
        m = through("m", product)
        through("p", self.add(inputs, behind, m) & (1 << P_BITS) - 1)
        return entering, behind

    def multiply(self, left, right, negate):
        if self.settings["dsp_mode"] == "INT24":
            return -left * right if negate & 1 else left * right
        total = 0
        for lane in range(3):
            part = wrap(left >> 9 * lane, 9) * wrap(right >> 8 * lane, 8)
            total += -part if negate >> lane & 1 else part
        return total

    def add(self, inputs, behind, m):
        opmode, p = behind["opmode"], self.registers["p"].value
        joined = behind["a2"] << 24 | behind["b2"]
        c, ones = behind["c"], (1 << P_BITS) - 1
        x = (0, m, p, joined)[opmode & 3]
        y = (0, 0, ones, c)[opmode >> 2 & 3]
        pcin, signed_p = wrap(inputs["pcin"], P_BITS), wrap(p, P_BITS)
        z = (0, pcin, p, c, p, pcin >> 23, signed_p >> 23)[opmode >> 4 & 7]
        w = (0, p, self.settings["rnd"], c)[opmode >> 7]
        total = w + x + y
        return {0: z + total, 1: -z - 1 + total, 2: -(z + total) - 1, 3: z - total}[behind["alumode"] & 3]

    def outputs(self, inputs):
        """P, PCOUT, ACOUT and BCOUT before the next edge."""
        _, behind = self.evaluate(inputs)
        cascades = {}
        for port in ("a", "b"):
            first = self.settings[port + "reg"] == 2 and self.settings[port + "cascreg"] == 1
            cascades[port + "cout"] = behind[port + ("1" if first else "2")]
        return {"p": behind["p"], "pcout": behind["p"], **cascades}

    def clock(self, inputs):
        """Pass an edge."""
        entering, _ = self.evaluate(inputs)
        for name, register in self.registers.items():
            register.clock(entering[name], inputs)
