"""Offline verification of receipts (docs/api.md, "Receipts"): no network, no gateway, no file.

Guaranteed: ``verify_receipt`` returns only when both entries stand in a log signed with the given keys, the release belongs to the charge, the
charge adds up, every disclosed detail is the one committed to, and the result bytes are those on record.
Not guaranteed: that witnesses have seen the log. Cosignatures are not judged here: a receipt counts as unsealed, and
``jali receipt verify --seal`` judges it.
"""

from .note import Keys, KeysError, ML_DSA_44_AVAILABLE
from .receipt import Report, VerificationError, verify_receipt

__all__ = ["ML_DSA_44_AVAILABLE", "Keys", "KeysError", "Report", "VerificationError", "verify_receipt"]
