"""Receipts against the vectors that freeze their format, offline."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import random

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

import jali
from jali.audit import entry, note, proof

from .conftest import REPOSITORY

VECTORS = REPOSITORY / "audit" / "testdata"
pytestmark = pytest.mark.skipif(not VECTORS.is_dir(), reason="the vectors lie in the repository")


def vector() -> tuple[dict, jali.Keys]:
    return json.loads((VECTORS / "receipt.json").read_text()), jali.Keys(json.loads((VECTORS / "vector.json").read_text())["vkeys"])


def sealed() -> tuple[dict, jali.Keys]:
    both = json.loads((VECTORS / "sealed.json").read_text())
    return both["receipt"], jali.Keys(both["log"])


def file(receipt: dict) -> bytes:
    return json.dumps(receipt).encode()


def test_vector() -> None:
    receipt, keys = vector()
    report = jali.verify_receipt(file(receipt), None, keys)
    assert (report.agreement, report.dataset, report.purpose, report.price) == ("agr-7f3c", "health-2027", "epi-03", 77)
    assert report.sql == "SELECT COUNT(*) FROM claims"
    assert report.signed_by == ("Ed25519",) and not report.result_checked and report.size == 3
    with pytest.raises(jali.VerificationError, match="not the one"):
        jali.verify_receipt(file(receipt), b"42", keys)


def test_both_signatures() -> None:
    receipt, keys = sealed()
    report = jali.verify_receipt(file(receipt), None, keys)
    if jali.ML_DSA_44_AVAILABLE:
        assert report.signed_by == ("Ed25519", "ML-DSA-44")
    else:
        assert report.signed_by == ("Ed25519",)
        assert any("ML-DSA-44 signature was not checked" in c for c in report.checks)


@pytest.mark.skipif(not jali.ML_DSA_44_AVAILABLE, reason="this cryptography has no ML-DSA-44")
def test_wrong_post_quantum_signature() -> None:
    """A wrong signature of a pinned key is an error although the Ed25519 signature is right."""
    receipt, keys = sealed()
    lines = receipt["proofs"][0].split("\n")
    (at,) = [i for i, line in enumerate(lines) if line.startswith("— " + keys.origin) and len(line) > 2000]
    middle = len(lines[at]) // 2
    lines[at] = lines[at][:middle] + ("A" if lines[at][middle] != "A" else "B") + lines[at][middle + 1 :]
    receipt["proofs"][0] = "\n".join(lines)
    with pytest.raises(jali.VerificationError, match="ML-DSA-44"):
        jali.verify_receipt(file(receipt), None, keys)


def _swap(r: dict) -> None:
    r["entries"].reverse(), r["proofs"].reverse()


EDITS = {
    "cost lowered": lambda r: r["entries"].__setitem__(0, r["entries"][0].replace('"r":770000', '"r":770001')),
    "other agreement": lambda r: r["entries"].__setitem__(0, r["entries"][0].replace("agr-7f3c", "agr-7f3d")),
    "entries swapped": lambda r: r["entries"].reverse(),
    "both swapped": _swap,
    "one entry twice": lambda r: (r["entries"].__setitem__(1, r["entries"][0]), r["proofs"].__setitem__(1, r["proofs"][0])),
    "proof of another place": lambda r: r["proofs"].__setitem__(1, r["proofs"][1].replace("index 2", "index 1")),
    "signature stripped": lambda r: r["proofs"].__setitem__(0, r["proofs"][0][: r["proofs"][0].index("— ")]),
    "checkpoint of another size": lambda r: r["proofs"].__setitem__(0, r["proofs"][0].replace("\n3\n", "\n4\n")),
    "detail of another entry": lambda r: r["details"][0]["d"].__setitem__(0, r["details"][1]["d"][0]),
    "detail twice": lambda r: r["details"][0]["d"].__setitem__(1, r["details"][0]["d"][0]),
    "details of a third entry": lambda r: r["details"][0].__setitem__("seq", 9),
    "details in two parts": lambda r: r.__setitem__("details", [{"seq": 1, "d": r["details"][0]["d"][:1]}, {"seq": 1, "d": r["details"][0]["d"][1:]}]),
    "details twice": lambda r: r["details"].__setitem__(1, r["details"][0]),
    "unknown key": lambda r: r.__setitem__("x", 1),
    "missing key": lambda r: r.pop("policy"),
    "another format": lambda r: r.__setitem__("format", "jali-receipt/2"),
    "sequence number true": lambda r: r["details"][0].__setitem__("seq", True),
    "not Unicode": lambda r: r["entries"].__setitem__(0, "\ud800"),
}


@pytest.mark.parametrize("name", EDITS)
def test_refuses(name: str) -> None:
    receipt, keys = vector()
    EDITS[name](receipt)
    with pytest.raises(jali.VerificationError):
        jali.verify_receipt(file(receipt), None, keys)


def test_refuses_text_around() -> None:
    receipt, keys = vector()
    text = file(receipt)
    for bad in (b"", b"[]", b"{}", text + b"{}", text[:-2], text.replace(b'"policy": ""', b'"policy": "", "policy": ""'), b"\xff" + text, b"[" * 100_000):
        with pytest.raises(jali.VerificationError):
            jali.verify_receipt(bad, None, keys)


def test_other_keys() -> None:
    receipt, _ = vector()
    _, other = sealed()
    with pytest.raises(jali.VerificationError):
        jali.verify_receipt(file(receipt), None, other)


def test_keys_refused() -> None:
    _, keys = sealed()
    ed, pq = keys.vkeys
    name, digest, raw = ed.split("+", 2)
    for bad in ([], [pq], [ed, ed], ["x"], [f"{name}+00000000+{raw}"], [ed, ed.replace(name, "log.example/2")], [f"{name}+{digest}+BA=="]):
        with pytest.raises(note.KeysError):
            jali.Keys(bad)


def test_one_changed_byte() -> None:
    """Any byte of entries, proofs or details changed: refused. 2,000 places from a fixed seed, so it never flickers."""
    whole, keys = vector()
    rng = random.Random(7)
    for _ in range(2000):
        receipt = copy.deepcopy(whole)
        where = rng.choice([(receipt["entries"], 0), (receipt["entries"], 1), (receipt["proofs"], 0), (receipt["proofs"], 1), (receipt["details"][0]["d"], 1), (receipt["details"][1]["d"], 0)])
        text: str = where[0][where[1]]
        at = rng.randrange(len(text))
        new = chr(rng.randrange(32, 127))
        if new == text[at]:
            continue
        where[0][where[1]] = text[:at] + new + text[at + 1 :]
        with pytest.raises(jali.VerificationError):
            jali.verify_receipt(file(receipt), None, keys)


GOOD = '{"k":"HEARTBEAT","o":"log.example/1","open":0,"prev":"' + "A" * 43 + '","seq":7,"t":1000,"v":1}'


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("{", ""), ("1}", "1} "), ("1}", "1,}"), ('"k":"HEARTBEAT","o":"log.example/1"', '"o":"log.example/1","k":"HEARTBEAT"'), ('"open":0', '"open":0,"open":0'),
        ('"seq":7', '"seq":07'), ('"seq":7', '"seq":7.0'), ('"seq":7', '"seq":7e0'), ('"seq":7', '"seq":-7'), ('"seq":7', '"seq":+7'), ('"open":0', '"open":9007199254740992'),
        ('"open":0', '"open":10000000000000000'), ('"open":0', '"open":null'), ('"open":0', '"open":true'), ('"open":0', '"open":[1]'), ('"open":0', '"open":{"b":{"c":1}}'),
        ('"open":0', '"Open":0'), ("log.", "\\u006cog."), ('"open":0', '"open": 0'), ('"open":0', '"open":"' + "x" * 256 + '"'), ('"open"', '"o' + "p" * 16 + '"'), ("log", "l\u00f6g"),
        ('"v":1', '"v":2'), (',"v":1', ""), ('"seq":7', '"seq":"7"'), ("A" * 43, "A" * 42 + "B"), ("A" * 43, "A" * 42), ('"log.example/1"', '""'),
        ('"k"', '"dtl":{"actor":"x"},"k"'), ('"k"', '"dtl":1,"k"'), ('"prev"', '"p":{' + ",".join(f'"k{i:02}":"{"x" * 200}"' for i in range(20)) + '},"prev"'),
    ],
)  # fmt: skip
def test_grammar(old: str, new: str) -> None:
    assert entry.parse_entry(GOOD.encode()).seq == 7 and old in GOOD
    with pytest.raises(entry.EntryError):
        entry.parse_entry(GOOD.replace(old, new, 1).encode())


class Log:
    """A log with a key of its own, which signs whatever it is given."""

    def __init__(self) -> None:
        self.origin = json.loads((VECTORS / "vector.json").read_text())["origin"]
        self.key = ed25519.Ed25519PrivateKey.generate()
        raw = b"\x01" + self.key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        self.hash = hashlib.sha256(self.origin.encode() + b"\n" + raw).digest()[:4]
        self.keys = jali.Keys([f"{self.origin}+{self.hash.hex()}+{base64.b64encode(raw).decode()}"])

    def receipt(self, intent: str, release: str) -> bytes:
        """Of a log of three entries, of which these are the second and the third."""
        whole = json.loads((VECTORS / "vector.json").read_text())["entries"]
        first, second, third = (proof.leaf_hash(line.encode()) for line in (whole[0], intent, release))
        left = hashlib.sha256(b"\x01" + first + second).digest()
        root = hashlib.sha256(b"\x01" + left + third).digest()
        body = f"{self.origin}\n3\n{base64.b64encode(root).decode()}\n"
        signature = base64.b64encode(self.hash + self.key.sign(body.encode())).decode()
        paths = ([first, third], [left])
        proofs = [
            f"c2sp.org/tlog-proof@v1\nindex {i + 1}\n" + "".join(base64.b64encode(p).decode() + "\n" for p in path) + f"\n{body}\n— {self.origin} {signature}\n"
            for i, path in enumerate(paths)
        ]
        return file({"format": "jali-receipt/1", "entries": [intent, release], "details": [], "proofs": proofs, "policy": ""})


@pytest.mark.parametrize(
    ("which", "old", "new", "why"),
    [
        (1, '"ref":1', '"ref":0', "another intent"), (0, '"ar":2270000', '"ar":2269999', "does not add up"), (1, "gw1", "gw2", "another log"), (1, "RELEASE", "FAILURE", "not RELEASE"),
        (0, '"bud1"', '"bud2"', "bud1"), (1, '"seq":2', '"seq":3', "another place"), (1, '"t":1798761602500000', '"t":1', "earlier"), (0, '"dec":"allow"', '"dec":"deny"', "dec"),
        (0, '"cost":{"d":0,', '"cost":{', "cost"), (0, "INTENT", "REFUSED", "not INTENT"),
    ],
)  # fmt: skip
def test_a_log_that_signs_lies(which: int, old: str, new: str, why: str) -> None:
    receipt, _ = vector()
    entries, log = receipt["entries"], Log()
    assert jali.verify_receipt(log.receipt(*entries), None, log.keys).price == 77
    assert old in entries[which]
    entries[which] = entries[which].replace(old, new)
    with pytest.raises(jali.VerificationError, match=why):
        jali.verify_receipt(log.receipt(*entries), None, log.keys)


def test_inclusion_in_trees_of_all_small_sizes() -> None:
    """Against the recursive definition of RFC 9162, section 2.1."""

    def root(leaves: list[bytes]) -> bytes:
        if len(leaves) == 1:
            return leaves[0]
        k = 1 << (len(leaves) - 1).bit_length() - 1
        return hashlib.sha256(b"\x01" + root(leaves[:k]) + root(leaves[k:])).digest()

    def path(m: int, leaves: list[bytes]) -> list[bytes]:
        if len(leaves) == 1:
            return []
        k = 1 << (len(leaves) - 1).bit_length() - 1
        return path(m, leaves[:k]) + [root(leaves[k:])] if m < k else path(m - k, leaves[k:]) + [root(leaves[:k])]

    for size in range(1, 20):
        leaves = [proof.leaf_hash(bytes([i])) for i in range(size)]
        for m in range(size):
            good = tuple(path(m, leaves))
            proof.verify_inclusion(leaves[m], m, size, good, root(leaves))
            for bad in ((m, size, good[:-1]) if good else (m, size + 1, good), (m, size, (*good, leaves[0])), (m + size, size, good)):
                with pytest.raises(proof.ProofError):
                    proof.verify_inclusion(leaves[m], bad[0], bad[1], bad[2], root(leaves))
