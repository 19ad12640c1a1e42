#include "secrets/store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "crypto/seal.h"
#include "secrets/key.h"
#include "secrets/name.h"
#include "secrets/sql.h"

enum {
    APPLICATION_ID = 0x70717373,            /* "pqss", in the header of the file */
    MAX_ROW = PQ_MAX_SECRET + (128u << 10), /* a sealed value, its name and hosts */
    DEFAULT_WAIT_MS = 10000,
};

/* user_version carries PQ_STORE_FORMAT; hosts are separated by blanks. */
static const char schema[] =
    "CREATE TABLE mark (id INTEGER PRIMARY KEY CHECK (id = 1), key_id TEXT NOT NULL, sealed BLOB NOT NULL);"
    "CREATE TABLE secrets (name TEXT PRIMARY KEY, hosts TEXT NOT NULL, created INTEGER NOT NULL,"
    " updated INTEGER NOT NULL, sealed BLOB NOT NULL);";

struct pq_store {
    char *path;
    char *key_path;     /* without symbolic links */
    char *new_key_path; /* where the next key lies during a rekey */
    bool key_is_credential;
    sqlite3 *database;
    pq_sql_wait wait;
    pq_secret *key;   /* the one that fits `mark`; NULL before the first look */
    bool key_is_new;  /* it came from new_key_path */
    pq_key_mark mark; /* as it was when the key was tried */
};

/* One row of the table of secrets. */
typedef struct row {
    const char *name, *hosts;
    int64_t created, updated;
    const void *sealed;
    size_t length;
} row;

void pq_store_close(pq_store *store)
{
    if (!store)
        return;
    (void)sqlite3_close(store->database);
    pq_secret_free(store->key);
    pq_key_mark_clear(&store->mark);
    free(store->path);
    free(store->key_path);
    free(store->new_key_path);
    free(store);
}

void pq_store_cleanup(pq_store **store)
{
    pq_store_close(*store);
}

const char *pq_store_path(const pq_store *store)
{
    return store->path;
}

/* The associated data of a value: every other field of its row, each with its length before it. */
static char *row_binding(const row *of)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): both callers fill the row */
    return pq_asprintf("pratique secret %d %zu:%s %zu:%s %lld %lld", PQ_STORE_FORMAT, strlen(of->name), of->name,
                       strlen(of->hosts), of->hosts, (long long)of->created, (long long)of->updated);
}

static bool fail_changed(const pq_store *store, const char *name, pq_error *err)
{
    PQ_AUTO_FREE char *hint =
        pq_asprintf("remove it with `pratique secrets update %s=` and set it again, with --for if "
                    "it was bound to hosts",
                    name);
    return pq_fail(err, PQ_EUNTRUSTED, store->path, hint, "the secret %s was changed by another program", name);
}

static bool open_row(const pq_store *store, const row *of, pq_secret **out, pq_error *err)
{
    PQ_AUTO_FREE char *binding = row_binding(of);
    if (pq_open(store->key, binding, strlen(binding), of->sealed, of->length, store->path, out, err))
        return true;
    return fail_changed(store, of->name, err);
}

/* --- the key --- */

static bool read_mark(const pq_store *store, pq_key_mark *out, pq_error *err)
{
    PQ_AUTO_STATEMENT *statement = NULL;
    bool found = false;
    if (!pq_sql_prepare(store->database, store->path, "SELECT key_id, sealed FROM mark WHERE id = 1", &statement,
                        err) ||
        !pq_sql_step(statement, store->path, &found, err))
        return false;
    size_t length = 0;
    const char *id = found ? pq_sql_text(statement, 0) : "";
    const void *bytes = found ? pq_sql_blob(statement, 1, &length) : "";
    if (strlen(id) >= sizeof out->id || length > 1024)
        found = false;
    if (!found)
        return pq_fail(err, PQ_EUNTRUSTED, store->path, "restore it from a copy",
                       "what says which key the store is sealed with was changed by another program");
    *out = (pq_key_mark){.check = PQ_BUF(1024)};
    memcpy(out->id, id, strlen(id) + 1);
    pq_buf_add(&out->check, bytes, length);
    return true;
}

static bool read_number(const pq_store *store, const char *pragma, int64_t *out, pq_error *err)
{
    PQ_AUTO_STATEMENT *statement = NULL;
    bool found = false;
    if (!pq_sql_prepare(store->database, store->path, pragma, &statement, err) ||
        !pq_sql_step(statement, store->path, &found, err))
        return false;
    *out = found ? sqlite3_column_int64(statement, 0) : 0;
    return true;
}

