#include "pq_cmocka.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/file.h"
#include "secrets/key.h"
#include "secrets/store.h"

typedef struct place {
    char *folder, *path, *key_path, *new_key_path;
} place;

static int setup(void **state)
{
    pq_error err = {0};
    place *at = pq_alloc(1, sizeof *at);
    if (!pq_make_temp_dir("pq-test-", &at->folder, &err))
        return -1;
    at->path = pq_path_join(at->folder, "data/pratique/secrets.db");
    at->key_path = pq_path_join(at->folder, "config/pratique/store.key");
    at->new_key_path = pq_path_join(at->folder, "config/pratique/store.key.new");
    *state = at;
    return 0;
}

static int teardown(void **state)
{
    pq_error err = {0};
    place *at = *state;
    bool good = pq_remove_tree(at->folder, &err);
    free(at->folder);
    free(at->path);
    free(at->key_path);
    free(at->new_key_path);
    free(at);
    return good ? 0 : -1;
}

static bool try_open(const place *at, bool create, pq_store **out, pq_error *err)
{
    pq_store_options options = {.path = at->path, .key_path = at->key_path, .create = create, .wait_ms = 50};
    return pq_store_open(&options, out, err);
}

static pq_store *opened(const place *at)
{
    PQ_AUTO_ERROR err = {0};
    pq_store *store = NULL;
    if (!try_open(at, true, &store, &err))
        fail_msg("%s: %s", err.where, err.message);
    return store;
}

static void put(pq_store *store, const char *name, const char *value, const char *host)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_SECRET *secret = pq_secret_new(value, strlen(value));
    PQ_AUTO_STRINGS hosts = {0};
    if (host)
        pq_strings_add(&hosts, host);
    if (!pq_store_put(store, name, secret, host ? &hosts : NULL, &err))
        fail_msg("%s", err.message);
}

static void assert_has(pq_store *store, const char *name, const char *value, const char *host)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_SECRET *secret = NULL;
    PQ_AUTO_STRINGS hosts = {0};
    if (!pq_store_get(store, name, &secret, &hosts, &err))
        fail_msg("%s", err.message);
    assert_string_equal(pq_secret_bytes(secret), value);
    assert_int_equal(hosts.count, host ? 1 : 0);
    if (host)
        assert_string_equal(hosts.at[0], host);
}

static void assert_get_fails(pq_store *store, const char *name, pq_code code, const char *message)
{
    PQ_AUTO_ERROR err = {0};
    pq_secret *secret = NULL;
    assert_false(pq_store_get(store, name, &secret, NULL, &err));
    assert_null(secret);
    assert_string_equal(err.message, message);
    assert_int_equal(err.code, code);
    assert_string_equal(err.where, pq_store_path(store));
}

/* `part` must be in the message; a hint there must be. */
static void assert_open_fails(const place *at, pq_code code, const char *where, const char *part)
{
    PQ_AUTO_ERROR err = {0};
    pq_store *store = NULL;
    assert_false(try_open(at, false, &store, &err));
    assert_null(store);
    if (!strstr(err.message, part))
        fail_msg("\"%s\" is not in \"%s\"", part, err.message);
    assert_int_equal(err.code, code);
    assert_string_equal(err.where, where);
    assert_non_null(err.hint);
}

