import io

from flightvgm.cli.progress import Progress, duration
from flightvgm.cli.table import amount, share, table


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_sees_a_bar_and_then_nothing():
    stream = Terminal()
    with Progress("work", stream) as progress:
        progress(0, 4)
        progress(4, 4)
    assert "work [" in stream.getvalue()
    assert "100%" in stream.getvalue()
    assert stream.getvalue().endswith("\r\x1b[K")


def test_a_file_sees_nothing():
    stream = io.StringIO()
    with Progress("work", stream) as progress:
        progress(1, 2, "other")
    assert stream.getvalue() == ""


def test_a_new_label_starts_anew():
    stream = Terminal()
    with Progress("work", stream) as progress:
        progress(1, 1)
        progress(0, 3, "more")
    assert "more [" in stream.getvalue()


def test_words_for_numbers():
    assert duration(75.4) == "1:15"
    assert amount(1234567) == "1.23 M"
    assert amount(12) == "12"
    assert share(1, 4) == "25.0%"
    assert share(1, 0) == "-"


def test_tables_align():
    assert table(("a", "bb"), [("ccc", "d")]).splitlines() == ["a    bb", "---  --", "ccc   d"]
