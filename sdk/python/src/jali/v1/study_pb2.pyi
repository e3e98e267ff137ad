from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

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
