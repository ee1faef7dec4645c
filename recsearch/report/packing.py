"""Long texts inside a page, compressed: base64 of gzip, which the page's script unpacks."""

import base64
import gzip

LEVEL = 6  # more takes twice as long for a hundredth of the size


def packed(text: str) -> str:
    """Returns a text as base64 of gzip, always the same for a text; safe within HTML."""
    return base64.b64encode(gzip.compress(text.encode(), LEVEL, mtime=0)).decode()
