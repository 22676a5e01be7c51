"""Log lines on the terminal: lading's own, redacted. Those of libraries are not printed.

Libraries log what they send and retry, with tokens and passwords in it (urllib3 does so at the
level of warnings), and each in words of its own. What a user must know of it is in our errors.
"""

import logging
import sys
import threading
import traceback
from typing import TextIO

from lading.report import printable


class _Formatter(logging.Formatter):
    """Formats a record, its traceback included, without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


def configure_logging(stream: TextIO, *, verbose: bool) -> None:
    """Send lading's log records to `stream`, and those of everything else nowhere."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Formatter("%(levelname)s %(name)s: %(message)s"))
    ours = logging.getLogger("lading")
    ours.handlers = [handler]
    ours.setLevel(logging.DEBUG if verbose else logging.WARNING)
    ours.propagate = False
    # Without any handler, Python prints warnings of libraries by itself.
    logging.getLogger().addHandler(logging.NullHandler())
    logging.captureWarnings(capture=True)
    threading.excepthook = _print_thread_error


def _print_thread_error(failed: threading.ExceptHookArgs) -> None:
    lines = traceback.format_exception(failed.exc_type, failed.exc_value, failed.exc_traceback)
    sys.stderr.write(printable("".join(lines)))
