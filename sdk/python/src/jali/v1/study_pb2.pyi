from jali.v1 import admin_pb2 as _admin_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EndStudyRequest(_message.Message):
    __slots__ = ["agreement", "approver", "study"]
    AGREEMENT_FIELD_NUMBER: _ClassVar[int]
    APPROVER_FIELD_NUMBER: _ClassVar[int]
    STUDY_FIELD_NUMBER: _ClassVar[int]
    agreement: str
    approver: str
    study: str
    def __init__(self, agreement: _Optional[str] = ..., study: _Optional[str] = ..., approver: _Optional[str] = ...) -> None: ...

class ListStudiesRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class ListStudiesResponse(_message.Message):
    __slots__ = ["studies"]
    STUDIES_FIELD_NUMBER: _ClassVar[int]
    studies: _containers.RepeatedCompositeFieldContainer[Study]
    def __init__(self, studies: _Optional[_Iterable[_Union[Study, _Mapping]]] = ...) -> None: ...

class RegisterStudyRequest(_message.Message):
    __slots__ = ["agreement", "approver", "dataset", "persons", "study"]
    AGREEMENT_FIELD_NUMBER: _ClassVar[int]
    APPROVER_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    PERSONS_FIELD_NUMBER: _ClassVar[int]
    STUDY_FIELD_NUMBER: _ClassVar[int]
    agreement: str
    approver: str
    dataset: str
    persons: bytes
    study: str
    def __init__(self, agreement: _Optional[str] = ..., dataset: _Optional[str] = ..., study: _Optional[str] = ..., persons: _Optional[bytes] = ..., approver: _Optional[str] = ...) -> None: ...

class Study(_message.Message):
    __slots__ = ["agreement", "dataset", "entry", "mapping", "slots", "study", "version"]
    AGREEMENT_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    MAPPING_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    STUDY_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    agreement: str
    dataset: str
    entry: int
    mapping: bytes
    slots: int
    study: str
    version: int
    def __init__(self, agreement: _Optional[str] = ..., dataset: _Optional[str] = ..., study: _Optional[str] = ..., version: _Optional[int] = ..., slots: _Optional[int] = ..., mapping: _Optional[bytes] = ..., entry: _Optional[int] = ...) -> None: ...
