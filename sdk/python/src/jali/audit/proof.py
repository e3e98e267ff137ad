"""Merkle proofs of inclusion (RFC 9162) in C2SP tlog-proof files."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re


class ProofError(ValueError):
    """A proof that is malformed or does not prove what it should."""


@dataclasses.dataclass(frozen=True)
class Proof:
    """A parsed tlog-proof. Nothing in it is verified yet."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: str


def leaf_hash(line: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + line).digest()


def parse_proof(text: str) -> Proof:
    """Reads a proof in canonical form only; an extra line is refused, for nothing authenticates it."""
    head, blank, checkpoint = text.partition("\n\n")
    lines = head.split("\n")
    if not blank or len(lines) < 2 or lines[0] != "c2sp.org/tlog-proof@v1":
        raise ProofError("not a tlog-proof")
    index = re.fullmatch("index (0|[1-9][0-9]{0,18})", lines[1], re.ASCII)
    if index is None or len(lines) > 2 + 63:
        raise ProofError("not in canonical form")
    path = []
    for line in lines[2:]:
        if not re.fullmatch("[A-Za-z0-9+/]{43}=", line, re.ASCII):
            raise ProofError("a hash is not base64 of 32 bytes")
        node = base64.b64decode(line)
        if base64.b64encode(node).decode() != line:
            raise ProofError("not in canonical form")
        path.append(node)
    return Proof(int(index.group(1)), tuple(path), checkpoint)


def verify_inclusion(leaf: bytes, index: int, size: int, path: tuple[bytes, ...], root: bytes) -> None:
    """RFC 9162, section 2.1.3.2."""
    if index >= size:
        raise ProofError(f"entry {index} is not in the tree of size {size}")
    fn, sn, r = index, size - 1, leaf
    for p in path:
        if sn == 0:
            raise ProofError("the proof is too long")
        if fn & 1 or fn == sn:
            r = hashlib.sha256(b"\x01" + p + r).digest()
            while not fn & 1 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = hashlib.sha256(b"\x01" + r + p).digest()
        fn, sn = fn >> 1, sn >> 1
    if sn != 0 or r != root:
        raise ProofError(f"entry {index} is not in the tree of size {size}")
