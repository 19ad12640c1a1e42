#include "target/publish.h"

#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "registry/transfer.h"
#include "target/pin.h"

static void clear_app(pq_published_app *app)
{
    free(app->name);
    free(app->uri);
    pq_buf_clear(&app->source);
    pq_app_clear(&app->artifact);
    for (size_t i = 0; i < app->service_count; i++)
        pq_reference_clear(&app->services[i].pinned);
    free(app->services);
}

void pq_publication_clear(pq_publication *publication)
{
    for (size_t i = 0; i < publication->count; i++)
        clear_app(&publication->apps[i]);
    free(publication->apps);
    *publication = (pq_publication){0};
}

/* Stands for every digest in a rehearsal. */
static const char rehearsed[] = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

static bool pin_service(const pq_build_options *options, const pq_build *build, const pq_plan_use *use,
                        pq_published_service *out, pq_error *err)
{
    const pq_reference *reference = &use->use->reference;
    const char *digest = NULL;
    if (!build) {
        digest = rehearsed;
    } else if (use->built_here != PQ_PLAN_ELSEWHERE) {
        digest = build->images[use->built_here].digest;
    } else {
        const pq_checked_image *checked = pq_preflight_find(options->preflight, reference);
        digest = checked ? checked->digest : NULL;
    }
    if (!digest)
        return pq_fail(err, PQ_EFAILED, use->use->image, NULL, "its digest is not known");
    *out = (pq_published_service){.use = use->use,
                                  .pinned = {.domain = pq_strdup(reference->domain),
                                             .path = pq_strdup(reference->path),
                                             .digest = pq_strdup(digest)}};
    return true;
}

/* The source file with its images pinned and nothing else changed. */
static bool pin_source(const pq_build_options *options, const pq_plan_app *plan, pq_published_app *app,
                       pq_errors *errors)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_BUF bytes = PQ_BUF(PQ_MAX_TREE_FILE);
    PQ_AUTO_YAML *yaml = NULL;
    const char *file = plan->folder->compose;
    if (!pq_tree_read(options->tree, file, &bytes, &err)) {
        pq_errors_take(errors, &err);
        return false;
    }
    if (!pq_yaml_parse(file, bytes.data, bytes.length, &yaml, errors))
        return false;
    size_t before = errors->count;
    pq_yaml_node services = pq_yaml_get(pq_yaml_root(yaml, 0), "services");
    PQ_AUTO_SPLICES splices = {0};
    for (size_t i = 0; i < app->service_count; i++) {
        PQ_AUTO_FREE char *pinned = pq_reference_string(&app->services[i].pinned);
        pq_yaml_node service = pq_yaml_get(services, app->services[i].use->service);
        if (!pq_pin_image(file, bytes.data, bytes.length, service, pinned, &splices, &err))
            pq_errors_take(errors, &err);
    }
    app->source = PQ_BUF(2 * PQ_MAX_TREE_FILE);
    if (errors->count == before && !pq_splices_apply(&splices, bytes.data, bytes.length, &app->source, &err))
        pq_errors_take(errors, &err);
    return errors->count == before;
}

static bool make_artifact(const pq_build_options *options, pq_published_app *app, pq_errors *errors)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_TREE folder = PQ_TREE_NONE;
    PQ_AUTO_CLOSE int fd = pq_tree_open_dir(options->tree, app->name, &err);
    if (fd < 0) {
        pq_errors_take(errors, &err);
        return false;
    }
    /* The same confinement, one folder further down; errors name files as the user sees them. */
    folder = (pq_tree){.fd = pq_steal_fd(&fd), .path = pq_strdup(app->name)};
    pq_app_pin *pins = pq_alloc(app->service_count, sizeof *pins);
    PQ_AUTO_STRINGS images = {0};
    for (size_t i = 0; i < app->service_count; i++) {
        pq_strings_take(&images, pq_reference_string(&app->services[i].pinned));
        pins[i] = (pq_app_pin){.service = app->services[i].use->service, .image = images.at[i]};
    }
    bool good = pq_app_build(&folder, pins, app->service_count, NULL, &app->artifact, errors);
    free(pins);
    return good;
}

static bool make_app(const pq_build_options *options, const pq_build *build, const pq_plan_app *plan,
                     pq_published_app *app, pq_errors *errors)
{
    size_t before = errors->count;
    app->name = pq_strdup(plan->folder->name);
    app->services = pq_alloc(plan->use_count, sizeof *app->services);
    for (size_t i = 0; i < plan->use_count; i++) {
        PQ_AUTO_ERROR err = {0};
        if (pin_service(options, build, &plan->uses[i], &app->services[app->service_count], &err))
            app->service_count++;
        else
            pq_errors_take(errors, &err);
    }
    if (errors->count != before || !pin_source(options, plan, app, errors) || !make_artifact(options, app, errors))
        return false;
    app->uri =
        pq_asprintf("%s/%s/%s@%s", options->hub_host, options->factory, app->name, app->artifact.manifest.digest);
    return true;
}

bool pq_publication_make(const pq_build_options *options, const pq_build *build, pq_publication *out, pq_errors *errors)
{
    bool good = true;
    out->count = options->plan->app_count;
    out->apps = pq_alloc(out->count, sizeof *out->apps);
    for (size_t i = 0; i < out->count; i++)
        good = make_app(options, build, &options->plan->apps[i], &out->apps[i], errors) && good;
    return good;
}

static bool push_app(const pq_build_options *options, const char *label, pq_published_app *app, pq_error *err)
{
    PQ_AUTO_FREE char *name = pq_asprintf("%s/%s", options->factory, app->name);
    pq_repository repository = {.host = options->hub_host, .name = name};
    const pq_app *artifact = &app->artifact;
    PQ_AUTO_FREE char *there = NULL;
    if (!pq_registry_find(options->hub, &repository, artifact->manifest.digest, &there, err))
        return false;
    if (there) {
        pq_detail("%s: the hub has it", app->uri);
        return true;
    }
    pq_note("publishing %s/%s", options->hub_host, name);
    const pq_app_blob *blobs[] = {&artifact->config, &artifact->bundle, &artifact->index, &artifact->layers_meta};
    for (size_t i = 0; i < sizeof blobs / sizeof *blobs; i++) {
        bool uploaded = false;
        if (blobs[i]->bytes.length &&
            !pq_registry_push_blob(options->hub, &repository, blobs[i]->digest, blobs[i]->bytes.data,
                                   blobs[i]->bytes.length, &uploaded, err))
            return false;
    }
    app->uploaded = pq_registry_push_manifest(options->hub, &repository, label, artifact->manifest.media_type,
                                              artifact->manifest.bytes.data, artifact->manifest.bytes.length, err);
    return app->uploaded;
}

bool pq_publication_push(const pq_build_options *options, const char *label, pq_publication *publication, pq_error *err)
{
    for (size_t i = 0; i < publication->count; i++)
        if (!push_app(options, label, &publication->apps[i], err))
            return false;
    return true;
}
