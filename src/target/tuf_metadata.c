#include "target/tuf_metadata.h"

#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "target/canonical.h"

enum { MAX_KEYS = 1024 }; /* keys, signatures, key ids of a role: bounds the quadratic look-ups */

const char *pq_tuf_role_name(pq_tuf_role role)
{
    static const char *const names[PQ_TUF_ROLES] = {"root", "targets", "snapshot", "timestamp"};
    return names[role];
}

void pq_tuf_metadata_clear(pq_tuf_metadata *metadata)
{
    json_decref(metadata->document);
    pq_buf_clear(&metadata->canonical);
    for (size_t i = 0; i < metadata->signature_count; i++) {
        free(metadata->signatures[i].key_id);
        free(metadata->signatures[i].hex);
    }
    free(metadata->signatures);
    for (size_t i = 0; i < metadata->key_count; i++)
        free(metadata->keys[i].id);
    free(metadata->keys);
    for (size_t i = 0; i < PQ_TUF_ROLES; i++)
        pq_strings_clear(&metadata->role_keys[i]);
    *metadata = (pq_tuf_metadata){0};
}

/* Says what is wrong with the form. The reader adds WHERE. */
#define MALFORMED(err, ...) pq_fail(err, PQ_EUNTRUSTED, NULL, NULL, "is not valid TUF metadata: " __VA_ARGS__)

static bool read_number(const json_t *object, const char *key, uint64_t minimum, uint64_t *out, pq_error *err)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_integer(value) || json_integer_value(value) < (json_int_t)minimum)
        return MALFORMED(err, "%s is not a number of at least %d", key, (int)minimum);
    *out = (uint64_t)json_integer_value(value);
    return true;
}

/* The specification knows one form only: "YYYY-MM-DDTHH:MM:SSZ". */
static bool read_expires(const json_t *body, time_t *out, pq_error *err)
{
    const char *text = json_string_value(json_object_get(body, "expires"));
    if (!text || strlen(text) != strlen("2026-01-01T00:00:00Z") || text[10] != 'T' || text[19] != 'Z' ||
        !pq_time_parse(text, out))
        return MALFORMED(err, "expires is not a time like 2026-01-01T00:00:00Z");
    return true;
}

static bool read_sha256(const json_t *hashes, pq_sha256 *out)
{
    const char *text = json_string_value(json_object_get(hashes, "sha256"));
    PQ_AUTO_BUF bytes = PQ_BUF(PQ_SHA256_SIZE);
    if (!text || !pq_hex_decode(text, &bytes) || bytes.length != PQ_SHA256_SIZE)
        return false;
    memcpy(out->bytes, bytes.data, PQ_SHA256_SIZE);
    return true;
}

/* `length` and `hashes` of an entry, both of which may be absent in `meta`. A hash that is not SHA-256 alone would
 * leave us with nothing to compare, so that one must be there. */
static bool read_file_entry(const json_t *entry, pq_tuf_file *out, pq_error *err)
{
    if (json_object_get(entry, "length")) {
        if (!read_number(entry, "length", 0, &out->length, err))
            return false;
        out->has_length = true;
    }
    const json_t *hashes = json_object_get(entry, "hashes");
    if (hashes) {
        if (!read_sha256(hashes, &out->hash))
            return MALFORMED(err, "an entry has hashes, but no sha256 of 64 hexadecimal digits");
        out->has_hash = true;
    }
    return true;
}

static bool read_signatures(const json_t *list, pq_tuf_metadata *out, pq_error *err)
{
    size_t count = json_array_size(list);
    if (!json_is_array(list) || count > MAX_KEYS)
        return MALFORMED(err, "signatures is not a list of at most %d", MAX_KEYS);
    out->signatures = pq_alloc(count, sizeof *out->signatures);
    for (size_t i = 0; i < count; i++) {
        const json_t *entry = json_array_get(list, i);
        const char *id = json_string_value(json_object_get(entry, "keyid"));
        const char *hex = json_string_value(json_object_get(entry, "sig"));
        if (!id || !hex)
            return MALFORMED(err, "signature %zu has no keyid or sig", i + 1);
        for (size_t j = 0; j < i; j++)
            if (pq_streq(out->signatures[j].key_id, id))
                return MALFORMED(err, "two signatures have the same keyid");
        out->signatures[i] = (pq_tuf_signature){.key_id = pq_strdup(id), .hex = pq_strdup(hex)};
        out->signature_count = i + 1;
    }
    return true;
}

