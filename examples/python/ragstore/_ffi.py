"""The C library as one table: for each function its arguments, its result and how it is checked.

Nothing else in the package talks to ctypes' loader. tests/python/test_table.py compares the table,
the option structs and the constants with include/ragstore.h and with the loaded library.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os
from ctypes import (
    CFUNCTYPE,
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
from pathlib import Path
from typing import Any

from .errors import error_class

# ---- constants: those of the header, under the same names ----

RAGSTORE_OPEN_MUST_EXIST = 0x1
RAGSTORE_OPEN_MUST_CREATE = 0x2
RAGSTORE_OPEN_READ_ONLY = 0x4
RAGSTORE_OPEN_IMMUTABLE = 0x8
RAGSTORE_OPEN_NO_BACKGROUND = 0x10
RAGSTORE_OPEN_NO_REEMBED = 0x20
RAGSTORE_PRECISION_FLOAT32 = 1
RAGSTORE_PRECISION_INT8 = 2
RAGSTORE_PRECISION_INT16 = 3
RAGSTORE_MODEL_THREADS_MAX = 64
RAGSTORE_DURABILITY_FULL = 1
RAGSTORE_DURABILITY_NORMAL = 2
RAGSTORE_NO_WAIT = 0xFFFFFFFF
RAGSTORE_LOG_ERROR = 1
RAGSTORE_LOG_WARNING = 2
RAGSTORE_LOG_INFO = 3
RAGSTORE_LOG_DEBUG = 4
RAGSTORE_BACKUP_UNCHECKED = 0x1
RAGSTORE_LIST_NEWEST_FIRST = 0x1
RAGSTORE_ROLE_DOCUMENT = 1
RAGSTORE_ROLE_QUERY = 2
RAGSTORE_FUSION_SUM = 1
RAGSTORE_FUSION_RANKS = 2
RAGSTORE_DUPLICATES_LAST = 1
RAGSTORE_DUPLICATES_KEEP = 2
RAGSTORE_MODE_HYBRID = 1
RAGSTORE_MODE_VECTOR = 2
RAGSTORE_MODE_KEYWORD = 3
RAGSTORE_UPDATE_UPSERT = 0x1

# ---- handles: one type each, so that ctypes refuses a wrong one ----


class store_p(c_void_p):
    """ragstore_store *"""


class batch_p(c_void_p):
    """ragstore_batch *"""


class entity_p(c_void_p):
    """ragstore_entity *"""


class document_p(c_void_p):
    """ragstore_document *"""


class upload_p(c_void_p):
    """ragstore_upload *"""


class job_p(c_void_p):
    """ragstore_job *"""


class result_p(c_void_p):
    """ragstore_result *"""


class session_p(c_void_p):
    """ragstore_session *"""


class answer_p(c_void_p):
    """ragstore_answer *"""


class index_p(c_void_p):
    """ragstore_index *"""


class collection_p(c_void_p):
    """ragstore_collection *"""


class cursor_p(c_void_p):
    """ragstore_cursor *"""


class model_p(c_void_p):
    """ragstore_model *"""


class extraction_p(c_void_p):
    """ragstore_extraction *"""


class generation_p(c_void_p):
    """ragstore_generation *"""


class buffer_p(c_void_p):
    """ragstore_buffer *"""


# ---- callbacks and option structs ----

log_callback = CFUNCTYPE(None, c_void_p, c_int, c_char_p)
progress_callback = CFUNCTYPE(c_int32, c_void_p, c_char_p, c_uint64, c_uint64)
# The bytes are a pointer and a size.
extract_callback = CFUNCTYPE(c_int32, c_void_p, extraction_p, c_void_p, c_size_t, c_char_p)
# The texts are an array of count strings, the reason has room for so many bytes.
embed_callback = CFUNCTYPE(
    c_int32, c_void_p, POINTER(c_float), POINTER(c_char_p), c_size_t, c_uint32, c_void_p, c_size_t
)
release_callback = CFUNCTYPE(None, c_void_p)
generate_callback = CFUNCTYPE(c_int32, c_void_p, generation_p, c_char_p, c_uint32)
sources_callback = CFUNCTYPE(c_int32, c_void_p, result_p)
# The text is not NUL-terminated: a pointer and a size.
text_callback = CFUNCTYPE(c_int32, c_void_p, c_void_p, c_size_t)


class _Options(ctypes.Structure):
    """A struct that says how large it is. All else is zero, which means the default."""

    def __init__(self, **values: Any) -> None:
        super().__init__(struct_size=ctypes.sizeof(type(self)), **values)


class model_open_options(_Options):
    _fields_ = [
        ("struct_size", c_size_t),
        ("threads", c_uint32),
        ("precision", c_uint32),
        ("query_prompt", c_char_p),
        ("document_prompt", c_char_p),
    ]


class model_callback_options(_Options):
    _fields_ = [
        ("struct_size", c_size_t),
        ("fingerprint", c_char_p),
        ("dimension", c_uint32),
        ("batch_size", c_uint32),
        ("max_tokens", c_uint32),
        ("reserved", c_uint32),
        ("embed", embed_callback),
        ("release", release_callback),
        ("user", c_void_p),
    ]


class store_open_options(_Options):
    _fields_ = [
        ("struct_size", c_size_t),
        ("flags", c_uint32),
        ("durability", c_uint32),
        ("busy_timeout_ms", c_uint32),
        ("reserved", c_uint32),
        ("memory_limit_bytes", c_uint64),
        ("model", model_p),
        ("log", log_callback),
        ("log_user", c_void_p),
        ("extract", extract_callback),
        ("extract_user", c_void_p),
    ]


class store_compact_options(_Options):
    _fields_ = [
        ("struct_size", c_size_t),
        ("progress", progress_callback),
        ("progress_user", c_void_p),
    ]


class store_check_options(_Options):
    _fields_ = store_compact_options._fields_


class backup_options(_Options):
    _fields_ = [
        ("struct_size", c_size_t),
        ("flags", c_uint32),
        ("reserved", c_uint32),
        ("progress", progress_callback),
        ("progress_user", c_void_p),
    ]


class index_rebuild_options(_Options):
    _fields_ = store_compact_options._fields_


class entity_create_options(_Options):
    _fields_ = [
        ("struct_size", c_size_t),
        ("name", c_char_p),
        ("description", c_char_p),
        ("metadata_json", c_char_p),
        ("metric", c_char_p),
        ("index_kind", c_char_p),
        ("language", c_char_p),
        ("chunk_tokens", c_uint32),
        ("chunk_overlap", c_uint32),
    ]


class entity_update_options(_Options):
    _fields_ = entity_create_options._fields_[:4]


class list_options(_Options):
    _fields_ = [
        ("struct_size", c_size_t),
        ("limit", c_uint64),
        ("offset", c_uint64),
        ("match", c_char_p),
        ("flags", c_uint32),
        ("reserved", c_uint32),
    ]


class document_add_options(_Options):
    _fields_ = [
        ("struct_size", c_size_t),
        ("filename", c_char_p),
        ("media_type", c_char_p),
        ("source", c_char_p),
        ("description", c_char_p),
        ("metadata_json", c_char_p),
        ("key", c_char_p),
        ("progress", progress_callback),
        ("progress_user", c_void_p),
    ]


class job_list_options(_Options):
    _fields_ = [
        ("struct_size", c_size_t),
        ("entity_id", c_char_p),
        ("limit", c_uint64),
        ("offset", c_uint64),
    ]


class entity_search_options(_Options):
    _fields_ = [
        ("struct_size", c_size_t),
        ("k", c_uint32),
        ("mode", c_uint32),
        ("neighbors", c_uint32),
        ("min_score", c_float),
        ("doc_ids", POINTER(c_char_p)),
        ("doc_ids_count", c_size_t),
        ("filter_json", c_char_p),
        ("vector", POINTER(c_float)),
        ("dimension", c_size_t),
        ("fusion", c_uint32),
        ("duplicates", c_uint32),
    ]


class session_create_options(_Options):
    _fields_ = [("struct_size", c_size_t), ("name", c_char_p), ("metadata_json", c_char_p)]


class document_update_options(_Options):
    _fields_ = [
        ("struct_size", c_size_t),
        ("source", c_char_p),
        ("description", c_char_p),
        ("metadata_json", c_char_p),
    ]


class session_update_options(_Options):
    _fields_ = [
        ("struct_size", c_size_t),
        ("name", c_char_p),
        ("metadata_json", c_char_p),
        ("version", c_char_p),
    ]


class session_search_options(_Options):
    _fields_ = [
        ("struct_size", c_size_t),
        ("session_id", c_char_p),
        ("limit", c_uint64),
        ("offset", c_uint64),
    ]


class session_messages_options(_Options):
    _fields_ = [("struct_size", c_size_t), ("limit", c_uint64), ("before", c_uint64)]


class session_ask_options(_Options):
    _fields_ = [
        ("struct_size", c_size_t),
        ("doc_ids", POINTER(c_char_p)),
        ("doc_ids_count", c_size_t),
        ("filter_json", c_char_p),
        ("k", c_uint32),
        ("reserved", c_uint32),
        ("on_sources", sources_callback),
        ("on_text", text_callback),
        ("user", c_void_p),
        ("generate", generate_callback),
        ("generate_user", c_void_p),
        ("max_answer_tokens", c_uint32),
        ("max_prompt_tokens", c_uint32),
        ("timeout_ms", c_uint32),
        ("padding", c_uint32),
    ]


class collection_find_options(_Options):
    _fields_ = [
        ("struct_size", c_size_t),
        ("sort_json", c_char_p),
        ("projection_json", c_char_p),
        ("skip", c_uint64),
        ("limit", c_uint64),
    ]


class collection_update_options(_Options):
    _fields_ = [
        ("struct_size", c_size_t),
        ("flags", c_uint32),
        ("reserved", c_uint32),
        ("version", c_char_p),
    ]


# ---- checks ----


def _status(result: int, function: Any, arguments: Any) -> int:
    """Raise for a negative status, with what the library says about this thread's failure."""
    if result < 0:
        raise last_error(result)
    return result


