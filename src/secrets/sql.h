/* The little of SQLite that the store needs, with its errors in our words. */
#pragma once

#include "base/error.h"

#include <sqlite3.h>

#define PQ_AUTO_STATEMENT PQ_CLEANUP(pq_sql_finalize) sqlite3_stmt

/* How long to wait for other processes, and since when; lives as long as the database. */
typedef struct pq_sql_wait {
    double seconds, since;
} pq_sql_wait;

/* Opens a database that is there, for writing where the file system allows. `max_value`: the largest value taken. */
bool pq_sql_open(const char *path, pq_sql_wait *wait, size_t max_value, sqlite3 **out, pq_error *err) PQ_MUST_USE;
/* Fills `err` from the last failed call; false. `path` is WHERE. */
bool pq_sql_fail(sqlite3 *database, const char *path, pq_error *err);
bool pq_sql_run(sqlite3 *database, const char *path, const char *sql, pq_error *err) PQ_MUST_USE;
bool pq_sql_prepare(sqlite3 *database, const char *path, const char *sql, sqlite3_stmt **out,
                    pq_error *err) PQ_MUST_USE;
/* Binds by position, from 1. Borrowed until the statement is finalized. */
void pq_sql_bind_text(sqlite3_stmt *statement, int position, const char *text);
void pq_sql_bind_blob(sqlite3_stmt *statement, int position, const void *bytes, size_t length);
void pq_sql_bind_number(sqlite3_stmt *statement, int position, int64_t number);
/* One row, or none (`*out_row` false). */
bool pq_sql_step(sqlite3_stmt *statement, const char *path, bool *out_row, pq_error *err) PQ_MUST_USE;
/* Never NULL; borrowed until the next step. */
const char *pq_sql_text(sqlite3_stmt *statement, int column);
const void *pq_sql_blob(sqlite3_stmt *statement, int column, size_t *out_length);
void pq_sql_finalize(sqlite3_stmt **statement);

/* Runs a transaction: pq_sql_end() commits when `good`, else rolls back, and says whether all went well. */
bool pq_sql_begin(sqlite3 *database, const char *path, bool write, pq_error *err) PQ_MUST_USE;
bool pq_sql_end(sqlite3 *database, const char *path, bool good, pq_error *err) PQ_MUST_USE;
