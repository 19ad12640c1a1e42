#include "target/tuf_verify.h"

#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"

enum { MAX_ROOTS = 256 }; /* how many new roots one update follows (section 5.3.3) */

void pq_tuf_state_clear(pq_tuf_state *state)
{
    pq_tuf_metadata_clear(&state->root);
    pq_tuf_metadata_clear(&state->timestamp);
    pq_tuf_metadata_clear(&state->snapshot);
    pq_tuf_metadata_clear(&state->targets);
}

bool pq_tuf_read_tree(void *context, const char *path, pq_buf *out, pq_error *err)
{
    return pq_tree_read(context, path, out, err);
}

/* One update: where it reads, what it must not fall behind, what it has proven. */
typedef struct tuf_update {
    const pq_tuf_source *source;
    const pq_tuf_trust *trust;
    pq_tuf_state *now;
    pq_tuf_state before; /* from the state folder; roles that are not known are empty */
} tuf_update;

static void update_cleanup(tuf_update *update)
{
    pq_tuf_state_clear(&update->before);
}
#define AUTO_UPDATE PQ_CLEANUP(update_cleanup) tuf_update

static bool known(const pq_tuf_metadata *metadata)
{
    return metadata && metadata->document;
}

static bool check_expiry(const pq_tuf_metadata *metadata, time_t now, const char *where, pq_error *err)
{
    if (metadata->expires > now)
        return true;
    char text[PQ_TIME_TEXT];
    pq_time_text(metadata->expires, text);
    return pq_fail(err, PQ_EUNTRUSTED, where, "its owner must sign a newer one", "%s metadata expired on %s",
                   pq_tuf_role_name(metadata->role), text);
}

static bool older(const char *where, pq_error *err, const char *what, uint64_t version, uint64_t before)
{
    return pq_fail(err, PQ_EUNTRUSTED, where, "an older state of the repository is being served",
                   "%s version %ju is older than %ju, which was seen before", what, (uintmax_t)version,
                   (uintmax_t)before);
}

/* The contents of a version never change; a second form of it is somebody else's. */
static bool check_not_older(const pq_tuf_metadata *before, const pq_tuf_metadata *metadata, const char *where,
                            pq_error *err)
{
    if (!known(before))
        return true;
    if (metadata->version < before->version)
        return older(where, err, pq_tuf_role_name(metadata->role), metadata->version, before->version);
    if (metadata->version == before->version &&
        (metadata->canonical.length != before->canonical.length ||
         memcmp(metadata->canonical.data, before->canonical.data, before->canonical.length) != 0))
        return pq_fail(err, PQ_EUNTRUSTED, where, NULL, "%s version %ju was seen before with other contents",
                       pq_tuf_role_name(metadata->role), (uintmax_t)metadata->version);
    return true;
}

static char *metadata_path(const tuf_update *update, pq_tuf_role role, uint64_t version)
{
    const char *name = pq_tuf_role_name(role);
    if (version && (role == PQ_TUF_ROOT || update->now->root.consistent_snapshot))
        return pq_asprintf("metadata/%ju.%s.json", (uintmax_t)version, name);
    return pq_asprintf("metadata/%s.json", name);
}

static bool keep(const tuf_update *update, pq_tuf_role role, const pq_buf *bytes, pq_error *err)
{
    if (!update->trust->state_dir)
        return true;
    PQ_AUTO_FREE char *name = pq_asprintf("%s.json", pq_tuf_role_name(role));
    PQ_AUTO_FREE char *path = pq_path_join(update->trust->state_dir, name);
    return pq_make_dirs(update->trust->state_dir, 0755, err) &&
           pq_write_file(path, 0644, bytes->data, bytes->length, err);
}

static bool recall(const char *folder, pq_tuf_role role, pq_tuf_metadata *out, pq_error *err)
{
    PQ_AUTO_FREE char *name = pq_asprintf("%s.json", pq_tuf_role_name(role));
    PQ_AUTO_FREE char *path = pq_path_join(folder, name);
    PQ_AUTO_BUF bytes = PQ_BUF(PQ_MAX_METADATA);
    if (!pq_path_exists(path))
        return true;
    return pq_read_file(path, &bytes, err) && pq_tuf_parse(role, bytes.data, bytes.length, path, out, err);
}

