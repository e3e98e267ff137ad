from jali.v1 import query_pb2 as _query_pb2
from jali.v1 import study_pb2 as _study_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AdmitRequest(_message.Message):
    __slots__ = ["nonce"]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    nonce: bytes
    def __init__(self, nonce: _Optional[bytes] = ...) -> None: ...

class AdmitResponse(_message.Message):
    __slots__ = ["admitted", "ahead", "bytes_ahead"]
    ADMITTED_FIELD_NUMBER: _ClassVar[int]
    AHEAD_FIELD_NUMBER: _ClassVar[int]
    BYTES_AHEAD_FIELD_NUMBER: _ClassVar[int]
    admitted: bool
    ahead: int
    bytes_ahead: int
    def __init__(self, admitted: bool = ..., ahead: _Optional[int] = ..., bytes_ahead: _Optional[int] = ...) -> None: ...

class CohortAggregate(_message.Message):
    __slots__ = ["bound", "center", "decimals", "group", "half_width", "name", "unit"]
    BOUND_FIELD_NUMBER: _ClassVar[int]
    CENTER_FIELD_NUMBER: _ClassVar[int]
    DECIMALS_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    HALF_WIDTH_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    bound: int
    center: int
    decimals: int
    group: GroupLabel
    half_width: int
    name: str
    unit: str
    def __init__(self, name: _Optional[str] = ..., half_width: _Optional[int] = ..., bound: _Optional[int] = ..., decimals: _Optional[int] = ..., center: _Optional[int] = ..., unit: _Optional[str] = ..., group: _Optional[_Union[GroupLabel, _Mapping]] = ...) -> None: ...

class CohortServiceQuoteRequest(_message.Message):
    __slots__ = ["aggregate", "agreement", "by", "dataset", "error", "group", "key", "measure", "per_person", "purpose", "rule", "study", "where"]
    AGGREGATE_FIELD_NUMBER: _ClassVar[int]
    AGREEMENT_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    MEASURE_FIELD_NUMBER: _ClassVar[int]
    PER_PERSON_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    STUDY_FIELD_NUMBER: _ClassVar[int]
    WHERE_FIELD_NUMBER: _ClassVar[int]
    aggregate: str
    agreement: str
    by: str
    dataset: str
    error: str
    group: str
    key: bytes
    measure: str
    per_person: int
    purpose: str
    rule: SizeRule
    study: str
    where: str
    def __init__(self, agreement: _Optional[str] = ..., purpose: _Optional[str] = ..., dataset: _Optional[str] = ..., key: _Optional[bytes] = ..., by: _Optional[str] = ..., where: _Optional[str] = ..., aggregate: _Optional[str] = ..., measure: _Optional[str] = ..., rule: _Optional[_Union[SizeRule, _Mapping]] = ..., error: _Optional[str] = ..., group: _Optional[str] = ..., study: _Optional[str] = ..., per_person: _Optional[int] = ...) -> None: ...

class CohortServiceQuoteResponse(_message.Message):
    __slots__ = ["aggregates", "allowed", "auditor", "budget", "entries", "expires_at", "fits", "lines", "mapping", "nonce", "params", "plan", "population", "price_pu", "reasons", "reply_bytes", "table", "upload_bytes", "warnings"]
    AGGREGATES_FIELD_NUMBER: _ClassVar[int]
    ALLOWED_FIELD_NUMBER: _ClassVar[int]
    AUDITOR_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    FITS_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    MAPPING_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    POPULATION_FIELD_NUMBER: _ClassVar[int]
    PRICE_PU_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    REPLY_BYTES_FIELD_NUMBER: _ClassVar[int]
    TABLE_FIELD_NUMBER: _ClassVar[int]
    UPLOAD_BYTES_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    aggregates: _containers.RepeatedCompositeFieldContainer[CohortAggregate]
    allowed: bool
    auditor: bytes
    budget: _query_pb2.Budget
    entries: int
    expires_at: int
    fits: str
    lines: _containers.RepeatedCompositeFieldContainer[_query_pb2.PriceLine]
    mapping: bytes
    nonce: bytes
    params: str
    plan: _query_pb2.PlanSummary
    population: str
    price_pu: int
    reasons: _containers.RepeatedCompositeFieldContainer[_query_pb2.Reason]
    reply_bytes: int
    table: bytes
    upload_bytes: int
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, allowed: bool = ..., reasons: _Optional[_Iterable[_Union[_query_pb2.Reason, _Mapping]]] = ..., nonce: _Optional[bytes] = ..., expires_at: _Optional[int] = ..., params: _Optional[str] = ..., entries: _Optional[int] = ..., mapping: _Optional[bytes] = ..., table: _Optional[bytes] = ..., upload_bytes: _Optional[int] = ..., reply_bytes: _Optional[int] = ..., price_pu: _Optional[int] = ..., lines: _Optional[_Iterable[_Union[_query_pb2.PriceLine, _Mapping]]] = ..., aggregates: _Optional[_Iterable[_Union[CohortAggregate, _Mapping]]] = ..., plan: _Optional[_Union[_query_pb2.PlanSummary, _Mapping]] = ..., budget: _Optional[_Union[_query_pb2.Budget, _Mapping]] = ..., population: _Optional[str] = ..., fits: _Optional[str] = ..., warnings: _Optional[_Iterable[str]] = ..., auditor: _Optional[bytes] = ...) -> None: ...

