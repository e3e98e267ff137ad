"""Header lines of the log: grammar and the fields that a charge and its release must hold.

The line is the truth: it is hashed as it stands, then read. Inside the grammar a line has one reading and one spelling (keys
sorted and unique, no escapes, no floats, whole numbers up to 2^53 - 1, objects nested once), so this reader refuses whatever is not
spelt like that rather than normalise it.
"""

from __future__ import annotations

import base64
import dataclasses
import re
from typing import Union

MAX_HEADER = 4096
MAX_INT = 2**53 - 1

Value = Union[int, str, "dict[str, int | str]"]

_KEY = re.compile(rb'"([a-z][a-z0-9_]{0,15})":')
_STRING = re.compile(rb'"([A-Za-z0-9._:/@+=-]{0,255})"')
_INTEGER = re.compile(rb"0|[1-9][0-9]{0,15}")


class EntryError(ValueError):
    """Bytes that are not a header line, or not of the kind they should be."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """A header line that was read. ``details`` maps names to the digests that it commits to."""

    line: bytes
    seq: int
    time: int  # microseconds since 1970, by the gateway's clock
    origin: str
    kind: str
    fields: dict[str, Value]

    def text(self, name: str) -> str:
        value = self.fields.get(name)
        return value if isinstance(value, str) else ""

    def integer(self, name: str) -> int | None:
        value = self.fields.get(name)
        return value if isinstance(value, int) else None

    def part(self, name: str, member: str) -> int:
        value = self.fields.get(name)
        number = value.get(member) if isinstance(value, dict) else None
        return number if isinstance(number, int) else 0

    @property
    def details(self) -> dict[str, str]:
        value = self.fields.get("dtl")
        return {k: v for k, v in value.items() if isinstance(v, str)} if isinstance(value, dict) else {}


def parse_entry(line: bytes) -> Entry:
    if not 2 <= len(line) <= MAX_HEADER:
        raise EntryError("a header line has 2 to 4,096 bytes")
    fields, end = _object(line, 0, outer=True)
    if end != len(line):
        raise EntryError("text after the closing brace")

    def need(name: str, kind: type) -> Value:
        value = fields.get(name)
        if value is None or not isinstance(value, kind) or value == "":
            raise EntryError(f"field {name} is missing or of the wrong type")
        return value

    if need("v", int) != 1:
        raise EntryError("unknown version of the header")
    if not is_digest(str(need("prev", str))):
        raise EntryError("field prev is not a digest")
    if "ref" in fields:
        need("ref", int)
    if "dtl" in fields:
        details = need("dtl", dict)
        assert isinstance(details, dict)
        if len(details) > 16 or not all(isinstance(d, str) and is_digest(d) for d in details.values()):
            raise EntryError("field dtl is not a list of digests")
    seq, time = need("seq", int), need("t", int)
    assert isinstance(seq, int) and isinstance(time, int)
    return Entry(line=line, seq=seq, time=time, origin=str(need("o", str)), kind=str(need("k", str)), fields=fields)


def is_digest(text: str) -> bool:
    """Unpadded base64url of 32 bytes in its one spelling."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{43}", text, re.ASCII):
        return False
    return base64.urlsafe_b64encode(base64.urlsafe_b64decode(text + "="))[:43].decode() == text


_BALANCE, _AMOUNT = ("ad", "ar", "pd", "pr"), ("d", "r")
_NEEDS: dict[str, dict[str, object]] = {
    "INTENT": {
        "acct": {"nrho", "ueps", "cells"}, "ag": str, "agv": int, "bud0": _BALANCE, "bud1": _BALANCE, "cls": str, "cost": _AMOUNT, "dec": {"allow"},
        "ds": str, "dsv": str, "mode": {"sql", "he"}, "pol": str, "pop": str, "pu": str,
    },
    "RELEASE": {"lvl": int, "mech": str, "ref": int},
}  # fmt: skip


def check_kind(entry: Entry, kind: str) -> None:
    """Holds an entry to what a header of the kind must say."""
    if entry.kind != kind:
        raise EntryError(f"entry {entry.seq} is not {kind}")
    for name, want in _NEEDS[kind].items():
        value = entry.fields.get(name)
        if isinstance(want, tuple):
            good = isinstance(value, dict) and all(isinstance(value.get(member), int) for member in want)
        elif isinstance(want, set):
            good = value in want if isinstance(value, str) else False
        else:
            good = isinstance(value, want) if isinstance(want, type) else False
        if not good:
            raise EntryError(f"entry {entry.seq}: field {name} is missing or wrong")


def _object(line: bytes, at: int, outer: bool) -> tuple[dict[str, Value], int]:
    if line[at : at + 1] != b"{":
        raise EntryError("expected an object")
    out: dict[str, Value] = {}
    last = b""
    at += 1
    if line[at : at + 1] == b"}":
        return out, at + 1
    while True:
        key = _KEY.match(line, at)
        if key is None:
            raise EntryError("malformed key")
        if key.group(1) <= last:
            raise EntryError("keys are not sorted or not unique")
        last = key.group(1)
        out[last.decode()], at = _value(line, key.end(), outer)
        mark = line[at : at + 1]
        at += 1
        if mark == b"}":
            return out, at
        if mark != b",":
            raise EntryError("expected a comma or a closing brace")


def _value(line: bytes, at: int, outer: bool) -> tuple[Value, int]:
    if line[at : at + 1] == b"{":
        if not outer:
            raise EntryError("object nested twice")
        inner, end = _object(line, at, outer=False)
        return {k: v for k, v in inner.items() if not isinstance(v, dict)}, end
    if found := _STRING.match(line, at):
        return found.group(1).decode(), found.end()
    if found := _INTEGER.match(line, at):
        number = int(found.group())
        if number > MAX_INT:
            raise EntryError("integer above 2^53-1")
        return number, found.end()
    raise EntryError("expected a string, an integer or an object")
