"""Results as they leave the drain, packed and played to every row and segment."""

from harness.drive import PARAMETERS

ROWS, COLUMNS, SEGMENTS = (PARAMETERS[name] for name in ("rows", "columns", "segments"))
WIDTH = COLUMNS // SEGMENTS
MM8, MM16, SCORE, PV = range(4)
_TAG = {
    "kind": 2, "gelu": 1, "low": 7, "high": 7, "rows": 7, "out": 24, "pitch": 21, "column": 13, "slot": 2, "last": 1,
}  # fmt: skip
_DRAINED = {
    "valid": 1, "data": 32, "column": 6, "first": 1, "last": 1, "row_scale": 32, "column_scale": 32, "bias": 32,
}  # fmt: skip


def pack(layout, **values):
    total, position = 0, 0
    for name, bits in layout.items():
        value = int(values.pop(name, 0))
        assert 0 <= value < 1 << bits, name
        total |= value << position
        position += bits
    assert not values
    return total


def tile(begin, values, *, row_scales=None, column_scales=None, biases=None, low=0, **tag):
    """Results of a tile, ``[rows, columns]`` of FP32 bits, whose first one leaves at cycle ``begin``.

    Gives (cycle, port, value): row r comes r cycles later, column c of the array c cycles.
    """
    rows, count = values.shape
    high = low + count
    for row in range(rows):
        for number in range(count):
            column = low + number
            fields = {
                "valid": 1,
                "data": values[row, number],
                "column": column,
                "first": number == 0,
                "last": number == count - 1,
                "row_scale": 0 if row_scales is None else row_scales[row],
                "column_scale": 0 if column_scales is None else column_scales[number],
                "bias": 0 if biases is None else biases[number],
            }
            ours = dict(tag)
            if "out" in ours:
                ours["out"] += row * ours.get("pitch", 0)
            word = pack(_DRAINED, **fields) | pack(_TAG, low=low, high=high, rows=rows, **ours) << sum(
                _DRAINED.values()
            )
            yield begin + row + column, f"i__{row}__{column // WIDTH}", word


class Player:
    """Plays values to ports at their cycles; a port without one is zero."""

    def __init__(self, dut):
        self._dut = dut
        self._due = {}
        self._set = []
        self.cycle = 0

    def add(self, items):
        for cycle, port, value in items:
            assert cycle >= self.cycle
            self._due.setdefault(cycle, []).append((port, value))

    def play(self):
        """Set what is due in this cycle; called once a cycle."""
        for port in self._set:
            getattr(self._dut, port).value = 0
        now = self._due.pop(self.cycle, [])
        for port, value in now:
            getattr(self._dut, port).value = value
        self._set = [port for port, _ in now]
        self.cycle += 1