static bool check_format(const pq_store *store, pq_error *err)
{
    int64_t application = 0, format = 0;
    if (!read_number(store, "PRAGMA application_id", &application, err) ||
        !read_number(store, "PRAGMA user_version", &format, err))
        return false;
    if (application != APPLICATION_ID || format < 1)
        return pq_fail(err, PQ_EINPUT, store->path, "name another file in $PRATIQUE_STORE",
                       "is an SQLite database, but not a store of secrets");
    if (format > PQ_STORE_FORMAT)
        return pq_fail(err, PQ_EINPUT, store->path, "use a newer pratique",
                       "the store of secrets has format %lld; this program knows formats up to %d", (long long)format,
                       PQ_STORE_FORMAT);
    return true;
}

/* Tries the key of one file. True unless the file is there and cannot be used; `*match` is PQ_KEY_OTHER for none. */
static bool try_key(pq_store *store, bool new_key, const pq_key_mark *mark, pq_key_match *match, bool *missing,
                    pq_error *err)
{
    *match = PQ_KEY_OTHER;
    PQ_AUTO_SECRET *key = NULL;
    *missing = !pq_store_key_read(new_key ? store->new_key_path : store->key_path, store->key_is_credential, &key, err);
    if (*missing)
        return err->code == PQ_ENOTFOUND;
    *match = pq_key_mark_try(mark, key);
    if (*match == PQ_KEY_FITS) {
        pq_secret_free(store->key);
        store->key = pq_steal(key);
        store->key_is_new = new_key;
    }
    return true;
}

/* Within a transaction: makes sure that store->key is the one that the store is sealed with now. While the transaction
 * lasts nobody commits another rekey, but one that was committed before may be putting its key in place: then the new
 * file was moved over the other between our two looks, and a third look finds it. */
static bool find_key(pq_store *store, pq_error *err)
{
    PQ_AUTO_KEY_MARK mark = {0};
    if (!check_format(store, err) || !read_mark(store, &mark, err))
        return false;
    const pq_key_mark *old = &store->mark;
    /* A key that was found beside its place may have been put there since, and another one lie beside it now. */
    if (store->key && !store->key_is_new && strcmp(old->id, mark.id) == 0 && old->check.length == mark.check.length &&
        memcmp(old->check.data, mark.check.data, mark.check.length) == 0)
        return true;

    static const bool looks[] = {false, true, false};
    bool all_missing = true, changed = false;
    for (size_t i = 0; i < sizeof looks / sizeof *looks; i++) {
        PQ_AUTO_ERROR trouble = {0};
        pq_key_match match;
        bool missing;
        if (!try_key(store, looks[i], &mark, &match, &missing, &trouble) && !looks[i]) {
            pq_error_move(err, &trouble);
            return false;
        }
        if (match == PQ_KEY_FITS) {
            pq_key_mark_clear(&store->mark);
            store->mark = mark;
            mark = (pq_key_mark){0};
            return true;
        }
        all_missing = all_missing && missing;
        changed = changed || match == PQ_KEY_CHANGED;
    }
    if (all_missing)
        return pq_fail(err, PQ_ECONFIG, store->key_path,
                       "restore it from a copy, or name the right file in $PRATIQUE_STORE_KEY_FILE",
                       "there is no such file, and the store %s is sealed with the key in it", store->path);
    if (changed)
        return pq_fail(err, PQ_EUNTRUSTED, store->path, "restore it from a copy",
                       "what says which key the store is sealed with was changed by another program");
    return pq_fail(err, PQ_ECONFIG, store->path, "name the right key file in $PRATIQUE_STORE_KEY_FILE",
                   "the store was sealed with another key than the one in %s", store->key_path);
}

/* Within a write transaction: puts the key that a rekey left in its file beside to its place. */
static bool adopt_key(pq_store *store, pq_error *err)
{
    if (!store->key_is_new)
        return true;
    if (rename(store->new_key_path, store->key_path) != 0)
        return pq_fail_errno(err, store->new_key_path, "cannot put the store's new key in its place");
    pq_sync_folder_of(store->key_path);
    store->key_is_new = false;
    return true;
}

static bool begin(pq_store *store, bool write, pq_error *err)
{
    if (!pq_sql_begin(store->database, store->path, write, err))
        return false;
    return find_key(store, err) || pq_sql_end(store->database, store->path, false, err);
}

