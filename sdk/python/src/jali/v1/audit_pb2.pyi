from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Entry(_message.Message):
    __slots__ = ["details", "header", "seq"]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    HEADER_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    details: _containers.RepeatedScalarFieldContainer[str]
    header: str
    seq: int
    def __init__(self, seq: _Optional[int] = ..., header: _Optional[str] = ..., details: _Optional[_Iterable[str]] = ...) -> None: ...

class FindEntriesRequest(_message.Message):
    __slots__ = ["agreement", "dataset", "details", "forward", "kinds", "limit", "purpose", "ref", "since", "start", "until"]
    AGREEMENT_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    FORWARD_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    agreement: str
    dataset: str
    details: bool
    forward: bool
    kinds: _containers.RepeatedScalarFieldContainer[str]
    limit: int
    purpose: str
    ref: int
    since: int
    start: int
    until: int
    def __init__(self, kinds: _Optional[_Iterable[str]] = ..., agreement: _Optional[str] = ..., dataset: _Optional[str] = ..., purpose: _Optional[str] = ..., since: _Optional[int] = ..., until: _Optional[int] = ..., ref: _Optional[int] = ..., start: _Optional[int] = ..., forward: bool = ..., limit: _Optional[int] = ..., details: bool = ...) -> None: ...

class FindEntriesResponse(_message.Message):
    __slots__ = ["entries", "next", "scanned", "size"]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_FIELD_NUMBER: _ClassVar[int]
    SCANNED_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[Entry]
    next: int
    scanned: int
    size: int
    def __init__(self, entries: _Optional[_Iterable[_Union[Entry, _Mapping]]] = ..., next: _Optional[int] = ..., size: _Optional[int] = ..., scanned: _Optional[int] = ...) -> None: ...

class GetBundleRequest(_message.Message):
    __slots__ = ["digest"]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    digest: str
    def __init__(self, digest: _Optional[str] = ...) -> None: ...

class GetBundleResponse(_message.Message):
    __slots__ = ["bundle"]
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    bundle: bytes
    def __init__(self, bundle: _Optional[bytes] = ...) -> None: ...

class GetCheckpointRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class GetCheckpointResponse(_message.Message):
    __slots__ = ["audience", "checkpoint", "cosigned", "final", "origin", "seal_policy", "vkeys"]
    AUDIENCE_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    COSIGNED_FIELD_NUMBER: _ClassVar[int]
    FINAL_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    SEAL_POLICY_FIELD_NUMBER: _ClassVar[int]
    VKEYS_FIELD_NUMBER: _ClassVar[int]
    audience: str
    checkpoint: str
    cosigned: str
    final: str
    origin: str
    seal_policy: str
    vkeys: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, checkpoint: _Optional[str] = ..., origin: _Optional[str] = ..., vkeys: _Optional[_Iterable[str]] = ..., final: _Optional[str] = ..., cosigned: _Optional[str] = ..., seal_policy: _Optional[str] = ..., audience: _Optional[str] = ...) -> None: ...

class GetConsistencyRequest(_message.Message):
    __slots__ = ["new_size", "old_size"]
    NEW_SIZE_FIELD_NUMBER: _ClassVar[int]
    OLD_SIZE_FIELD_NUMBER: _ClassVar[int]
    new_size: int
    old_size: int
    def __init__(self, old_size: _Optional[int] = ..., new_size: _Optional[int] = ...) -> None: ...

class GetConsistencyResponse(_message.Message):
    __slots__ = ["hashes"]
    HASHES_FIELD_NUMBER: _ClassVar[int]
    hashes: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, hashes: _Optional[_Iterable[bytes]] = ...) -> None: ...

class GetProofRequest(_message.Message):
    __slots__ = ["seq"]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    seq: int
    def __init__(self, seq: _Optional[int] = ...) -> None: ...

class GetProofResponse(_message.Message):
    __slots__ = ["proof"]
    PROOF_FIELD_NUMBER: _ClassVar[int]
    proof: str
    def __init__(self, proof: _Optional[str] = ...) -> None: ...

class HoldRequest(_message.Message):
    __slots__ = ["a", "b", "judge", "order", "until"]
    A_FIELD_NUMBER: _ClassVar[int]
    B_FIELD_NUMBER: _ClassVar[int]
    JUDGE_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    a: int
    b: int
    judge: str
    order: str
    until: int
    def __init__(self, a: _Optional[int] = ..., b: _Optional[int] = ..., until: _Optional[int] = ..., order: _Optional[str] = ..., judge: _Optional[str] = ...) -> None: ...

class HoldResponse(_message.Message):
    __slots__ = ["seq"]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    seq: int
    def __init__(self, seq: _Optional[int] = ...) -> None: ...

class LedgerClaim(_message.Message):
    __slots__ = ["agreement", "cap_delta", "cap_nano_rho", "population", "seq", "spent_delta", "spent_nano_rho"]
    AGREEMENT_FIELD_NUMBER: _ClassVar[int]
    CAP_DELTA_FIELD_NUMBER: _ClassVar[int]
    CAP_NANO_RHO_FIELD_NUMBER: _ClassVar[int]
    POPULATION_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    SPENT_DELTA_FIELD_NUMBER: _ClassVar[int]
    SPENT_NANO_RHO_FIELD_NUMBER: _ClassVar[int]
    agreement: str
    cap_delta: int
    cap_nano_rho: int
    population: str
    seq: int
    spent_delta: int
    spent_nano_rho: int
    def __init__(self, agreement: _Optional[str] = ..., population: _Optional[str] = ..., cap_nano_rho: _Optional[int] = ..., spent_nano_rho: _Optional[int] = ..., cap_delta: _Optional[int] = ..., spent_delta: _Optional[int] = ..., seq: _Optional[int] = ...) -> None: ...

class ListEntriesRequest(_message.Message):
    __slots__ = ["details", "limit"]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    FROM_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    details: bool
    limit: int
    def __init__(self, limit: _Optional[int] = ..., details: bool = ..., **kwargs) -> None: ...

class ListEntriesResponse(_message.Message):
    __slots__ = ["entries", "size"]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[Entry]
    size: int
    def __init__(self, entries: _Optional[_Iterable[_Union[Entry, _Mapping]]] = ..., size: _Optional[int] = ...) -> None: ...

class ListLedgersRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class ListLedgersResponse(_message.Message):
    __slots__ = ["ledgers", "size"]
    LEDGERS_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    ledgers: _containers.RepeatedCompositeFieldContainer[LedgerClaim]
    size: int
    def __init__(self, ledgers: _Optional[_Iterable[_Union[LedgerClaim, _Mapping]]] = ..., size: _Optional[int] = ...) -> None: ...

class UnholdRequest(_message.Message):
    __slots__ = ["hold", "judge", "order"]
    HOLD_FIELD_NUMBER: _ClassVar[int]
    JUDGE_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    hold: int
    judge: str
    order: str
    def __init__(self, hold: _Optional[int] = ..., order: _Optional[str] = ..., judge: _Optional[str] = ...) -> None: ...

class WatchEntriesRequest(_message.Message):
    __slots__ = ["details"]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    FROM_FIELD_NUMBER: _ClassVar[int]
    details: bool
    def __init__(self, details: bool = ..., **kwargs) -> None: ...
