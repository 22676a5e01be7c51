"""What a quota leaves: tables of the programs that know it, and several quotas together."""

from pathlib import Path

import pytest

from lading.node.quota import Quota, kernel_quota, least, parse_quota, program_quota

NFS = """Disk quotas for user me (uid 1000):
     Filesystem  blocks   quota   limit   grace   files   quota   limit   grace
server:/home       1000*    900    2000 1700000      50       0     100       0
"""
LUSTRE = "     /lustre/of/a/site\n       2048       0    4096       -     7*    0    7    -\n"


@pytest.mark.parametrize(
    ("text", "quota"),
    [
        (NFS, Quota(space=1000 * 1024, files=50)),
        (LUSTRE, Quota(space=2048 * 1024, files=0)),
        ("server:/home 5 0 0 0 5 0 0 0", None),
        ("server:/home 5 4 0 0 5 9 0 0", Quota(space=0, files=4)),
        ("Disk quotas for user me (uid 1000): none", None),
        ("", None),
    ],
)
def test_tables(text: str, quota: Quota | None) -> None:
    """Blocks are of 1024 bytes; the hard limit counts, and the soft one where there is no other."""
    assert quota == parse_quota(text)


def test_several() -> None:
    """The tightest counts; what limits nothing is none."""
    user, group = Quota(space=5, files=None), Quota(space=9, files=3)
    assert (Quota(space=5, files=3), None) == (least([user, group]), least([]))
    assert least([Quota(space=None, files=None)]) is None


def test_where_there_is_none(tmp_path: Path) -> None:
    """Nothing is said, and no program is run for a local file system."""
    assert (None, None) == (kernel_quota(tmp_path), program_quota(tmp_path, {"PATH": "/nowhere"}))
