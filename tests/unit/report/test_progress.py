"""Progress on a terminal."""

import io

from lading.report.phases import phase_lines
from lading.report.progress import progress_bar


class Terminal(io.StringIO):
    """A terminal that remembers."""

    def isatty(self) -> bool:
        """It is one."""
        return True


def test_each_kind_of_work_has_a_bar() -> None:
    """What is being done is named."""
    stream = Terminal()
    with progress_bar(stream) as told:
        told("fetch", 1, 2)
        told("pack", 0, 5)
        told("fetch", 2, 2)
    assert (True, True) == ("fetch" in stream.getvalue(), "pack" in stream.getvalue())


def test_how_much_it_is_may_turn_out_later() -> None:
    """Until then the bar has no end; where nothing is told, nothing is drawn."""
    stream = Terminal()
    with progress_bar(stream):
        pass
    assert stream.getvalue() == ""
    with progress_bar(stream) as told:
        told("copy", 3, 0)
        told("copy", 4, 4)
    assert "copy" in stream.getvalue()


def test_a_line_a_phase() -> None:
    """A phase is told when it is done: how much it was, and how long since the one before it."""
    stream, times = io.StringIO(), iter((0.0, 1.0, 3.5, 4.0, 6.0, 7.5))
    sizes = {"unpack": "17,638 files, 740 MB"}
    told = phase_lines(stream, sizes, lambda: next(times))
    told("copy", 0, 0)
    told("copy", 7, 0)
    told("copy", 9, 9)
    told("unpack", 1, 2)
    told("unpack", 2, 2)
    told("linux-64", 0, 3)
    told("linux-64", 2, 3)
    told("linux-64", 3, 3)
    assert stream.getvalue().splitlines() == [
        "copy       9 MB  2.5 s",
        "unpack     17,638 files, 740 MB  0.5 s",
        "solve      linux-64  1.5 s",
    ]
