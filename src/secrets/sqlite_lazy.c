/* Stand-ins for what we call of SQLite (base/library.h). */
#include <sqlite3.h>
#include <stdarg.h>

#include "base/library.h"

static pq_library sqlite = {.files = {"libsqlite3.so.0", "libsqlite3.so"}, .hint = "apt-get install libsqlite3-0"};

/* As all the operations that we use: a number, and where the new state goes. */
int sqlite3_db_config(sqlite3 *database, int operation, ...)
{
    static pq_function_slot slot;
    va_list arguments;
    va_start(arguments, operation);
    int value = va_arg(arguments, int);
    int *state = va_arg(arguments, int *);
    va_end(arguments);
    return PQ_REAL(sqlite, sqlite3_db_config, slot)(database, operation, value, state);
}

PQ_STAND_IN(sqlite, int, sqlite3_open_v2, (const char *path, sqlite3 **database, int flags, const char *system),
            (path, database, flags, system))
PQ_STAND_IN(sqlite, int, sqlite3_close, (sqlite3 * database), (database))
PQ_STAND_IN(sqlite, int, sqlite3_busy_handler, (sqlite3 * database, int (*handler)(void *, int), void *context),
            (database, handler, context))
PQ_STAND_IN(sqlite, int, sqlite3_limit, (sqlite3 * database, int which, int value), (database, which, value))
PQ_STAND_IN(sqlite, int, sqlite3_extended_result_codes, (sqlite3 * database, int on), (database, on))
PQ_STAND_IN(sqlite, int, sqlite3_errcode, (sqlite3 * database), (database))
PQ_STAND_IN(sqlite, int, sqlite3_extended_errcode, (sqlite3 * database), (database))
PQ_STAND_IN(sqlite, int, sqlite3_system_errno, (sqlite3 * database), (database))
PQ_STAND_IN(sqlite, int, sqlite3_get_autocommit, (sqlite3 * database), (database))
PQ_STAND_IN(sqlite, const char *, sqlite3_errmsg, (sqlite3 * database), (database))
PQ_STAND_IN(sqlite, int, sqlite3_exec,
            (sqlite3 * database, const char *text, int (*row)(void *, int, char **, char **), void *context,
             char **error),
            (database, text, row, context, error))
PQ_STAND_IN(sqlite, unsigned char *, sqlite3_serialize,
            (sqlite3 * database, const char *schema, sqlite3_int64 *size, unsigned int flags),
            (database, schema, size, flags))
PQ_STAND_IN(sqlite, int, sqlite3_prepare_v2,
            (sqlite3 * database, const char *text, int length, sqlite3_stmt **statement, const char **rest),
            (database, text, length, statement, rest))
PQ_STAND_IN(sqlite, int, sqlite3_bind_blob,
            (sqlite3_stmt * statement, int at, const void *bytes, int length, void (*release)(void *)),
            (statement, at, bytes, length, release))
PQ_STAND_IN(sqlite, int, sqlite3_bind_text,
            (sqlite3_stmt * statement, int at, const char *text, int length, void (*release)(void *)),
            (statement, at, text, length, release))
PQ_STAND_IN(sqlite, int, sqlite3_bind_int64, (sqlite3_stmt * statement, int at, sqlite3_int64 value),
            (statement, at, value))
PQ_STAND_IN(sqlite, int, sqlite3_step, (sqlite3_stmt * statement), (statement))
PQ_STAND_IN(sqlite, int, sqlite3_finalize, (sqlite3_stmt * statement), (statement))
PQ_STAND_IN(sqlite, sqlite3 *, sqlite3_db_handle, (sqlite3_stmt * statement), (statement))
PQ_STAND_IN(sqlite, const void *, sqlite3_column_blob, (sqlite3_stmt * statement, int at), (statement, at))
PQ_STAND_IN(sqlite, const unsigned char *, sqlite3_column_text, (sqlite3_stmt * statement, int at), (statement, at))
PQ_STAND_IN(sqlite, int, sqlite3_column_bytes, (sqlite3_stmt * statement, int at), (statement, at))
PQ_STAND_IN(sqlite, sqlite3_int64, sqlite3_column_int64, (sqlite3_stmt * statement, int at), (statement, at))
PQ_STAND_IN_VOID(sqlite, sqlite3_free, (void *memory), (memory))
