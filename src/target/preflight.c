#include "target/preflight.h"

#include <jansson.h>
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/signals.h"
#include "oci/manifest.h"
#include "registry/token.h"
#include "registry/transfer.h"

const char *pq_image_status_name(pq_image_status status)
{
    static const char *const names[] = {"unknown", "ok", "denied", "not-found", "unreachable", "built-here"};
    return names[status];
}

void pq_preflight_clear(pq_preflight *preflight)
{
    for (size_t i = 0; i < preflight->registry_count; i++) {
        pq_checked_registry *registry = &preflight->registries[i];
        free(registry->host);
        free(registry->identity);
        free(registry->pushed);
        pq_error_clear(&registry->error);
    }
    for (size_t i = 0; i < preflight->image_count; i++) {
        pq_checked_image *image = &preflight->images[i];
        free(image->pull);
        free(image->digest);
        free(image->blob);
        free(image->misses);
        for (size_t j = 0; j < image->source_count; j++) {
            free(image->sources[j].pull);
            pq_reference_clear(&image->sources[j].reference);
        }
        free(image->sources);
        pq_reference_clear(&image->reference);
        pq_strings_clear(&image->platforms);
        pq_error_clear(&image->error);
    }
    free(preflight->registries);
    free(preflight->images);
    *preflight = (pq_preflight){0};
}

static pq_checked_registry *find_registry(const pq_preflight *preflight, const char *host)
{
    for (size_t i = 0; i < preflight->registry_count; i++)
        if (strcmp(preflight->registries[i].host, host) == 0)
            return &preflight->registries[i];
    return NULL;
}

static pq_checked_registry *add_registry(pq_preflight *preflight, const char *host)
{
    pq_checked_registry *known = find_registry(preflight, host);
    if (known)
        return known;
    preflight->registries = pq_grow(preflight->registries, &preflight->registry_capacity, preflight->registry_count + 1,
                                    sizeof *preflight->registries);
    known = &preflight->registries[preflight->registry_count++];
    *known = (pq_checked_registry){.host = pq_strdup(host)};
    return known;
}

void pq_preflight_add_host(pq_preflight *preflight, const char *host)
{
    add_registry(preflight, host)->needed = true;
}

void pq_preflight_hosts(const pq_preflight *preflight, pq_strings *out)
{
    for (size_t i = 0; i < preflight->registry_count; i++)
        pq_strings_add(out, preflight->registries[i].host);
}

static size_t find_image(const pq_preflight *preflight, const char *pull)
{
    size_t i = 0;
    while (i < preflight->image_count && strcmp(preflight->images[i].pull, pull) != 0)
        i++;
    return i;
}

static pq_image_source *add_source(pq_checked_image *image)
{
    size_t capacity = image->source_count;
    image->sources = pq_grow(image->sources, &capacity, image->source_count + 1, sizeof *image->sources);
    return &image->sources[image->source_count++];
}

/* `insecure = true`: without TLS on this machine's loopback, and nowhere else. */
static void note_insecure(pq_checked_registry *registry, const char *setting)
{
    PQ_AUTO_FREE char *url = pq_asprintf("http://%s", registry->host);
    registry->plain = pq_url_is_loopback(url);
    if (!registry->plain)
        pq_warn(setting, "if only its CA is unknown, put that at /etc/docker/certs.d/HOST/ca.crt",
                "`insecure` is not followed: %s is asked over TLS only, since credentials go there", registry->host);
}

/* Where the image is asked for on this machine. What has a second place to be asked for can do without the first. */
static bool add_sources(pq_preflight *preflight, pq_checked_image *image)
{
    static const pq_mirrors none = {0};
    PQ_AUTO_PULL_SOURCES places = {0};
    pq_error *err = &image->error;
    if (!pq_mirrors_sources(preflight->mirrors ? preflight->mirrors : &none, image->pull, &places, err))
        return pq_error_at(err, image->pull);
    if (places.blocked)
        image->misses = pq_asprintf("; %s is blocked by %s", places.blocked->prefix, places.blocked->origin.where);
    for (size_t i = 0; i < places.count; i++) {
        pq_image_source *source = add_source(image);
        source->rewritten = places.at[i].rewritten;
        if (!pq_reference_parse(places.at[i].image, &source->reference, err)) {
            (void)pq_error_at(err, places.at[i].setting);
            return pq_error_wrap(err, "%s cannot be asked for there", image->pull);
        }
        source->pull = pq_reference_pull_string(&source->reference);
        pq_checked_registry *registry = add_registry(preflight, source->reference.domain);
        registry->needed |= places.count == 1;
        if (places.at[i].insecure)
            note_insecure(registry, places.at[i].setting);
    }
    return true;
}

