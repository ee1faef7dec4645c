"""Data files before they are parsed: compression, encoding and the first lines."""

import codecs
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from recsearch.data.foreign import foreign_fault
from recsearch.errors import DataError

HEAD_BYTES = 1 << 20
CHUNK_BYTES = 1 << 24
ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06")  # the second: a zip file without entries
COMPRESSIONS = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zstd"}
BYTE_ORDER_MARKS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
MAX_UNPACKED_BYTES = 2 << 30  # a table from a zip file is unpacked into memory
NO_TABLE = ("__MACOSX/", ".")  # prefixes of entries in a zip file that are not data
EMPTY = "The file is empty. Expected a header line and rows of data."


@dataclass(frozen=True)
class Content:
    """The text of a data file: plain, compressed or in a zip file.

    Attributes:
        path: The file, for messages.
        name: The file's name without the suffix of its compression.
        head: The first complete lines, at most 1 MiB, as UTF-8 or Latin-1.
        compression: Arrow's name of the compression, or None.
        encoding: Of the bytes.
        is_whole: Whether `head` is the complete text.
        packed: The bytes of a table in a zip file, or None.
        notes: What was assumed.
    """

    path: Path
    name: str
    head: bytes
    compression: str | None = None
    encoding: str = "utf-8"
    is_whole: bool = True
    packed: bytes | None = None
    notes: tuple[str, ...] = ()

    def open(self, encoding: str = "utf-8") -> pa.NativeFile:
        """Returns the text as a stream of UTF-8.

        Args:
            encoding: Encoding of the bytes, if the file has no byte order mark.
        """
        source = encoding if self.encoding == "utf-8" else self.encoding
        stream = _open(self.path, self.compression, self.packed)
        if source == "utf-8":
            return stream
        # Arrow would call Python from its own threads to decode, which crashes a process that ends.
        with stream:
            return pa.BufferReader(_recode(stream, source))

    def read(self) -> bytes:
        """Returns the complete text as UTF-8."""
        with self.open() as stream:
            text: bytes = stream.read()
        return text


def open_content(path: Path) -> Content:
    """Returns the content of a text file: plain, compressed, or the only file in a zip file.

    Raises:
        DataError: If the file cannot be read, is empty, is not text, or is of another known kind.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(4)
        packed, name = _unzip(path) if magic in ZIP_MAGICS else (None, path.name)
        start = magic if packed is None else packed[:4]
        compression = next((c for m, c in COMPRESSIONS.items() if start.startswith(m)), None)
        with _open(path, compression, packed) as stream:
            head: bytes = stream.read(HEAD_BYTES)
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(str(path), [f"Cannot be read: {error}."]) from None
    encoding = next((e for m, e in BYTE_ORDER_MARKS.items() if head.startswith(m)), "utf-8")
    fault = foreign_fault(path, head) if encoding == "utf-8" else None
    if fault is not None:
        raise DataError(str(path), [fault])
    full = len(head) == HEAD_BYTES
    if encoding != "utf-8":
        text = head.decode(encoding, errors="ignore").removeprefix("\ufeff")
        head = text.replace("\r\n", "\n").encode()
    name = re.sub(r"\.(gz|bz2|zst)$", "", name, flags=re.IGNORECASE)
    notes = () if packed is None else (f"{path.name} is a zip file; {name} was read from it.",)
    head = _whole_lines(path, head, full)
    return Content(path, name, head, compression, encoding, not full, packed, notes)


def decode(line: bytes) -> str:
    """Returns bytes as text: UTF-8, or Latin-1 if they are not UTF-8."""
    try:
        return line.decode("utf-8-sig")
    except UnicodeDecodeError:
        return line.decode("latin-1")


def _open(path: Path, compression: str | None, packed: bytes | None) -> pa.NativeFile:
    source = str(path) if packed is None else pa.BufferReader(packed)
    return pa.input_stream(source, compression=compression)


def _recode(stream: pa.NativeFile, encoding: str) -> pa.Buffer:
    decoder = codecs.getincrementaldecoder(encoding)()
    out = pa.BufferOutputStream()
    while chunk := stream.read(CHUNK_BYTES):
        out.write(decoder.decode(chunk).encode())
    out.write(decoder.decode(b"", final=True).encode())
    return out.getvalue()


def _whole_lines(path: Path, head: bytes, full: bool) -> bytes:
    if not head.strip():
        raise DataError(str(path), [EMPTY])
    if b"\0" in head:
        raise DataError(
            str(path),
            [
                "The file is not UTF-8, UTF-16 or Latin-1 text. "
                "Expected CSV, TSV, JSON lines or Parquet; export it as one of them."
            ],
        )
    if not full or head.lstrip()[:1] in (b"[", b"{"):  # JSON may be in one line
        return head
    end = max(head.rfind(b"\n"), head.rfind(b"\r"))
    if end < 0:
        raise DataError(
            str(path),
            [
                f"The first line has more than {HEAD_BYTES:,} bytes. Expected a table with one "
                "line per row; check that the file has line breaks."
            ],
        )
    return head[: end + 1]


def _unzip(path: Path) -> tuple[bytes, str]:
    """Returns the bytes and the name of the only table in a zip file."""
    with zipfile.ZipFile(path) as archive:
        entries = [
            entry
            for entry in archive.infolist()
            if not entry.is_dir() and not entry.filename.startswith(NO_TABLE)
        ]
        names = [entry.filename for entry in entries]
        fault = foreign_fault(path, b"", names)
        if fault is None and len(entries) != 1:
            shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
            fault = (
                f"The zip file has {len(entries)} files ({shown or 'none'}). Expected exactly one "
                "table; unpack it and pass the file of the table."
            )
        if fault is None and entries[0].file_size > MAX_UNPACKED_BYTES:
            fault = (
                f"{names[0]} in the zip file has {entries[0].file_size:,} bytes unpacked. At most "
                f"{MAX_UNPACKED_BYTES:,} are unpacked into memory; unpack the file and pass it."
            )
        if fault is not None:
            raise DataError(str(path), [fault])
        try:
            # Reads at most the size checked above, even if the packed data unpack to more.
            return archive.read(entries[0]), Path(names[0]).name
        except (RuntimeError, NotImplementedError, OSError, EOFError, ValueError) as error:
            reason = f"{names[0]} in the zip file cannot be unpacked: {error}."
            raise DataError(str(path), [reason]) from None
        except Exception as error:  # zlib.error, lzma.LZMAError: no common base class
            reason = f"{names[0]} in the zip file is damaged: {error}."
            raise DataError(str(path), [reason]) from None
