#include "target/tuf_repository.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "target/canonical.h"

struct pq_tuf {
    char *repo;
    char *anchor; /* the root.json that trust starts from */
    pq_tree tree;
    int lock; /* -1 when not locked */
    pq_tuf_state state;
};

void pq_tuf_close(pq_tuf *tuf)
{
    if (!tuf)
        return;
    pq_tuf_state_clear(&tuf->state);
    pq_tree_close(&tuf->tree);
    pq_close_cleanup(&tuf->lock); /* and lets the lock go */
    free(tuf->repo);
    free(tuf->anchor);
    free(tuf);
}

void pq_tuf_cleanup(pq_tuf **tuf)
{
    pq_tuf_close(*tuf);
}

const pq_tuf_state *pq_tuf_current(const pq_tuf *tuf)
{
    return &tuf->state;
}

/* ---- writing ---- */

/* One file of metadata in the making: the bytes to write, and the same read back by the client's own parser. */
typedef struct tuf_draft {
    char *text;
    size_t length;
    pq_tuf_metadata metadata;
} tuf_draft;

static void draft_cleanup(tuf_draft *draft)
{
    free(draft->text);
    pq_tuf_metadata_clear(&draft->metadata);
}
#define AUTO_DRAFT PQ_CLEANUP(draft_cleanup) tuf_draft

static bool set(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value) == 0;
}

static bool out_of_range(pq_error *err)
{
    return pq_fail(err, PQ_EINPUT, NULL, NULL, "TUF metadata cannot hold what was asked: not UTF-8, or too large");
}

static bool expiry(const pq_tuf_options *options, const char *period, const char *standard, char out[PQ_TIME_TEXT],
                   pq_error *err)
{
    time_t from = options && options->now ? options->now : pq_now(), when;
    if (!pq_time_add_period(from, period ? period : standard, &when))
        return pq_fail(err, PQ_ECONFIG, NULL, "years, months, days and hours: 1Y3M5D12h",
                       "the time after which TUF metadata expires is not a period");
    pq_time_text(when, out);
    return true;
}

static bool targets_expiry(const pq_tuf_options *options, char out[PQ_TIME_TEXT], pq_error *err)
{
    return expiry(options, options ? options->targets_expire_after : NULL, PQ_TUF_TARGETS_EXPIRE_AFTER, out, err);
}

/* Completes the common fields of `body` (borrowed), signs it and reads it back. `root` is whose keys must have signed;
 * NULL for a first root, which vouches for itself. */
static bool sign_draft(json_t *body, pq_tuf_role role, uint64_t version, const char *expires, const pq_sign_key *key,
                       const pq_tuf_metadata *root, tuf_draft *out, pq_error *err)
{
    const char *name = pq_tuf_role_name(role);
    if (!set(body, "_type", json_string(name)) || !set(body, "spec_version", json_string(PQ_TUF_SPEC_VERSION)) ||
        !set(body, "version", json_integer((json_int_t)version)) || !set(body, "expires", json_string(expires)))
        return out_of_range(err);
    PQ_AUTO_BUF canonical = PQ_BUF(PQ_MAX_METADATA), hex = PQ_BUF(2 * PQ_SIGN_SIZE);
    unsigned char signature[PQ_SIGN_SIZE];
    char id[PQ_SHA256_HEX];
    if (!pq_canonical_add(body, &canonical, err) || !pq_sign(key, canonical.data, canonical.length, signature, err))
        return false;
    pq_hex_add(&hex, signature, sizeof signature);
    pq_sign_tuf_key_id(pq_sign_key_public(key), id);
    json_auto_t *whole =
        json_pack("{s:[{s:s,s:s}],s:O}", "signatures", "keyid", id, "sig", pq_buf_text(&hex), "signed", body);
    out->text = whole ? json_dumps(whole, JSON_INDENT(1) | JSON_SORT_KEYS) : NULL;
    if (!out->text)
        return out_of_range(err);
    out->length = strlen(out->text);
    PQ_AUTO_FREE char *where = pq_asprintf("%s.json", name);
    return pq_tuf_parse(role, out->text, out->length, where, &out->metadata, err) &&
           pq_tuf_check_signatures(root ? root : &out->metadata, &out->metadata, where, err);
}