def last_error(code: int) -> Exception:
    """The exception of this thread's last failure."""
    name = lib.ragstore_status_name(code).decode()
    message = lib.ragstore_error_message().decode("utf-8", "replace")
    if lib.ragstore_error_code() != code or not message:
        message = lib.ragstore_status_text(code).decode()
    room = lib.ragstore_error_room().decode()
    return error_class(code)(code, name, message, lib.ragstore_error_errno(), room)


# ---- the table: name, arguments, result, check ----

_P = POINTER

TABLE: list[tuple[str, list[Any], Any, Any]] = [
    # version, status and errors
    ("ragstore_version_number", [], c_int32, None),
    ("ragstore_version_text", [], c_char_p, None),
    ("ragstore_status_name", [c_int], c_char_p, None),
    ("ragstore_status_text", [c_int], c_char_p, None),
    ("ragstore_error_code", [], c_int, None),
    ("ragstore_error_errno", [], c_int, None),
    ("ragstore_error_room", [], c_char_p, None),
    ("ragstore_error_message", [], c_char_p, None),
    ("ragstore_constant_get", [_P(c_int64), c_char_p], c_int, _status),
    # buffer; its data is a pointer here, because c_char_p would stop at the first NUL
    ("ragstore_buffer_data", [buffer_p], c_void_p, None),
    ("ragstore_buffer_size", [buffer_p], c_size_t, None),
    ("ragstore_buffer_free", [buffer_p], None, None),
    # model
    ("ragstore_model_locate", [_P(buffer_p)], c_int, _status),
    ("ragstore_model_open", [_P(model_p), c_char_p], c_int, _status),
    ("ragstore_model_open_options_init", [_P(model_open_options)], None, None),
    ("ragstore_model_open_with", [_P(model_p), c_char_p, _P(model_open_options)], c_int, _status),
    (
        "ragstore_model_callback_options_init",
        [_P(model_callback_options)],
        None,
        None,
    ),
    (
        "ragstore_model_open_callback",
        [_P(model_p), _P(model_callback_options)],
        c_int,
        _status,
    ),
    ("ragstore_model_open_hashing", [_P(model_p), c_uint32], c_int, _status),
    ("ragstore_model_dimension", [model_p], c_uint32, None),
    ("ragstore_model_fingerprint", [model_p], c_char_p, None),
    ("ragstore_model_tokenize",
     [_P(c_int32), _P(c_size_t), _P(c_size_t), model_p, c_size_t, c_char_p, c_size_t],
     c_int, _status),
    ("ragstore_model_embed", [_P(c_float), model_p, _P(c_char_p), c_size_t], c_int, _status),
    ("ragstore_model_embed_queries", [_P(c_float), model_p, _P(c_char_p), c_size_t], c_int, _status),
    ("ragstore_model_free", [model_p], None, None),
    # store
    ("ragstore_store_open_options_init", [_P(store_open_options)], None, None),
    ("ragstore_store_open", [_P(store_p), c_char_p, _P(store_open_options)], c_int, _status),
    ("ragstore_store_close", [store_p], c_int, _status),
    ("ragstore_store_describe", [_P(buffer_p), store_p], c_int, _status),
    ("ragstore_store_check", [_P(buffer_p), store_p], c_int, _status),
    ("ragstore_store_check_options_init", [_P(store_check_options)], None, None),
    ("ragstore_store_check_with",
     [_P(buffer_p), store_p, _P(store_check_options)], c_int, _status),
    ("ragstore_store_export", [store_p], c_int, _status),
    ("ragstore_store_compact_options_init", [_P(store_compact_options)], None, None),
    ("ragstore_store_compact", [_P(buffer_p), store_p, _P(store_compact_options)], c_int, _status),
    ("ragstore_backup_options_init", [_P(backup_options)], None, None),
    ("ragstore_store_backup", [_P(buffer_p), store_p, c_char_p, _P(backup_options)], c_int, _status),
    ("ragstore_backup_verify", [_P(buffer_p), c_char_p, _P(backup_options)], c_int, _status),
    ("ragstore_store_restore",
     [_P(buffer_p), c_char_p, c_char_p, _P(backup_options)], c_int, _status),
    ("ragstore_store_maintain", [store_p, c_uint32], c_int, _status),
    ("ragstore_store_interrupt", [store_p], c_int, _status),
    # batch
    ("ragstore_batch_begin", [_P(batch_p), store_p], c_int, _status),
    ("ragstore_batch_commit", [batch_p], c_int, _status),
    ("ragstore_batch_abort", [batch_p], None, None),
    # entity
    ("ragstore_entity_create_options_init", [_P(entity_create_options)], None, None),
    ("ragstore_entity_update_options_init", [_P(entity_update_options)], None, None),
    ("ragstore_list_options_init", [_P(list_options)], None, None),
    ("ragstore_entity_create", [_P(entity_p), store_p, c_char_p, _P(entity_create_options)],
     c_int, _status),
    ("ragstore_entity_open", [_P(entity_p), store_p, c_char_p], c_int, _status),
    ("ragstore_entity_free", [entity_p], None, None),
    ("ragstore_entity_id", [entity_p], c_char_p, None),
    ("ragstore_entity_describe", [_P(buffer_p), entity_p], c_int, _status),
    ("ragstore_entity_update", [entity_p, _P(entity_update_options)], c_int, _status),
    ("ragstore_entity_delete", [_P(c_uint64), store_p, c_char_p], c_int, _status),
    ("ragstore_entity_list", [_P(buffer_p), store_p, _P(list_options)], c_int, _status),
    # document
    ("ragstore_document_add_options_init", [_P(document_add_options)], None, None),
    ("ragstore_document_update_options_init", [_P(document_update_options)], None, None),
    ("ragstore_document_add",
     [_P(document_p), entity_p, c_void_p, c_size_t, _P(document_add_options)], c_int, _status),
    ("ragstore_document_add_chunks",
     [_P(document_p), entity_p, c_char_p, _P(c_float), c_size_t, _P(document_add_options)],
     c_int, _status),
    ("ragstore_document_open", [_P(document_p), entity_p, c_char_p], c_int, _status),
    ("ragstore_document_free", [document_p], None, None),
    ("ragstore_document_id", [document_p], c_char_p, None),
    ("ragstore_document_describe", [_P(buffer_p), document_p], c_int, _status),
    ("ragstore_document_content", [_P(buffer_p), document_p], c_int, _status),
    ("ragstore_document_text", [_P(buffer_p), document_p], c_int, _status),
    ("ragstore_document_list", [_P(buffer_p), entity_p, _P(list_options)], c_int, _status),
    ("ragstore_document_update", [document_p, _P(document_update_options)], c_int, _status),
    ("ragstore_document_delete", [entity_p, c_char_p], c_int, _status),
    # extraction
    ("ragstore_extraction_add",
     [extraction_p, c_uint32, c_uint32, c_uint32, c_char_p, c_size_t], c_int, _status),
    ("ragstore_extraction_set_media_type", [extraction_p, c_char_p], c_int, _status),
    ("ragstore_extraction_progress", [extraction_p, c_uint64, c_uint64], c_int, _status),
    ("ragstore_extraction_refuse", [extraction_p, c_int, c_char_p], c_int, None),
    # upload
    ("ragstore_upload_begin", [_P(upload_p), entity_p, _P(document_add_options)], c_int, _status),
    ("ragstore_upload_write", [upload_p, c_void_p, c_size_t], c_int, _status),
    ("ragstore_upload_commit", [_P(document_p), upload_p], c_int, _status),
    ("ragstore_upload_abort", [upload_p], None, None),
    # job
    ("ragstore_job_list_options_init", [_P(job_list_options)], None, None),
    ("ragstore_upload_submit", [_P(job_p), upload_p], c_int, _status),
    ("ragstore_document_submit_chunks",
     [_P(job_p), entity_p, c_char_p, _P(c_float), c_size_t, _P(document_add_options)],
     c_int, _status),
    ("ragstore_entity_reembed", [_P(job_p), entity_p], c_int, _status),
    ("ragstore_job_open", [_P(job_p), store_p, c_char_p], c_int, _status),
    ("ragstore_job_free", [job_p], None, None),
    ("ragstore_job_id", [job_p], c_char_p, None),
    ("ragstore_job_describe", [_P(buffer_p), job_p], c_int, _status),
    ("ragstore_job_wait", [job_p, c_uint32], c_int, _status),
    ("ragstore_job_cancel", [job_p], c_int, _status),
    ("ragstore_job_list", [_P(buffer_p), store_p, _P(job_list_options)], c_int, _status),
    # search and result
    ("ragstore_entity_search_options_init", [_P(entity_search_options)], None, None),
    ("ragstore_entity_search", [_P(result_p), entity_p, c_char_p, _P(entity_search_options)],
     c_int, _status),
    ("ragstore_result_free", [result_p], None, None),
    ("ragstore_result_count", [result_p], c_size_t, None),
    ("ragstore_result_mode", [result_p], c_uint32, None),
    ("ragstore_result_content", [result_p, c_size_t], c_char_p, None),
    ("ragstore_result_doc_id", [result_p, c_size_t], c_char_p, None),
    ("ragstore_result_doc_name", [result_p, c_size_t], c_char_p, None),
    ("ragstore_result_source", [result_p, c_size_t], c_char_p, None),
    ("ragstore_result_metadata", [result_p, c_size_t], c_char_p, None),
    ("ragstore_result_heading", [result_p, c_size_t], c_char_p, None),
    ("ragstore_result_chunk_number", [result_p, c_size_t], c_int64, None),
    ("ragstore_result_chunk_order", [result_p, c_size_t], c_int64, None),
    ("ragstore_result_page", [result_p, c_size_t], c_uint32, None),
    ("ragstore_result_start", [result_p, c_size_t], c_int64, None),
    ("ragstore_result_end", [result_p, c_size_t], c_int64, None),
    ("ragstore_result_score", [result_p, c_size_t], c_float, None),
    ("ragstore_result_vector_score", [result_p, c_size_t], c_float, None),
    ("ragstore_result_keyword_score", [result_p, c_size_t], c_float, None),
    ("ragstore_result_copy", [_P(c_int64), _P(c_float), result_p, c_size_t], c_size_t, None),
    ("ragstore_result_json", [_P(buffer_p), result_p], c_int, _status),
    # session
    ("ragstore_session_create_options_init", [_P(session_create_options)], None, None),
    ("ragstore_session_update_options_init", [_P(session_update_options)], None, None),
    ("ragstore_session_search_options_init", [_P(session_search_options)], None, None),
    ("ragstore_session_messages_options_init", [_P(session_messages_options)], None, None),
    ("ragstore_session_ask_options_init", [_P(session_ask_options)], None, None),
    ("ragstore_session_create", [_P(session_p), entity_p, _P(session_create_options)],
     c_int, _status),
    ("ragstore_session_open", [_P(session_p), store_p, c_char_p], c_int, _status),
    ("ragstore_session_free", [session_p], None, None),
    ("ragstore_session_id", [session_p], c_char_p, None),
    ("ragstore_session_entity_id", [session_p], c_char_p, None),
    ("ragstore_session_describe", [_P(buffer_p), session_p], c_int, _status),
    ("ragstore_session_list", [_P(buffer_p), entity_p, _P(list_options)], c_int, _status),
    ("ragstore_session_update", [session_p, _P(session_update_options)], c_int, _status),
    ("ragstore_session_version", [_P(buffer_p), session_p], c_int, _status),
    ("ragstore_session_search",
     [_P(buffer_p), entity_p, c_char_p, _P(session_search_options)], c_int, _status),
    ("ragstore_session_delete", [store_p, c_char_p], c_int, _status),
    ("ragstore_session_append", [_P(c_uint64), session_p, c_char_p, c_char_p, c_char_p],
     c_int, _status),
    ("ragstore_session_messages", [_P(buffer_p), session_p, _P(session_messages_options)],
     c_int, _status),
    # answer
    ("ragstore_session_ask", [_P(answer_p), session_p, c_char_p, _P(session_ask_options)],
     c_int, _status),
    ("ragstore_generation_write", [generation_p, c_char_p, c_size_t], c_int, _status),
    ("ragstore_generation_poll", [generation_p], c_int, _status),
    ("ragstore_generation_fail", [generation_p, c_char_p], c_int, None),
    ("ragstore_answer_free", [answer_p], None, None),
    ("ragstore_answer_text", [answer_p], c_char_p, None),
    ("ragstore_answer_sources", [answer_p], result_p, None),
    ("ragstore_answer_message", [_P(buffer_p), answer_p], c_int, _status),
    # index
    ("ragstore_index_open", [_P(index_p), entity_p], c_int, _status),
    ("ragstore_index_free", [index_p], None, None),
    ("ragstore_index_describe", [_P(buffer_p), index_p], c_int, _status),
    ("ragstore_index_set", [index_p, c_char_p, c_char_p], c_int, _status),
    ("ragstore_index_get", [_P(buffer_p), index_p, c_char_p], c_int, _status),
    ("ragstore_index_rebuild_options_init", [_P(index_rebuild_options)], None, None),
    ("ragstore_index_rebuild", [index_p, _P(index_rebuild_options)], c_int, _status),
    ("ragstore_index_search",
     [_P(c_int64), _P(c_float), index_p, _P(c_float), c_size_t, c_size_t, c_size_t],
     c_int, _status),
    ("ragstore_index_vector", [_P(c_float), index_p, c_int64, c_size_t], c_int, _status),
    ("ragstore_index_export", [index_p], c_int, _status),
    ("ragstore_index_import",
     [_P(document_p), entity_p, c_char_p, c_char_p, _P(document_add_options)],
     c_int, _status),
    # collection and cursor
    ("ragstore_collection_find_options_init", [_P(collection_find_options)], None, None),
    ("ragstore_collection_update_options_init", [_P(collection_update_options)], None, None),
    ("ragstore_collection_open", [_P(collection_p), store_p, c_char_p], c_int, _status),
    ("ragstore_collection_free", [collection_p], None, None),
    ("ragstore_collection_name", [collection_p], c_char_p, None),
    ("ragstore_collection_list", [_P(buffer_p), store_p], c_int, _status),
    ("ragstore_collection_insert", [_P(buffer_p), collection_p, c_char_p], c_int, _status),
    ("ragstore_collection_find",
     [_P(cursor_p), collection_p, c_char_p, _P(collection_find_options)], c_int, _status),
    ("ragstore_cursor_next", [_P(c_char_p), _P(c_size_t), cursor_p], c_int, _status),
    ("ragstore_cursor_version", [cursor_p], c_char_p, None),
    ("ragstore_cursor_free", [cursor_p], None, None),
    ("ragstore_collection_find_one",
     [_P(buffer_p), _P(buffer_p), collection_p, c_char_p, _P(collection_find_options)],
     c_int, _status),
    ("ragstore_collection_count", [_P(c_uint64), collection_p, c_char_p], c_int, _status),
    ("ragstore_collection_update_one",
     [_P(buffer_p), collection_p, c_char_p, c_char_p, _P(collection_update_options)],
     c_int, _status),
    ("ragstore_collection_update_many",
     [_P(buffer_p), collection_p, c_char_p, c_char_p, _P(collection_update_options)],
     c_int, _status),
    ("ragstore_collection_replace_one",
     [_P(buffer_p), collection_p, c_char_p, c_char_p, _P(collection_update_options)],
     c_int, _status),
    ("ragstore_collection_delete_one", [_P(buffer_p), collection_p, c_char_p], c_int, _status),
    ("ragstore_collection_delete_many", [_P(buffer_p), collection_p, c_char_p], c_int, _status),
    ("ragstore_collection_index_create", [collection_p, c_char_p], c_int, _status),
    ("ragstore_collection_index_drop", [collection_p, c_char_p], c_int, _status),
    ("ragstore_collection_index_list", [_P(buffer_p), collection_p], c_int, _status),
    ("ragstore_collection_explain", [_P(buffer_p), collection_p, c_char_p], c_int, _status),
    ("ragstore_collection_distinct",
     [_P(buffer_p), collection_p, c_char_p, c_char_p], c_int, _status),
    ("ragstore_collection_aggregate", [_P(cursor_p), collection_p, c_char_p], c_int, _status),
]

