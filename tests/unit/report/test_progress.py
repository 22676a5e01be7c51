"""Progress on a terminal."""

import io

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
