"""What the bytes of a file say it is, whether it is whole, and how its EXIF tag wants it turned; nothing is decoded.

A decoder fills what is missing with grey, or stops without a reason. So the parts of a JPEG, PNG or WebP are walked
through here up to their end. What lies behind that end (the film of a phone's "motion photo", padding) does not count.
"""

import io
import re

import PIL.Image

READ = ("JPEG", "PNG", "BMP", "TIFF", "WEBP")
READ_NAMES = "PNG, JPEG, TIFF, BMP or WebP"
ORIENTATION_TAG = 274  # EXIF 2.3, 4.6.4; TIFF 6.0 has the same

_STARTS = {
    "JPEG": (b"\xff\xd8\xff",),
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "BMP": (b"BM",),
    "TIFF": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "a GIF": (b"GIF8",),
    "a PDF": (b"%PDF",),
    "a JPEG 2000 file": (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"),
    "a JPEG XL file": (b"\xff\x0a", b"\0\0\0\x0cJXL "),
    "a Photoshop file": (b"8BPS",),
    "an OpenEXR file": (b"\x76\x2f\x31\x01",),
    "a NumPy file": (b"\x93NUMPY",),
    "a FITS file": (b"SIMPLE  =",),
    "a ZIP archive": (b"PK\3\4",),
    "a NetPBM file": tuple(b"P%d%c" % (kind, space) for kind in range(1, 8) for space in b" \n\r\t"),
    "a Git LFS pointer instead of the picture (git lfs pull)": (b"version https://git-lfs",),
    "the resource fork of another file (AppleDouble)": (b"\0\5\x16\7",),
}
_FTYP = dict.fromkeys((b"heic", b"heix", b"hevc", b"mif1", b"msf1"), "a HEIC file")
_FTYP |= dict.fromkeys((b"avif", b"avis"), "an AVIF file")

_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")  # ends the coded pixels of a JPEG; 0 and RST (D0 to D7) do not
_START_OF_SCAN, _END_OF_IMAGE, _WITHOUT_LENGTH = 0xDA, 0xD9, (0x01, 0xD8)


def format_of(data: bytes) -> str | None:
    """Return the format that a file's first bytes name: one of `READ`, words for another one, or None if unknown."""
    for name, starts in _STARTS.items():
        if data.startswith(starts):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        return _FTYP.get(data[8:12], "a film or another MP4 file")
    if data[128:132] == b"DICM":
        return "a DICOM file"
    if data[:256].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return "a text (HTML, SVG or XML)"
    return None


def is_whole(data: bytes) -> bool:
    """Return whether a JPEG, PNG or WebP goes on to its end; for another format True, its decoder has to say."""
    name = format_of(data)
    if name == "JPEG":
        return _whole_jpeg(data)
    if name == "PNG":
        return b"IEND" in _png_chunks(data)
    if name == "WEBP":
        return len(data) >= 8 + int.from_bytes(data[4:8], "little")
    return True


def is_lossy(data: bytes, header: PIL.Image.Image) -> bool:
    """Return whether the format changes grey values (JPEG, also in TIFF, and WebP but for its lossless kind)."""
    name = format_of(data)
    if name == "WEBP":
        return b"VP8L" not in data[12:64]
    return name == "JPEG" or header.info.get("compression") == "jpeg"


def orientation_of(data: bytes, header: PIL.Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8; 1, as stored, where there is none or a number of no meaning.

    The EXIF part of a PNG is looked up here because the header's own way would decode the pixels for it.
    """
    try:
        if format_of(data) == "PNG":
            exif = PIL.Image.Exif()
            exif.load(_png_chunks(data).get(b"eXIf", b""))
        else:
            exif = header.getexif()
        orientation = exif.get(ORIENTATION_TAG, 1)
    except Exception:  # hostile bytes make it raise nearly anything; no viewer turns such a picture either
        return 1
    return orientation if orientation in range(1, 9) else 1


def trouble_of(header: PIL.Image.Image) -> str | None:
    """Return why a picture with this header has no one right reading, or None.

    Several pages or frames: unless they are the smaller copies or transparency masks that a TIFF says they are. Numbers
    other than whole ones of up to 16 bits: nothing says which of them is black and which is white.
    """
    if header.format == "TIFF":
        tags = header.tag_v2  # type: ignore[attr-defined]
        bits, kinds = tags.get(258, (1,)), tags.get(339, (1,))
        if 3 in kinds:
            return "has floating-point pixels, of which nothing says what is black and what white"
        if 2 in kinds or max(bits) > 16:
            return f"has pixels of {max(bits)} bits{' with a sign' if 2 in kinds else ''}"
    if header.format in ("TIFF", "PNG", "WEBP"):
        frames = getattr(header, "n_frames", 1)
        pictures = [number for number in range(frames) if _is_picture(header, number)]
        if pictures != [0]:
            return f"holds {frames} pictures (pages or frames), of which nothing says which is meant"
    return None


def _is_picture(header: PIL.Image.Image, number: int) -> bool:
    """Return whether a page is no TIFF's smaller copy or mask of another one (NewSubfileType, tag 254)."""
    if header.format != "TIFF":
        return True
    try:
        header.seek(number)
        return not int(header.tag_v2.get(254, 0)) & 0b101  # type: ignore[attr-defined]
    finally:
        header.seek(0)


def _whole_jpeg(data: bytes) -> bool:
    """Walk through the segments: a preview inside one has marks of its own, and so may what follows the end."""
    at, scanned = 2, False
    while found := _MARKER.search(data, at):
        code, at = found[1][0], found.end()
        if code == _END_OF_IMAGE:
            return scanned
        if code not in _WITHOUT_LENGTH:
            scanned |= code == _START_OF_SCAN
            at += int.from_bytes(data[at : at + 2], "big")
    return False


def _png_chunks(data: bytes) -> dict[bytes, bytes]:
    """Return the complete chunks up to IEND by their names, the pixels (IDAT) left out."""
    chunks: dict[bytes, bytes] = {}
    at = 8
    while at + 12 <= len(data) and b"IEND" not in chunks:
        length, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if at + 12 + length > len(data):
            break
        if name != b"IDAT":
            chunks[name] = data[at + 8 : at + 8 + length]
        at += 12 + length
    return chunks


def open_header(data: bytes) -> PIL.Image.Image:
    """Open a picture without decoding it.

    Raises:
        Exception: of nearly any kind, where the bytes are not those of a picture in one of the formats `READ`.
    """
    return PIL.Image.open(io.BytesIO(data), formats=READ)