size_t pq_preflight_add_image(pq_preflight *preflight, const pq_reference *reference, bool built_here)
{
    PQ_AUTO_FREE char *pull = pq_reference_pull_string(reference);
    size_t at = find_image(preflight, pull);
    if (at < preflight->image_count)
        return at;
    preflight->images = pq_grow(preflight->images, &preflight->image_capacity, at + 1, sizeof *preflight->images);
    pq_checked_image *image = &preflight->images[preflight->image_count++];
    *image = (pq_checked_image){.pull = pq_steal(pull), .status = built_here ? PQ_IMAGE_BUILT_HERE : PQ_IMAGE_UNKNOWN};
    pq_reference_copy(reference, &image->reference);
    if (!built_here && !add_sources(preflight, image))
        image->status = PQ_IMAGE_DENIED;
    return at;
}

const char *pq_checked_image_mirror(const pq_checked_image *image)
{
    if (image->source >= image->source_count || !image->sources[image->source].rewritten)
        return NULL;
    return image->sources[image->source].pull;
}

const pq_checked_image *pq_preflight_find(const pq_preflight *preflight, const pq_reference *reference)
{
    PQ_AUTO_FREE char *pull = pq_reference_pull_string(reference);
    size_t at = find_image(preflight, pull);
    return at < preflight->image_count ? &preflight->images[at] : NULL;
}

typedef struct run {
    pq_preflight *preflight;
    const pq_preflight_options *options;
    pq_strings accept;
    size_t done;
} run;

/* One question under way: what the call borrows lives here. */
typedef struct question {
    run *run;
    pq_checked_image *image;
    pq_checked_registry *registry; /* for a login */
    char *path;
    pq_registry_call call;
    pq_http_done *then;
} question;

static void on_done(void *context, pq_http_answer *answer, pq_error *err)
{
    question *q = context;
    q->then(q, answer, err);
    free(q->path);
    free(q);
}

static const pq_image_source *source_of(const pq_checked_image *image)
{
    return &image->sources[image->source];
}

static void ask(run *r, pq_checked_image *image, const char *method, char *path, pq_http_done *then)
{
    const pq_image_source *source = source_of(image);
    question *q = pq_alloc(1, sizeof *q);
    *q = (question){.run = r, .image = image, .path = path, .then = then};
    q->call = (pq_registry_call){.host = source->reference.domain,
                                 .repository = source->reference.path,
                                 .method = method,
                                 .path = path,
                                 .where = source->pull,
                                 .headers = &r->accept,
                                 .answer_cap = PQ_MAX_MANIFEST,
                                 .keep_redirect = strcmp(method, "HEAD") == 0};
    pq_registry_start(r->options->registry, &q->call, on_done, q);
}

/* A question with the right to push, where `registry` is tried. */
static void ask_push(const question *after, const char *method, char *path, pq_http_done *then)
{
    question *q = pq_alloc(1, sizeof *q);
    pq_checked_registry *registry = after->registry;
    *q = (question){.run = after->run, .image = after->image, .registry = registry, .path = path, .then = then};
    q->call = (pq_registry_call){.host = registry->host,
                                 .repository = registry->pushed,
                                 .push = true,
                                 .token_only = !*path,
                                 .method = method,
                                 .path = path,
                                 .where = registry->host};
    pq_registry_start(after->run->options->registry, &q->call, on_done, q);
}

static pq_image_status status_of(const pq_error *err)
{
    switch (err->code) {
    case PQ_ETRANSPORT:
    case PQ_EBUSY:
    case PQ_EINTERRUPTED:
        return PQ_IMAGE_UNREACHABLE;
    case PQ_ENOTFOUND:
        return PQ_IMAGE_NOT_FOUND;
    default:
        return PQ_IMAGE_DENIED;
    }
}

