"""Signed checkpoints: C2SP signed notes, verified with the log's pinned keys.

A log signs with Ed25519 (RFC 8032) always and, where it has such a key, with ML-DSA-44 (FIPS 204) as a C2SP subtree
signature. Ed25519 must be there. ML-DSA-44 is verified with the package cryptography where that has it (its current
wheels do, Debian 12's release 38 does not); elsewhere a signature of that key is counted as not checked, and ``signed_by`` says Ed25519 alone.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import re

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ed25519

try:
    from cryptography.hazmat.primitives.asymmetric import mldsa

    mldsa.MLDSA44PublicKey.from_public_bytes(bytes(1312))
    ML_DSA_44_AVAILABLE = True
except (ImportError, UnsupportedAlgorithm, ValueError):
    ML_DSA_44_AVAILABLE = False

ED25519, ML_DSA_44 = "Ed25519", "ML-DSA-44"
MAX_SIGNATURES = 100
_ORIGIN = re.compile(r"[A-Za-z0-9._:/@=-]{1,255}", re.ASCII)  # what a header can hold, without +, which ends a key's name


class KeysError(ValueError):
    """Text that is not a set of verifier keys of one log."""


class CheckpointError(ValueError):
    """A checkpoint that is malformed, of another log, or not signed by the log's keys."""


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A log's signed statement about its whole content."""

    size: int
    root: bytes
    signed_by: tuple[str, ...]
    unchecked: tuple[str, ...]  # algorithms of the log's signatures that this installation cannot verify


@dataclasses.dataclass(frozen=True)
class _Key:
    algorithm: str
    hash: bytes
    raw: bytes


class Keys:
    """The verifier keys of one log; their name is its origin."""

    def __init__(self, vkeys: list[str]) -> None:
        self.vkeys = list(vkeys)
        self.origin = ""
        self._keys: list[_Key] = []
        for line in vkeys:
            name, key = _parse_vkey(line)
            if self.origin not in ("", name):
                raise KeysError("keys of two logs")
            if any(k.algorithm == key.algorithm for k in self._keys):
                raise KeysError(f"two {key.algorithm} keys")
            self.origin = name
            self._keys.append(key)
        if not any(k.algorithm == ED25519 for k in self._keys):
            raise KeysError("no Ed25519 key")

    @classmethod
    def read(cls, text: str) -> Keys:
        """One key per line; blank lines and lines that begin with # are skipped."""
        lines = (line.strip() for line in text.splitlines())
        return cls([line for line in lines if line and not line.startswith("#")])

    def open_checkpoint(self, text: str) -> Checkpoint:
        """Verifies a signed note. A signature by a pinned key that does not verify is an error, whatever others say."""
        if re.search("[\x00-\x09\x0b-\x1f]", text):
            raise CheckpointError("control characters")
        head, blank, tail = text.rpartition("\n\n")
        body = head + "\n"
        if not blank or not tail.endswith("\n"):
            raise CheckpointError("no signature block")
        size, root = self._body(body)
        lines = tail[:-1].split("\n")
        if len(lines) > MAX_SIGNATURES:
            raise CheckpointError("too many signatures")
        signed: list[str] = []
        unchecked: list[str] = []
        for line in lines:
            name, key_hash, signature = _signature(line)
            for key in self._keys:
                if name != self.origin or key_hash != key.hash or key.algorithm in signed or key.algorithm in unchecked:
                    continue
                if key.algorithm == ML_DSA_44 and not ML_DSA_44_AVAILABLE:
                    unchecked.append(key.algorithm)
                elif self._verify(key, body, size, root, signature):
                    signed.append(key.algorithm)
                else:
                    raise CheckpointError(f"the {key.algorithm} signature of the log is not valid")
        if ED25519 not in signed:
            raise CheckpointError("not signed by the log's Ed25519 key")
        if size == 0 and root != hashlib.sha256(b"").digest():
            raise CheckpointError("root of an empty log")
        return Checkpoint(size, root, tuple(sorted(signed)), tuple(unchecked))

    def _body(self, body: str) -> tuple[int, bytes]:
        """Origin, size and root alone: extension lines are refused, for ML-DSA-44 does not cover them."""
        lines = body.split("\n")
        if len(lines) != 4 or lines[0] != self.origin or not re.fullmatch("0|[1-9][0-9]{0,18}", lines[1], re.ASCII):
            raise CheckpointError("body is not origin, size and root of this log alone")
        root = _base64(lines[2])
        if root is None or len(root) != 32:
            raise CheckpointError("root is not 32 bytes")
        return int(lines[1]), root

    def _verify(self, key: _Key, body: str, size: int, root: bytes, signature: bytes) -> bool:
        try:
            if key.algorithm == ED25519:
                ed25519.Ed25519PublicKey.from_public_bytes(key.raw).verify(signature, body.encode())
                return True
            if len(signature) != 8 + 2420:
                return False
            name = self.origin.encode()
            named = len(name).to_bytes(1, "big") + name
            # C2SP tlog-cosignature: label, cosigner, time, log, start, end, hash. The log is its own cosigner.
            message = b"subtree/v1\n\x00" + named + signature[:8] + named + (0).to_bytes(8, "big") + size.to_bytes(8, "big") + root
            mldsa.MLDSA44PublicKey.from_public_bytes(key.raw).verify(signature[8:], message)
            return True
        except (InvalidSignature, ValueError):
            return False


def _parse_vkey(line: str) -> tuple[str, _Key]:
    parts = line.split("+", 2)
    raw = _base64(parts[2]) if len(parts) == 3 else None
    if not raw or not _ORIGIN.fullmatch(parts[0]):
        raise KeysError("a log verifier key is not of the form name+hash+key")
    algorithm = {(1, 33): ED25519, (6, 1313): ML_DSA_44}.get((raw[0], len(raw)))
    if algorithm is None:
        raise KeysError(f"algorithm {raw[0]} is not a log's")
    key_hash = hashlib.sha256(parts[0].encode() + b"\n" + raw).digest()[:4]
    if key_hash.hex() != parts[1]:
        raise KeysError("invalid verifier hash")
    return parts[0], _Key(algorithm, key_hash, raw[1:])


def _signature(line: str) -> tuple[str, bytes, bytes]:
    parts = line.split(" ")
    raw = _base64(parts[2]) if len(parts) == 3 and parts[0] == "\u2014" else None
    if raw is None or len(raw) < 5 or not parts[1] or "+" in parts[1]:
        raise CheckpointError("malformed signature line")
    return parts[1], raw[:4], raw[4:]


def _base64(text: str) -> bytes | None:
    """Standard base64 in its one spelling."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if base64.b64encode(raw).decode() == text else None