/* The body of a snapshot or timestamp: it names one file. */
static json_t *naming_body(const char *file, const tuf_draft *named)
{
    pq_sha256 hash = pq_sha256_of(named->text, named->length);
    char hex[PQ_SHA256_HEX];
    pq_sha256_hex(&hash, hex);
    return json_pack("{s:{s:{s:I,s:I,s:{s:s}}}}", "meta", file, "version", (json_int_t)named->metadata.version,
                     "length", (json_int_t)named->length, "hashes", "sha256", hex);
}

static bool put(const char *repo, const char *path, const void *bytes, size_t length, pq_error *err)
{
    PQ_AUTO_FREE char *whole = pq_path_join(repo, path);
    return pq_write_file(whole, 0644, bytes, length, err);
}

static bool put_version(const char *repo, const tuf_draft *draft, pq_error *err)
{
    PQ_AUTO_FREE char *path =
        pq_asprintf("metadata/%ju.%s.json", (uintmax_t)draft->metadata.version, pq_tuf_role_name(draft->metadata.role));
    return put(repo, path, draft->text, draft->length, err);
}

/* Signs and writes what follows from a targets body: its own file, snapshot, and timestamp last. */
static bool publish(const char *repo, const pq_tuf_keys *keys, const pq_tuf_metadata *root, json_t *targets_body,
                    const uint64_t versions[PQ_TUF_ROLES], const char *expires, pq_error *err)
{
    AUTO_DRAFT targets = {0}, snapshot = {0}, timestamp = {0};
    if (!sign_draft(targets_body, PQ_TUF_TARGETS, versions[PQ_TUF_TARGETS], expires, keys->at[PQ_TUF_TARGETS], root,
                    &targets, err))
        return false;
    json_auto_t *snapshot_body = naming_body("targets.json", &targets);
    if (!snapshot_body)
        return out_of_range(err);
    if (!sign_draft(snapshot_body, PQ_TUF_SNAPSHOT, versions[PQ_TUF_SNAPSHOT], expires, keys->at[PQ_TUF_SNAPSHOT], root,
                    &snapshot, err))
        return false;
    json_auto_t *timestamp_body = naming_body("snapshot.json", &snapshot);
    if (!timestamp_body)
        return out_of_range(err);
    return sign_draft(timestamp_body, PQ_TUF_TIMESTAMP, versions[PQ_TUF_TIMESTAMP], expires, keys->at[PQ_TUF_TIMESTAMP],
                      root, &timestamp, err) &&
           put_version(repo, &targets, err) && put_version(repo, &snapshot, err) &&
           put(repo, "metadata/timestamp.json", timestamp.text, timestamp.length, err);
}

/* ---- init ---- */

static json_t *root_body(const pq_tuf_keys *keys)
{
    json_auto_t *body = json_pack("{s:b,s:{},s:{}}", "consistent_snapshot", 1, "keys", "roles");
    json_t *all = json_object_get(body, "keys"), *roles = json_object_get(body, "roles");
    for (size_t i = 0; i < PQ_TUF_ROLES; i++) {
        PQ_AUTO_BUF hex = PQ_BUF(2 * PQ_SIGN_PUBLIC_SIZE);
        char id[PQ_SHA256_HEX];
        const unsigned char *public_key = pq_sign_key_public(keys->at[i]);
        pq_hex_add(&hex, public_key, PQ_SIGN_PUBLIC_SIZE);
        pq_sign_tuf_key_id(public_key, id);
        if (!set(all, id,
                 json_pack("{s:s,s:s,s:{s:s}}", "keytype", "ed25519", "scheme", "ed25519", "keyval", "public",
                           pq_buf_text(&hex))) ||
            !set(roles, pq_tuf_role_name((pq_tuf_role)i), json_pack("{s:[s],s:i}", "keyids", id, "threshold", 1)))
            return NULL;
    }
    return json_incref(body);
}