static void sql(const place *at, const char *text)
{
    sqlite3 *database = NULL;
    assert_int_equal(sqlite3_open(at->path, &database), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database, text, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
}

static mode_t mode_of(const char *path)
{
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    return status.st_mode & 07777;
}

static void what_is_put_is_there(void **state)
{
    place *at = *state;
    PQ_AUTO_ERROR err = {0};
    {
        mode_t kept = umask(0);
        PQ_AUTO_STORE *store = opened(at);
        (void)umask(kept);
        put(store, "b.two", "value 2", NULL);
        put(store, "a-one", "value 1", "ghcr.io");
        assert_has(store, "a-one", "value 1", "ghcr.io");
    }
    PQ_AUTO_FREE char *data = pq_path_dirname(at->path);
    PQ_AUTO_FREE char *config = pq_path_dirname(at->key_path);
    assert_int_equal(mode_of(at->path), 0600);
    assert_int_equal(mode_of(at->key_path), 0600);
    assert_int_equal(mode_of(data), 0700);
    assert_int_equal(mode_of(config), 0700);

    PQ_AUTO_STORE *store = opened(at);
    assert_has(store, "a-one", "value 1", "ghcr.io");
    assert_has(store, "b.two", "value 2", NULL);
    put(store, "a-one", "another", NULL); /* stays bound */
    assert_has(store, "a-one", "another", "ghcr.io");
    PQ_AUTO_STRINGS none = {0};
    PQ_AUTO_SECRET *value = pq_secret_new("free\0!", 6);
    assert_true(pq_store_put(store, "a-one", value, &none, &err));
    assert_has(store, "a-one", "free", NULL);

    PQ_AUTO_STORE_ENTRIES entries = {0};
    assert_true(pq_store_list(store, &entries, &err));
    assert_int_equal(entries.count, 2);
    assert_string_equal(entries.at[0].name, "a-one");
    assert_int_equal(entries.at[0].size, 6);
    assert_true(entries.at[0].created > 1600000000 && entries.at[0].updated >= entries.at[0].created);
    assert_string_equal(entries.at[1].name, "b.two");

    bool existed = false;
    assert_true(pq_store_remove(store, "a-one", &existed, &err));
    assert_true(existed);
    assert_get_fails(store, "a-one", PQ_ENOTFOUND, "there is no secret named a-one");
    assert_true(pq_store_remove(store, "a-one", &existed, &err));
    assert_false(existed);
}

static void several_changes_are_one(void **state)
{
    place *at = *state;
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_STORE *store = opened(at);
    put(store, "kept", "old", NULL);
    PQ_AUTO_SECRET *value = pq_secret_new("new", 3);
    pq_store_change good[] = {{.name = "kept", .value = value}, {.name = "more", .value = value}, {.name = "absent"}};
    assert_true(pq_store_update(store, good, 3, &err));
    assert_true(good[0].existed);
    assert_false(good[1].existed);
    assert_false(good[2].existed);
    assert_has(store, "more", "new", NULL);

    PQ_AUTO_SECRET *other = pq_secret_new("other", 5);
    pq_store_change bad[] = {{.name = "kept", .value = other}, {.name = ".hidden", .value = other}};
    assert_false(pq_store_update(store, bad, 2, &err));
    assert_int_equal(err.code, PQ_EUSAGE);
    assert_has(store, "kept", "new", NULL);

    /* The second fails within the transaction: the first is undone. */
    put(store, "bound", "x", "ghcr.io");
    sql(at, "UPDATE secrets SET hosts = 'evil.example' WHERE name = 'bound'");
    pq_store_change half[] = {{.name = "kept", .value = other}, {.name = "bound", .value = other}};
    assert_false(pq_store_update(store, half, 2, &err));
    assert_int_equal(err.code, PQ_EUNTRUSTED);
    assert_has(store, "kept", "new", NULL);

    PQ_AUTO_BUF large = PQ_SENSITIVE_BUF(2u << 20);
    while (large.length <= 1u << 20)
        pq_buf_adds(&large, "0123456789abcdef");
    PQ_AUTO_SECRET *too_large = pq_secret_from_buf(&large);
    assert_false(pq_store_put(store, "large", too_large, NULL, &err));
    assert_string_equal(err.message, "the secret large is larger than 1048576 bytes");
}

static void the_largest_value_fits(void **state)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_STORE *store = opened(*state);
    PQ_AUTO_BUF bytes = PQ_SENSITIVE_BUF(1u << 20);
    for (size_t i = 0; i < 1u << 20; i++)
        pq_buf_addc(&bytes, (char)(i * 31 % 256));
    PQ_AUTO_SECRET *value = pq_secret_from_buf(&bytes);
    assert_true(pq_store_put(store, "large", value, NULL, &err));
    PQ_AUTO_SECRET *back = NULL;
    assert_true(pq_store_get(store, "large", &back, NULL, &err));
    assert_true(pq_secret_equal(value, back));
    assert_true(pq_store_rekey(store, NULL, &err));
}

