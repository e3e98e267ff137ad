"""Encrypted queries from Python (docs/clients-encrypted.md): jali_cohort.h through ctypes, standard library only.

    cohort = Library("libjali_cohort.so")
    key, registration = cohort.generate_key("ecq1-a", crs)
    with key.encrypt(question, entries, remember) as upload:
        for part in upload:
            send(part)
    numbers, out_of_range = key.decrypt(reply, bounds)

Threads may share all objects. Do not fork after loading: use multiprocessing with "spawn". Python cannot erase its own bytes: keep
what store() returns for as short a time as possible.
"""

import array
import ctypes
import json
from ctypes import POINTER, byref, c_char_p, c_int, c_int64, c_size_t, c_uint8, c_uint32, c_void_p


class CohortError(Exception):
    """Any refusal; the text holds no secret."""


_SIGNATURES = {
    "sizes": [c_char_p] + 4 * [POINTER(c_int64)],
    "generate": [c_char_p, c_char_p, c_char_p, c_size_t, POINTER(c_size_t), POINTER(c_void_p), POINTER(c_size_t)],
    "store": [c_size_t, POINTER(c_void_p), POINTER(c_size_t)],
    "restore": [c_char_p, c_size_t, POINTER(c_size_t)],
    "key_id": [c_size_t, c_char_p],
    "erase_key": [c_size_t],
    "encrypt": [c_size_t, c_char_p, c_size_t, POINTER(c_uint32), c_size_t, c_char_p, c_size_t, POINTER(c_size_t), c_char_p]
    + 2 * [POINTER(c_int64)],
    "part": [c_size_t, c_int64, POINTER(c_void_p), POINTER(c_size_t)],
    "commit": [c_size_t, c_char_p],
    "erase_upload": [c_size_t],
    "decrypt": [c_size_t, c_char_p, c_size_t, POINTER(c_int64), c_size_t, POINTER(c_int64), POINTER(c_int)],
}


class Library:
    def __init__(self, path):
        self._lib = ctypes.CDLL(path)
        self._free = self._lib.jali_cohort_free
        self._free.argtypes, self._free.restype = [c_void_p, c_size_t], None
        for name, arguments in _SIGNATURES.items():
            f = getattr(self._lib, "jali_cohort_" + name)
            f.argtypes, f.restype = arguments, c_void_p  # c_char_p would lose the address to free

    def _call(self, name, *arguments):
        text = getattr(self._lib, "jali_cohort_" + name)(*arguments)
        if text:
            message = ctypes.string_at(text).decode()
            self._free(text, 0)
            raise CohortError(message)

    def _bytes(self, name, *arguments):
        """Calls a function whose last two results are bytes, and takes them over."""
        p, n = c_void_p(), c_size_t()
        self._call(name, *arguments, byref(p), byref(n))
        try:
            return ctypes.string_at(p, n.value)
        finally:
            self._free(p, n)

    def _digest(self, name, handle):
        d = ctypes.create_string_buffer(32)
        self._call(name, handle, d)
        return d.raw

    def sizes(self, params):
        """Entries per block, bytes of a registration, bytes of a reply per aggregate, largest answer."""
        out = [c_int64() for _ in range(4)]
        self._call("sizes", params.encode(), *map(byref, out))
        return tuple(v.value for v in out)

    def generate_key(self, params, crs, auditor=b""):
        if len(crs) != 32:
            raise CohortError("crs has not 32 bytes")
        h = c_size_t()
        registration = self._bytes("generate", params.encode(), crs, auditor, len(auditor), byref(h))
        return Key(self, h.value), registration

    def restore_key(self, stored):
        h = c_size_t()
        self._call("restore", stored, len(stored), byref(h))
        return Key(self, h.value)


class Key:
    def __init__(self, library, handle):
        self._library, self._handle = library, handle
        self.id = library._digest("key_id", handle)

    def store(self):
        """The secret: encrypt it before it is written anywhere."""
        return self._library._bytes("store", self._handle)

    def encrypt(self, question, selected, remember, auditor=b""):
        """question: params, entries, table, nonce of the quote and rule of the request. remember(seed) is called before anything can be
        sent: it writes to a journal, and raises if the journal has the seed already."""
        text = json.dumps(question).encode()
        try:
            entries = array.array("I", selected)
        except (OverflowError, TypeError):
            raise CohortError("an entry is not a whole number from 0") from None
        seed = ctypes.create_string_buffer(32)
        h, blocks, size = c_size_t(), c_int64(), c_int64()
        view = (c_uint32 * len(entries)).from_buffer(entries) if entries else (c_uint32 * 0)()
        try:
            self._library._call(
                "encrypt", self._handle, text, len(text), view, len(entries), auditor, len(auditor), byref(h), seed, byref(blocks), byref(size)
            )
        finally:
            ctypes.memset(view, 0, 4 * len(entries))
        upload = Upload(self._library, h.value, blocks.value, size.value)
        try:
            remember(seed.raw)
        except BaseException:
            upload.erase()
            raise
        return upload

    def decrypt(self, reply, bounds):
        """One number per bound, sum + noise, and whether one is out of range: the selector was rejected, a declared rule was violated,
        or table version and key do not match. Never report that to the gateway by program."""
        n = len(bounds)
        numbers, out = (c_int64 * n)(), c_int()
        self._library._call("decrypt", self._handle, reply, len(reply), (c_int64 * n)(*bounds), n, numbers, byref(out))
        return list(numbers), bool(out.value)

    def erase(self):
        self._library._call("erase_key", self._handle)


class Upload:
    def __init__(self, library, handle, blocks, size):
        self._library, self._handle = library, handle
        self.blocks, self.bytes = blocks, size

    def __len__(self):
        return self.blocks + 2

    def __getitem__(self, i):
        """Part i: the head, one per block, the tail, which may be empty. The same bytes each time, to resume with."""
        if not 0 <= i < len(self):
            raise IndexError(i)
        return self._library._bytes("part", self._handle, i)

    def commit(self):
        """SHA-256 of the upload, which evaluate asks for."""
        return self._library._digest("commit", self._handle)

    def erase(self):
        self._library._call("erase_upload", self._handle)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.erase()
