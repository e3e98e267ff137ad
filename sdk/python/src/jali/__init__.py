"""Ask a Jali gateway: protected aggregates over data that may not leave its keeper, as pandas DataFrames with 95 % intervals.

    import jali

    with jali.connect("./ana", agreement="agr-nhefs-demo", purpose="DUO:0000006") as client:
        sql = "SELECT qsmk, AVG(wt82_71) AS kilos, COUNT(*) AS n FROM nhefs GROUP BY qsmk"
        print(client.quote(sql, error=20).price_pu)      # free
        print(client.query(sql, error=20).frame)         # charged; the receipt was verified

Guaranteed: an answer is handed on only after its receipt verified in this process against the log's pinned keys, and was the receipt of
this answer to this question. Figures are read from the recorded bytes.
Not guaranteed: figures of table functions (kaplan_meier and the like) are derived by the gateway from the recorded histogram, and are not
recomputed here; Go's sdk and the program jali do that. Cosignatures of witnesses are not judged here: `jali receipt verify --seal` does.
"""

from .audit import ML_DSA_44_AVAILABLE, Keys, Report, VerificationError, verify_receipt
from .client import Client, connect
from .cohort import CohortQuery, CohortResult
from .describe import Budget, Dataset, Ledger, OutputError, Quote
from .errors import (
    BudgetExhausted,
    ConfigError,
    JaliError,
    NoAnswer,
    PolicyDenied,
    QueryError,
    Reason,
    ReceiptError,
    Rejected,
    StaleQuote,
    Unauthenticated,
    Unavailable,
)
from .profile import Profile, load_profile
from .result import Column, Result, ResultError

__version__ = "0.1.0"

__all__ = [
    "ML_DSA_44_AVAILABLE",
    "Budget",
    "BudgetExhausted",
    "Client",
    "CohortQuery",
    "CohortResult",
    "Column",
    "ConfigError",
    "Dataset",
    "JaliError",
    "Keys",
    "Ledger",
    "NoAnswer",
    "OutputError",
    "PolicyDenied",
    "Profile",
    "QueryError",
    "Quote",
    "Reason",
    "ReceiptError",
    "Rejected",
    "Report",
    "Result",
    "ResultError",
    "StaleQuote",
    "Unauthenticated",
    "Unavailable",
    "VerificationError",
    "connect",
    "load_profile",
    "verify_receipt",
]