# ---- loading ----


def find_library() -> str:
    """Say which library to load: the one that RAGSTORE_LIBRARY names, one that lies in this
    package, the installed one, or in a source tree the one built there."""
    named = os.environ.get("RAGSTORE_LIBRARY")
    if named:
        return named
    here = Path(__file__).resolve().parent
    inside = sorted(here.glob("libragstore.so*")) + sorted(here.glob("libragstore.*dylib"))
    if inside:
        return str(inside[0])
    installed = ctypes.util.find_library("ragstore")
    if installed:
        return installed
    root = here.parents[2]
    if (root / "include" / "ragstore.h").is_file():
        built = sorted((root / "build" / "lib").glob("libragstore.so*"))
        if built:
            return str(built[0])
    raise ImportError(
        "libragstore was not found: install it, or set RAGSTORE_LIBRARY to the path of the library"
    )


def load(path: str) -> ctypes.CDLL:
    """Load the library and give its functions the types of the table."""
    try:
        library = ctypes.CDLL(path)
    except OSError as error:
        raise ImportError(f"libragstore cannot be loaded from {path}: {error}") from error
    for name, arguments, result, check in TABLE:
        try:
            function = getattr(library, name)
        except AttributeError:
            raise ImportError(f"{path} has no function {name}: it is too old") from None
        function.argtypes = arguments
        function.restype = result
        if check is not None:
            function.errcheck = check
    return library


lib = load(find_library())


def take_bytes(buffer: buffer_p) -> bytes:
    """The bytes of a buffer, which is freed."""
    try:
        size = lib.ragstore_buffer_size(buffer)
        return ctypes.string_at(lib.ragstore_buffer_data(buffer), size)
    finally:
        lib.ragstore_buffer_free(buffer)
