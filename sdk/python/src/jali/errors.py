"""What can go wrong, as exceptions.

Every exception is a JaliError with ``code`` (docs/api.md, "Errors"), ``hint`` (what to do next) and ``decision`` (the number of the
log entry of a refusal or charge; None: none). Except for NoAnswer, Rejected and ReceiptError nothing was charged.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2


@dataclasses.dataclass(frozen=True)
class Reason:
    """One failed check of policy or budget."""

    code: str
    text: str
    hint: str = ""


class JaliError(Exception):
    """Any failure of this package that it can explain."""

    def __init__(self, message: str, *, code: str = "", hint: str = "", decision: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.hint = hint
        self.decision = decision

    def __str__(self) -> str:
        return self.message + (f"\nhint: {self.hint}" if self.hint else "")


class ConfigError(JaliError):
    """The client's own configuration cannot be used."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, code="CONFIG", hint=hint)


class QueryError(JaliError):
    """The question cannot be accepted as written. ``line`` and ``column`` (characters, from 1) place it in the SQL; 0: no place."""

    def __init__(self, message: str, *, code: str = "INVALID", hint: str = "", decision: int | None = None, line: int = 0, column: int = 0) -> None:
        super().__init__(f"line {line}, column {column}: {message}" if line else message, code=code, hint=hint, decision=decision)
        self.line, self.column = line, column


class PolicyDenied(JaliError):
    """The rules do not allow the question."""

    def __init__(self, message: str, *, code: str = "POLICY_DENIED", hint: str = "", decision: int | None = None, reasons: tuple[Reason, ...] = ()) -> None:
        super().__init__(message or "; ".join(r.text for r in reasons), code=code, hint=hint, decision=decision)
        self.reasons = reasons


class BudgetExhausted(PolicyDenied):
    """A privacy budget cannot pay for the question; ``code`` is BUDGET_AGREEMENT or BUDGET_POPULATION."""


class Unauthenticated(JaliError):
    """The gateway does not accept the client certificate."""


class StaleQuote(JaliError):
    """The quote expired, or policy, agreement or data changed since: ask again."""


class Unavailable(JaliError):
    """The gateway cannot be reached, or cannot answer now. Asking again with the same request id is safe."""


class NoAnswer(JaliError):
    """The question was charged and has no answer. The charge stands, and the cause is not told."""


class Rejected(JaliError):
    """The decrypted number is no plausible answer to an encrypted question; charged. Never report it to the gateway by program."""


class ReceiptError(JaliError):
    """The receipt did not verify, so the answer is withheld. What the gateway sent is kept as evidence, not as an answer."""

    def __init__(self, reason: str, *, unverified_receipt: bytes = b"", unverified_result: bytes = b"") -> None:
        super().__init__(
            "receipt does not verify: " + reason,
            code="RECEIPT",
            hint="do not use the answer; keep the receipt and tell the custodian and the regulator",
        )
        self.unverified_receipt = unverified_receipt
        self.unverified_result = unverified_result


_QUERY = {
    "TEXT_LIMIT", "SYNTAX", "NOT_SUPPORTED", "UNKNOWN_NAME", "UNKNOWN_CODE", "BOUND_MISSING", "PRECISION_RANGE", "NOT_FOUND", "INVALID",
    "UPLOAD_MALFORMED", "UPLOAD_TRUNCATED", "UPLOAD_OVERSIZED", "UPLOAD_OFFSET",
}  # fmt: skip
_STALE = {"QUOTE_STALE", "NONCE_UNKNOWN", "NONCE_EXPIRED", "NONCE_USED", "NONCE_FOREIGN", "KEY_UNKNOWN"}


def from_rpc(error: grpc.RpcError) -> JaliError:
    """Turns a gRPC error into one of this package. Without the gateway's details, as from a proxy, the gRPC code decides."""
    call: Any = error
    status: grpc.StatusCode = call.code()
    message: str = call.details() or ""
    detail = _Detail(call.trailing_metadata() or ())
    code, hint, decision = detail.code or status.name, detail.hint, detail.decision
    if code in _QUERY or (not detail.code and status in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.OUT_OF_RANGE)):
        return QueryError(message, code=code, hint=hint, decision=decision, line=detail.line, column=detail.column)
    if code in ("BUDGET_AGREEMENT", "BUDGET_POPULATION"):
        return BudgetExhausted(message, code=code, hint=hint, decision=decision, reasons=detail.reasons)
    if code == "POLICY_DENIED" or status == grpc.StatusCode.PERMISSION_DENIED:
        return PolicyDenied(message, code=code, hint=hint, decision=decision, reasons=detail.reasons)
    if code in _STALE:
        return StaleQuote(message, code=code, hint=hint, decision=decision)
    if code in ("NO_ANSWER", "NOT_RELEASED"):
        return NoAnswer("charged, but no answer" + (f": decision {decision}" if decision else ""), code=code, hint=hint, decision=decision)
    if status == grpc.StatusCode.UNAUTHENTICATED:
        return Unauthenticated(message, code=code, hint=hint or "check the client certificate with the custodian", decision=decision)
    if not detail.code:
        hint = hint or {
            grpc.StatusCode.DEADLINE_EXCEEDED: "ask again with more time: the same request id is answered once and never charged twice",
            grpc.StatusCode.CANCELLED: "a question that had arrived is answered and stored all the same: asking it again is free",
            grpc.StatusCode.UNIMPLEMENTED: "check the endpoint: what answers there is not a Jali gateway, or an older one",
            grpc.StatusCode.UNAVAILABLE: "check endpoint, CA and client certificate, and that the gateway runs; asking again later is safe",
        }.get(status, "")
    return Unavailable("gateway unavailable: " + message, code=code, hint=hint, decision=decision)


class _Detail:
    """What the error details of a status say."""

    def __init__(self, metadata: Any) -> None:
        self.code, self.hint, self.line, self.column = "", "", 0, 0
        self.decision: int | None = None
        self.reasons: tuple[Reason, ...] = ()
        for key, value in metadata:
            if key == "grpc-status-details-bin":
                for any_message in status_pb2.Status.FromString(value).details:
                    self._read(any_message)

    def _read(self, packed: Any) -> None:
        if packed.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            info = error_details_pb2.ErrorInfo.FromString(packed.value)
            if info.domain == "jali":
                self.code = info.reason
                if info.metadata.get("decision", "").isdecimal():
                    self.decision = int(info.metadata["decision"]) or None
        elif packed.Is(error_details_pb2.LocalizedMessage.DESCRIPTOR):
            self.hint = error_details_pb2.LocalizedMessage.FromString(packed.value).message
        elif packed.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            for violation in error_details_pb2.BadRequest.FromString(packed.value).field_violations:
                parts = violation.field.split(":")
                if len(parts) == 3 and parts[0] == "sql" and parts[1].isdecimal() and parts[2].isdecimal():
                    self.line, self.column = int(parts[1]), int(parts[2])
        elif packed.Is(error_details_pb2.PreconditionFailure.DESCRIPTOR):
            found = error_details_pb2.PreconditionFailure.FromString(packed.value).violations
            self.reasons = tuple(Reason(code=v.type, text=v.description, hint=v.subject) for v in found)