static bool same_keys(const pq_tuf_metadata *a, const pq_tuf_metadata *b, pq_tuf_role role)
{
    if (a->role_keys[role].count != b->role_keys[role].count)
        return false;
    for (size_t i = 0; i < a->role_keys[role].count; i++)
        if (!pq_strings_have(&b->role_keys[role], a->role_keys[role].at[i]))
            return false;
    return true;
}

/* Roots N+1, N+2, …: each signed by the one before and by itself (section 5.3). */
static bool update_root(tuf_update *update, pq_error *err)
{
    const pq_tuf_trust *trust = update->trust;
    pq_tuf_metadata *root = &update->now->root;
    PQ_AUTO_FREE char *where = pq_strdup(trust->root_name);
    if (!pq_tuf_parse(PQ_TUF_ROOT, trust->root, trust->root_length, where, root, err) ||
        !pq_tuf_check_signatures(root, root, where, err))
        return false;
    for (int steps = 0;; steps++) {
        PQ_AUTO_FREE char *path = metadata_path(update, PQ_TUF_ROOT, root->version + 1);
        PQ_AUTO_FREE char *next_where = pq_path_join(update->source->name, path);
        PQ_AUTO_BUF bytes = PQ_BUF(PQ_MAX_METADATA);
        PQ_AUTO_TUF_METADATA next = {0};
        PQ_AUTO_ERROR missing = {0};
        if (!update->source->read(update->source->context, path, &bytes, &missing)) {
            if (missing.code == PQ_ENOTFOUND)
                break;
            pq_error_move(err, &missing);
            return false;
        }
        if (steps == MAX_ROOTS)
            return pq_fail(err, PQ_EUNTRUSTED, next_where, "start from a newer root", "more than %d roots to follow",
                           MAX_ROOTS);
        if (!pq_tuf_parse(PQ_TUF_ROOT, bytes.data, bytes.length, next_where, &next, err) ||
            !pq_tuf_check_signatures(root, &next, next_where, err) ||
            !pq_tuf_check_signatures(&next, &next, next_where, err))
            return false;
        if (next.version != root->version + 1)
            return pq_fail(err, PQ_EUNTRUSTED, next_where, NULL, "root version %ju stands where %ju should",
                           (uintmax_t)next.version, (uintmax_t)root->version + 1);
        if (!keep(update, PQ_TUF_ROOT, &bytes, err))
            return false;
        pq_tuf_metadata_clear(root);
        *root = next;
        next = (pq_tuf_metadata){0};
        free(where);
        where = pq_steal(next_where);
    }
    if (!check_not_older(&update->before.root, root, where, err) || !check_expiry(root, trust->now, where, err))
        return false;
    /* New keys end what the old ones said (section 5.3.11): so a repository recovers from a stolen timestamp key. */
    if (known(&update->before.root) && (!same_keys(&update->before.root, root, PQ_TUF_TIMESTAMP) ||
                                        !same_keys(&update->before.root, root, PQ_TUF_SNAPSHOT))) {
        pq_tuf_metadata_clear(&update->before.timestamp);
        pq_tuf_metadata_clear(&update->before.snapshot);
    }
    return true;
}

/* Reads and proves one file below the root; `named` is what another file says of it, by the name `by`. */
static bool update_role(tuf_update *update, pq_tuf_role role, const pq_tuf_file *named, const char *by,
                        const pq_tuf_metadata *before, pq_tuf_metadata *out, pq_error *err)
{
    PQ_AUTO_FREE char *path = metadata_path(update, role, named ? named->version : 0);
    PQ_AUTO_FREE char *where = pq_path_join(update->source->name, path);
    PQ_AUTO_BUF bytes = PQ_BUF(PQ_MAX_METADATA);
    if (!update->source->read(update->source->context, path, &bytes, err)) {
        if (err->code == PQ_ENOTFOUND)
            (void)pq_fail(err, PQ_ENOTFOUND, where, NULL, named ? "is missing, and %s names it" : "no such file", by);
        return false;
    }
    if (named && !pq_tuf_check_bytes(named, bytes.data, bytes.length, by, where, err))
        return false;
    if (!pq_tuf_parse(role, bytes.data, bytes.length, where, out, err) ||
        !pq_tuf_check_signatures(&update->now->root, out, where, err))
        return false;
    if (named && out->version != named->version)
        return pq_fail(err, PQ_EUNTRUSTED, where, NULL, "has version %ju, and %s says %ju", (uintmax_t)out->version, by,
                       (uintmax_t)named->version);
    if (!check_not_older(before, out, where, err))
        return false;
    if (known(before) && out->names.version < before->names.version)
        return older(where, err, role == PQ_TUF_TIMESTAMP ? "it names a snapshot whose" : "it names targets whose",
                     out->names.version, before->names.version);
    if (!update->trust->ignore_expiry && !check_expiry(out, update->trust->now, where, err))
        return false;
    return keep(update, role, &bytes, err);
}

