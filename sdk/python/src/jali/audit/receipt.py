"""Receipts (jali-receipt/1), verified in the order of docs/api.md: signatures, inclusion, content, details, result."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import datetime
import hashlib
import json
import re
from typing import Any

from .entry import Entry, EntryError, check_kind, parse_entry
from .note import CheckpointError, Keys
from .proof import ProofError, leaf_hash, parse_proof, verify_inclusion

MAX_RECEIPT = 2 << 20
MAX_DISCLOSURE = 48 << 10


class VerificationError(ValueError):
    """A receipt that is malformed or does not prove what it should: do not rely on the answer."""


@dataclasses.dataclass(frozen=True)
class Report:
    """What a verified receipt showed. Only what ``checks`` lists was checked."""

    raw: bytes
    origin: str
    size: int
    signed_by: tuple[str, ...]
    intent: Entry
    release: Entry
    details: dict[str, dict[str, str]]  # "INTENT" and "RELEASE" -> name -> value
    result_checked: bool
    policy: str  # digest of the seal policy that the receipt names; "": the log is unwitnessed
    checks: tuple[str, ...]

    @property
    def released(self) -> datetime.datetime:
        """When the answer went on record, by the gateway's clock."""
        return datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc) + datetime.timedelta(microseconds=self.release.time)

    @property
    def agreement(self) -> str:
        return self.intent.text("ag")

    @property
    def dataset(self) -> str:
        return self.intent.text("ds")

    @property
    def purpose(self) -> str:
        return self.intent.text("pu")

    @property
    def price(self) -> int:
        """Privacy units (in mode sdc: cells) of the charge, rounded up, as prices are."""
        return -(-self.intent.part("cost", "r") // 10_000)

    @property
    def sql(self) -> str:
        """The question as first asked; empty when it is not disclosed."""
        return self.details["INTENT"].get("query", "")


def verify_receipt(receipt: bytes, result: bytes | None, keys: Keys) -> Report:
    """Checks a receipt offline. ``result`` is the bytes that came with it; None leaves them unchecked, and the report says so."""
    try:
        return _verify(receipt, result, keys)
    except (EntryError, CheckpointError, ProofError) as error:
        raise VerificationError(str(error)) from error
    except UnicodeEncodeError:
        raise VerificationError("text that is not Unicode") from None


def _verify(receipt: bytes, result: bytes | None, keys: Keys) -> Report:
    parsed = _parse(receipt)
    checks: list[str] = []
    entries: list[Entry] = []
    size = -1
    signed_by: tuple[str, ...] = ()
    for line, text in zip(parsed["entries"], parsed["proofs"]):
        proof = parse_proof(text)
        checkpoint = keys.open_checkpoint(proof.checkpoint)
        raw = line.encode()
        verify_inclusion(leaf_hash(raw), proof.index, checkpoint.size, proof.path, checkpoint.root)
        entry = parse_entry(raw)
        if entry.seq != proof.index:
            raise VerificationError("the entry stands at another place than it says")
        if entry.origin != keys.origin:
            raise VerificationError("the entry is of another log")
        if checkpoint.size >= size:
            size, signed_by = checkpoint.size, checkpoint.signed_by
        entries.append(entry)
        checks.append(f"entry {entry.seq} stands in the log {keys.origin} of {checkpoint.size} entries, signed by the log with {' and '.join(checkpoint.signed_by)}")
        for algorithm in checkpoint.unchecked:
            checks.append(f"its {algorithm} signature was not checked: this installation of cryptography has no {algorithm}")
    intent, release = entries
    _content(intent, release)
    checks.append("the release belongs to the intent, and the charge adds up: bud1 = bud0 + cost")
    details = _details(parsed["details"], intent, release)
    checks.append("the disclosed details match the entries")
    if result is None:
        checks.append("result bytes: not given, not checked")
    else:
        _result(details["RELEASE"].get("result", ""), result)
        checks.append("the result bytes are those that were recorded before they left")
    checks.append("unsealed: cosignatures of witnesses are not judged here")
    return Report(receipt, keys.origin, size, signed_by, intent, release, details, result is not None, parsed["policy"], tuple(checks))


def _content(intent: Entry, release: Entry) -> None:
    check_kind(intent, "INTENT")
    check_kind(release, "RELEASE")
    if release.integer("ref") != intent.seq:
        raise VerificationError("the release belongs to another intent")
    if release.time < intent.time:
        raise VerificationError("the release is earlier than its intent")
    for balance, amount in (("ar", "r"), ("ad", "d"), ("pr", "r"), ("pd", "d")):
        if intent.part("bud1", balance) != intent.part("bud0", balance) + intent.part("cost", amount):
            raise VerificationError("the charge does not add up: bud1 is not bud0 + cost")


def _details(disclosed: list[Any], intent: Entry, release: Entry) -> dict[str, dict[str, str]]:
    out: dict[str, dict[str, str]] = {"INTENT": {}, "RELEASE": {}}
    seen: set[int] = set()
    for item in disclosed:
        entry = {intent.seq: intent, release.seq: release}.get(item["seq"])
        if entry is None or entry.seq in seen:
            raise VerificationError("details of an entry that is not in the receipt, or twice")
        seen.add(entry.seq)
        for d in item["d"]:
            name, value = _disclosure(d)
            if entry.details.get(name) != _digest(d.encode()):
                raise VerificationError(f"detail {name} of entry {entry.seq} does not match")
            if name in out[entry.kind]:
                raise VerificationError("a detail twice")
            out[entry.kind][name] = value
    return out


def _disclosure(d: str) -> tuple[str, str]:
    if len(d) > MAX_DISCLOSURE or not re.fullmatch("[A-Za-z0-9_-]*", d, re.ASCII):
        raise VerificationError("a detail is not base64url")
    try:
        parts = json.loads(base64.urlsafe_b64decode(d + "=" * (-len(d) % 4)).decode())
    except (binascii.Error, UnicodeDecodeError, ValueError, RecursionError):
        raise VerificationError("a detail is not an array of three strings") from None
    if not isinstance(parts, list) or len(parts) != 3 or not all(isinstance(p, str) for p in parts):
        raise VerificationError("a detail is not an array of three strings")
    if not re.fullmatch("[A-Za-z0-9_-]{43}", parts[0], re.ASCII) or not re.fullmatch("[a-z][a-z0-9_]{0,15}", parts[1], re.ASCII):
        raise VerificationError("salt or name of a detail is malformed")
    return parts[1], parts[2]


def _result(recorded: str, result: bytes) -> None:
    parts = recorded.split(" ")
    if len(parts) < 3 or parts[0] != "sha256:" + _digest(result) or parts[1] != str(len(result)):
        raise VerificationError("the result is not the one that was recorded")


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def _parse(receipt: bytes) -> dict[str, Any]:
    """Unknown, missing and repeated keys are refused, so that no two readers see two receipts in one file."""
    if len(receipt) > MAX_RECEIPT:
        raise VerificationError("the receipt is larger than 2 MiB")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        out = dict(pairs)
        if len(out) != len(pairs):
            raise VerificationError("a key is repeated")
        return out

    try:
        parsed = json.loads(receipt.decode(), object_pairs_hook=unique)
    except VerificationError:
        raise
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise VerificationError("the receipt is not JSON") from None

    def strings(value: Any, most: int) -> bool:
        return isinstance(value, list) and len(value) <= most and all(isinstance(v, str) for v in value)

    if not isinstance(parsed, dict) or set(parsed) != {"format", "entries", "details", "proofs", "policy"} or parsed["format"] != "jali-receipt/1":
        raise VerificationError("not a jali-receipt/1")
    if not strings(parsed["entries"], 2) or not strings(parsed["proofs"], 2) or len(parsed["entries"]) != 2 or len(parsed["proofs"]) != 2:
        raise VerificationError("want two entries and two proofs")
    policy = parsed["policy"]
    if not isinstance(policy, str) or not re.fullmatch("[A-Za-z0-9._:/@+=-]{0,255}", policy, re.ASCII):
        raise VerificationError("policy is not a digest")
    if not isinstance(parsed["details"], list) or len(parsed["details"]) > 2:
        raise VerificationError("details of more than two entries")
    for item in parsed["details"]:
        if not isinstance(item, dict) or set(item) != {"seq", "d"} or type(item["seq"]) is not int or not strings(item["d"], 16):
            raise VerificationError("malformed details")
    return parsed
