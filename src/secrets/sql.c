#include "secrets/sql.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "crypto/hash.h"

/* Binding fails only for lack of memory or a position that is not there; neither can be mended by a caller. */
static void must(bool good)
{
    if (!good)
        abort();
}

static int small(size_t length)
{
    must(length <= INT_MAX);
    return (int)length;
}

bool pq_sql_fail(sqlite3 *database, const char *path, pq_error *err)
{
    int extended = sqlite3_extended_errcode(database);
    switch (extended & 0xff) {
    case SQLITE_NOTADB:
        return pq_fail(err, PQ_EINPUT, path, "restore it from a copy, or move it away and set the secrets again",
                       "is not a store of secrets: it is no SQLite database, or was truncated");
    case SQLITE_CORRUPT:
    case SQLITE_FORMAT:
        return pq_fail(err, PQ_EINPUT, path, "restore it from a copy, or move it away and set the secrets again",
                       "the store of secrets is truncated or damaged");
    case SQLITE_TOOBIG:
        return pq_fail(err, PQ_EINPUT, path, NULL, "the store of secrets holds a value that is too large");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return pq_fail(err, PQ_ESYSTEM, path, "try again when the other process has ended",
                       "the store of secrets is in use by another process");
    case SQLITE_FULL:
        return pq_fail(err, PQ_ESYSTEM, path, "the disk is full: make room and run it again",
                       "cannot write the store of secrets");
    case SQLITE_READONLY:
        if (extended == SQLITE_READONLY_ROLLBACK || extended == SQLITE_READONLY_RECOVERY)
            return pq_fail(err, PQ_ESYSTEM, path, "run `pratique secrets list` once where the store can be written",
                           "an update of the store of secrets was interrupted and has to be undone first");
        return pq_fail(err, PQ_ESYSTEM, path, NULL, "the store of secrets cannot be written: it is read-only");
    case SQLITE_NOMEM:
        abort();
    default:
        break;
    }
    int number = sqlite3_system_errno(database);
    return pq_fail(err, PQ_ESYSTEM, path, NULL, "cannot use the store of secrets: %s%s%s", sqlite3_errmsg(database),
                   number ? ": " : "", number ? strerror(number) : "");
}

bool pq_sql_run(sqlite3 *database, const char *path, const char *sql, pq_error *err)
{
    return sqlite3_exec(database, sql, NULL, NULL, NULL) == SQLITE_OK || pq_sql_fail(database, path, err);
}

/* Not sqlite3_busy_timeout(): its pauses grow to 100 ms, so that a process may never get its turn while others update
 * without a pause. Ours stay short, and differ so that two processes do not keep step. */
static int wait_for_others(void *context, int tries)
{
    pq_sql_wait *wait = context;
    double now = pq_monotonic();
    if (tries == 0)
        wait->since = now;
    if (now - wait->since >= wait->seconds)
        return 0;
    unsigned char byte;
    pq_random(&byte, 1);
    (void)pq_sleep(0.0005 + byte * 0.00002);
    return 1;
}

bool pq_sql_open(const char *path, pq_sql_wait *wait, size_t max_value, sqlite3 **out, pq_error *err)
{
    /* A name like "file:…" or ":memory:" would mean something else to SQLite. */
    PQ_AUTO_FREE char *plain = pq_asprintf("%s%s", *path == '/' ? "" : "./", path);
    sqlite3 *database = NULL;
    /* Without SQLITE_OPEN_CREATE; what cannot be opened for writing is opened for reading. */
    bool good = sqlite3_open_v2(plain, &database, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK;
    must(database);
    if (good) {
        (void)sqlite3_extended_result_codes(database, 1);
        (void)sqlite3_busy_handler(database, wait_for_others, wait);
        (void)sqlite3_limit(database, SQLITE_LIMIT_LENGTH, small(max_value));
        (void)sqlite3_db_config(database, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        (void)sqlite3_db_config(database, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
        (void)sqlite3_db_config(database, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
        /* EXTRA syncs the folder too when the journal goes: without it a commit could be undone by a power cut. What
         * is deleted is overwritten with zeros, though it was sealed. */
        good = pq_sql_run(database, path,
                          "PRAGMA trusted_schema=OFF; PRAGMA temp_store=MEMORY; PRAGMA cell_size_check=ON;"
                          "PRAGMA synchronous=EXTRA; PRAGMA secure_delete=ON",
                          err);
    } else {
        (void)pq_sql_fail(database, path, err);
    }
    if (!good) {
        (void)sqlite3_close(database);
        return false;
    }
    *out = database;
    return true;
}

bool pq_sql_prepare(sqlite3 *database, const char *path, const char *sql, sqlite3_stmt **out, pq_error *err)
{
    if (sqlite3_prepare_v2(database, sql, -1, out, NULL) == SQLITE_OK)
        return true;
    if (sqlite3_errcode(database) == SQLITE_ERROR) /* no such table or column */
        return pq_fail(err, PQ_EINPUT, path, "restore it from a copy, or move it away and set the secrets again",
                       "the store of secrets is damaged: %s", sqlite3_errmsg(database));
    return pq_sql_fail(database, path, err);
}

void pq_sql_bind_text(sqlite3_stmt *statement, int position, const char *text)
{
    must(sqlite3_bind_text(statement, position, text, -1, SQLITE_STATIC) == SQLITE_OK);
}

void pq_sql_bind_blob(sqlite3_stmt *statement, int position, const void *bytes, size_t length)
{
    must(sqlite3_bind_blob(statement, position, bytes, small(length), SQLITE_STATIC) == SQLITE_OK);
}

void pq_sql_bind_number(sqlite3_stmt *statement, int position, int64_t number)
{
    must(sqlite3_bind_int64(statement, position, number) == SQLITE_OK);
}

bool pq_sql_step(sqlite3_stmt *statement, const char *path, bool *out_row, pq_error *err)
{
    int result = sqlite3_step(statement);
    *out_row = result == SQLITE_ROW;
    return *out_row || result == SQLITE_DONE || pq_sql_fail(sqlite3_db_handle(statement), path, err);
}

const char *pq_sql_text(sqlite3_stmt *statement, int column)
{
    const unsigned char *text = sqlite3_column_text(statement, column);
    return text ? (const char *)text : "";
}

const void *pq_sql_blob(sqlite3_stmt *statement, int column, size_t *out_length)
{
    const void *bytes = sqlite3_column_blob(statement, column);
    *out_length = (size_t)sqlite3_column_bytes(statement, column);
    return bytes ? bytes : "";
}

void pq_sql_finalize(sqlite3_stmt **statement)
{
    (void)sqlite3_finalize(*statement);
}

bool pq_sql_begin(sqlite3 *database, const char *path, bool write, pq_error *err)
{
    return pq_sql_run(database, path, write ? "BEGIN IMMEDIATE" : "BEGIN", err);
}

bool pq_sql_end(sqlite3 *database, const char *path, bool good, pq_error *err)
{
    if (good && pq_sql_run(database, path, "COMMIT", err))
        return true;
    if (!sqlite3_get_autocommit(database))
        (void)sqlite3_exec(database, "ROLLBACK", NULL, NULL, NULL);
    return false;
}
