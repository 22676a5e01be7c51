"""Plan which members go into which frame; a pure computation.

A frame depends on its package and the options alone. So it can be compressed beside all others,
kept in a cache by its content, and fetched alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from lading.format import BLOCK_BYTES
from lading.package import Payload, PayloadFile

FRAME_INPUT_BYTES = 32 << 20
"""Input after which a package continues in another frame, so that one of 200 MB does not hold up
the rest: smaller frames cost compression, larger ones leave a core idle at the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FramePlan:
    """The plan of one frame.

    Attributes:
        payload: Whose members it holds.
        members: In the order of the archive; never empty.
        part: Number of the frame among those of its package, from 0.
    """

    payload: Payload
    members: tuple[PayloadFile, ...]
    part: int


def plan_frames(
    payloads: Iterable[Payload], input_bytes: int = FRAME_INPUT_BYTES
) -> tuple[FramePlan, ...]:
    """Plan the frames of `payloads`, in the order of the archive.

    A package without members has no frame. A frame ends before the member that would take it
    beyond `input_bytes`; a larger file has a frame of its own.
    """
    return tuple(frame for payload in payloads for frame in _plan_payload(payload, input_bytes))


def _plan_payload(payload: Payload, input_bytes: int) -> Iterable[FramePlan]:
    members: list[PayloadFile] = []
    filled = part = 0
    for item in payload.files:
        size = BLOCK_BYTES + (item.size or 0)
        if members and filled + size > input_bytes:
            yield FramePlan(payload=payload, members=tuple(members), part=part)
            members, filled, part = [], 0, part + 1
        members.append(item)
        filled += size
    if members:
        yield FramePlan(payload=payload, members=tuple(members), part=part)