static bool end(pq_store *store, bool good, pq_error *err)
{
    return pq_sql_end(store->database, store->path, good, err);
}

/* --- opening --- */

/* A whole new database as bytes, so that it appears as one file or not at all. */
static bool make_database(const char *path, const pq_secret *key, pq_buf *out, pq_error *err)
{
    PQ_AUTO_KEY_MARK mark = {0};
    if (!pq_key_mark_make(key, &mark, err))
        return false;
    sqlite3 *database = NULL;
    if (sqlite3_open_v2(":memory:", &database, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
        abort();
    PQ_AUTO_FREE char *head =
        pq_asprintf("PRAGMA application_id=%d; PRAGMA user_version=%d; %s", APPLICATION_ID, PQ_STORE_FORMAT, schema);
    sqlite3_stmt *statement = NULL;
    bool row_left = false;
    bool good = pq_sql_run(database, path, head, err) &&
                pq_sql_prepare(database, path, "INSERT INTO mark VALUES (1, ?, ?)", &statement, err);
    if (good) {
        pq_sql_bind_text(statement, 1, mark.id);
        pq_sql_bind_blob(statement, 2, mark.check.data, mark.check.length);
        good = pq_sql_step(statement, path, &row_left, err);
    }
    pq_sql_finalize(&statement);
    sqlite3_int64 length = 0;
    unsigned char *bytes = good ? sqlite3_serialize(database, "main", &length, 0) : NULL;
    if (bytes)
        pq_buf_add(out, bytes, (size_t)length);
    else if (good)
        good = pq_sql_fail(database, path, err);
    sqlite3_free(bytes);
    (void)sqlite3_close(database);
    return good;
}

static bool create_store(const pq_store *store, pq_error *err)
{
    PQ_AUTO_SECRET *key = NULL;
    if (!pq_store_key_read(store->key_path, store->key_is_credential, &key, err)) {
        if (err->code != PQ_ENOTFOUND)
            return false;
        PQ_AUTO_SECRET *made = pq_seal_new_key();
        bool ours = false;
        if (!pq_store_key_create(store->key_path, made, &ours, err))
            return false;
        /* Read back: another process may have been first. */
        if (!pq_store_key_read(store->key_path, store->key_is_credential, &key, err))
            return false;
    }
    PQ_AUTO_FREE char *folder = pq_path_dirname(store->path);
    PQ_AUTO_BUF bytes = PQ_BUF(1u << 20);
    bool ours = false;
    return make_database(store->path, key, &bytes, err) && pq_make_dirs(folder, 0700, err) &&
           pq_create_file(store->path, 0600, bytes.data, bytes.length, &ours, err);
}

static bool check_file(const char *path, pq_error *err)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return pq_fail_errno(err, path, "cannot read the store of secrets");
    if (!S_ISREG(status.st_mode))
        return pq_fail(err, PQ_EINPUT, path, NULL, "the store of secrets is not a regular file");
    if (status.st_uid != geteuid() && status.st_uid != 0)
        return pq_fail(err, PQ_ECONFIG, path, "run this as its owner, or name another store in $PRATIQUE_STORE",
                       "the store of secrets belongs to user %u, not to the user who runs this (%u)",
                       (unsigned)status.st_uid, (unsigned)geteuid());
    /* The smallest page of SQLite, which takes an empty file for a new database and the lack of a header for zeros. */
    if (status.st_size < 512)
        return pq_fail(err, PQ_EINPUT, path, "restore it from a copy, or move it away and set the secrets again",
                       "is not a store of secrets: it is no SQLite database, or was truncated");
    return true;
}

/* Within a transaction: SQLite takes a last page that is cut short for one that ends in zeros. */
static bool check_whole(const pq_store *store, pq_error *err)
{
    int64_t pages = 0, page = 0;
    struct stat status;
    if (!read_number(store, "PRAGMA page_count", &pages, err) || !read_number(store, "PRAGMA page_size", &page, err))
        return false;
    if (stat(store->path, &status) != 0)
        return pq_fail_errno(err, store->path, "cannot read the store of secrets");
    if (page < 1 || status.st_size / page < pages)
        return pq_fail(err, PQ_EINPUT, store->path, "restore it from a copy, or move it away and set the secrets again",
                       "the store of secrets is truncated or damaged");
    return true;
}

/* Finishes what a killed rekey left, where that is possible; reading works either way. */
static void finish_rekey(pq_store *store)
{
    PQ_AUTO_ERROR ignored = {0};
    if (store->key_is_new && begin(store, true, &ignored) && !end(store, adopt_key(store, &ignored), &ignored))
        pq_detail("the new key of the store stays in %s for now", store->new_key_path);
}

bool pq_store_open(const pq_store_options *options, pq_store **out, pq_error *err)
{
    PQ_AUTO_STORE *store = pq_alloc(1, sizeof *store);
    store->path = pq_strdup(options->path);
    /* A rekey renames: beside the file itself, not beside a symbolic link to it. */
    PQ_AUTO_FREE char *real = realpath(options->key_path, NULL);
    store->key_path = pq_strdup(real ? real : options->key_path);
    store->new_key_path = pq_asprintf("%s.new", store->key_path);
    store->key_is_credential = options->key_is_credential;

    if (!pq_path_exists(store->path)) {
        if (!options->create)
            return pq_fail(err, PQ_ENOTFOUND, store->path, "`pratique secrets update NAME=VALUE` makes one",
                           "there is no store of secrets");
        if (!create_store(store, err))
            return false;
    }
    store->wait.seconds = (options->wait_ms ? options->wait_ms : DEFAULT_WAIT_MS) / 1000.0;
    if (!check_file(store->path, err) || !pq_sql_open(store->path, &store->wait, MAX_ROW, &store->database, err))
        return false;
    if (!begin(store, false, err) || !end(store, check_whole(store, err), err))
        return false;
    finish_rekey(store);
    *out = pq_steal(store);
    return true;
}

/* --- reading --- */

static bool select_row(pq_store *store, const char *name, sqlite3_stmt **statement, row *out, bool *out_found,
                       pq_error *err)
{
    static const char sql[] = "SELECT hosts, created, updated, sealed FROM secrets WHERE name = ?";
    if (!pq_sql_prepare(store->database, store->path, sql, statement, err))
        return false;
    pq_sql_bind_text(*statement, 1, name);
    if (!pq_sql_step(*statement, store->path, out_found, err))
        return false;
    if (!*out_found)
        return true;
    *out = (row){.name = name,
                 .hosts = pq_sql_text(*statement, 0),
                 .created = sqlite3_column_int64(*statement, 1),
                 .updated = sqlite3_column_int64(*statement, 2)};
    out->sealed = pq_sql_blob(*statement, 3, &out->length);
    return true;
}

static void split_hosts(const char *text, pq_strings *out)
{
    while (*text) {
        size_t length = strcspn(text, " ");
        if (length)
            pq_strings_take(out, pq_strndup(text, length));
        text += length + (text[length] != '\0');
    }
}

static bool get_row(pq_store *store, const char *name, pq_secret **out, pq_strings *hosts, pq_error *err)
{
    PQ_AUTO_STATEMENT *statement = NULL;
    row found;
    bool exists = false;
    if (!select_row(store, name, &statement, &found, &exists, err))
        return false;
    if (!exists)
        return pq_fail(err, PQ_ENOTFOUND, store->path, NULL, "there is no secret named %s", name);
    if (!open_row(store, &found, out, err))
        return false;
    if (hosts)
        split_hosts(found.hosts, hosts);
    return true;
}

bool pq_store_get(pq_store *store, const char *name, pq_secret **out, pq_strings *hosts, pq_error *err)
{
    PQ_AUTO_SECRET *value = NULL;
    if (!begin(store, false, err) || !end(store, get_row(store, name, &value, hosts, err), err))
        return false;
    *out = pq_steal(value);
    return true;
}

static bool list_rows(pq_store *store, pq_store_entries *out, pq_error *err)
{
    static const char sql[] = "SELECT name, hosts, created, updated, length(sealed) FROM secrets ORDER BY name";
    PQ_AUTO_STATEMENT *statement = NULL;
    bool found = false;
    if (!pq_sql_prepare(store->database, store->path, sql, &statement, err) ||
        !pq_sql_step(statement, store->path, &found, err))
        return false;
    while (found) {
        out->at = pq_grow(out->at, &out->capacity, out->count + 1, sizeof *out->at);
        pq_store_entry *entry = &out->at[out->count++];
        *entry = (pq_store_entry){.name = pq_strdup(pq_sql_text(statement, 0))};
        split_hosts(pq_sql_text(statement, 1), &entry->hosts);
        entry->created = (time_t)sqlite3_column_int64(statement, 2);
        entry->updated = (time_t)sqlite3_column_int64(statement, 3);
        int64_t length = sqlite3_column_int64(statement, 4);
        entry->size = length > PQ_SEAL_OVERHEAD ? (size_t)length - PQ_SEAL_OVERHEAD : 0;
        if (!pq_sql_step(statement, store->path, &found, err))
            return false;
    }
    return true;
}

bool pq_store_list(pq_store *store, pq_store_entries *out, pq_error *err)
{
    return begin(store, false, err) && end(store, list_rows(store, out, err), err);
}

void pq_store_entries_clear(pq_store_entries *entries)
{
    for (size_t i = 0; i < entries->count; i++) {
        free(entries->at[i].name);
        pq_strings_clear(&entries->at[i].hosts);
    }
    free(entries->at);
    *entries = (pq_store_entries){0};
}

/* --- writing --- */

static bool run_bound(pq_store *store, sqlite3_stmt *statement, pq_error *err)
{
    bool row_left = false;
    return pq_sql_step(statement, store->path, &row_left, err);
}

static bool delete_row(pq_store *store, const char *name, pq_error *err)
{
    PQ_AUTO_STATEMENT *statement = NULL;
    if (!pq_sql_prepare(store->database, store->path, "DELETE FROM secrets WHERE name = ?", &statement, err))
        return false;
    pq_sql_bind_text(statement, 1, name);
    return run_bound(store, statement, err);
}

static bool write_row(pq_store *store, const pq_secret *key, row *of, const pq_secret *value, pq_error *err)
{
    PQ_AUTO_FREE char *binding = row_binding(of);
    PQ_AUTO_BUF sealed = PQ_BUF(MAX_ROW);
    PQ_AUTO_STATEMENT *statement = NULL;
    if (!pq_seal(key, binding, strlen(binding), value, &sealed, err) ||
        !pq_sql_prepare(store->database, store->path, "INSERT OR REPLACE INTO secrets VALUES (?, ?, ?, ?, ?)",
                        &statement, err))
        return false;
    pq_sql_bind_text(statement, 1, of->name);
    pq_sql_bind_text(statement, 2, of->hosts);
    pq_sql_bind_number(statement, 3, of->created);
    pq_sql_bind_number(statement, 4, of->updated);
    pq_sql_bind_blob(statement, 5, sealed.data, sealed.length);
    return run_bound(store, statement, err);
}

static bool apply_change(pq_store *store, pq_store_change *change, int64_t now, pq_error *err)
{
    row changed = {.name = change->name, .hosts = "", .created = now, .updated = now};
    PQ_AUTO_BUF hosts = PQ_BUF(64u << 10);
    {
        PQ_AUTO_STATEMENT *statement = NULL;
        row old;
        if (!select_row(store, change->name, &statement, &old, &change->existed, err))
            return false;
        if (change->existed && change->value) {
            /* What it is bound to is kept, so it must be what was sealed: an empty field may be the change. */
            PQ_AUTO_SECRET *value = NULL;
            PQ_AUTO_ERROR ignored = {0};
            if (open_row(store, &old, &value, &ignored))
                changed.created = old.created;
            else if (!change->hosts)
                return fail_changed(store, change->name, err);
            pq_buf_adds(&hosts, old.hosts);
        }
    }
    if (!change->value)
        return !change->existed || delete_row(store, change->name, err);
    if (change->hosts) {
        pq_buf_truncate(&hosts, 0);
        for (size_t i = 0; i < change->hosts->count; i++)
            pq_buf_addf(&hosts, "%s%s", i ? " " : "", change->hosts->at[i]);
    }
    if (hosts.overflow)
        return pq_fail(err, PQ_EUSAGE, NULL, NULL, "the secret %s is bound to too many hosts", change->name);
    changed.hosts = pq_buf_text(&hosts);
    return write_row(store, store->key, &changed, change->value, err);
}

static bool apply_changes(pq_store *store, pq_store_change *changes, size_t count, pq_error *err)
{
    int64_t now = pq_now();
    for (size_t i = 0; i < count; i++)
        if (!apply_change(store, &changes[i], now, err))
            return false;
    return adopt_key(store, err);
}

static bool check_change(const pq_store_change *change, pq_error *err)
{
    if (!pq_secret_name_valid(change->name))
        return pq_fail(err, PQ_EUSAGE, NULL, "use letters, digits, dots, underscores and hyphens, and no leading dot",
                       "%s cannot be the name of a secret", change->name);
    if (change->value && pq_secret_length(change->value) > PQ_MAX_SECRET)
        return pq_fail(err, PQ_EINPUT, NULL, NULL, "the secret %s is larger than %u bytes", change->name,
                       PQ_MAX_SECRET);
    return true;
}

bool pq_store_update(pq_store *store, pq_store_change *changes, size_t count, pq_error *err)
{
    for (size_t i = 0; i < count; i++)
        if (!check_change(&changes[i], err))
            return false;
    return begin(store, true, err) && end(store, apply_changes(store, changes, count, err), err);
}

bool pq_store_put(pq_store *store, const char *name, const pq_secret *value, const pq_strings *hosts, pq_error *err)
{
    pq_store_change change = {.name = name, .value = value, .hosts = hosts};
    return pq_store_update(store, &change, 1, err);
}

bool pq_store_remove(pq_store *store, const char *name, bool *existed, pq_error *err)
{
    pq_store_change change = {.name = name};
    if (!pq_store_update(store, &change, 1, err))
        return false;
    *existed = change.existed;
    return true;
}

/* --- rekey --- */

static bool reseal_row(pq_store *store, const char *name, const pq_secret *key, pq_error *err)
{
    PQ_AUTO_SECRET *value = NULL;
    PQ_AUTO_FREE char *hosts = NULL;
    row old;
    {
        PQ_AUTO_STATEMENT *statement = NULL;
        bool exists = false;
        if (!select_row(store, name, &statement, &old, &exists, err) || !open_row(store, &old, &value, err))
            return false;
        hosts = pq_strdup(old.hosts);
    }
    old.hosts = hosts;
    return write_row(store, key, &old, value, err);
}

static bool reseal(pq_store *store, const pq_secret *key, size_t *out_count, pq_error *err)
{
    PQ_AUTO_STORE_ENTRIES entries = {0};
    if (!list_rows(store, &entries, err))
        return false;
    for (size_t i = 0; i < entries.count; i++)
        if (!reseal_row(store, entries.at[i].name, key, err))
            return false;
    PQ_AUTO_KEY_MARK mark = {0};
    PQ_AUTO_STATEMENT *statement = NULL;
    if (!pq_key_mark_make(key, &mark, err) ||
        !pq_sql_prepare(store->database, store->path, "UPDATE mark SET key_id = ?, sealed = ? WHERE id = 1", &statement,
                        err))
        return false;
    pq_sql_bind_text(statement, 1, mark.id);
    pq_sql_bind_blob(statement, 2, mark.check.data, mark.check.length);
    *out_count = entries.count;
    return run_bound(store, statement, err);
}

/* Within the write transaction, which keeps other rekeys out. What lies at new_key_path is not in use once adopted. */
static bool rekey(pq_store *store, size_t *out_count, pq_error *err)
{
    if (!adopt_key(store, err))
        return false;
    if (unlink(store->new_key_path) != 0 && errno != ENOENT)
        return pq_fail_errno(err, store->new_key_path, "cannot remove what an earlier rekey left");
    PQ_AUTO_SECRET *key = pq_seal_new_key();
    bool ours = false;
    if (!pq_store_key_create(store->new_key_path, key, &ours, err))
        return false;
    if (!ours)
        return pq_fail(err, PQ_ESYSTEM, store->new_key_path, NULL, "another program made this file just now");
    if (reseal(store, key, out_count, err))
        return true;
    /* A full disk makes SQLite end the transaction, and with it our hold on that file. */
    if (!sqlite3_get_autocommit(store->database))
        (void)unlink(store->new_key_path);
    return false;
}

bool pq_store_rekey(pq_store *store, size_t *out_count, pq_error *err)
{
    if (store->key_is_credential)
        return pq_fail(err, PQ_ECONFIG, store->key_path,
                       "name a key file that can be written in $PRATIQUE_STORE_KEY_FILE",
                       "the service manager keeps the store's key, so it cannot be replaced from here");
    size_t count = 0;
    if (!begin(store, true, err) || !end(store, rekey(store, &count, err), err))
        return false;
    if (out_count)
        *out_count = count;
    /* From here on all is safe; the key only moves to its place. */
    PQ_AUTO_ERROR trouble = {0};
    bool placed = begin(store, true, &trouble) && end(store, adopt_key(store, &trouble), &trouble);
    if (!placed)
        pq_warn(store->new_key_path, "the next `pratique secrets update` tries again",
                "the store has its new key, but it could not be moved to its place: %s", trouble.message);
    return true;
}
