"""Whether a packet of FFV1 is as it was written; FFmpeg conceals damage in it without a word."""

import zlib

TRAILER_BYTES = 8  # after each slice: 3 of its size, 1 of its state, 4 of checksum (RFC 9043, 4.9)
SIZE_BYTES = 3

# The checksum runs over the bits from the highest down, zlib's from the lowest up.
REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def checksums_hold(packet: bytes) -> bool:
    """Return whether the checksum of each slice in an FFV1 packet holds; ``False`` if it has none."""
    end = len(packet)
    while end > 0:
        size_at = end - TRAILER_BYTES
        start = size_at - int.from_bytes(packet[max(size_at, 0) : size_at + SIZE_BYTES])
        if start < 0 or not _checksum_holds(packet[start:end]):
            return False
        end = start
    return True


def _checksum_holds(piece: bytes) -> bool:
    """CRC-32 starting from 0 over data and checksum gives 0; zlib inverts at the start and at the end."""
    return zlib.crc32(piece.translate(REVERSED_BITS), 0xFFFFFFFF) == 0xFFFFFFFF
