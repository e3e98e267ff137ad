from jali.v1 import audit_pb2 as _audit_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class ActivateDatasetRequest(_message.Message):
    __slots__ = ["approver", "dataset", "manifest"]
    APPROVER_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    MANIFEST_FIELD_NUMBER: _ClassVar[int]
    approver: str
    dataset: str
    manifest: bytes
    def __init__(self, dataset: _Optional[str] = ..., manifest: _Optional[bytes] = ..., approver: _Optional[str] = ...) -> None: ...

class ActivatePolicyRequest(_message.Message):
    __slots__ = ["approver", "bundle"]
    APPROVER_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    approver: str
    bundle: bytes
    def __init__(self, bundle: _Optional[bytes] = ..., approver: _Optional[str] = ...) -> None: ...

class Activated(_message.Message):
    __slots__ = ["digest", "seq", "warnings"]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    digest: str
    seq: int
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, seq: _Optional[int] = ..., digest: _Optional[str] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class AddAgreementRequest(_message.Message):
    __slots__ = ["approver", "yaml"]
    APPROVER_FIELD_NUMBER: _ClassVar[int]
    YAML_FIELD_NUMBER: _ClassVar[int]
    approver: str
    yaml: bytes
    def __init__(self, yaml: _Optional[bytes] = ..., approver: _Optional[str] = ...) -> None: ...

class EraseRequest(_message.Message):
    __slots__ = ["approvals", "approver", "approver2", "entries", "law", "order", "person", "preview", "query", "scope"]
    APPROVALS_FIELD_NUMBER: _ClassVar[int]
    APPROVER2_FIELD_NUMBER: _ClassVar[int]
    APPROVER_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    LAW_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    PERSON_FIELD_NUMBER: _ClassVar[int]
    PREVIEW_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    approvals: _containers.RepeatedScalarFieldContainer[bytes]
    approver: str
    approver2: str
    entries: str
    law: str
    order: str
    person: str
    preview: bool
    query: int
    scope: str
    def __init__(self, scope: _Optional[str] = ..., law: _Optional[str] = ..., entries: _Optional[str] = ..., query: _Optional[int] = ..., person: _Optional[str] = ..., order: _Optional[str] = ..., approver: _Optional[str] = ..., approver2: _Optional[str] = ..., preview: bool = ..., approvals: _Optional[_Iterable[bytes]] = ...) -> None: ...

class EraseResponse(_message.Message):
    __slots__ = ["ended", "entries", "erase", "erased", "keys", "text"]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    ERASED_FIELD_NUMBER: _ClassVar[int]
    ERASE_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    ended: _containers.RepeatedScalarFieldContainer[str]
    entries: str
    erase: int
    erased: int
    keys: int
    text: str
    def __init__(self, entries: _Optional[str] = ..., erase: _Optional[int] = ..., erased: _Optional[int] = ..., keys: _Optional[int] = ..., ended: _Optional[_Iterable[str]] = ..., text: _Optional[str] = ...) -> None: ...

class ExplainWitnessRequest(_message.Message):
    __slots__ = ["approver", "explanation", "witness"]
    APPROVER_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    WITNESS_FIELD_NUMBER: _ClassVar[int]
    approver: str
    explanation: str
    witness: str
    def __init__(self, witness: _Optional[str] = ..., explanation: _Optional[str] = ..., approver: _Optional[str] = ...) -> None: ...

class ExportRequest(_message.Message):
    __slots__ = ["audience", "dir"]
    AUDIENCE_FIELD_NUMBER: _ClassVar[int]
    DIR_FIELD_NUMBER: _ClassVar[int]
    audience: str
    dir: str
    def __init__(self, dir: _Optional[str] = ..., audience: _Optional[str] = ...) -> None: ...

class PublishVerifierRequest(_message.Message):
    __slots__ = ["approver", "digest", "what"]
    APPROVER_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    WHAT_FIELD_NUMBER: _ClassVar[int]
    approver: str
    digest: bytes
    what: str
    def __init__(self, digest: _Optional[bytes] = ..., what: _Optional[str] = ..., approver: _Optional[str] = ...) -> None: ...

class SetBudgetRequest(_message.Message):
    __slots__ = ["approver", "delta_e18", "order", "population", "pu"]
    APPROVER_FIELD_NUMBER: _ClassVar[int]
    DELTA_E18_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    POPULATION_FIELD_NUMBER: _ClassVar[int]
    PU_FIELD_NUMBER: _ClassVar[int]
    approver: str
    delta_e18: int
    order: str
    population: str
    pu: int
    def __init__(self, population: _Optional[str] = ..., pu: _Optional[int] = ..., approver: _Optional[str] = ..., order: _Optional[str] = ..., delta_e18: _Optional[int] = ...) -> None: ...

class StatusRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class StatusResponse(_message.Message):
    __slots__ = ["datasets", "manifests", "origin", "policy", "problems", "size"]
    class DatasetsEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class ManifestsEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: bytes
        def __init__(self, key: _Optional[str] = ..., value: _Optional[bytes] = ...) -> None: ...
    DATASETS_FIELD_NUMBER: _ClassVar[int]
    MANIFESTS_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    datasets: _containers.ScalarMap[str, str]
    manifests: _containers.ScalarMap[str, bytes]
    origin: str
    policy: str
    problems: _containers.RepeatedScalarFieldContainer[str]
    size: int
    def __init__(self, size: _Optional[int] = ..., origin: _Optional[str] = ..., policy: _Optional[str] = ..., datasets: _Optional[_Mapping[str, str]] = ..., problems: _Optional[_Iterable[str]] = ..., manifests: _Optional[_Mapping[str, bytes]] = ...) -> None: ...

class TimestampRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...
