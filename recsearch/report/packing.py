"""Long texts inside a page, compressed: base64 of gzip, which the page's script unpacks."""

import base64
import gzip

LEVEL = 6  # more takes twice as long for a hundredth of the size


def packed(text: str) -> str:
    """Returns a text as base64 of gzip, the same at any time; no letter of it means a thing."""
    return base64.b64encode(gzip.compress(text.encode(), LEVEL, mtime=0)).decode()


def unpacked(text: str) -> str:
    """Returns what `packed` was given."""
    return gzip.decompress(base64.b64decode(text)).decode()
