#include "target/app.h"

#include <jansson.h>
#include <string.h>

#include "base/limits.h"
#include "crypto/hash.h"

static void blob_clear(pq_app_blob *blob)
{
    pq_buf_clear(&blob->bytes);
    free(blob->digest);
}

void pq_app_clear(pq_app *app)
{
    blob_clear(&app->manifest);
    blob_clear(&app->config);
    blob_clear(&app->bundle);
    blob_clear(&app->index);
    blob_clear(&app->layers_meta);
    pq_buf_clear(&app->compose);
    *app = (pq_app){0};
}

static pq_app_blob blob_of(const char *media_type, const char *text)
{
    pq_app_blob blob = {.media_type = media_type, .bytes = PQ_BUF(PQ_MAX_METADATA)};
    pq_buf_adds(&blob.bytes, text);
    blob.digest = pq_sha256_digest(blob.bytes.data, blob.bytes.length);
    return blob;
}

static json_t *descriptor(const pq_app_blob *blob)
{
    return json_pack("{s:s,s:s,s:I}", "mediaType", blob->media_type, "digest", blob->digest, "size",
                     (json_int_t)blob->bytes.length);
}

/* NULL only if memory runs out. */
static char *manifest_text(const pq_app *app)
{
    PQ_AUTO_FREE char *index_size = pq_asprintf("%zu", app->index.bytes.length);
    json_auto_t *layers = json_array();
    json_t *bundle = descriptor(&app->bundle);
    json_object_set_new(bundle, "annotations",
                        json_pack("{s:s,s:s}", "org.foundries.app.bundle.index.digest", app->index.digest,
                                  "org.foundries.app.bundle.index.size", index_size));
    json_array_append_new(layers, bundle);
    if (app->layers_meta.bytes.length) {
        json_t *meta = descriptor(&app->layers_meta);
        json_object_set_new(meta, "annotations", json_pack("{s:s}", "layers-meta", "v1"));
        json_array_append_new(layers, meta);
    }
    json_auto_t *manifest = json_pack("{s:i,s:s,s:s,s:o,s:O,s:{s:s}}", "schemaVersion", 2, "mediaType",
                                      PQ_APP_MANIFEST_TYPE, "artifactType", "application/vnd.fio+compose-app", "config",
                                      descriptor(&app->config), "layers", layers, "annotations", "compose-app", "v1");
    return manifest ? json_dumps(manifest, JSON_COMPACT) : NULL;
}

static bool build_compose(const pq_tree *folder, const pq_app_pin *pins, size_t count, pq_app *app, pq_errors *errs)
{
    PQ_AUTO_BUF source = PQ_BUF(PQ_APP_COMPOSE_MAX);
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *where = pq_path_join(folder->path, PQ_APP_COMPOSE_FILE);
    app->compose = PQ_BUF(PQ_APP_COMPOSE_MAX);
    if (pq_tree_read(folder, PQ_APP_COMPOSE_FILE, &source, &err))
        return pq_app_compose(where, pq_buf_text(&source), source.length, pins, count, &app->compose, errs);
    free(err.where);
    err.where = pq_steal(where);
    pq_errors_take(errs, &err);
    return false;
}

bool pq_app_build(const pq_tree *folder, const pq_app_pin *pins, size_t count, const char *layers_meta, pq_app *out,
                  pq_errors *errs)
{
    PQ_AUTO_APP app = {0};
    PQ_AUTO_BUNDLE bundle = {0};
    if (!build_compose(folder, pins, count, &app, errs))
        return false;
    const pq_bundle_replacement pinned = {
        .path = PQ_APP_COMPOSE_FILE, .bytes = app.compose.data, .length = app.compose.length};
    if (!pq_bundle_build(folder, &pinned, 1, &bundle, errs))
        return false;
    app.bundle = (pq_app_blob){"application/octet-stream", bundle.archive, pq_steal(bundle.digest)};
    app.index = (pq_app_blob){"application/json", bundle.index, pq_steal(bundle.index_digest)};
    bundle = (pq_bundle){0};
    app.config = blob_of("application/vnd.oci.empty.v1+json", "{}");
    app.layers_meta = blob_of("application/json", layers_meta ? layers_meta : "");
    PQ_AUTO_FREE char *text = manifest_text(&app);
    if (!text || strlen(text) >= PQ_APP_MANIFEST_MAX)
        return pq_errors_add(errs, PQ_EINPUT, folder->path, NULL, "its manifest would be larger than devices read");
    app.manifest = blob_of(PQ_APP_MANIFEST_TYPE, text);
    *out = app;
    app = (pq_app){0};
    return true;
}
