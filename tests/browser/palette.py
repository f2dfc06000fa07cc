"""Makes the PNG of a screenshot smaller: a palette of 256 colours in place of three bytes a pixel.

A page has few colours and many shades at the edges of its letters; each shade is given to the nearest of the most
frequent colours, which are not visible.
"""

import struct
import zlib
from collections import Counter
from collections.abc import Iterator

COLOURS_MAX = 256
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_RGB, _RGBA, _PALETTE = 2, 6, 3


def compress_png(png: bytes) -> bytes:
    """The same picture with a palette.

    Args:
        png: eight bits a channel, RGB or RGBA, not interlaced, as a browser takes it.
    """
    chunks = list(_iterate_chunks(png))
    width, height, depth, kind, _, _, interlaced = struct.unpack(">IIBBBBB", dict(chunks)[b"IHDR"])
    assert (depth, interlaced) == (8, 0)
    assert kind in (_RGB, _RGBA)
    channels = 3 if kind == _RGB else 4
    data = zlib.decompress(b"".join(body for name, body in chunks if name == b"IDAT"))
    rows = list(_decode_rows(data, width, height, channels))
    colours = Counter(pixel for row in rows for pixel in row)
    palette = [colour for colour, _ in colours.most_common(COLOURS_MAX)]
    place = {colour: index for index, colour in enumerate(palette)}
    for colour in colours.keys() - place.keys():
        place[colour] = min(range(len(palette)), key=lambda index: _measure_distance(palette[index], colour))
    lines = b"".join(b"\0" + bytes(place[pixel] for pixel in row) for row in rows)
    return _SIGNATURE + b"".join(
        _encode_chunk(name, body)
        for name, body in (
            (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, _PALETTE, 0, 0, 0)),
            (b"PLTE", b"".join(palette)),
            (b"IDAT", zlib.compress(lines, 9)),
            (b"IEND", b""),
        )
    )


def _iterate_chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = len(_SIGNATURE)
    while position < len(png):
        length, name = struct.unpack_from(">I4s", png, position)
        yield name, png[position + 8 : position + 8 + length]
        position += length + 12


def _decode_rows(data: bytes, width: int, height: int, channels: int) -> Iterator[list[bytes]]:
    """Each row's pixels as three bytes each, its filter undone."""
    stride = width * channels
    before = bytes(stride)
    for number in range(height):
        start = number * (stride + 1)
        before = _reverse_filter(data[start], data[start + 1 : start + 1 + stride], before, channels)
        yield [before[at : at + 3] for at in range(0, stride, channels)]


def _reverse_filter(kind: int, line: bytes, above: bytes, channels: int) -> bytes:
    """What the PNG specification (section 9) calls reconstruction."""
    row = bytearray(line)
    match kind:
        case 1:
            for at in range(channels, len(row)):
                row[at] = (row[at] + row[at - channels]) & 0xFF
        case 2:
            for at, up in enumerate(above):
                row[at] = (row[at] + up) & 0xFF
        case 3:
            for at, up in enumerate(above):
                left = row[at - channels] if at >= channels else 0
                row[at] = (row[at] + (left + up) // 2) & 0xFF
        case 4:
            for at, up in enumerate(above):
                left, corner = (row[at - channels], above[at - channels]) if at >= channels else (0, 0)
                row[at] = (row[at] + _predict_paeth(left, up, corner)) & 0xFF
    return bytes(row)


def _predict_paeth(left: int, up: int, corner: int) -> int:
    guess = left + up - corner
    return min((left, up, corner), key=lambda each: abs(guess - each))


def _measure_distance(one: bytes, other: bytes) -> int:
    return sum((first - second) ** 2 for first, second in zip(one, other, strict=True))


def _encode_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
