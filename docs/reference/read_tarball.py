"""Read a tarball of lading without lading: list it, verify it, extract it.

    python read_tarball.py list    env.tar.zst
    python read_tarball.py verify  env.tar.zst
    python read_tarball.py extract env.tar.zst DIRECTORY

It follows the page "Tarball format" and needs the standard library alone (before Python 3.14 also
the package `backports.zstd`, for `.tar.zst`). Extracted files are as shipped: run
`DIRECTORY/bin/conda-unpack` to make them work where they lie.
"""

import hashlib
import io
import json
import struct
import sys
import tarfile
import zlib
from pathlib import Path

try:
    from compression import zstd
except ImportError:
    from backports import zstd

BLOCK, FRAME_BYTES = 512, 8 << 20
BILL = "conda-meta/lading/manifest.json"


def check(is_right, what):
    """Refuse the tarball unless something holds."""
    if not is_right:
        raise SystemExit(what)


def decompress(data, kind):
    """The content of one frame."""
    if kind == "zst":
        return zstd.decompress(data)
    return zlib.decompress(data, 31) if kind == "gz" else data


def find_bill(data):
    """Which kind of tarball it is, and where the frame of the bill begins and ends."""
    if data[-4:] == struct.pack("<I", 0x8F92EAB1):
        count = struct.unpack("<I", data[-9:-5])[0]
        table = len(data) - 9 - 8 * count
        sizes = [size for size, _ in struct.iter_unpack("<II", data[table:-9])]
        stop = table - 8 - sizes[-1]
        kind, start, checksum = "zst", stop - sizes[-2], data[stop + 8 : stop + 12]
    elif data[-38:-36] == b"\x1f\x8b" and data[-26:-24] == b"LB":
        start, checksum = struct.unpack("<Q4s", data[-22:-10])
        kind, stop = "gz", len(data) - 38
    else:
        return "tar", data.rindex(BILL.encode() + b"\0") - 2 * BLOCK, len(data)
    check(struct.pack("<I", zlib.crc32(data[start:stop])) == checksum, "the bill is damaged")
    return kind, start, stop


def header(path, kind, mode, size, mtime, target="", comment=""):
    """The header blocks of a member, as lading writes them."""
    info = tarfile.TarInfo(path + "/" if kind == "directory" else path)
    info.type = {"file": b"0", "link": b"2", "directory": b"5"}[kind]
    info.mode = {"link": 0o777, "directory": 0o755}.get(kind, int(mode, 8))
    info.size, info.mtime, info.linkname = size, mtime, target
    info.pax_headers = {"comment": comment} if comment else {}
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")


def read_bill(data):
    """The bill, with the kind of the tarball."""
    kind, start, stop = find_bill(data)
    content = decompress(data[start:stop], kind)
    document = content[3 * BLOCK :].rstrip(b"\0")
    bill = json.loads(document)
    check((bill["format"], bill["version"]) == ("lading-pack-manifest", 2), "another format")
    comment = "sha256:" + hashlib.sha256(document).hexdigest()
    expected = header(BILL, "file", "0644", len(document), bill["mtime"], comment=comment)
    check(
        content == expected + document + bytes(-len(document) % BLOCK + 2 * BLOCK),
        "the bill is damaged",
    )
    return kind, bill, document


def read_list(data, kind, package):
    """The file list of a package, and its document."""
    place = package["list"]
    frame = data[place["offset"] : place["offset"] + place["length"]]
    check(hashlib.sha256(frame).hexdigest() == place["frame_sha256"], "a list is damaged")
    content = decompress(frame, kind)
    start = len(content) - place["size"] - -place["size"] % BLOCK
    document = content[start : start + place["size"]]
    check(hashlib.sha256(document).hexdigest() == place["sha256"], "a list is damaged")
    return json.loads(document), document


def members(data, kind, package, listed):
    """Each member of a package with its content; everything between the contents is compared."""
    stream = io.BytesIO()
    for frame in package["frames"]:
        piece = data[frame["offset"] : frame["offset"] + frame["length"]]
        check(hashlib.sha256(piece).hexdigest() == frame["sha256"], "a frame is damaged")
        content = decompress(piece, kind)
        check(len(content) == frame["size"] <= FRAME_BYTES, "a frame has another size")
        stream.write(content)
    stream.seek(0)
    for item in listed["files"]:
        size, target = item.get("size", 0), item.get("target", "")
        expected = header(item["path"], item["type"], item["mode"], size, listed["mtime"], target)
        check(stream.read(len(expected)) == expected, item["path"] + " has another header")
        content = stream.read(size)
        digest = hashlib.sha256(content).hexdigest() if item["type"] == "file" else ""
        check(digest == item.get("sha256", ""), item["path"] + " has another content")
        check(stream.read(-size % BLOCK) == bytes(-size % BLOCK), "padding is not empty")
        yield item, content
    check(not stream.read(), "a package holds more than its list says")


def write(directory, item, content):
    """Put a member below `directory`; its list must have passed lading's own checks."""
    check(not {"", ".", ".."} & set(item["path"].split("/")), "an unsafe path")
    path = Path(directory, item["path"])
    (path if item["type"] == "directory" else path.parent).mkdir(parents=True, exist_ok=True)
    if item["type"] == "link":
        path.symlink_to(item["target"])
    elif item["type"] == "file":
        path.write_bytes(content)
        path.chmod(int(item["mode"], 8))


def main(verb, path, directory=None):
    """List, verify or extract; verifying is what reading to the end does."""
    data = Path(path).read_bytes()
    kind, bill, document = read_bill(data)
    records = {BILL: document}
    for package in bill["packages"]:
        name = "/".join(filter(None, (package["manager"], package["name"])))
        listed, records[f"conda-meta/lading/files/{name}.json"] = read_list(data, kind, package)
        for item, content in members(data, kind, package, listed):
            if verb == "list":
                print(item["mode"], item.get("size", 0), item["path"])
            elif verb == "extract":
                write(directory, item, content)
    for path, content in records.items() if verb == "extract" else ():
        write(directory, {"path": path, "type": "file", "mode": "0644"}, content)


if __name__ == "__main__":
    main(*sys.argv[1:])
