from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Agreement(_message.Message):
    __slots__ = ["datasets", "id", "kinds", "max_price_pu", "min_error", "mode", "parties", "purposes", "state", "title", "valid_from", "valid_until", "version"]
    DATASETS_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    MAX_PRICE_PU_FIELD_NUMBER: _ClassVar[int]
    MIN_ERROR_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    PARTIES_FIELD_NUMBER: _ClassVar[int]
    PURPOSES_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    VALID_FROM_FIELD_NUMBER: _ClassVar[int]
    VALID_UNTIL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    datasets: _containers.RepeatedScalarFieldContainer[str]
    id: str
    kinds: _containers.RepeatedScalarFieldContainer[str]
    max_price_pu: int
    min_error: float
    mode: str
    parties: _containers.RepeatedScalarFieldContainer[str]
    purposes: _containers.RepeatedScalarFieldContainer[str]
    state: str
    title: str
    valid_from: int
    valid_until: int
    version: int
    def __init__(self, id: _Optional[str] = ..., version: _Optional[int] = ..., title: _Optional[str] = ..., state: _Optional[str] = ..., parties: _Optional[_Iterable[str]] = ..., purposes: _Optional[_Iterable[str]] = ..., datasets: _Optional[_Iterable[str]] = ..., kinds: _Optional[_Iterable[str]] = ..., mode: _Optional[str] = ..., valid_from: _Optional[int] = ..., valid_until: _Optional[int] = ..., min_error: _Optional[float] = ..., max_price_pu: _Optional[int] = ...) -> None: ...

class Charge(_message.Message):
    __slots__ = ["outcome", "population", "price_pu", "query", "seq", "time"]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    POPULATION_FIELD_NUMBER: _ClassVar[int]
    PRICE_PU_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    outcome: str
    population: str
    price_pu: int
    query: str
    seq: int
    time: int
    def __init__(self, seq: _Optional[int] = ..., time: _Optional[int] = ..., population: _Optional[str] = ..., price_pu: _Optional[int] = ..., outcome: _Optional[str] = ..., query: _Optional[str] = ...) -> None: ...

class GetBudgetRequest(_message.Message):
    __slots__ = ["agreement"]
    AGREEMENT_FIELD_NUMBER: _ClassVar[int]
    agreement: str
    def __init__(self, agreement: _Optional[str] = ...) -> None: ...

class GetBudgetResponse(_message.Message):
    __slots__ = ["agreement", "charges", "ledgers"]
    AGREEMENT_FIELD_NUMBER: _ClassVar[int]
    CHARGES_FIELD_NUMBER: _ClassVar[int]
    LEDGERS_FIELD_NUMBER: _ClassVar[int]
    agreement: str
    charges: _containers.RepeatedCompositeFieldContainer[Charge]
    ledgers: _containers.RepeatedCompositeFieldContainer[Ledger]
    def __init__(self, agreement: _Optional[str] = ..., ledgers: _Optional[_Iterable[_Union[Ledger, _Mapping]]] = ..., charges: _Optional[_Iterable[_Union[Charge, _Mapping]]] = ...) -> None: ...

class Ledger(_message.Message):
    __slots__ = ["cap_epsilon", "cap_pu", "population", "population_cap_pu", "population_spent_pu", "population_state", "remaining_pu", "spent_epsilon", "spent_pu", "unit"]
    CAP_EPSILON_FIELD_NUMBER: _ClassVar[int]
    CAP_PU_FIELD_NUMBER: _ClassVar[int]
    POPULATION_CAP_PU_FIELD_NUMBER: _ClassVar[int]
    POPULATION_FIELD_NUMBER: _ClassVar[int]
    POPULATION_SPENT_PU_FIELD_NUMBER: _ClassVar[int]
    POPULATION_STATE_FIELD_NUMBER: _ClassVar[int]
    REMAINING_PU_FIELD_NUMBER: _ClassVar[int]
    SPENT_EPSILON_FIELD_NUMBER: _ClassVar[int]
    SPENT_PU_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    cap_epsilon: float
    cap_pu: int
    population: str
    population_cap_pu: int
    population_spent_pu: int
    population_state: str
    remaining_pu: int
    spent_epsilon: float
    spent_pu: int
    unit: str
    def __init__(self, population: _Optional[str] = ..., cap_pu: _Optional[int] = ..., spent_pu: _Optional[int] = ..., remaining_pu: _Optional[int] = ..., spent_epsilon: _Optional[float] = ..., cap_epsilon: _Optional[float] = ..., population_state: _Optional[str] = ..., population_cap_pu: _Optional[int] = ..., population_spent_pu: _Optional[int] = ..., unit: _Optional[str] = ...) -> None: ...

class ListAgreementsRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class ListAgreementsResponse(_message.Message):
    __slots__ = ["agreements"]
    AGREEMENTS_FIELD_NUMBER: _ClassVar[int]
    agreements: _containers.RepeatedCompositeFieldContainer[Agreement]
    def __init__(self, agreements: _Optional[_Iterable[_Union[Agreement, _Mapping]]] = ...) -> None: ...
