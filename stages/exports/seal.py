"""The end of an exported file: metadata, and a seal that tells when a byte was lost or changed. Standard library only.

An ONNX file is a protobuf message; entries of its field 14, `metadata_props`, may stand at its end. So the file is

    graph | entry "defectlens": metadata as JSON | entry "defectlens_sha256": 64 hexadecimal digits

and the digits are the SHA-256 of everything before the last entry, whose length is fixed. Whoever has the file checks
it without any library that reads ONNX, and before one that does opens it.
"""

import hashlib
from pathlib import Path

from stages.runtime.errors import InputError

METADATA_KEY, SEAL_KEY = "defectlens", "defectlens_sha256"
DIGITS = 64
_ENTRY, _KEY, _VALUE = b"\x72", b"\x0a", b"\x12"  # protobuf: field number * 8 + 2 (bytes of a length), for 14, 1 and 2


def sealed(graph: bytes, metadata: str) -> bytes:
    """Return the content of a file: a serialised ONNX graph without metadata, the metadata and the seal."""
    content = graph + metadata_entry(METADATA_KEY, metadata)
    return content + metadata_entry(SEAL_KEY, hashlib.sha256(content).hexdigest())


def metadata_entry(key: str, value: str) -> bytes:
    """Return one entry of `ModelProto.metadata_props` as protobuf writes it.

    >>> metadata_entry("a", "bc").hex(" ")
    '72 07 0a 01 61 12 02 62 63'
    """
    inner = b"".join(tag + _varint(len(text)) + text for tag, text in ((_KEY, key.encode()), (_VALUE, value.encode())))
    return _ENTRY + _varint(len(inner)) + inner


def check_seal(file: Path) -> None:
    """Pass if a file is complete and unchanged since it was exported.

    Raises:
        InputError: it cannot be read, was not written by stage export or lost its end, or a byte of it was changed.
    """
    empty = metadata_entry(SEAL_KEY, "0" * DIGITS)
    prefix = empty[:-DIGITS]
    try:
        with file.open("rb") as opened:
            start = opened.seek(0, 2) - len(empty)
            opened.seek(max(0, start))
            seal = opened.read()
            opened.seek(0)
            digest, left = hashlib.sha256(), max(0, start)
            while left and (piece := opened.read(min(left, 1 << 20))):
                digest.update(piece)
                left -= len(piece)
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error})") from None
    if start < 0 or not seal.startswith(prefix):
        raise InputError(f"{file}: no file of stage export, or its end is missing; export or copy it again")
    if seal[len(prefix) :] != digest.hexdigest().encode():
        raise InputError(f"{file}: was changed after it was exported (SHA-256 differs); export or copy it again")


def _varint(number: int) -> bytes:
    """Return protobuf's form of a whole number: seven bits a byte, lowest first, the eighth says that more follow."""
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])
