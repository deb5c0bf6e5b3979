"""Remote write 1.0 by hand: protobuf and snappy, so that tests depend on nobody's encoder."""
import struct

HEADERS = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy",
           "X-Prometheus-Remote-Write-Version": "0.1.0"}
STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]


def varint(n):
    n &= (1 << 64) - 1
    out = bytearray()
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def bytes_field(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def snappy(data):
    """The block format with literals only: valid, and as large as its input."""
    out = [varint(len(data))]
    for i in range(0, len(data), 65536):
        part = data[i:i + 65536]
        out.append(b"\xf4" + struct.pack("<H", len(part) - 1) + part)  # Literal with a 2-byte length.
    return b"".join(out)


def sample(ms, value):
    # A NaN's payload must arrive: give its bits as bytes.
    bits = value if isinstance(value, bytes) else struct.pack("<d", value)
    return bytes_field(2, b"\x09" + bits + b"\x10" + varint(ms))


def zigzag(n):
    return varint(n << 1 ^ n >> 63)


class Native:
    """A native histogram: integer counts of buckets from index `first` on, without negative ones."""

    def __init__(self, schema, first, counts, total):
        self.schema, self.first, self.counts, self.total = schema, first, counts, total

    def field(self, ms):
        deltas = b"".join(zigzag(b - a) for a, b in zip([0, *self.counts], self.counts))
        span = b"\x08" + zigzag(self.first) + b"\x10" + varint(len(self.counts))
        return bytes_field(4, b"\x08" + varint(sum(self.counts)) + b"\x19" + struct.pack("<d", self.total) +
                           b"\x20" + zigzag(self.schema) + b"\x29" + struct.pack("<d", 1e-128) + b"\x30\x00" +
                           bytes_field(11, span) + bytes_field(12, deltas) + b"\x78" + varint(ms))


def time_series(labels, samples):
    pairs = b"".join(bytes_field(1, bytes_field(1, k.encode()) + bytes_field(2, v.encode()))
                     for k, v in sorted(labels.items()))
    return bytes_field(1, pairs + b"".join(v.field(ms) if isinstance(v, Native) else sample(ms, v) for ms, v in samples))


def message(series):
    return b"".join(time_series(labels, samples) for labels, samples in series)


def body(series):
    """series: [(labels, [(ms, value or Native), …])]"""
    return snappy(message(series))