/* Where a folder that need not exist yet will be, free of links and `..`. */
static bool future_path(const char *path, char **out, pq_error *err)
{
    PQ_AUTO_FREE char *head = pq_strdup(path);
    PQ_AUTO_FREE char *tail = pq_strdup("");
    for (;;) {
        PQ_AUTO_FREE char *real = realpath(head, NULL);
        if (real) {
            *out = *tail ? pq_path_join(real, tail) : pq_steal(real);
            return true;
        }
        if (errno != ENOENT)
            return pq_fail_errno(err, path, "cannot be resolved");
        for (size_t end = strlen(head); end > 1 && head[end - 1] == '/'; end--)
            head[end - 1] = '\0';
        const char *base = pq_path_basename(head);
        if (pq_streq(base, "..") || pq_streq(head, "."))
            return pq_fail(err, PQ_EUSAGE, path, NULL, "goes up from a folder that does not exist");
        char *longer = pq_streq(base, ".") ? pq_strdup(tail) : *tail ? pq_path_join(base, tail) : pq_strdup(base);
        free(tail);
        tail = longer;
        char *shorter = pq_path_dirname(head);
        free(head);
        head = shorter;
    }
}

static bool check_apart(const char *repo, const char *keys, pq_error *err)
{
    PQ_AUTO_FREE char *repo_path = NULL, *keys_path = NULL;
    if (!future_path(repo, &repo_path, err) || !future_path(keys, &keys_path, err))
        return false;
    size_t length = strlen(repo_path);
    if (pq_starts_with(keys_path, repo_path) &&
        (keys_path[length] == '\0' || keys_path[length] == '/' || repo_path[length - 1] == '/'))
        return pq_fail(err, PQ_EUSAGE, keys, "choose a folder elsewhere with --keys",
                       "the private keys would lie in the repository and be served with it");
    return true;
}

static bool check_new(const char *repo, const char *keys, pq_error *err)
{
    PQ_AUTO_FREE char *timestamp = pq_path_join(repo, "metadata/timestamp.json");
    PQ_AUTO_FREE char *root = pq_path_join(repo, "metadata/1.root.json");
    PQ_AUTO_FREE char *other = pq_path_join(repo, "metadata/root.json");
    if (pq_path_exists(timestamp))
        return pq_fail(err, PQ_EINPUT, repo, NULL, "is a TUF repository already");
    if (pq_path_exists(root) || pq_path_exists(other))
        return pq_fail(err, PQ_EINPUT, repo, "remove its metadata folder and the keys, then run it again",
                       "holds an unfinished TUF repository");
    if (pq_tuf_keys_exist(keys))
        return pq_fail(err, PQ_EINPUT, keys, "choose another folder with --keys",
                       "holds keys already, of another repository or of an init that was interrupted");
    return true;
}

static bool make_folder(const char *repo, const char *name, pq_error *err)
{
    PQ_AUTO_FREE char *path = pq_path_join(repo, name);
    return pq_make_dirs(path, 0755, err);
}

bool pq_tuf_init(const char *repo, const char *keys_folder, const pq_secret *passphrase, const pq_tuf_options *options,
                 pq_error *err)
{
    char root_expires[PQ_TIME_TEXT], expires[PQ_TIME_TEXT];
    if (!expiry(options, options ? options->root_expire_after : NULL, PQ_TUF_ROOT_EXPIRE_AFTER, root_expires, err) ||
        !targets_expiry(options, expires, err) || !check_apart(repo, keys_folder, err) ||
        !check_new(repo, keys_folder, err))
        return false;
    PQ_AUTO_TUF_KEYS keys = {0};
    AUTO_DRAFT root = {0};
    if (!pq_tuf_keys_generate(keys_folder, &keys, err))
        return false;
    json_auto_t *body = root_body(&keys);
    json_auto_t *targets = json_pack("{s:{}}", "targets");
    if (!body || !targets)
        return out_of_range(err);
    PQ_AUTO_FREE char *anchor = pq_path_join(keys_folder, "root.json");
    static const uint64_t first[PQ_TUF_ROLES] = {1, 1, 1, 1};
    return sign_draft(body, PQ_TUF_ROOT, 1, root_expires, keys.at[PQ_TUF_ROOT], NULL, &root, err) &&
           make_folder(repo, "metadata", err) && make_folder(repo, "targets", err) &&
           pq_tuf_keys_write(&keys, passphrase, err) && pq_write_file(anchor, 0644, root.text, root.length, err) &&
           put_version(repo, &root, err) && put(repo, "metadata/root.json", root.text, root.length, err) &&
           publish(repo, &keys, &root.metadata, targets, first, expires, err);
}

