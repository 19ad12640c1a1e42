/* A TUF repository for tests: made by our writer in a temporary folder, read back through a source in which single
 * files can be replaced by others, signed with the repository's own keys or not. */
#pragma once

#include "base/file.h"
#include "target/canonical.h"
#include "target/tuf_repository.h"

#include <string.h>

typedef struct fixture {
    char *folder, *repo, *keys_folder;
    pq_secret *passphrase;
    pq_tree tree;
    pq_buf root; /* the trusted bytes */
    pq_tuf_keys keys;
    struct {
        char *path;
        pq_buf bytes; /* cap 0: as if there were no such file */
    } replaced[8];
    size_t replaced_count;
} fixture;

static inline pq_error *fixture_error(void)
{
    static pq_error err;
    return &err;
}

#define MUST(call) assert_true((call) || (print_error("%s\n", fixture_error()->message), false))

static inline void fixture_add(fixture *f, const char *name, const char *bytes, const char *version)
{
    PQ_AUTO_TUF *tuf = NULL;
    json_auto_t *custom = json_pack("{s:s,s:[s]}", "version", version, "hardwareIds", "raspberrypi4-64");
    const pq_tuf_new_target target = {.name = name, .bytes = bytes, .length = strlen(bytes), .custom = custom};
    MUST(pq_tuf_open(f->repo, f->keys_folder, true, &tuf, fixture_error()));
    MUST(pq_tuf_add_targets(tuf, &f->keys, &target, 1, NULL, fixture_error()));
}

static inline int fixture_setup(void **state)
{
    fixture *f = pq_alloc(1, sizeof *f);
    MUST(pq_make_temp_dir("pq-tuf-", &f->folder, fixture_error()));
    f->repo = pq_path_join(f->folder, "repo");
    f->keys_folder = pq_path_join(f->folder, "keys");
    f->passphrase = pq_secret_new("correct horse battery", 21);
    f->root = PQ_BUF(1u << 20);
    MUST(pq_tuf_init(f->repo, f->keys_folder, f->passphrase, NULL, fixture_error()));
    MUST(pq_tuf_keys_open(f->keys_folder, f->passphrase, &f->keys, fixture_error()));
    MUST(pq_tree_open(f->repo, &f->tree, fixture_error()));
    PQ_AUTO_FREE char *anchor = pq_path_join(f->keys_folder, "root.json");
    MUST(pq_read_file(anchor, &f->root, fixture_error()));
    *state = f;
    return 0;
}

static inline void fixture_restore(fixture *f)
{
    for (size_t i = 0; i < f->replaced_count; i++) {
        free(f->replaced[i].path);
        pq_buf_clear(&f->replaced[i].bytes);
    }
    f->replaced_count = 0;
}

static inline int fixture_teardown(void **state)
{
    fixture *f = *state;
    fixture_restore(f);
    pq_tree_close(&f->tree);
    pq_tuf_keys_clear(&f->keys);
    pq_buf_clear(&f->root);
    pq_secret_free(f->passphrase);
    (void)!pq_remove_tree(f->folder, fixture_error());
    free(f->folder);
    free(f->repo);
    free(f->keys_folder);
    free(f);
    pq_error_clear(fixture_error());
    return 0;
}

static inline void fixture_replace(fixture *f, const char *path, const void *bytes, size_t length)
{
    size_t at = f->replaced_count++;
    assert_in_range(at, 0, 7);
    f->replaced[at].path = pq_strdup(path);
    f->replaced[at].bytes = PQ_BUF(1u << 20);
    pq_buf_add(&f->replaced[at].bytes, bytes, length);
}

/* The newest replacement wins, else the file of the repository. */
static inline bool fixture_read(void *context, const char *path, pq_buf *out, pq_error *err)
{
    fixture *f = context;
    for (size_t i = f->replaced_count; i-- > 0;) {
        if (!pq_streq(f->replaced[i].path, path))
            continue;
        pq_buf_add(out, f->replaced[i].bytes.data, f->replaced[i].bytes.length);
        return true;
    }
    return pq_tuf_read_tree(&f->tree, path, out, err);
}

static inline pq_tuf_source fixture_source(fixture *f)
{
    return (pq_tuf_source){.read = fixture_read, .context = f, .name = "repo"};
}

/* The body of the file that a client would get. */
static inline json_t *fixture_body(fixture *f, const char *path)
{
    PQ_AUTO_BUF bytes = PQ_BUF(1u << 20);
    MUST(fixture_read(f, path, &bytes, fixture_error()));
    json_auto_t *whole = json_loadb(bytes.data, bytes.length, 0, NULL);
    return json_incref(json_object_get(whole, "signed"));
}

/* Puts a body in a file's place, signed by each of the keys. */
static inline void fixture_sign(fixture *f, const char *path, const json_t *body, const pq_sign_key *const *keys,
                                size_t count)
{
    json_auto_t *signatures = json_array();
    for (size_t i = 0; i < count; i++) {
        PQ_AUTO_BUF canonical = PQ_BUF(1u << 20), hex = PQ_BUF(200);
        unsigned char signature[PQ_SIGN_SIZE];
        char id[PQ_SHA256_HEX];
        MUST(pq_canonical_add(body, &canonical, fixture_error()));
        MUST(pq_sign(keys[i], canonical.data, canonical.length, signature, fixture_error()));
        pq_hex_add(&hex, signature, sizeof signature);
        pq_sign_tuf_key_id(pq_sign_key_public(keys[i]), id);
        assert_int_equal(
            json_array_append_new(signatures, json_pack("{s:s,s:s}", "keyid", id, "sig", pq_buf_text(&hex))), 0);
    }
    json_auto_t *whole = json_pack("{s:O,s:O}", "signatures", signatures, "signed", body);
    PQ_AUTO_FREE char *text = json_dumps(whole, JSON_COMPACT);
    fixture_replace(f, path, text, strlen(text));
}