static void each_wrong_key_has_its_words(void **state)
{
    place *at = *state;
    PQ_AUTO_ERROR err = {0};
    {
        PQ_AUTO_STORE *store = opened(at);
        put(store, "a", "value", NULL);
    }
    PQ_AUTO_BUF right = PQ_SENSITIVE_BUF(100);
    assert_true(pq_read_file(at->key_path, &right, &err));
    assert_int_equal(right.length, 65);

    assert_int_equal(chmod(at->key_path, 0640), 0);
    assert_open_fails(at, PQ_ECONFIG, at->key_path, "the store's key is open to others (mode 0640)");
    assert_int_equal(chmod(at->key_path, 0600), 0);

    static const char other[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n";
    assert_true(pq_write_file(at->key_path, 0600, other, 65, &err));
    PQ_AUTO_FREE char *words = pq_asprintf("the store was sealed with another key than the one in %s", at->key_path);
    assert_open_fails(at, PQ_ECONFIG, at->path, words);

    static const char *const wrong[] = {"", "\n", "0011",
                                        "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeffaa",
                                        "zz112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_true(pq_write_file(at->key_path, 0600, wrong[i], strlen(wrong[i]), &err));
        assert_open_fails(at, PQ_ECONFIG, at->key_path, "is not a key of the store, which is 64 hexadecimal digits");
    }

    assert_int_equal(unlink(at->key_path), 0);
    assert_open_fails(at, PQ_ECONFIG, at->key_path, "there is no such file, and the store ");
    pq_store *store = NULL;
    assert_false(try_open(at, true, &store, &err)); /* and no new key is made */
    assert_false(pq_path_exists(at->key_path));
    if (geteuid() == 0) {
        assert_true(pq_write_file(at->key_path, 0600, right.data, right.length, &err));
        assert_int_equal(chown(at->key_path, 12345, (gid_t)-1), 0);
        assert_open_fails(at, PQ_ECONFIG, at->key_path, "the store's key belongs to user 12345, not to the user who");
    }
    assert_int_equal(unlink(at->key_path) == 0 || errno == ENOENT, 1);
    assert_int_equal(mkfifo(at->key_path, 0600), 0);
    PQ_AUTO_ERROR fifo = {0};
    assert_false(try_open(at, false, &store, &fifo));
    assert_string_equal(fifo.message, "the store's key is not a regular file");
    assert_int_equal(unlink(at->key_path), 0);

    assert_true(pq_write_file(at->key_path, 0600, right.data, right.length, &err));
    PQ_AUTO_STORE *again = opened(at);
    assert_has(again, "a", "value", NULL);
}

static void a_credential_may_be_read_by_its_group(void **state)
{
    place *at = *state;
    PQ_AUTO_ERROR err = {0};
    pq_store_close(opened(at));
    assert_int_equal(chmod(at->key_path, 0440), 0);
    PQ_AUTO_STORE *store = NULL;
    pq_store_options options = {.path = at->path, .key_path = at->key_path, .key_is_credential = true};
    assert_true(pq_store_open(&options, &store, &err));
    assert_false(pq_store_rekey(store, NULL, &err));
    assert_int_equal(err.code, PQ_ECONFIG);
    assert_int_equal(chmod(at->key_path, 0444), 0);
    pq_store *none = NULL;
    assert_false(pq_store_open(&options, &none, &err));
    assert_string_equal(err.message, "the store's key is open to others (mode 0444)");
}

static void each_wrong_file_has_its_words(void **state)
{
    place *at = *state;
    PQ_AUTO_ERROR err = {0};
    assert_open_fails(at, PQ_ENOTFOUND, at->path, "there is no store of secrets");
    PQ_AUTO_BUF whole = PQ_BUF(1u << 20);
    {
        PQ_AUTO_STORE *store = opened(at);
        put(store, "a", "value", NULL);
    }
    assert_true(pq_read_file(at->path, &whole, &err));
    assert_true(whole.length >= 8192);
    for (size_t length = 0; length < whole.length; length += length < 200 ? 1 : 777) {
        assert_true(pq_write_file(at->path, 0600, whole.data, length, &err));
        assert_open_fails(at, PQ_EINPUT, at->path, "truncated");
    }
    for (size_t length = 4096; length < whole.length; length += 4096) {
        assert_true(pq_write_file(at->path, 0600, whole.data, length, &err));
        assert_open_fails(at, PQ_EINPUT, at->path, "the store of secrets is truncated or damaged");
    }
    assert_true(pq_write_file(at->path, 0600, "-----BEGIN CERTIFICATE-----, and so on and on", 44, &err));
    assert_open_fails(at, PQ_EINPUT, at->path, "is not a store of secrets: it is no SQLite database, or was truncated");
    assert_int_equal(unlink(at->path), 0);
    sql(at, "CREATE TABLE other (x)");
    assert_open_fails(at, PQ_EINPUT, at->path, "is an SQLite database, but not a store of secrets");
    sql(at, "PRAGMA application_id = 0x70717373; PRAGMA user_version = 1");
    assert_open_fails(at, PQ_EINPUT, at->path, "the store of secrets is damaged: no such table: mark");

    assert_true(pq_write_file(at->path, 0600, whole.data, whole.length, &err));
    sql(at, "PRAGMA user_version = 2");
    assert_open_fails(at, PQ_EINPUT, at->path, "has format 2; this program knows formats up to 1");
    if (geteuid() == 0) {
        assert_int_equal(chown(at->path, 12345, (gid_t)-1), 0);
        assert_open_fails(at, PQ_ECONFIG, at->path, "the store of secrets belongs to user 12345, not to the user who");
    }
    assert_int_equal(unlink(at->path), 0);
    assert_int_equal(mkdir(at->path, 0700), 0);
    PQ_AUTO_ERROR folder = {0};
    pq_store *store = NULL;
    assert_false(try_open(at, false, &store, &folder));
    assert_string_equal(folder.message, "the store of secrets is not a regular file");
}

static void a_changed_row_is_named(void **state)
{
    place *at = *state;
    static const char *const changes[] = {
        "UPDATE secrets SET sealed = (SELECT sealed FROM secrets WHERE name = 'b') WHERE name = 'a'",
        "UPDATE secrets SET hosts = '' WHERE name = 'a'",
        "UPDATE secrets SET hosts = 'evil.example' WHERE name = 'a'",
        "UPDATE secrets SET updated = updated + 1 WHERE name = 'a'",
        "UPDATE secrets SET sealed = substr(sealed, 1, 40) WHERE name = 'a'",
        "UPDATE secrets SET sealed = x'' WHERE name = 'a'",
        "UPDATE secrets SET sealed = 'text' WHERE name = 'a'",
        ("UPDATE secrets SET sealed = CAST(substr(sealed, 1, 30) || "
         "CASE substr(sealed, 31, 1) WHEN x'00' THEN x'01' ELSE x'00' END || substr(sealed, 32) AS BLOB)"),
        "UPDATE secrets SET name = 'c' WHERE name = 'a'; UPDATE secrets SET name = 'a' WHERE name = 'b'",
    };
    PQ_AUTO_STORE *store = opened(at);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        put(store, "a", "value a, long enough", "ghcr.io");
        put(store, "b", "value b, long enough", "ghcr.io");
        assert_has(store, "a", "value a, long enough", "ghcr.io");
        sql(at, changes[i]);
        assert_get_fails(store, "a", PQ_EUNTRUSTED, "the secret a was changed by another program");
        PQ_AUTO_ERROR err = {0};
        assert_false(pq_store_rekey(store, NULL, &err));
        assert_int_equal(err.code, PQ_EUNTRUSTED);
        assert_false(pq_path_exists(at->new_key_path));
        /* Overwriting would keep the hosts, which may be what was changed. */
        PQ_AUTO_SECRET *value = pq_secret_new("x", 1);
        assert_false(pq_store_put(store, "a", value, NULL, &err));
        assert_string_equal(err.message, "the secret a was changed by another program");
        PQ_AUTO_STRINGS none = {0};
        assert_true(pq_store_put(store, "a", value, &none, &err));
        assert_has(store, "a", "x", NULL);
        bool existed = false;
        assert_true(pq_store_remove(store, "a", &existed, &err));
        assert_true(existed);
    }
    put(store, "b", "another", "ghcr.io");
    assert_has(store, "b", "another", "ghcr.io");
}