static void copy_findings(const pq_checked_image *from, pq_checked_image *to)
{
    to->status = from->status;
    to->size = from->size;
    for (size_t i = 0; i < from->platforms.count; i++)
        pq_strings_add(&to->platforms, from->platforms.at[i]);
    if (from->error.code != PQ_OK)
        (void)pq_fail(&to->error, from->error.code, to->pull, from->error.hint, "%s", from->error.message);
}

static void count_done(run *r)
{
    r->done++;
    pq_progress("checking images: %zu of %zu", r->done, r->preflight->image_count);
}

static void on_cancelled(void *context, pq_http_answer *answer, pq_error *err)
{
    const question *q = context;
    /* Not every registry knows how to cancel; those let an upload end by itself. */
    if (err->code != PQ_OK || answer->status > 299)
        pq_detail("%s: the trial upload could not be cancelled", q->registry->host);
}

static void on_upload(void *context, pq_http_answer *answer, pq_error *err)
{
    question *q = context;
    long status = err->code == PQ_OK ? answer->status : 0;
    /* 405: a mirror or cache, into which nobody pushes. */
    if (err->code == PQ_EDENIED || status == 401 || status == 403 || status == 405)
        q->registry->can_push = PQ_PUSH_NO;
    if (status != 201 && status != 202)
        return;
    q->registry->can_push = PQ_PUSH_YES;
    char *location = NULL;
    if (status == 202 && pq_registry_upload_location(answer, q->registry->host, &location, err))
        ask_push(q, "DELETE", location, on_cancelled);
}

/* The token is there, or none is needed. To mount a blob where it lies already changes nothing, while an upload that is
 * started and cancelled leaves traces: docker-registry keeps its hash state, and wants the right to delete. */
static void on_push_token(void *context, pq_http_answer *answer, pq_error *err)
{
    question *q = context;
    (void)answer;
    if (err->code == PQ_EDENIED)
        q->registry->can_push = PQ_PUSH_NO;
    if (err->code != PQ_OK)
        return;
    q->registry->can_push = pq_registry_token_right(q->run->options->registry, q->registry->host, q->registry->pushed);
    if (q->registry->can_push != PQ_PUSH_UNKNOWN || !q->image->blob)
        return;
    PQ_AUTO_FREE char *mount = pq_url_escape(q->image->blob);
    PQ_AUTO_FREE char *from = pq_url_escape(q->registry->pushed);
    ask_push(q, "POST", pq_asprintf("blobs/uploads/?mount=%s&from=%s", mount, from), on_upload);
}

/* Whether more than pulling is allowed. A registry that lets in anybody tells nothing of an identity. */
static void try_push(run *r, pq_checked_image *image)
{
    const pq_reference *place = &source_of(image)->reference;
    pq_checked_registry *registry = find_registry(r->preflight, place->domain);
    if (!r->options->try_push || !registry || registry->pushed ||
        pq_streq(pq_registry_identity_words(r->options->registry, registry->host), "anonymous"))
        return;
    registry->pushed = pq_strdup(place->path);
    const question first = {.run = r, .image = image, .registry = registry};
    ask_push(&first, "GET", pq_strdup(""), on_push_token);
}

static void start_image(run *r, pq_checked_image *image);

/* The next place is asked when this one has no manifest of the image; true when there is a next one. As in
 * containers/image, what comes after the manifest is asked for at the same place. */
static bool try_next(run *r, pq_checked_image *image, const pq_error *err)
{
    const pq_image_source *source = source_of(image);
    if (image->digest || image->source + 1 >= image->source_count || err->code == PQ_EINTERRUPTED)
        return false;
    if (err->code == PQ_ENOTFOUND)
        pq_detail("%s: %s", source->pull, err->message);
    else
        pq_warn(source->reference.domain, err->hint, "is passed over: %s", err->message);
    PQ_AUTO_FREE char *before = pq_steal(image->misses);
    image->misses = pq_asprintf("%s; before, %s: %s", before ? before : "", source->pull, err->message);
    image->source++;
    start_image(r, image);
    return true;
}

/* A message that stands beside the image's own name says where it was asked for, if that was elsewhere. */
static void say_places(pq_checked_image *image)
{
    const pq_image_source *source = source_of(image);
    PQ_AUTO_FREE char *said = pq_steal(image->error.message);
    image->error.message = pq_asprintf("%s%s%s%s", source->rewritten ? source->pull : "", source->rewritten ? ": " : "",
                                       said, image->misses ? image->misses : "");
}

