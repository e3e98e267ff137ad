from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Budget(_message.Message):
    __slots__ = ["agreement_remaining_pu", "population_remaining_pu"]
    AGREEMENT_REMAINING_PU_FIELD_NUMBER: _ClassVar[int]
    POPULATION_REMAINING_PU_FIELD_NUMBER: _ClassVar[int]
    agreement_remaining_pu: int
    population_remaining_pu: int
    def __init__(self, agreement_remaining_pu: _Optional[int] = ..., population_remaining_pu: _Optional[int] = ...) -> None: ...

class OutputError(_message.Message):
    __slots__ = ["name", "sizes", "value"]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SIZES_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    sizes: _containers.RepeatedCompositeFieldContainer[SizeError]
    value: float
    def __init__(self, name: _Optional[str] = ..., value: _Optional[float] = ..., sizes: _Optional[_Iterable[_Union[SizeError, _Mapping]]] = ...) -> None: ...

class PlanSummary(_message.Message):
    __slots__ = ["cells", "columns", "dataset", "formulation", "groups_per_person", "hash", "hide_below", "mechanism", "rows_per_group", "rows_per_person", "version"]
    CELLS_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    FORMULATION_FIELD_NUMBER: _ClassVar[int]
    GROUPS_PER_PERSON_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    HIDE_BELOW_FIELD_NUMBER: _ClassVar[int]
    MECHANISM_FIELD_NUMBER: _ClassVar[int]
    ROWS_PER_GROUP_FIELD_NUMBER: _ClassVar[int]
    ROWS_PER_PERSON_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    cells: int
    columns: _containers.RepeatedScalarFieldContainer[str]
    dataset: str
    formulation: str
    groups_per_person: int
    hash: str
    hide_below: int
    mechanism: str
    rows_per_group: int
    rows_per_person: int
    version: str
    def __init__(self, dataset: _Optional[str] = ..., version: _Optional[str] = ..., formulation: _Optional[str] = ..., mechanism: _Optional[str] = ..., columns: _Optional[_Iterable[str]] = ..., cells: _Optional[int] = ..., rows_per_person: _Optional[int] = ..., groups_per_person: _Optional[int] = ..., rows_per_group: _Optional[int] = ..., hide_below: _Optional[int] = ..., hash: _Optional[str] = ...) -> None: ...

class PriceLine(_message.Message):
    __slots__ = ["half_width", "name", "nano_rho", "s2", "sigma"]
    HALF_WIDTH_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    NANO_RHO_FIELD_NUMBER: _ClassVar[int]
    S2_FIELD_NUMBER: _ClassVar[int]
    SIGMA_FIELD_NUMBER: _ClassVar[int]
    half_width: float
    name: str
    nano_rho: int
    s2: str
    sigma: float
    def __init__(self, name: _Optional[str] = ..., s2: _Optional[str] = ..., sigma: _Optional[float] = ..., half_width: _Optional[float] = ..., nano_rho: _Optional[int] = ...) -> None: ...

class QueryRequest(_message.Message):
    __slots__ = ["agreement", "dataset", "error", "error_for", "purpose", "quote_id", "request_id", "sql"]
    class ErrorForEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    AGREEMENT_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    ERROR_FOR_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    QUOTE_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SQL_FIELD_NUMBER: _ClassVar[int]
    agreement: str
    dataset: str
    error: str
    error_for: _containers.ScalarMap[str, str]
    purpose: str
    quote_id: str
    request_id: str
    sql: str
    def __init__(self, agreement: _Optional[str] = ..., purpose: _Optional[str] = ..., dataset: _Optional[str] = ..., sql: _Optional[str] = ..., error: _Optional[str] = ..., error_for: _Optional[_Mapping[str, str]] = ..., request_id: _Optional[str] = ..., quote_id: _Optional[str] = ...) -> None: ...

class QueryResponse(_message.Message):
    __slots__ = ["analysis", "budget", "columns", "decision", "hidden_groups", "json_bytes", "notes", "padding", "price_pu", "receipt", "replayed", "result", "rows", "slots_off", "view_columns", "view_rows"]
    ANALYSIS_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    HIDDEN_GROUPS_FIELD_NUMBER: _ClassVar[int]
    JSON_BYTES_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    PADDING_FIELD_NUMBER: _ClassVar[int]
    PRICE_PU_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    SLOTS_OFF_FIELD_NUMBER: _ClassVar[int]
    VIEW_COLUMNS_FIELD_NUMBER: _ClassVar[int]
    VIEW_ROWS_FIELD_NUMBER: _ClassVar[int]
    analysis: bytes
    budget: Budget
    columns: _containers.RepeatedCompositeFieldContainer[ResultColumn]
    decision: int
    hidden_groups: int
    json_bytes: int
    notes: _containers.RepeatedScalarFieldContainer[str]
    padding: _containers.RepeatedScalarFieldContainer[str]
    price_pu: int
    receipt: bytes
    replayed: bool
    result: bytes
    rows: _containers.RepeatedCompositeFieldContainer[ResultRow]
    slots_off: bool
    view_columns: _containers.RepeatedCompositeFieldContainer[ViewColumn]
    view_rows: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, result: _Optional[bytes] = ..., columns: _Optional[_Iterable[_Union[ResultColumn, _Mapping]]] = ..., rows: _Optional[_Iterable[_Union[ResultRow, _Mapping]]] = ..., hidden_groups: _Optional[int] = ..., price_pu: _Optional[int] = ..., budget: _Optional[_Union[Budget, _Mapping]] = ..., replayed: bool = ..., receipt: _Optional[bytes] = ..., decision: _Optional[int] = ..., slots_off: bool = ..., view_columns: _Optional[_Iterable[_Union[ViewColumn, _Mapping]]] = ..., view_rows: _Optional[_Iterable[int]] = ..., notes: _Optional[_Iterable[str]] = ..., analysis: _Optional[bytes] = ..., json_bytes: _Optional[int] = ..., padding: _Optional[_Iterable[str]] = ...) -> None: ...