static void a_changed_mark_is_no_wrong_key(void **state)
{
    place *at = *state;
    static const char words[] = "what says which key the store is sealed with was changed by another program";
    pq_store_close(opened(at));
    PQ_AUTO_BUF whole = PQ_BUF(1u << 20);
    PQ_AUTO_ERROR err = {0};
    assert_true(pq_read_file(at->path, &whole, &err));
    static const char *const changes[] = {"UPDATE mark SET key_id = '00'", "UPDATE mark SET sealed = x'0011'",
                                          "DELETE FROM mark", "UPDATE mark SET key_id = printf('%0200d', 1)"};
    for (size_t i = 0; i < 4; i++) {
        assert_true(pq_write_file(at->path, 0600, whole.data, whole.length, &err));
        sql(at, changes[i]);
        assert_open_fails(at, PQ_EUNTRUSTED, at->path, words);
    }
}

/* At each point where a rekey can be killed, the files are as one of these leaves them. */
static void a_rekey_that_was_killed_is_finished(void **state)
{
    place *at = *state;
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_STORE *store = opened(at);
    put(store, "a", "value", NULL);
    PQ_AUTO_BUF old_key = PQ_SENSITIVE_BUF(100), new_key = PQ_SENSITIVE_BUF(100), now = PQ_SENSITIVE_BUF(100);
    assert_true(pq_read_file(at->key_path, &old_key, &err));
    size_t count = 0;
    assert_true(pq_store_rekey(store, &count, &err));
    assert_int_equal(count, 1);
    assert_false(pq_path_exists(at->new_key_path));
    assert_true(pq_read_file(at->key_path, &new_key, &err));
    assert_memory_not_equal(old_key.data, new_key.data, 65);
    assert_has(store, "a", "value", NULL);

    /* Before the commit: the new file is there and of no use. */
    assert_true(pq_write_file(at->new_key_path, 0600, old_key.data, 65, &err));
    {
        PQ_AUTO_STORE *second = opened(at);
        assert_has(second, "a", "value", NULL);
        assert_true(pq_store_rekey(second, NULL, &err));
        assert_false(pq_path_exists(at->new_key_path));
    }
    assert_has(store, "a", "value", NULL); /* which was opened two keys ago */

    /* After the commit, before the rename. */
    pq_buf_clear(&new_key);
    assert_true(pq_read_file(at->key_path, &new_key, &err));
    assert_int_equal(rename(at->key_path, at->new_key_path), 0);
    assert_true(pq_write_file(at->key_path, 0600, old_key.data, 65, &err));
    PQ_AUTO_STORE *third = opened(at);
    assert_has(third, "a", "value", NULL);
    assert_false(pq_path_exists(at->new_key_path));
    assert_true(pq_read_file(at->key_path, &now, &err));
    assert_memory_equal(now.data, new_key.data, 65);
}