static bool read_keys(const json_t *keys, pq_tuf_metadata *out, pq_error *err)
{
    size_t count = json_object_size(keys);
    if (!json_is_object(keys) || count > MAX_KEYS)
        return MALFORMED(err, "keys is not an object of at most %d", MAX_KEYS);
    out->keys = pq_alloc(count, sizeof *out->keys);
    const char *id;
    json_t *value;
    json_object_foreach((json_t *)keys, id, value)
    {
        const char *type = json_string_value(json_object_get(value, "keytype"));
        const char *scheme = json_string_value(json_object_get(value, "scheme"));
        const json_t *keyval = json_object_get(value, "keyval");
        if (!type || !scheme || !json_is_object(keyval))
            return MALFORMED(err, "a key has no keytype, scheme or keyval");
        pq_tuf_key *key = &out->keys[out->key_count++];
        key->id = pq_strdup(id);
        if (strcmp(type, "ed25519") != 0 || strcmp(scheme, "ed25519") != 0)
            continue;
        const char *hex = json_string_value(json_object_get(keyval, "public"));
        PQ_AUTO_BUF bytes = PQ_BUF(PQ_SIGN_PUBLIC_SIZE);
        if (!hex || !pq_hex_decode(hex, &bytes) || bytes.length != PQ_SIGN_PUBLIC_SIZE)
            return MALFORMED(err, "the public half of an ed25519 key is not 64 hexadecimal digits");
        memcpy(key->public_key, bytes.data, PQ_SIGN_PUBLIC_SIZE);
        key->usable = true;
    }
    return true;
}

static const pq_tuf_key *find_key(const pq_tuf_metadata *root, const char *id)
{
    for (size_t i = 0; i < root->key_count; i++)
        if (pq_streq(root->keys[i].id, id))
            return &root->keys[i];
    return NULL;
}

static bool read_role(const json_t *roles, pq_tuf_role role, pq_tuf_metadata *out, pq_error *err)
{
    const char *name = pq_tuf_role_name(role);
    const json_t *entry = json_object_get(roles, name);
    const json_t *ids = json_object_get(entry, "keyids");
    if (!json_is_array(ids) || json_array_size(ids) > MAX_KEYS)
        return MALFORMED(err, "role %s has no list of at most %d keyids", name, MAX_KEYS);
    if (!read_number(entry, "threshold", 1, &out->threshold[role], err))
        return pq_error_wrap(err, "role %s", name);
    for (size_t i = 0; i < json_array_size(ids); i++) {
        const char *id = json_string_value(json_array_get(ids, i));
        if (!id || !find_key(out, id))
            return MALFORMED(err, "role %s has a keyid that is not among the keys", name);
        if (!pq_strings_add_once(&out->role_keys[role], id))
            return MALFORMED(err, "role %s has the same keyid twice", name);
    }
    return true;
}

static bool read_root(const json_t *body, pq_tuf_metadata *out, pq_error *err)
{
    const json_t *consistent = json_object_get(body, "consistent_snapshot");
    if (consistent && !json_is_boolean(consistent))
        return MALFORMED(err, "consistent_snapshot is neither true nor false");
    out->consistent_snapshot = json_is_true(consistent);
    if (!read_keys(json_object_get(body, "keys"), out, err))
        return false;
    for (size_t i = 0; i < PQ_TUF_ROLES; i++)
        if (!read_role(json_object_get(body, "roles"), (pq_tuf_role)i, out, err))
            return false;
    return true;
}