static void image_done(run *r, pq_checked_image *image, pq_error *err)
{
    if (err->code != PQ_OK && try_next(r, image, err))
        return;
    if (err->code == PQ_OK) {
        image->status = PQ_IMAGE_OK;
        try_push(r, image);
    } else {
        image->status = status_of(err);
        pq_error_move(&image->error, err);
        say_places(image);
    }
    count_done(r);
    size_t number = (size_t)(image - r->preflight->images) + 1;
    for (size_t i = 0; image->leads && i < r->preflight->image_count; i++)
        if (r->preflight->images[i].follows == number) {
            copy_findings(image, &r->preflight->images[i]);
            count_done(r);
        }
}

/* Tags of one repository that stand for one manifest: it is looked into once. True when another image does it for this
 * one. */
static bool is_done_by_another(run *r, pq_checked_image *image)
{
    for (size_t i = 0; i < r->preflight->image_count; i++) {
        const pq_checked_image *other = &r->preflight->images[i];
        if (other == image || !other->leads || strcmp(other->digest, image->digest) != 0 ||
            !pq_reference_same_name(&source_of(other)->reference, &source_of(image)->reference))
            continue;
        if (other->status == PQ_IMAGE_UNKNOWN) {
            image->follows = i + 1;
        } else {
            copy_findings(other, image);
            count_done(r);
        }
        return true;
    }
    image->leads = true;
    return false;
}

/* Takes errors and refusals; true when the answer can be used. */
static bool usable(question *q, pq_http_answer *answer, pq_error *err)
{
    if (err->code == PQ_OK && (answer->status < 200 || answer->status > 399))
        (void)pq_registry_refused(q->run->options->registry, &q->call, answer, err);
    if (err->code == PQ_OK)
        return true;
    image_done(q->run, q->image, err);
    return false;
}

/* The platform that a configuration names: `os`, `architecture`, `variant` (image-spec, config.md). */
static void add_config_platform(pq_checked_image *image, const pq_buf *bytes)
{
    json_t *root = json_loadb(pq_buf_text(bytes), bytes->length, 0, NULL);
    const char *os = json_string_value(json_object_get(root, "os"));
    const char *architecture = json_string_value(json_object_get(root, "architecture"));
    const char *variant = json_string_value(json_object_get(root, "variant"));
    if (os && architecture)
        pq_strings_take(&image->platforms,
                        pq_asprintf("%s/%s%s%s", os, architecture, variant ? "/" : "", variant ? variant : ""));
    json_decref(root);
}

/* Does the image run where `wanted` is asked for? An index says it itself. */
static bool fits(const pq_checked_image *image, const pq_manifest *index, const pq_platform *wanted)
{
    if (index)
        return pq_manifest_select(index, wanted) != NULL;
    for (size_t i = 0; i < image->platforms.count; i++) {
        PQ_AUTO_PLATFORM have = {0};
        PQ_AUTO_ERROR err = {0};
        if (pq_platform_parse(image->platforms.at[i], &have, &err) && pq_platform_fit(wanted, &have) > 0)
            return true;
    }
    return false;
}

/* All platforms that are missing are named at once. `index` is NULL for a single image. */
static bool check_platforms(const run *r, const pq_checked_image *image, const pq_manifest *index, pq_error *err)
{
    PQ_AUTO_BUF missing = PQ_BUF(PQ_MAX_MESSAGE), there = PQ_BUF(PQ_MAX_MESSAGE);
    for (size_t i = 0; i <= r->options->also_count; i++) {
        const pq_platform *wanted = i ? &r->options->also[i - 1] : r->options->platform;
        PQ_AUTO_FREE char *name = pq_platform_string(wanted);
        if (!fits(image, index, wanted))
            pq_buf_addf(&missing, "%s%s", missing.length ? ", " : "", name);
    }
    if (!missing.length)
        return true;
    for (size_t i = 0; i < image->platforms.count; i++)
        pq_buf_addf(&there, "%s%s", i ? ", " : "", image->platforms.at[i]);
    return pq_fail(err, PQ_ENOTFOUND, image->pull, "use an image that is made for it",
                   "is not made for %s, only for %s", pq_buf_text(&missing),
                   there.length ? pq_buf_text(&there) : "an unknown platform");
}