static void a_rekey_follows_a_link(void **state)
{
    place *at = *state;
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *link = pq_path_join(at->folder, "link.key");
    {
        PQ_AUTO_STORE *store = opened(at);
        put(store, "a", "value", NULL);
    }
    assert_int_equal(symlink(at->key_path, link), 0);
    pq_store_options options = {.path = at->path, .key_path = link};
    PQ_AUTO_STORE *store = NULL;
    assert_true(pq_store_open(&options, &store, &err));
    assert_true(pq_store_rekey(store, NULL, &err));
    struct stat status;
    assert_int_equal(lstat(link, &status), 0);
    assert_true(S_ISLNK(status.st_mode));
    PQ_AUTO_STORE *again = opened(at);
    assert_has(again, "a", "value", NULL);
}

static void what_was_removed_leaves_no_bytes(void **state)
{
    place *at = *state;
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_STORE *store = opened(at);
    put(store, "a", "a value of which nothing may stay, sealed or not", NULL);
    sqlite3 *database = NULL;
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_open(at->path, &database), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(database, "SELECT sealed FROM secrets", -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    PQ_AUTO_BUF sealed = PQ_BUF(1000);
    pq_buf_add(&sealed, sqlite3_column_blob(statement, 0), (size_t)sqlite3_column_bytes(statement, 0));
    assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
    assert_int_equal(sqlite3_close(database), SQLITE_OK);

    PQ_AUTO_BUF before = PQ_BUF(1u << 20), after = PQ_BUF(1u << 20);
    assert_true(pq_read_file(at->path, &before, &err));
    assert_non_null(memmem(before.data, before.length, sealed.data, sealed.length));
    assert_null(memmem(before.data, before.length, "nothing may stay", 16));
    put(store, "a", "b", NULL);
    assert_true(pq_read_file(at->path, &after, &err));
    assert_null(memmem(after.data, after.length, sealed.data + 20, sealed.length - 20));
}

static void a_locked_store_says_so(void **state)
{
    place *at = *state;
    PQ_AUTO_STORE *store = opened(at);
    put(store, "a", "value", NULL);
    sqlite3 *database = NULL;
    assert_int_equal(sqlite3_open(at->path, &database), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database, "BEGIN IMMEDIATE; DELETE FROM secrets", NULL, NULL, NULL), SQLITE_OK);
    assert_has(store, "a", "value", NULL); /* reading goes on */
    PQ_AUTO_ERROR err = {0};
    bool existed = false;
    assert_false(pq_store_remove(store, "a", &existed, &err));
    assert_string_equal(err.message, "the store of secrets is in use by another process");
    assert_int_equal(err.code, PQ_ESYSTEM);
    assert_non_null(err.hint);
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
    assert_true(pq_store_remove(store, "a", &existed, &err));
}