static bool read_meta(const json_t *body, const char *file, pq_tuf_metadata *out, pq_error *err)
{
    const json_t *entry = json_object_get(json_object_get(body, "meta"), file);
    if (!json_is_object(entry))
        return MALFORMED(err, "meta names no %s", file);
    return read_number(entry, "version", 1, &out->names.version, err) && read_file_entry(entry, &out->names, err);
}

bool pq_tuf_target_name_valid(const char *name)
{
    if (!pq_utf8_valid(name, strlen(name)))
        return false;
    for (const char *part = name;;) {
        size_t length = strcspn(part, "/");
        if (length == 0 || length > 255 - 65 || (part[0] == '.' && (length == 1 || (length == 2 && part[1] == '.'))))
            return false;
        for (size_t i = 0; i < length; i++)
            if ((unsigned char)part[i] < ' ' || part[i] == '\x7f' || part[i] == '\\')
                return false;
        if (part[length] == '\0')
            return true;
        part += length + 1;
    }
}

static bool read_targets(const json_t *body, pq_tuf_metadata *out, pq_error *err)
{
    out->targets = json_object_get(body, "targets");
    if (!json_is_object(out->targets))
        return MALFORMED(err, "targets is not an object");
    const char *name;
    json_t *entry;
    json_object_foreach(out->targets, name, entry)
    {
        pq_tuf_file file = {0};
        if (!pq_tuf_target_name_valid(name))
            return MALFORMED(err, "a target has a name that cannot be a file below targets/");
        if (!read_file_entry(entry, &file, err))
            return false;
        if (!file.has_length || !file.has_hash)
            return MALFORMED(err, "a target has no length or no hashes");
        const json_t *custom = json_object_get(entry, "custom");
        if (custom && !json_is_object(custom))
            return MALFORMED(err, "the custom part of a target is not an object");
    }
    return true;
}

static bool read_document(pq_tuf_metadata *out, pq_error *err)
{
    const json_t *body = json_object_get(out->document, "signed");
    const char *type = json_string_value(json_object_get(body, "_type"));
    const char *spec = json_string_value(json_object_get(body, "spec_version"));
    if (!json_is_object(body))
        return MALFORMED(err, "it has no signed object");
    if (!pq_streq(type, pq_tuf_role_name(out->role)))
        return MALFORMED(err, "its _type is not %s", pq_tuf_role_name(out->role));
    if (!spec || !pq_starts_with(spec, "1."))
        return MALFORMED(err, "its spec_version is not 1.something");
    if (!read_number(body, "version", 1, &out->version, err) || !read_expires(body, &out->expires, err) ||
        !read_signatures(json_object_get(out->document, "signatures"), out, err))
        return false;
    switch (out->role) {
    case PQ_TUF_ROOT:
        if (!read_root(body, out, err))
            return false;
        break;
    case PQ_TUF_TARGETS:
        if (!read_targets(body, out, err))
            return false;
        break;
    case PQ_TUF_SNAPSHOT:
        if (!read_meta(body, "targets.json", out, err))
            return false;
        break;
    case PQ_TUF_TIMESTAMP:
        if (!read_meta(body, "snapshot.json", out, err))
            return false;
        break;
    }
    out->canonical = PQ_BUF(PQ_MAX_METADATA);
    if (!pq_canonical_add(body, &out->canonical, err)) {
        err->code = PQ_EUNTRUSTED;
        return pq_error_wrap(err, "is not valid TUF metadata");
    }
    return true;
}

bool pq_tuf_parse(pq_tuf_role role, const void *bytes, size_t length, const char *where, pq_tuf_metadata *out,
                  pq_error *err)
{
    PQ_AUTO_TUF_METADATA read = {.role = role};
    json_error_t problem;
    if (length > PQ_MAX_METADATA)
        return pq_fail(err, PQ_EUNTRUSTED, where, NULL, "is larger than %u bytes", PQ_MAX_METADATA);
    read.document = json_loadb(bytes, length, JSON_REJECT_DUPLICATES, &problem);
    if (!read.document)
        return pq_fail(err, PQ_EUNTRUSTED, where, NULL,
                       "is not valid TUF metadata: no JSON without duplicate keys (line %d)", problem.line);
    if (!read_document(&read, err))
        return pq_error_at(err, where);
    *out = read;
    read = (pq_tuf_metadata){0};
    return true;
}