bool pq_tuf_verify(const pq_tuf_source *source, const pq_tuf_trust *trust, pq_tuf_state *out, pq_error *err)
{
    PQ_AUTO_TUF_STATE state = {0};
    AUTO_UPDATE update = {.source = source, .trust = trust, .now = &state};
    const pq_tuf_metadata nothing = {0};
    const char *folder = trust->state_dir;
    if (folder && (!recall(folder, PQ_TUF_ROOT, &update.before.root, err) ||
                   !recall(folder, PQ_TUF_TIMESTAMP, &update.before.timestamp, err) ||
                   !recall(folder, PQ_TUF_SNAPSHOT, &update.before.snapshot, err))) {
        err->code = PQ_EINPUT;
        return pq_error_wrap(err, "what was kept of an earlier run");
    }
    if (!update_root(&update, err))
        return false;
    if (folder && !known(&update.before.root)) {
        const pq_buf first = {.data = (char *)trust->root, .length = trust->root_length};
        PQ_AUTO_FREE char *kept = pq_path_join(folder, "root.json");
        if (!pq_path_exists(kept) && !keep(&update, PQ_TUF_ROOT, &first, err))
            return false;
    }
    if (!update_role(&update, PQ_TUF_TIMESTAMP, NULL, NULL, &update.before.timestamp, &state.timestamp, err) ||
        !update_role(&update, PQ_TUF_SNAPSHOT, &state.timestamp.names, "timestamp.json", &update.before.snapshot,
                     &state.snapshot, err) ||
        !update_role(&update, PQ_TUF_TARGETS, &state.snapshot.names, "snapshot.json", &nothing, &state.targets, err))
        return false;
    *out = state;
    state = (pq_tuf_state){0};
    return true;
}

char *pq_tuf_target_path(const pq_tuf_state *state, const char *name, const pq_sha256 *hash)
{
    if (!state->root.consistent_snapshot)
        return pq_asprintf("targets/%s", name);
    char hex[PQ_SHA256_HEX];
    pq_sha256_hex(hash, hex);
    const char *base = pq_path_basename(name);
    return pq_asprintf("targets/%.*s%s.%s", (int)(base - name), name, hex, base);
}

bool pq_tuf_read_target(const pq_tuf_source *source, const pq_tuf_state *state, const char *name, pq_buf *out,
                        pq_error *err)
{
    pq_tuf_file file;
    if (!pq_tuf_target(&state->targets, name, &file, NULL))
        return pq_fail(err, PQ_ENOTFOUND, source->name, NULL, "no Target named %s", name);
    PQ_AUTO_FREE char *path = pq_tuf_target_path(state, name, &file.hash);
    PQ_AUTO_FREE char *where = pq_path_join(source->name, path);
    size_t before = out->length;
    if (!source->read(source->context, path, out, err))
        return false;
    const char *bytes = pq_buf_text(out) + before;
    return pq_tuf_check_bytes(&file, bytes, out->length - before, "targets.json", where, err);
}

static int by_version(const void *left, const void *right)
{
    const pq_tuf_listed *a = left, *b = right;
    if (a->version != b->version)
        return a->version < b->version ? -1 : 1;
    return strcmp(a->name, b->name);
}

pq_tuf_listed *pq_tuf_list_targets(const pq_tuf_state *state, size_t *count)
{
    pq_tuf_listed *list = pq_alloc(json_object_size(state->targets.targets), sizeof *list);
    size_t at = 0;
    const char *name;
    json_t *entry;
    json_object_foreach(state->targets.targets, name, entry)
    {
        json_t *custom = NULL;
        pq_tuf_listed *listed = &list[at];
        if (!pq_tuf_target(&state->targets, name, &listed->file, &custom))
            continue;
        listed->name = name;
        listed->custom = custom;
        const char *version = json_string_value(json_object_get(custom, "version"));
        if (!version || !pq_parse_number(version, UINT64_MAX, &listed->version))
            listed->version = 0;
        at++;
    }
    if (at)
        qsort(list, at, sizeof *list, by_version);
    *count = at;
    return list;
}