class QuoteRequest(_message.Message):
    __slots__ = ["agreement", "dataset", "error", "error_for", "purpose", "sql"]
    class ErrorForEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    AGREEMENT_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    ERROR_FOR_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    SQL_FIELD_NUMBER: _ClassVar[int]
    agreement: str
    dataset: str
    error: str
    error_for: _containers.ScalarMap[str, str]
    purpose: str
    sql: str
    def __init__(self, agreement: _Optional[str] = ..., purpose: _Optional[str] = ..., dataset: _Optional[str] = ..., sql: _Optional[str] = ..., error: _Optional[str] = ..., error_for: _Optional[_Mapping[str, str]] = ...) -> None: ...

class QuoteResponse(_message.Message):
    __slots__ = ["allowed", "budget", "detectable", "error95", "expires_at", "fits", "hiding", "lines", "plan", "population", "price_pu", "quote_id", "reasons", "unit", "warnings"]
    ALLOWED_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    DETECTABLE_FIELD_NUMBER: _ClassVar[int]
    ERROR95_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    FITS_FIELD_NUMBER: _ClassVar[int]
    HIDING_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    POPULATION_FIELD_NUMBER: _ClassVar[int]
    PRICE_PU_FIELD_NUMBER: _ClassVar[int]
    QUOTE_ID_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    allowed: bool
    budget: Budget
    detectable: _containers.RepeatedCompositeFieldContainer[OutputError]
    error95: _containers.RepeatedCompositeFieldContainer[OutputError]
    expires_at: int
    fits: str
    hiding: _containers.RepeatedCompositeFieldContainer[SizeError]
    lines: _containers.RepeatedCompositeFieldContainer[PriceLine]
    plan: PlanSummary
    population: str
    price_pu: int
    quote_id: str
    reasons: _containers.RepeatedCompositeFieldContainer[Reason]
    unit: str
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, allowed: bool = ..., reasons: _Optional[_Iterable[_Union[Reason, _Mapping]]] = ..., quote_id: _Optional[str] = ..., expires_at: _Optional[int] = ..., price_pu: _Optional[int] = ..., lines: _Optional[_Iterable[_Union[PriceLine, _Mapping]]] = ..., error95: _Optional[_Iterable[_Union[OutputError, _Mapping]]] = ..., plan: _Optional[_Union[PlanSummary, _Mapping]] = ..., budget: _Optional[_Union[Budget, _Mapping]] = ..., population: _Optional[str] = ..., fits: _Optional[str] = ..., warnings: _Optional[_Iterable[str]] = ..., detectable: _Optional[_Iterable[_Union[OutputError, _Mapping]]] = ..., hiding: _Optional[_Iterable[_Union[SizeError, _Mapping]]] = ..., unit: _Optional[str] = ...) -> None: ...

class Reason(_message.Message):
    __slots__ = ["code", "hint", "text"]
    CODE_FIELD_NUMBER: _ClassVar[int]
    HINT_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    code: str
    hint: str
    text: str
    def __init__(self, code: _Optional[str] = ..., text: _Optional[str] = ..., hint: _Optional[str] = ...) -> None: ...

class ResultColumn(_message.Message):
    __slots__ = ["name", "role", "unit"]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    name: str
    role: str
    unit: str
    def __init__(self, name: _Optional[str] = ..., role: _Optional[str] = ..., unit: _Optional[str] = ...) -> None: ...

class ResultRow(_message.Message):
    __slots__ = ["error95", "hidden", "values"]
    ERROR95_FIELD_NUMBER: _ClassVar[int]
    HIDDEN_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    error95: _containers.RepeatedCompositeFieldContainer[ResultValue]
    hidden: bool
    values: _containers.RepeatedCompositeFieldContainer[ResultValue]
    def __init__(self, values: _Optional[_Iterable[_Union[ResultValue, _Mapping]]] = ..., error95: _Optional[_Iterable[_Union[ResultValue, _Mapping]]] = ..., hidden: bool = ...) -> None: ...

class ResultValue(_message.Message):
    __slots__ = ["integer", "number", "text"]
    INTEGER_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    integer: int
    number: float
    text: str
    def __init__(self, integer: _Optional[int] = ..., number: _Optional[float] = ..., text: _Optional[str] = ...) -> None: ...

class SizeError(_message.Message):
    __slots__ = ["n", "value"]
    N_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    n: int
    value: float
    def __init__(self, n: _Optional[int] = ..., value: _Optional[float] = ...) -> None: ...

class ViewColumn(_message.Message):
    __slots__ = ["index", "name"]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    index: int
    name: str
    def __init__(self, name: _Optional[str] = ..., index: _Optional[int] = ...) -> None: ...