/* ---- open ---- */

/* Every file of a Target that is there has the bytes that were signed, and it is there unless its Target says that it
 * has none. */
static bool check_target_files(const pq_tuf *tuf, pq_error *err)
{
    const pq_tuf_source source = {.read = pq_tuf_read_tree, .context = (void *)&tuf->tree, .name = tuf->repo};
    size_t count;
    PQ_AUTO_FREE pq_tuf_listed *list = pq_tuf_list_targets(&tuf->state, &count);
    for (size_t i = 0; i < count; i++) {
        const char *format = json_string_value(json_object_get(list[i].custom, "targetFormat"));
        if (list[i].file.length == 0 || pq_streq(format, "OSTREE"))
            continue;
        PQ_AUTO_BUF bytes = PQ_BUF(PQ_MAX_TEXT);
        if (!pq_tuf_read_target(&source, &tuf->state, list[i].name, &bytes, err))
            return false;
    }
    return true;
}

static bool take_lock(pq_tuf *tuf, pq_error *err)
{
    PQ_AUTO_FREE char *path = pq_path_join(tuf->repo, ".lock");
    tuf->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (tuf->lock < 0)
        return pq_fail_errno(err, path, "cannot open the lock file");
    if (flock(tuf->lock, LOCK_EX | LOCK_NB) == 0)
        return true;
    if (errno == EWOULDBLOCK) {
        pq_note("waiting for another run that signs into %s", tuf->repo);
        if (flock(tuf->lock, LOCK_EX) == 0)
            return true;
        if (errno == EINTR)
            return pq_fail(err, PQ_EINTERRUPTED, path, NULL, "interrupted while waiting for the lock");
    }
    return pq_fail_errno(err, path, "cannot lock");
}

static bool load(pq_tuf *tuf, pq_error *err)
{
    PQ_AUTO_BUF root = PQ_BUF(PQ_MAX_METADATA);
    if (!pq_read_file(tuf->anchor, &root, err)) {
        if (err->code == PQ_ENOTFOUND)
            return pq_fail(err, PQ_EINPUT, tuf->repo, "`pratique tuf init` makes one", "is not a TUF repository");
        return false;
    }
    const pq_tuf_source source = {.read = pq_tuf_read_tree, .context = &tuf->tree, .name = tuf->repo};
    const pq_tuf_trust trust = {
        .root = root.data,
        .root_length = root.length,
        .root_name = tuf->anchor,
        .now = pq_now(),
        .ignore_expiry = true,
    };
    pq_tuf_state state = {0};
    if (!pq_tuf_verify(&source, &trust, &state, err))
        return false;
    pq_tuf_state_clear(&tuf->state);
    tuf->state = state;
    return true;
}

bool pq_tuf_open(const char *repo, const char *keys_folder, bool lock, pq_tuf **out, pq_error *err)
{
    PQ_AUTO_TUF *tuf = pq_alloc(1, sizeof *tuf);
    tuf->lock = -1;
    tuf->tree = PQ_TREE_NONE;
    tuf->repo = pq_strdup(repo);
    tuf->anchor = keys_folder ? pq_path_join(keys_folder, "root.json") : NULL;
    if (!tuf->anchor || !pq_path_exists(tuf->anchor)) {
        free(tuf->anchor);
        tuf->anchor = pq_path_join(repo, "metadata/1.root.json");
    }
    if (!pq_tree_open(repo, &tuf->tree, err))
        return false;
    PQ_AUTO_FREE char *metadata = pq_path_join(repo, "metadata");
    if (!pq_is_dir(metadata))
        return pq_fail(err, PQ_EINPUT, repo, "`pratique tuf init` makes one", "is not a TUF repository");
    if ((lock && !take_lock(tuf, err)) || !load(tuf, err) || !check_target_files(tuf, err))
        return false;
    *out = pq_steal(tuf);
    return true;
}

