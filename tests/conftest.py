"""How the tests are spread over processes, and how much hypothesis tries."""

import signal

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadGroupScheduling

settings.register_profile(
    "fuzz",
    max_examples=1000,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)

# What runs in the background, or under nohup, inherits that they are ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

REAL = "tests/integration/test_real_"
IMAGES = "tests/integration/test_images.py"
HOW_TO = "tests/integration/test_how_to_"


class _Scheduling(LoadGroupScheduling):
    """One process runs all tests on real packages: they share what is slow to make.

    One runs all those of images, which are mounted at one place of the machine, and one those of
    how-tos, which share a small environment.

    pytest-xdist 3.8 finds the mark `xdist_group` in an attribute that pytest 9.2 does not have any
    more, so the name of the file tells as well.
    """

    def _split_scope(self, nodeid: str) -> str:
        for group in (REAL, IMAGES, HOW_TO):
            if nodeid.startswith(group):
                return group
        return super()._split_scope(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadGroupScheduling | None:
    """The scheduler of `--dist loadgroup`."""
    return _Scheduling(config, log) if config.getvalue("dist") == "loadgroup" else None
