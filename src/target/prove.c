#include "target/prove.h"

#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "oci/manifest.h"
#include "registry/transfer.h"
#include "scan/compose.h"
#include "target/app.h"
#include "target/archive_lazy.h"
#include "target/bundle.h"
#include "target/preflight.h"

void pq_proof_clear(pq_proof *proof)
{
    pq_strings_clear(&proof->targets);
    pq_strings_clear(&proof->apps);
    pq_strings_clear(&proof->images);
}

static void release_archive(struct archive **archive)
{
    if (*archive)
        (void)archive_read_free(*archive);
}

/* All of the entry that was read last. */
static bool read_entry(struct archive *archive, const char *name, const char *where, pq_buf *out, pq_error *err)
{
    for (;;) {
        size_t room = out->cap - out->length, chunk = room < 65536 ? room : 65536;
        char *place = chunk ? pq_buf_reserve(out, chunk) : NULL;
        if (!place)
            return pq_fail(err, PQ_EFAILED, where, NULL, "%s in the bundle is too large", name);
        la_ssize_t got = archive_read_data(archive, place, chunk);
        if (got < 0)
            return pq_fail(err, PQ_EFAILED, where, NULL, "the bundle cannot be read");
        pq_buf_commit(out, (size_t)got);
        if (got == 0)
            return true;
    }
}

static const char *plain_path(const char *path)
{
    if (!path)
        return NULL;
    while (pq_starts_with(path, "./"))
        for (path += 2; *path == '/';)
            path++;
    return path;
}

/* One entry. `seen` is how often there was a docker-compose.yml: what a device unpacks last is what it runs. */
static bool take_entry(struct archive *archive, struct archive_entry *entry, const char *where, size_t *seen,
                       pq_buf *compose, pq_error *err)
{
    const char *path = plain_path(archive_entry_pathname(entry));
    PQ_AUTO_BUF environment = PQ_BUF(PQ_MAX_TREE_FILE);
    if (!path)
        return pq_fail(err, PQ_EFAILED, where, NULL, "the bundle has an entry without a name");
    if (pq_bundle_competes(path))
        return pq_fail(err, PQ_EUNTRUSTED, where, NULL, "its bundle has %s, which devices read and nothing pins", path);
    if (strcmp(path, ".env") == 0) {
        if (!read_entry(archive, path, where, &environment, err))
            return false;
        if (environment.length && pq_bundle_env_steers(environment.data, environment.length))
            return pq_fail(err, PQ_EUNTRUSTED, where, NULL, "the .env in its bundle has devices read other files");
    }
    if (strcmp(path, PQ_APP_COMPOSE_FILE) != 0)
        return true;
    if (++*seen > 1 || archive_entry_filetype(entry) != AE_IFREG)
        return pq_fail(err, PQ_EUNTRUSTED, where, NULL, "%s is in its bundle twice, or is no file", path);
    return read_entry(archive, path, where, compose, err);
}

/* The Compose file of a bundle, which is looked at to its end. */
static bool read_from_bundle(const pq_buf *bundle, const char *where, pq_buf *compose, pq_error *err)
{
    if (!pq_archive_load(err))
        return false;
    PQ_CLEANUP(release_archive) struct archive *archive = archive_read_new();
    if (!archive || archive_read_support_filter_gzip(archive) != ARCHIVE_OK ||
        archive_read_support_format_tar(archive) != ARCHIVE_OK ||
        archive_read_open_memory(archive, bundle->data, bundle->length) != ARCHIVE_OK)
        return pq_fail(err, PQ_EFAILED, where, NULL, "the bundle is not a compressed tar archive");
    struct archive_entry *entry;
    int status;
    size_t entries = 0, seen = 0;
    uint64_t bytes = 0;
    while ((status = archive_read_next_header(archive, &entry)) == ARCHIVE_OK) {
        la_int64_t size = archive_entry_size(entry);
        if (++entries > PQ_MAX_BUNDLE_FILES)
            return pq_fail(err, PQ_EFAILED, where, NULL, "the bundle has more than %u entries", PQ_MAX_BUNDLE_FILES);
        if (size < 0 || (bytes += (uint64_t)size) > PQ_MAX_BUNDLE)
            return pq_fail(err, PQ_EFAILED, where, NULL, "the bundle unpacks to more than %u bytes", PQ_MAX_BUNDLE);
        if (!take_entry(archive, entry, where, &seen, compose, err))
            return false;
    }
    if (status != ARCHIVE_EOF)
        return pq_fail(err, PQ_EFAILED, where, NULL, "the bundle cannot be read");
    return seen == 1 || pq_fail(err, PQ_EFAILED, where, NULL, "the bundle has no %s", PQ_APP_COMPOSE_FILE);
}

static bool no_other_files(void *context, const char *path, pq_buf *out, pq_error *err)
{
    (void)context;
    (void)out;
    /* Not even `.env`: what a pinned image is must not depend on it. */
    return pq_fail(err, PQ_ENOTFOUND, path, NULL, "a bundle refers to no other file");
}