bool pq_tuf_check_keys(const pq_tuf *tuf, const pq_tuf_keys *keys, pq_error *err)
{
    static const pq_tuf_role roles[] = {PQ_TUF_TARGETS, PQ_TUF_SNAPSHOT, PQ_TUF_TIMESTAMP};
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        const char *name = pq_tuf_role_name(roles[i]);
        char id[PQ_SHA256_HEX];
        pq_sign_tuf_key_id(pq_sign_key_public(keys->at[roles[i]]), id);
        if (!pq_strings_have(&tuf->state.root.role_keys[roles[i]], id))
            return pq_fail(err, PQ_EINPUT, keys->folder, "--keys says where the keys of this repository are",
                           "the %s key there is not one that the root of %s names", name, tuf->repo);
        if (tuf->state.root.threshold[roles[i]] > 1)
            return pq_fail(err, PQ_EINPUT, tuf->repo, NULL, "its root demands more than one signature of %s", name);
    }
    return true;
}

/* ---- adding ---- */

static bool check_list(const pq_tuf *tuf, const pq_tuf_new_target *list, size_t count, pq_error *err)
{
    for (size_t i = 0; i < count; i++) {
        const char *name = list[i].name;
        if (!pq_tuf_target_name_valid(name))
            return pq_fail(err, PQ_EINPUT, name, NULL, "cannot be the name of a Target");
        if (json_object_get(tuf->state.targets.targets, name))
            return pq_fail(err, PQ_EINPUT, tuf->repo, "choose another --version", "there is a Target %s already", name);
        for (size_t j = 0; j < i; j++)
            if (pq_streq(list[j].name, name))
                return pq_fail(err, PQ_EINPUT, name, NULL, "is given twice");
    }
    return true;
}

static pq_sha256 hash_of(const pq_tuf_new_target *target)
{
    return target->bytes ? pq_sha256_of(target->bytes, (size_t)target->length) : target->hash;
}

static bool store_bytes(const pq_tuf *tuf, const pq_tuf_new_target *target, pq_error *err)
{
    if (!target->bytes)
        return true;
    pq_sha256 hash = hash_of(target);
    PQ_AUTO_FREE char *path = pq_tuf_target_path(&tuf->state, target->name, &hash);
    PQ_AUTO_FREE char *folder = pq_path_dirname(path);
    return make_folder(tuf->repo, folder, err) && put(tuf->repo, path, target->bytes, (size_t)target->length, err);
}

static bool add_entry(json_t *targets, const pq_tuf_new_target *target)
{
    char hex[PQ_SHA256_HEX];
    pq_sha256 hash = hash_of(target);
    pq_sha256_hex(&hash, hex);
    json_auto_t *entry = json_pack("{s:I,s:{s:s}}", "length", (json_int_t)target->length, "hashes", "sha256", hex);
    return entry && (!target->custom || set(entry, "custom", json_deep_copy(target->custom))) &&
           json_object_set(targets, target->name, entry) == 0;
}

bool pq_tuf_add_targets(pq_tuf *tuf, const pq_tuf_keys *keys, const pq_tuf_new_target *list, size_t count,
                        const pq_tuf_options *options, pq_error *err)
{
    char expires[PQ_TIME_TEXT];
    if (tuf->lock < 0)
        return pq_fail(err, PQ_EINPUT, tuf->repo, NULL, "was opened for reading only");
    if (!targets_expiry(options, expires, err) || !pq_tuf_check_keys(tuf, keys, err) ||
        !check_list(tuf, list, count, err))
        return false;
    if (!tuf->state.root.consistent_snapshot)
        return pq_fail(err, PQ_EINPUT, tuf->repo, NULL, "has no consistent snapshots, which signing into it needs");
    json_auto_t *body = json_deep_copy(json_object_get(tuf->state.targets.document, "signed"));
    json_t *targets = json_object_get(body, "targets");
    for (size_t i = 0; i < count; i++)
        if (!add_entry(targets, &list[i]))
            return out_of_range(err);
    for (size_t i = 0; i < count; i++)
        if (!store_bytes(tuf, &list[i], err))
            return false;
    const uint64_t versions[PQ_TUF_ROLES] = {
        [PQ_TUF_TARGETS] = tuf->state.targets.version + 1,
        [PQ_TUF_SNAPSHOT] = tuf->state.snapshot.version + 1,
        [PQ_TUF_TIMESTAMP] = tuf->state.timestamp.version + 1,
    };
    return publish(tuf->repo, keys, &tuf->state.root, body, versions, expires, err) && load(tuf, err);
}