/* As a user whom the modes of files hold back. */
static int as_ordinary_user(const place *at)
{
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
        return 10;
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_STORE *store = NULL;
    PQ_AUTO_SECRET *value = NULL;
    if (!try_open(at, true, &store, &err) || !pq_store_get(store, "a", &value, NULL, &err)) {
        (void)fprintf(stderr, "%s: %s\n", err.where, err.message);
        return 11;
    }
    if (strcmp(pq_secret_bytes(value), "value") != 0)
        return 12;
    if (pq_store_put(store, "a", value, NULL, &err) || err.code != PQ_ESYSTEM ||
        strcmp(err.message, "the store of secrets cannot be written: it is read-only") != 0)
        return 13;
    if (pq_store_rekey(store, NULL, &err))
        return 14;
    return 0;
}

static void what_is_read_only_can_be_read(void **state)
{
    place *at = *state;
    {
        PQ_AUTO_STORE *store = opened(at);
        put(store, "a", "value", NULL);
    }
    PQ_AUTO_FREE char *data = pq_path_dirname(at->path);
    PQ_AUTO_FREE char *above = pq_path_dirname(data);
    PQ_AUTO_FREE char *config = pq_path_dirname(at->key_path);
    PQ_AUTO_FREE char *config_above = pq_path_dirname(config);
    if (geteuid() == 0)
        assert_int_equal(chown(at->key_path, 65534, 65534), 0);
    assert_int_equal(chmod(at->key_path, 0400), 0);
    assert_int_equal(chmod(at->path, 0444), 0);
    const char *folders[] = {at->folder, above, data, config_above, config};
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(chmod(folders[i], 0555), 0);
    pid_t child = fork();
    if (child == 0)
        _exit(as_ordinary_user(at));
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(chmod(folders[i], 0700), 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_path_means_a_file_whatever_it_looks_like(void **state)
{
    place *at = *state;
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *before = getcwd(NULL, 0);
    assert_int_equal(chdir(at->folder), 0);
    pq_store_options options = {.path = "file:x?mode=memory", .key_path = at->key_path, .create = true};
    {
        PQ_AUTO_STORE *store = NULL;
        assert_true(pq_store_open(&options, &store, &err));
        put(store, "a", "value", NULL);
    }
    assert_true(pq_path_exists("file:x?mode=memory"));
    PQ_AUTO_STORE *store = NULL;
    assert_true(pq_store_open(&options, &store, &err));
    assert_has(store, "a", "value", NULL);
    assert_int_equal(chdir(before), 0);
}

#define WITH_PLACE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_PLACE(what_is_put_is_there),
        WITH_PLACE(several_changes_are_one),
        WITH_PLACE(the_largest_value_fits),
        WITH_PLACE(each_wrong_key_has_its_words),
        WITH_PLACE(a_credential_may_be_read_by_its_group),
        WITH_PLACE(each_wrong_file_has_its_words),
        WITH_PLACE(a_changed_row_is_named),
        WITH_PLACE(a_changed_mark_is_no_wrong_key),
        WITH_PLACE(a_rekey_that_was_killed_is_finished),
        WITH_PLACE(a_rekey_follows_a_link),
        WITH_PLACE(what_was_removed_leaves_no_bytes),
        WITH_PLACE(a_locked_store_says_so),
        WITH_PLACE(what_is_read_only_can_be_read),
        WITH_PLACE(a_path_means_a_file_whatever_it_looks_like),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