/* Each service of the app's Compose file must name its image by digest. */
static bool take_images(const pq_buf *compose, const char *uri, pq_preflight *images, pq_proof *proof, pq_error *err)
{
    PQ_AUTO_SCAN scan = {0};
    pq_loader loader = {.read = no_other_files};
    pq_scan_options options = {0};
    pq_compose_scan(PQ_APP_COMPOSE_FILE, pq_buf_text(compose), compose->length, &loader, &options, &scan);
    if (scan.errors.count)
        return pq_fail(err, PQ_EFAILED, uri, NULL, "%s in its bundle: %s", PQ_APP_COMPOSE_FILE,
                       scan.errors.at[0].message);
    for (size_t i = 0; i < scan.unresolved_count; i++)
        if (scan.unresolved[i].kind == PQ_IMAGE_COMPOSE)
            return pq_fail(err, PQ_EUNTRUSTED, uri, NULL, "the service %s names no image", scan.unresolved[i].service);
    for (size_t i = 0; i < scan.use_count; i++) {
        const pq_image_use *use = &scan.uses[i];
        if (use->kind != PQ_IMAGE_COMPOSE)
            continue;
        if (!use->reference.digest)
            return pq_fail(err, PQ_EUNTRUSTED, uri, NULL, "the service %s is not pinned to a digest", use->service);
        (void)pq_preflight_add_image(images, &use->reference, false);
        PQ_AUTO_FREE char *pinned = pq_reference_pull_string(&use->reference);
        (void)pq_strings_add_once(&proof->images, pinned);
    }
    return true;
}

static bool check_manifest(const pq_remote_manifest *remote, const char *uri, pq_manifest *out, pq_error *err)
{
    if (!pq_manifest_parse(pq_buf_text(&remote->bytes), remote->bytes.length, remote->media_type, out, err)) {
        err->code = PQ_EFAILED;
        return pq_error_at(err, uri);
    }
    if (out->is_index || out->layer_count == 0 || !pq_annotation_get(&out->annotations, "compose-app"))
        return pq_fail(err, PQ_EFAILED, uri, NULL, "is not a Compose App");
    return true;
}

static bool prove_app(const pq_prove_options *options, const char *uri, pq_preflight *images, pq_proof *proof,
                      pq_error *err)
{
    PQ_AUTO_REFERENCE reference = {0};
    if (!pq_reference_parse(uri, &reference, err) || !reference.digest)
        return pq_fail(err, PQ_EUNTRUSTED, uri, NULL, "the app is not pinned to a digest");
    pq_repository repository = {.host = reference.domain, .name = reference.path, .where = uri};
    PQ_AUTO_REMOTE_MANIFEST remote = {0};
    PQ_AUTO_MANIFEST manifest = {0};
    PQ_AUTO_BUF bundle = PQ_BUF(PQ_MAX_BUNDLE), compose = PQ_BUF(PQ_APP_COMPOSE_MAX);
    return pq_registry_pull_manifest(options->registry, &repository, reference.digest, &remote, err) &&
           check_manifest(&remote, uri, &manifest, err) &&
           pq_registry_pull_blob(options->registry, &repository, manifest.layers[0].digest, &bundle, err) &&
           read_from_bundle(&bundle, uri, &compose, err) && take_images(&compose, uri, images, proof, err);
}

static void prove_target(const pq_prove_options *options, const pq_tuf_state *state, const pq_tuf_listed *listed,
                         pq_preflight *images, pq_proof *proof, pq_errors *errors)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_BUF bytes = PQ_BUF(PQ_MAX_METADATA);
    const char *format = json_string_value(json_object_get(listed->custom, "targetFormat"));
    /* The file of an OSTREE Target is an OSTree commit, which lies elsewhere. */
    if (!pq_streq(format, "OSTREE") && !pq_tuf_read_target(options->source, state, listed->name, &bytes, &err))
        pq_errors_take(errors, &err);
    const char *app;
    json_t *value;
    json_object_foreach(json_object_get(listed->custom, "docker_compose_apps"), app, value)
    {
        const char *uri = json_string_value(json_object_get(value, "uri"));
        if (!uri) {
            (void)pq_errors_add(errors, PQ_EUNTRUSTED, listed->name, NULL, "the app %s has no uri", app);
            continue;
        }
        if (!pq_strings_add_once(&proof->apps, uri))
            continue;
        pq_progress("proving %s", uri);
        if (!prove_app(options, uri, images, proof, &err))
            pq_errors_take(errors, &err);
    }
    pq_strings_add(&proof->targets, listed->name);
}

static time_t first_expiry(const pq_tuf_state *state)
{
    const time_t all[] = {state->root.expires, state->targets.expires, state->snapshot.expires,
                          state->timestamp.expires};
    time_t first = all[0];
    for (size_t i = 1; i < 4; i++)
        first = all[i] < first ? all[i] : first;
    return first;
}

bool pq_prove(const pq_prove_options *options, pq_proof *out, pq_errors *errors)
{
    size_t before = errors->count;
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_TUF_STATE state = {0};
    PQ_AUTO_PREFLIGHT images = {0};
    if (!pq_tuf_verify(options->source, options->trust, &state, &err)) {
        pq_errors_take(errors, &err);
        return false;
    }
    out->root_version = state.root.version;
    out->targets_version = state.targets.version;
    out->expires = first_expiry(&state);
    size_t count = 0;
    PQ_AUTO_FREE pq_tuf_listed *list = pq_tuf_list_targets(&state, &count);
    for (size_t i = 0; i < count; i++)
        if (!options->name || strcmp(options->name, list[i].name) == 0)
            prove_target(options, &state, &list[i], &images, out, errors);
    if (out->targets.count == 0)
        (void)pq_errors_add(errors, PQ_ENOTFOUND, options->source->name, "`pratique target show` lists them",
                            options->name ? "there is no Target %s" : "there are no Targets", options->name);
    pq_preflight_options how = {.registry = options->registry, .platform = options->platform, .manifests_only = false};
    (void)pq_preflight_run(&images, &how);
    pq_preflight_errors(&images, errors);
    return errors->count == before;
}
