"""What a flow and its reading process say to each other, over the process's standard input and output.

    flow → process      POLICY    what the checks go by, as JSON
    flow → process      FILE      the uploaded file
    process → flow      PICTURE   a picture for the engine; only with a cloud engine, and a few times at most
    flow → process      TEXT      what the engine found on it
    process → flow      ANSWER    the result, and the end

Each message is its kind (one byte), its length (four bytes, big-endian) and its content. The flow's side is
asynchronous and distrusts the other, which has opened a hostile file; the process's side blocks.
"""

from __future__ import annotations

import struct
from asyncio import StreamReader, StreamWriter
from collections.abc import Mapping
from typing import BinaryIO

from flows.engines.cloud import MAX_PICTURE_BYTES, Jpeg

POLICY, FILE, PICTURE, TEXT, ANSWER = b"C", b"F", b"P", b"T", b"A"

_HEAD = struct.Struct(">cI")
_SIZE = struct.Struct(">HH")
_MOST: Mapping[bytes, int] = {PICTURE: _SIZE.size + MAX_PICTURE_BYTES, ANSWER: 1024 * 1024}
"""Bytes that the flow takes of each kind."""
_JPEG = b"\xff\xd8\xff"


class OutOfTurn(Exception):
    """The reading process said what it may not say."""


async def send(writer: StreamWriter, kind: bytes, content: bytes) -> None:
    """The flow speaks. Raises ConnectionError when the process is gone."""
    writer.write(_HEAD.pack(kind, len(content)))
    writer.write(content)
    await writer.drain()


async def receive(reader: StreamReader) -> tuple[bytes, bytes]:
    """The flow listens: a kind and its content.

    Raises OutOfTurn for a kind or length that is not allowed, and asyncio.IncompleteReadError when the
    process ended instead.
    """
    kind, length = _HEAD.unpack(await reader.readexactly(_HEAD.size))
    if length > _MOST.get(kind, -1):
        raise OutOfTurn
    return kind, await reader.readexactly(length)


def picture_in(content: bytes) -> Jpeg:
    """The picture of a PICTURE message. Raises OutOfTurn when it is none."""
    data = content[_SIZE.size :]
    if not data.startswith(_JPEG):
        raise OutOfTurn
    width, height = _SIZE.unpack_from(content)
    return Jpeg(data, width, height)


def with_picture(picture: Jpeg) -> bytes:
    """The content of a PICTURE message."""
    return _SIZE.pack(picture.width, picture.height) + picture.data


def say(output: BinaryIO, kind: bytes, content: bytes) -> None:
    """The process speaks."""
    output.write(_HEAD.pack(kind, len(content)) + content)
    output.flush()


def hear(source: BinaryIO, kind: bytes) -> bytes:
    """The process listens for this kind. Raises EOFError when the flow is gone or says something else."""
    head = source.read(_HEAD.size)
    if len(head) < _HEAD.size or head[:1] != kind:
        raise EOFError
    _, length = _HEAD.unpack(head)
    content = source.read(length)
    if len(content) < length:
        raise EOFError
    return content
