"""The ctypes table, the option structs and the constants are those of the header."""

from __future__ import annotations

import ctypes
from ctypes import (
    POINTER,
    c_char_p,
    c_float,
    c_int,
    c_int32,
    c_int64,
    c_size_t,
    c_uint32,
    c_uint64,
    c_void_p,
)

import header
import pytest

from ragstore import _ffi, errors

SCALARS = {
    "int": c_int,
    "int32_t": c_int32,
    "int64_t": c_int64,
    "uint32_t": c_uint32,
    "uint64_t": c_uint64,
    "size_t": c_size_t,
    "float": c_float,
    "void": None,
    "const char *": c_char_p,
    "const void *": c_void_p,
    "void *": c_void_p,
    "const char * *": POINTER(c_char_p),
    "const char *const *": POINTER(c_char_p),
}
HANDLES = [
    "store", "batch", "entity", "document", "upload", "result", "session", "answer", "index",
    "collection", "cursor", "model", "buffer", "extraction", "generation", "job",
]  # fmt: skip

# What they return is looked at by who calls them: a callback hands it on.
GIVE_A_NUMBER = [
    "ragstore_error_code", "ragstore_error_errno", "ragstore_extraction_refuse",
    "ragstore_generation_fail",
]  # fmt: skip


def expected(kind: str):
    """The ctypes type for a C type of the header."""
    if kind in SCALARS:
        return SCALARS[kind]
    base = kind.removeprefix("const ").rstrip(" *")
    stars = kind.count("*")
    name = base.removeprefix("ragstore_")
    if name in HANDLES:
        handle = getattr(_ffi, name + "_p")
        return {1: handle, 2: POINTER(handle)}[stars]
    if base in header.structs():
        return POINTER(getattr(_ffi, name))
    assert stars == 1, kind
    return POINTER(SCALARS[base])


def test_table_names__are_those_of_the_header_in_its_order():
    assert [row[0] for row in _ffi.TABLE] == list(header.prototypes())


@pytest.mark.parametrize("row", _ffi.TABLE, ids=lambda row: row[0])
def test_table_row__has_the_types_of_the_prototype(row):
    name, arguments, result, check = row
    result_kind, argument_kinds = header.prototypes()[name]
    assert arguments == [expected(kind) for kind in argument_kinds]
    if name == "ragstore_buffer_data":  # bytes may contain NUL, which c_char_p would stop at
        assert result is c_void_p
    else:
        assert result is expected(result_kind)
    assert (check is not None) == (result_kind == "int" and name not in GIVE_A_NUMBER)


@pytest.mark.parametrize("name", list(header.structs()))
def test_option_struct__has_the_fields_of_the_header(name):
    struct = getattr(_ffi, name.removeprefix("ragstore_"))
    fields = header.structs()[name]
    assert [field[0] for field in struct._fields_] == [field[0] for field in fields]
    for (_, kind), (field, c_kind) in zip(struct._fields_, fields, strict=True):
        if c_kind == "function":
            assert issubclass(kind, ctypes._CFuncPtr), field
        elif c_kind == "const float *":
            assert kind is POINTER(c_float)
        else:
            assert kind is expected(c_kind), field


@pytest.mark.parametrize("name", list(header.structs()))
def test_option_struct__is_filled_as_the_library_fills_it(name):
    struct = getattr(_ffi, name.removeprefix("ragstore_"))
    filled = struct()
    by_library = struct()
    ctypes.memset(ctypes.byref(by_library), 0xFF, ctypes.sizeof(by_library))
    getattr(_ffi.lib, name + "_init")(ctypes.byref(by_library))
    assert bytes(filled) == bytes(by_library)


def constant(name: str) -> int:
    out = c_int64(-99)
    _ffi.lib.ragstore_constant_get(ctypes.byref(out), name.encode())
    return out.value


@pytest.mark.parametrize("name,value", list(header.constants().items()))
def test_constant__is_the_same_in_header_and_library(name, value):
    assert constant(name) == value


def test_constants_of_the_package__are_those_of_the_library():
    names = [name for name in vars(_ffi) if name.startswith("RAGSTORE_")]
    assert len(names) >= 15
    for name in names:
        assert getattr(_ffi, name) == constant(name), name


def test_exceptions__cover_every_status_of_the_header():
    codes = {
        name.removeprefix("RAGSTORE_E_"): value
        for name, value in header.constants().items()
        if name.startswith("RAGSTORE_E_")
    }
    assert {name: code for name, (code, _) in errors.BY_STATUS.items()} == codes
    classes = [kind for _, kind in errors.BY_STATUS.values()]
    assert len(set(classes)) == len(classes)


def test_unknown_constant__raises_not_found():
    with pytest.raises(errors.NotFoundError):
        constant("RAGSTORE_NO_SUCH_THING")