class EvaluateRequest(_message.Message):
    __slots__ = ["commit", "nonce"]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    commit: bytes
    nonce: bytes
    def __init__(self, nonce: _Optional[bytes] = ..., commit: _Optional[bytes] = ...) -> None: ...

class EvaluateResponse(_message.Message):
    __slots__ = ["aggregates", "budget", "decision", "notes", "price_pu", "receipt", "replayed", "reply", "slots_off"]
    AGGREGATES_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    PRICE_PU_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    REPLY_FIELD_NUMBER: _ClassVar[int]
    SLOTS_OFF_FIELD_NUMBER: _ClassVar[int]
    aggregates: _containers.RepeatedCompositeFieldContainer[CohortAggregate]
    budget: _query_pb2.Budget
    decision: int
    notes: _containers.RepeatedScalarFieldContainer[str]
    price_pu: int
    receipt: bytes
    replayed: bool
    reply: bytes
    slots_off: bool
    def __init__(self, reply: _Optional[bytes] = ..., aggregates: _Optional[_Iterable[_Union[CohortAggregate, _Mapping]]] = ..., price_pu: _Optional[int] = ..., budget: _Optional[_Union[_query_pb2.Budget, _Mapping]] = ..., replayed: bool = ..., receipt: _Optional[bytes] = ..., decision: _Optional[int] = ..., slots_off: bool = ..., notes: _Optional[_Iterable[str]] = ...) -> None: ...

class GetStudyRequest(_message.Message):
    __slots__ = ["agreement", "study"]
    AGREEMENT_FIELD_NUMBER: _ClassVar[int]
    STUDY_FIELD_NUMBER: _ClassVar[int]
    agreement: str
    study: str
    def __init__(self, agreement: _Optional[str] = ..., study: _Optional[str] = ...) -> None: ...

class GroupLabel(_message.Message):
    __slots__ = ["kind", "text"]
    KIND_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    kind: str
    text: str
    def __init__(self, kind: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...

class NewKeyRequest(_message.Message):
    __slots__ = ["agreement", "params"]
    AGREEMENT_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    agreement: str
    params: str
    def __init__(self, agreement: _Optional[str] = ..., params: _Optional[str] = ...) -> None: ...

class NewKeyResponse(_message.Message):
    __slots__ = ["auditor", "crs", "expires_at"]
    AUDITOR_FIELD_NUMBER: _ClassVar[int]
    CRS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    auditor: bytes
    crs: bytes
    expires_at: int
    def __init__(self, crs: _Optional[bytes] = ..., expires_at: _Optional[int] = ..., auditor: _Optional[bytes] = ...) -> None: ...

class RegisterKeyRequest(_message.Message):
    __slots__ = ["body", "crs"]
    BODY_FIELD_NUMBER: _ClassVar[int]
    CRS_FIELD_NUMBER: _ClassVar[int]
    body: bytes
    crs: bytes
    def __init__(self, crs: _Optional[bytes] = ..., body: _Optional[bytes] = ...) -> None: ...

class RegisterKeyResponse(_message.Message):
    __slots__ = ["entry", "expires_at", "key"]
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    entry: int
    expires_at: int
    key: bytes
    def __init__(self, key: _Optional[bytes] = ..., expires_at: _Optional[int] = ..., entry: _Optional[int] = ...) -> None: ...

class SizeRange(_message.Message):
    __slots__ = ["max", "min"]
    MAX_FIELD_NUMBER: _ClassVar[int]
    MIN_FIELD_NUMBER: _ClassVar[int]
    max: int
    min: int
    def __init__(self, min: _Optional[int] = ..., max: _Optional[int] = ...) -> None: ...

class SizeRule(_message.Message):
    __slots__ = ["exact", "range"]
    EXACT_FIELD_NUMBER: _ClassVar[int]
    RANGE_FIELD_NUMBER: _ClassVar[int]
    exact: int
    range: SizeRange
    def __init__(self, exact: _Optional[int] = ..., range: _Optional[_Union[SizeRange, _Mapping]] = ...) -> None: ...

class UploadPartRequest(_message.Message):
    __slots__ = ["data", "nonce", "offset"]
    DATA_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    nonce: bytes
    offset: int
    def __init__(self, nonce: _Optional[bytes] = ..., offset: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...

class UploadPartResponse(_message.Message):
    __slots__ = ["received", "want"]
    RECEIVED_FIELD_NUMBER: _ClassVar[int]
    WANT_FIELD_NUMBER: _ClassVar[int]
    received: int
    want: int
    def __init__(self, received: _Optional[int] = ..., want: _Optional[int] = ...) -> None: ...

class UploadRequest(_message.Message):
    __slots__ = ["data", "nonce"]
    DATA_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    nonce: bytes
    def __init__(self, nonce: _Optional[bytes] = ..., data: _Optional[bytes] = ...) -> None: ...

class UploadResponse(_message.Message):
    __slots__ = ["commit", "received"]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_FIELD_NUMBER: _ClassVar[int]
    commit: bytes
    received: int
    def __init__(self, received: _Optional[int] = ..., commit: _Optional[bytes] = ...) -> None: ...
