/* libarchive, loaded when a bundle is made or read and not before.
 *
 * On Debian it brings libxml2, ICU and libstdc++: some 2.3 MiB and 2 ms at every start, which a command that only
 * fetches a credential must not pay. Its functions keep their names and types; pq_archive_load() comes first. */
#pragma once

#include <archive.h>
#include <archive_entry.h>

#include "base/error.h"

#define PQ_ARCHIVE_FUNCTIONS(X)                                                                                        \
    X(archive_entry_filetype)                                                                                          \
    X(archive_entry_free)                                                                                              \
    X(archive_entry_new)                                                                                               \
    X(archive_entry_pathname)                                                                                          \
    X(archive_entry_size)                                                                                              \
    X(archive_entry_set_filetype)                                                                                      \
    X(archive_entry_set_gid)                                                                                           \
    X(archive_entry_set_mtime)                                                                                         \
    X(archive_entry_set_pathname_utf8)                                                                                 \
    X(archive_entry_set_perm)                                                                                          \
    X(archive_entry_set_size)                                                                                          \
    X(archive_entry_set_symlink_utf8)                                                                                  \
    X(archive_entry_set_uid)                                                                                           \
    X(archive_error_string)                                                                                            \
    X(archive_read_data)                                                                                               \
    X(archive_read_free)                                                                                               \
    X(archive_read_new)                                                                                                \
    X(archive_read_next_header)                                                                                        \
    X(archive_read_open_memory)                                                                                        \
    X(archive_read_support_filter_gzip)                                                                                \
    X(archive_read_support_format_tar)                                                                                 \
    X(archive_set_error)                                                                                               \
    X(archive_write_add_filter_gzip)                                                                                   \
    X(archive_write_close)                                                                                             \
    X(archive_write_data)                                                                                              \
    X(archive_write_free)                                                                                              \
    X(archive_write_header)                                                                                            \
    X(archive_write_new)                                                                                               \
    X(archive_write_open)                                                                                              \
    X(archive_write_set_bytes_in_last_block)                                                                           \
    X(archive_write_set_filter_option)                                                                                 \
    X(archive_write_set_format_pax_restricted)

/* A declaration: its name cannot stand in parentheses. */
#define X(name) __typeof__(name) *name; /* NOLINT(bugprone-macro-parentheses) */
struct pq_archive_functions {
    PQ_ARCHIVE_FUNCTIONS(X)
};
#undef X

extern struct pq_archive_functions pq_archive_functions;

/* PQ_ESYSTEM when it is not installed. Calling it again is fine. */
bool pq_archive_load(pq_error *err) PQ_MUST_USE;

#ifndef PQ_ARCHIVE_NAMES_AS_THEY_ARE
#define archive_entry_filetype pq_archive_functions.archive_entry_filetype
#define archive_entry_free pq_archive_functions.archive_entry_free
#define archive_entry_new pq_archive_functions.archive_entry_new
#define archive_entry_pathname pq_archive_functions.archive_entry_pathname
#define archive_entry_size pq_archive_functions.archive_entry_size
#define archive_entry_set_filetype pq_archive_functions.archive_entry_set_filetype
#define archive_entry_set_gid pq_archive_functions.archive_entry_set_gid
#define archive_entry_set_mtime pq_archive_functions.archive_entry_set_mtime
#define archive_entry_set_pathname_utf8 pq_archive_functions.archive_entry_set_pathname_utf8
#define archive_entry_set_perm pq_archive_functions.archive_entry_set_perm
#define archive_entry_set_size pq_archive_functions.archive_entry_set_size
#define archive_entry_set_symlink_utf8 pq_archive_functions.archive_entry_set_symlink_utf8
#define archive_entry_set_uid pq_archive_functions.archive_entry_set_uid
#define archive_error_string pq_archive_functions.archive_error_string
#define archive_read_data pq_archive_functions.archive_read_data
#define archive_read_free pq_archive_functions.archive_read_free
#define archive_read_new pq_archive_functions.archive_read_new
#define archive_read_next_header pq_archive_functions.archive_read_next_header
#define archive_read_open_memory pq_archive_functions.archive_read_open_memory
#define archive_read_support_filter_gzip pq_archive_functions.archive_read_support_filter_gzip
#define archive_read_support_format_tar pq_archive_functions.archive_read_support_format_tar
#define archive_set_error pq_archive_functions.archive_set_error
#define archive_write_add_filter_gzip pq_archive_functions.archive_write_add_filter_gzip
#define archive_write_close pq_archive_functions.archive_write_close
#define archive_write_data pq_archive_functions.archive_write_data
#define archive_write_free pq_archive_functions.archive_write_free
#define archive_write_header pq_archive_functions.archive_write_header
#define archive_write_new pq_archive_functions.archive_write_new
#define archive_write_open pq_archive_functions.archive_write_open
#define archive_write_set_bytes_in_last_block pq_archive_functions.archive_write_set_bytes_in_last_block
#define archive_write_set_filter_option pq_archive_functions.archive_write_set_filter_option
#define archive_write_set_format_pax_restricted pq_archive_functions.archive_write_set_format_pax_restricted
#endif