static void on_config(void *context, pq_http_answer *answer, pq_error *err)
{
    question *q = context;
    pq_checked_image *image = q->image;
    if (!usable(q, answer, err))
        return;
    /* Of an index the platforms are known. */
    if (pq_registry_prove_blob(answer, strrchr(q->path, '/') + 1, image->pull, err) && !image->platforms.count) {
        add_config_platform(image, &answer->body);
        if (image->platforms.count)
            (void)check_platforms(q->run, image, NULL, err);
    }
    image_done(q->run, image, err);
}

static void on_manifest(void *context, pq_http_answer *answer, pq_error *err);

static void take_index(question *q, const pq_manifest *index, pq_error *err)
{
    pq_checked_image *image = q->image;
    for (size_t i = 0; i < index->manifest_count; i++) {
        const pq_descriptor *entry = &index->manifests[i];
        if (!entry->has_platform || strcmp(entry->platform.os, "unknown") == 0)
            continue;
        pq_strings_take(&image->platforms, pq_platform_string(&entry->platform));
    }
    if (!check_platforms(q->run, image, index, err)) {
        image_done(q->run, image, err);
        return;
    }
    const pq_descriptor *chosen = pq_manifest_select(index, q->run->options->platform);
    ask(q->run, image, "GET", pq_asprintf("manifests/%s", chosen->digest), on_manifest);
}

static void on_manifest(void *context, pq_http_answer *answer, pq_error *err)
{
    question *q = context;
    pq_checked_image *image = q->image;
    if (!usable(q, answer, err))
        return;
    PQ_AUTO_FREE char *digest = NULL;
    PQ_AUTO_MANIFEST manifest = {0};
    if (!pq_registry_no_web_page(answer, image->pull, err) ||
        !pq_registry_prove_manifest(answer, strrchr(q->path, '/') + 1, image->pull, &digest, err)) {
        image_done(q->run, image, err);
        return;
    }
    if (!pq_manifest_parse(pq_buf_text(&answer->body), answer->body.length, pq_http_header(answer, "Content-Type"),
                           &manifest, err)) {
        (void)pq_error_at(err, image->pull);
        err->code = PQ_EFAILED;
        image_done(q->run, image, err);
        return;
    }
    bool first = !image->digest;
    if (first) {
        image->digest = pq_steal(digest);
        if (is_done_by_another(q->run, image))
            return;
    }
    if (manifest.is_index) {
        if (first)
            take_index(q, &manifest, err);
        else {
            (void)pq_fail(err, PQ_EFAILED, image->pull, NULL, "is an index of indexes, which is not understood");
            image_done(q->run, image, err);
        }
        return;
    }
    image->size = pq_manifest_transfer_size(&manifest);
    free(image->blob);
    image->blob = pq_strdup(manifest.config.digest);
    /* A right to manifests is not yet one to blobs: the configuration, a small one, is fetched as a pull does. A HEAD
     * is another right at ECR (ecr:BatchCheckLayerAvailability), which a pull does not need. A single image's platform
     * stands in it too. */
    ask(q->run, image, "GET", pq_asprintf("blobs/%s", manifest.config.digest), on_config);
}

static void log_in(run *r, pq_checked_registry *registry);

static void on_head(void *context, pq_http_answer *answer, pq_error *err)
{
    question *q = context;
    const char *reference = pq_reference_target(&source_of(q->image)->reference);
    bool good =
        err->code == PQ_OK && pq_registry_head_digest(answer, reference, q->image->pull, &q->image->digest, err);
    if (good && !q->image->digest)
        ask(q->run, q->image, "GET", pq_strdup(q->path), on_manifest);
    else
        image_done(q->run, q->image, err);
}

/* The registry that would serve it did not let us in. */
static void not_let_in(run *r, pq_checked_image *image, pq_checked_registry *registry)
{
    if (try_next(r, image, &registry->error))
        return;
    /* Whose login failed for another reason than a refusal was not denied this image. */
    image->status = registry->error.code == PQ_EDENIED ? PQ_IMAGE_DENIED : PQ_IMAGE_UNREACHABLE;
    registry->needed = true;
    count_done(r);
}