static bool signature_good(const pq_tuf_key *key, const pq_tuf_signature *signature, const pq_tuf_metadata *metadata)
{
    PQ_AUTO_BUF bytes = PQ_BUF(PQ_SIGN_SIZE);
    return key->usable && pq_hex_decode(signature->hex, &bytes) && bytes.length == PQ_SIGN_SIZE &&
           pq_sign_verify(key->public_key, metadata->canonical.data, metadata->canonical.length,
                          (const unsigned char *)bytes.data);
}

static const pq_tuf_signature *find_signature(const pq_tuf_metadata *metadata, const char *key_id)
{
    for (size_t i = 0; i < metadata->signature_count; i++)
        if (pq_streq(metadata->signatures[i].key_id, key_id))
            return &metadata->signatures[i];
    return NULL;
}

bool pq_tuf_check_signatures(const pq_tuf_metadata *root, const pq_tuf_metadata *metadata, const char *where,
                             pq_error *err)
{
    const pq_strings *ids = &root->role_keys[metadata->role];
    const char *wrong = NULL;
    size_t good = 0;
    PQ_AUTO_FREE const pq_tuf_key **counted = pq_alloc(ids->count, sizeof *counted);
    for (size_t i = 0; i < ids->count; i++) {
        const pq_tuf_key *key = find_key(root, ids->at[i]);
        const pq_tuf_signature *signature = find_signature(metadata, ids->at[i]);
        if (!signature || !key)
            continue;
        if (!signature_good(key, signature, metadata)) {
            wrong = ids->at[i];
            continue;
        }
        /* One key under two ids is still one key. */
        bool seen = false;
        for (size_t j = 0; j < good; j++)
            seen = seen || memcmp(counted[j]->public_key, key->public_key, PQ_SIGN_PUBLIC_SIZE) == 0;
        if (!seen)
            counted[good++] = key;
    }
    uint64_t needed = root->threshold[metadata->role];
    const char *role = pq_tuf_role_name(metadata->role);
    if (good >= needed)
        return true;
    if (wrong)
        return pq_fail(err, PQ_EUNTRUSTED, where, NULL, "the signature of %s key %.8s does not fit the contents", role,
                       wrong);
    return pq_fail(err, PQ_EUNTRUSTED, where, NULL,
                   "has %zu signatures of %s keys, and version %ju of root demands %ju", good, role,
                   (uintmax_t)root->version, (uintmax_t)needed);
}

bool pq_tuf_check_bytes(const pq_tuf_file *file, const void *bytes, size_t length, const char *by, const char *where,
                        pq_error *err)
{
    if (file->has_length && file->length != length)
        return pq_fail(err, PQ_EUNTRUSTED, where, NULL, "has %zu bytes, and %s says %ju", length, by,
                       (uintmax_t)file->length);
    if (!file->has_hash)
        return true;
    pq_sha256 hash = pq_sha256_of(bytes, length);
    if (memcmp(hash.bytes, file->hash.bytes, sizeof hash.bytes) != 0)
        return pq_fail(err, PQ_EUNTRUSTED, where, NULL, "its bytes do not have the SHA-256 that %s says", by);
    return true;
}

bool pq_tuf_target(const pq_tuf_metadata *targets, const char *name, pq_tuf_file *out, json_t **custom)
{
    const json_t *entry = json_object_get(targets->targets, name);
    PQ_AUTO_ERROR ignored = {0};
    *out = (pq_tuf_file){0};
    if (!entry || !read_file_entry(entry, out, &ignored))
        return false;
    if (custom)
        *custom = json_object_get(entry, "custom");
    return true;
}
