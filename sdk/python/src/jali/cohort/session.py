"""The protocol: quote, list, key, nonce, encrypt, upload, evaluate, verify, decrypt."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import pathlib
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pandas as pd

from .. import audit
from ..errors import BudgetExhausted, ConfigError, PolicyDenied, QueryError, Reason, ReceiptError, Rejected, StaleQuote, Unavailable
from ..result import Result
from ..v1 import cohort_pb2
from .library import CohortError, Key, Library, Upload
from .numbers import table_of_numbers
from .question import LOG_SLOTS, CohortQuery, mapping_of, study_mapping_of, table_of

CHUNK = 256 << 10


@dataclasses.dataclass(frozen=True)
class CohortResult(Result):
    """A verified, decrypted answer: one row with one measure, or one such row per group. ``raw`` is the encrypted reply."""

    uploaded_bytes: int = 0


class Session:
    """Keys of one client. Each agreement and parameter set has one, made when it is needed and erased by close."""

    def __init__(self, stub: Any, call: Callable[..., Any], codes: Callable[..., pd.DataFrame]) -> None:
        self._stub, self._call, self._codes = stub, call, codes
        self._library = Library(str(library_path()))
        self._keys: dict[tuple[str, str], Key] = {}
        self._seeds: set[bytes] = set()
        self._lock = threading.Lock()

    def close(self) -> None:
        with self._lock:
            for key in self._keys.values():
                key.erase()
            self._keys.clear()

    def ask(self, aggregate: str, q: CohortQuery, keys: audit.Keys) -> CohortResult:
        """Codes and subjects leave this function encrypted only."""
        q.check(aggregate)
        free = self._quote(aggregate, q, b"")
        q = dataclasses.replace(q, dataset=free.plan.dataset)
        entries = self._entries(q, free)
        auditor = _auditor(q, free.auditor)
        key, registered = self._key(q, free.params, auditor)
        try:
            offer = self._quote(aggregate, q, key.id)
        except StaleQuote as error:
            if error.code != "KEY_UNKNOWN":
                raise
            with self._lock:  # gateways forget keys when they restart
                self._keys.pop((q.agreement, free.params), None)
            key, registered = self._key(q, free.params, auditor)
            offer = self._quote(aggregate, q, key.id)
        try:
            with key.encrypt(_question(q, free, offer), entries, self._remember, auditor) as upload:
                commit = upload.commit()
                self._upload(offer.nonce, upload, commit)
                answer = self._call(self._stub.Evaluate, cohort_pb2.EvaluateRequest(nonce=offer.nonce, commit=commit))
                sent = registered + upload.bytes
        except CohortError as error:
            raise QueryError(f"the selection does not meet the declared size: {error}", hint="change the codes or the size rule; nothing was sent or charged") from None
        try:
            receipt = _verified(aggregate, q, key.id, offer, commit, answer, keys)
        except audit.VerificationError as error:
            raise ReceiptError(str(error), unverified_receipt=answer.receipt, unverified_result=answer.reply) from None
        numbers, out_of_range = key.decrypt(answer.reply, [a.bound for a in offer.aggregates])
        if out_of_range:
            raise Rejected(
                "the decrypted number is out of range; the charge stands", code="REJECTED", decision=answer.decision,
                hint="check the declared size against the codes; do not report this to the gateway automatically (docs/encrypted-queries.md)",
            )  # fmt: skip
        columns, rows, error95, hidden = table_of_numbers(aggregate, q.group, list(offer.aggregates), numbers)
        return CohortResult(
            columns=columns, rows=rows, error95=error95, hidden_groups=hidden, protection="", price_pu=answer.price_pu,
            agreement_remaining_pu=answer.budget.agreement_remaining_pu, replayed=answer.replayed, slots_off=answer.slots_off,
            notes=tuple(answer.notes), receipt=receipt, raw=answer.reply, request_id="", uploaded_bytes=sent,
        )  # fmt: skip

    def _remember(self, seed: bytes) -> None:
        """Two uploads under one seed would show their difference. Keys die with the process, so memory is journal enough."""
        with self._lock:
            if seed in self._seeds:
                raise CohortError("the seed was used before")
            self._seeds.add(seed)

    def _quote(self, aggregate: str, q: CohortQuery, key: bytes) -> cohort_pb2.CohortServiceQuoteResponse:
        """A quote; one that is refused is an exception."""
        rule = None
        if q.size:
            rule = cohort_pb2.SizeRule(exact=q.size)
        elif q.min_size or q.max_size:
            rule = cohort_pb2.SizeRule(range=cohort_pb2.SizeRange(min=q.min_size, max=q.max_size))
        request = cohort_pb2.CohortServiceQuoteRequest(
            agreement=q.agreement, purpose=q.purpose, dataset=q.dataset, key=key, by=q.by, where=q.where, aggregate=aggregate, measure=q.measure,
            rule=rule, error=str(q.error), group=q.group, study=q.study, per_person=q.per_person,
        )  # fmt: skip
        offer: cohort_pb2.CohortServiceQuoteResponse = self._call(self._stub.Quote, request)
        if not offer.allowed:
            reasons = tuple(Reason(r.code, r.text, r.hint) for r in offer.reasons)
            hint = next((r.hint for r in reasons if r.hint), "")
            if reasons and all(r.code.upper().startswith("BUDGET") for r in reasons):
                raise BudgetExhausted("", code=reasons[-1].code.upper(), hint=hint, reasons=reasons)
            raise PolicyDenied("", hint=hint, reasons=reasons)
        return offer

    def _entries(self, q: CohortQuery, offer: cohort_pb2.CohortServiceQuoteResponse) -> list[int]:
        """Places of the selected codes. Whole lists are fetched, so that what is asked tells nothing; their digest must be the one that the
        question is bound to."""
        stale = StaleQuote("the list is not the one that the question is bound to", code="MAPPING", hint="ask again, with the list as it is now; nothing was sent")
        if q.study:
            if len(q.population) != offer.entries or study_mapping_of(q.agreement, q.study, q.population) != offer.mapping:
                raise stale
            slots = {person: slot for slot, person in enumerate(q.population)}
            if len(set(q.subjects)) != len(q.subjects) or any(s not in slots for s in q.subjects):
                raise QueryError("a subject is not on the list of the study, or named twice", code="UNKNOWN_SUBJECT", hint="this was checked here, the gateway has not seen the subjects")
            return [slots[s] for s in q.subjects]
        lists: list[list[str]] = []
        total = 1
        for name in q.by.split(","):
            table, column = name.split(".")
            lists.append(list(self._codes(q.dataset, table, column)["code"]))
            total *= len(lists[-1])
        if total != offer.entries or mapping_of(q.by, lists) != offer.mapping:
            raise stale
        places = [{code: i for i, code in enumerate(one)} for one in lists]
        entries = []
        for selected in q.selected:
            entry = 0
            for code, place in zip(selected, places):
                if code not in place:
                    raise QueryError(f"{code!r} is not on the list of {q.by}", code="UNKNOWN_CODE", hint="see client.codes(...); this was checked here, the gateway has not seen the codes")
                entry = entry * len(place) + place[code]
            entries.append(entry)
        return entries

    def _key(self, q: CohortQuery, params: str, auditor: bytes) -> tuple[Key, int]:
        """The key of the agreement, and how many bytes it took to register a new one."""
        if params not in LOG_SLOTS:
            raise Unavailable("the gateway asks for a parameter set that this client does not know", code="PARAMS", hint="use a newer client")
        with self._lock:
            if (q.agreement, params) in self._keys:
                return self._keys[q.agreement, params], 0
            asked = self._call(self._stub.NewKey, cohort_pb2.NewKeyRequest(agreement=q.agreement, params=params))
            if _auditor(q, asked.auditor) != auditor:
                raise StaleQuote("the agreement's auditor changed", code="AUDITOR", hint="ask again")
            key, body = self._library.generate_key(params, asked.crs, auditor)
            registered = self._call(self._stub.RegisterKey, cohort_pb2.RegisterKeyRequest(crs=asked.crs, body=body), attempts=1)
            if registered.key != key.id:
                key.erase()
                raise Unavailable("the gateway names another key than was sent", code="KEY", hint="tell the custodian; nothing was charged")
            self._keys[q.agreement, params] = key
            return key, len(body)

    def _upload(self, nonce: bytes, upload: Upload, commit: bytes) -> None:
        """Streams the upload; interrupted, it starts again with the same bytes."""

        def messages() -> Iterator[cohort_pb2.UploadRequest]:
            first = nonce
            for i in range(len(upload)):
                part = upload[i]
                for at in range(0, len(part), CHUNK):
                    yield cohort_pb2.UploadRequest(nonce=first, data=part[at : at + CHUNK])
                    first = b""

        def admit(request: cohort_pb2.AdmitRequest, **how: Any) -> bool:
            try:
                return any(place.admitted for place in self._stub.Admit(request, **how))
            except grpc.RpcError as error:
                call: Any = error
                if call.code() == grpc.StatusCode.UNIMPLEMENTED:
                    return True  # a gateway that knows no queue
                raise

        self._call(admit, cohort_pb2.AdmitRequest(nonce=nonce))
        done = self._call(lambda _, **how: self._stub.Upload(messages(), **how), None)
        if done.commit != commit:
            raise Unavailable("the gateway received other bytes than were sent", code="UPLOAD", hint="ask again; nothing was charged")


def library_path() -> pathlib.Path:
    """Where libjali_cohort is: $JALI_COHORT_LIBRARY, else beside this package."""
    name = {"darwin": "libjali_cohort.dylib", "win32": "jali_cohort.dll"}.get(sys.platform, "libjali_cohort.so")
    path = pathlib.Path(os.environ.get("JALI_COHORT_LIBRARY") or pathlib.Path(__file__).with_name(name))
    if not path.is_file():
        raise ConfigError("encrypted questions need libjali_cohort, which is not here", "install a wheel for this platform, or `make libs` and set JALI_COHORT_LIBRARY")
    return path


def _auditor(q: CohortQuery, named: bytes) -> bytes:
    """The gateway's word is not enough: whoever holds the other half of the auditor's key reads what is selected."""
    if named == q.auditor:
        return named
    if not q.auditor:
        raise QueryError("the agreement opens encrypted questions to an auditor, who can read what you select", code="AUDITOR", hint="get the auditor's public key from the auditor, and name it: auditor=...")
    raise QueryError("the gateway names another auditor than the one you trust, or none", code="AUDITOR", hint="ask auditor and custodian which key is right; nothing was sent")


def _question(q: CohortQuery, free: cohort_pb2.CohortServiceQuoteResponse, offer: cohort_pb2.CohortServiceQuoteResponse) -> dict[str, Any]:
    """What both sides know, computed here again from public facts; what the gateway said otherwise is refused."""
    if (offer.params, offer.entries, offer.mapping) != (free.params, free.entries, free.mapping) or len(offer.nonce) != 32:
        raise StaleQuote("the data version changed between two quotes", code="QUOTE_STALE", hint="ask again")
    table = table_of(offer.plan.dataset, offer.plan.version, offer.entries, offer.params, offer.mapping)
    if offer.table != table or offer.plan.dataset != q.dataset:
        raise StaleQuote("the gateway names another table than its data version and list make", code="TABLE", hint="use a client of the gateway's version")
    question: dict[str, Any] = {
        "params": offer.params, "entries": str(offer.entries), "table": base64.b64encode(table).decode(), "nonce": base64.b64encode(offer.nonce).decode(),
    }  # fmt: skip
    rule = q.rule()
    return {**question, "rule": rule} if rule else question


def _verified(
    aggregate: str, q: CohortQuery, key: bytes, offer: cohort_pb2.CohortServiceQuoteResponse, commit: bytes,
    answer: cohort_pb2.EvaluateResponse, keys: audit.Keys,
) -> audit.Report:  # fmt: skip
    """The receipt is that of this reply to this upload under this question and price."""
    if not answer.receipt or not answer.reply:
        raise audit.VerificationError("the answer came without reply or receipt")
    report = audit.verify_receipt(answer.receipt, answer.reply, keys)
    intent = report.intent
    for what, good in (
        ("agreement", report.agreement == q.agreement),
        ("data set", report.dataset == q.dataset),
        ("purpose", report.purpose == q.purpose),
        ("decision", answer.decision == intent.seq),
        ("upload", intent.text("mode") == "he" and report.sql == f"{offer.params} upload sha256:{commit.hex()}"),
        ("price", intent.text("acct") == "nrho" and report.price == offer.price_pu and answer.price_pu == (0 if answer.replayed else report.price)),
    ):
        if not good:
            raise audit.VerificationError(f"the receipt is of another {what}")
    try:
        on = json.loads(report.details["INTENT"].get("request", ""))
        recorded = {name: on.get(name) or None for name in ("by", "study", "group", "where", "per_person", "aggregate", "measure", "error", "key", "nonce")}
    except (ValueError, AttributeError):
        raise audit.VerificationError("the receipt does not disclose the question") from None
    asked = {
        "by": q.by, "study": q.study, "group": q.group, "where": q.where, "per_person": q.per_person, "aggregate": aggregate, "measure": q.measure,
        "error": str(q.error), "key": key.hex(), "nonce": offer.nonce.hex(),
    }  # fmt: skip
    if recorded != {name: value or None for name, value in asked.items()}:
        raise audit.VerificationError("the receipt is of another question")
    return report


__all__ = ["CohortResult", "Session", "library_path"]