/* Asks for an image at its present source, or logs in there first; who asks last finds that done. */
static void start_image(run *r, pq_checked_image *image)
{
    const pq_reference *place = &source_of(image)->reference;
    pq_checked_registry *registry = find_registry(r->preflight, place->domain);
    if (!registry)
        abort(); /* pq_preflight_add_image() added it */
    if (!registry->answered) {
        log_in(r, registry);
        return;
    }
    if (!registry->ok) {
        not_let_in(r, image, registry);
        return;
    }
    /* On Docker Hub a manifest that is read counts as a pull, and pulls are limited; a HEAD is free. */
    bool head = r->options->manifests_only || strcmp(place->domain, "docker.io") == 0;
    char *path = pq_asprintf("manifests/%s", pq_reference_target(place));
    ask(r, image, head ? "HEAD" : "GET", path, head ? on_head : on_manifest);
}

static void on_login(void *context, pq_http_answer *answer, pq_error *err)
{
    question *q = context;
    pq_checked_registry *registry = q->registry;
    if (err->code == PQ_OK && answer->status != 200)
        (void)pq_registry_refused(q->run->options->registry, &q->call, answer, err);
    registry->ok = err->code == PQ_OK && pq_registry_no_web_page(answer, registry->host, err);
    registry->identity = pq_strdup(pq_registry_identity_words(q->run->options->registry, registry->host));
    registry->expires = pq_registry_identity_expires(q->run->options->registry, registry->host);
    pq_error_move(&registry->error, err);
    registry->answered = true;
    const pq_preflight *all = q->run->preflight;
    for (size_t i = 0; i < all->image_count; i++)
        if (all->images[i].status == PQ_IMAGE_UNKNOWN &&
            strcmp(source_of(&all->images[i])->reference.domain, registry->host) == 0)
            start_image(q->run, &all->images[i]);
}

static void log_in(run *r, pq_checked_registry *registry)
{
    if (registry->asked)
        return;
    registry->asked = true;
    question *q = pq_alloc(1, sizeof *q);
    *q = (question){.run = r, .registry = registry, .then = on_login};
    q->call = (pq_registry_call){.host = registry->host, .method = "GET", .path = "", .where = registry->host};
    pq_registry_start(r->options->registry, &q->call, on_done, q);
}

/* Those that somebody needs, and the first place of every image. */
static bool is_asked_first(const pq_preflight *preflight, const pq_checked_registry *registry)
{
    bool first = registry->needed;
    for (size_t i = 0; i < preflight->image_count && !first; i++)
        first = preflight->images[i].status == PQ_IMAGE_UNKNOWN &&
                strcmp(source_of(&preflight->images[i])->reference.domain, registry->host) == 0;
    return first;
}

static int compare_registries(const void *a, const void *b)
{
    return strcmp(((const pq_checked_registry *)a)->host, ((const pq_checked_registry *)b)->host);
}

size_t pq_preflight_run(pq_preflight *preflight, const pq_preflight_options *options)
{
    run r = {.preflight = preflight, .options = options};
    pq_strings_add(&r.accept, pq_accept_manifests);
    for (size_t i = 0; i < preflight->image_count; i++)
        r.done += preflight->images[i].status != PQ_IMAGE_UNKNOWN;
    if (preflight->registry_count)
        qsort(preflight->registries, preflight->registry_count, sizeof *preflight->registries, compare_registries);
    for (size_t i = 0; i < preflight->registry_count; i++)
        if (preflight->registries[i].plain)
            (void)pq_registry_allow_plain(options->registry, preflight->registries[i].host);
    for (size_t i = 0; i < preflight->registry_count; i++)
        if (is_asked_first(preflight, &preflight->registries[i]))
            log_in(&r, &preflight->registries[i]);
    pq_registry_run(options->registry);
    pq_progress_done();
    pq_strings_clear(&r.accept);
    PQ_AUTO_ERRORS failures = {0};
    pq_preflight_errors(preflight, &failures);
    return failures.count;
}

static void copy_error(const pq_error *from, pq_errors *out)
{
    if (from->code != PQ_OK)
        (void)pq_errors_add(out, from->code, from->where, from->hint, "%s", from->message);
}

void pq_preflight_errors(const pq_preflight *preflight, pq_errors *out)
{
    for (size_t i = 0; i < preflight->registry_count; i++)
        if (preflight->registries[i].needed)
            copy_error(&preflight->registries[i].error, out);
    for (size_t i = 0; i < preflight->image_count; i++)
        copy_error(&preflight->images[i].error, out);
}
