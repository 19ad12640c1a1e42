#include "target/build.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"
#include "registry/transfer.h"
#include "target/build_secrets.h"
#include "target/inputs.h"

void pq_build_clear(pq_build *build)
{
    for (size_t i = 0; i < build->count; i++) {
        free(build->images[i].repository);
        free(build->images[i].tag);
        free(build->images[i].digest);
        free(build->images[i].local);
    }
    free(build->images);
    *build = (pq_build){0};
}

static const pq_dockerfile *dockerfile_of(const pq_plan_image *image)
{
    return image->scan.dockerfile_count ? &image->scan.dockerfiles[0] : NULL;
}

/* What each reference of the Dockerfile stands for, for the digest of the inputs. */
static bool list_inputs(const pq_build_options *options, const pq_build *build, const pq_plan_image *image,
                        pq_strings *out, pq_error *err)
{
    for (size_t i = 0; i < image->use_count; i++) {
        const pq_plan_use *use = &image->uses[i];
        if (use->built_here != PQ_PLAN_ELSEWHERE) {
            pq_strings_take(out, pq_asprintf("%s=%s", use->use->image, build->images[use->built_here].tag));
            continue;
        }
        const pq_checked_image *checked = pq_preflight_find(options->preflight, &use->use->reference);
        if (!checked || !checked->digest)
            return pq_fail(err, PQ_EFAILED, use->use->image, NULL, "its digest is not known");
        pq_strings_take(out, pq_asprintf("%s=%s", use->use->image, checked->digest));
    }
    return true;
}

/* Whether the Dockerfile speaks of .git: only then is it part of the context, for it changes with every clone and
 * commit, and an image would be built anew each time. */
static bool speaks_of_git(const pq_build_options *options, const pq_plan_image *image)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_BUF bytes = PQ_BUF(PQ_MAX_TREE_FILE);
    if (!pq_tree_read(options->tree, image->folder->dockerfile, &bytes, &err))
        return false;
    for (const char *at = pq_buf_text(&bytes); (at = strstr(at, ".git")); at += 4)
        if (!pq_ascii_alnum(at[4]) && at[4] != '-' && at[4] != '.')
            return true;
    return false;
}

/* The context's own .containerignore or .dockerignore, with .git behind it. */
static bool write_ignore(const pq_build_options *options, const pq_plan_image *image, const char *path, pq_error *err)
{
    static const char *const names[] = {".containerignore", ".dockerignore"};
    PQ_AUTO_BUF bytes = PQ_BUF(2 * PQ_MAX_TREE_FILE);
    bool found = false;
    for (size_t i = 0; i < sizeof names / sizeof *names && !found; i++) {
        PQ_AUTO_FREE char *name = pq_path_join(image->folder->context, names[i]);
        found = pq_tree_read(options->tree, name, &bytes, err);
        if (!found && err->code != PQ_ENOTFOUND)
            return false;
        pq_error_clear(err);
    }
    pq_buf_adds(&bytes, "\n.git\n**/.git\n");
    return pq_write_file(path, 0600, bytes.data, bytes.length, err);
}

static bool prepare_image(const pq_build_options *options, pq_build *build, size_t at, pq_error *err)
{
    const pq_plan_image *image = &options->plan->images[at];
    pq_built_image *built = &build->images[at];
    const pq_dockerfile *file = dockerfile_of(image);
    PQ_AUTO_STRINGS bases = {0};
    if (!list_inputs(options, build, image, &bases, err))
        return false;
    PQ_AUTO_FREE char *platform = pq_platform_string(options->platform);
    pq_strings none = {0};
    bool with_secrets = options->config->docker_build_secrets && file;
    pq_inputs inputs = {
        .dockerfile = image->folder->dockerfile,
        .context = image->folder->context,
        .platform = platform,
        .arguments = &image->folder->arguments,
        .bases = &bases,
        .secrets = with_secrets ? &file->secrets : &none,
        .with_git = speaks_of_git(options, image),
    };
    built->repository = pq_asprintf("%s/%s", options->factory, image->folder->name);
    if (!pq_inputs_tag(options->tree, &inputs, &built->tag, err))
        return false;
    PQ_AUTO_FREE char *where = pq_asprintf("%s/%s:%s", options->hub_host, built->repository, built->tag);
    pq_repository repository = {.host = options->hub_host, .name = built->repository, .where = where};
    if (!pq_registry_find(options->hub, &repository, built->tag, &built->digest, err))
        return false;
    built->was_there = built->digest != NULL;
    build->missing += !built->was_there;
    return true;
}

bool pq_build_prepare(const pq_build_options *options, pq_build *out, pq_error *err)
{
    out->count = options->plan->image_count;
    out->images = pq_alloc(out->count, sizeof *out->images);
    for (size_t i = 0; i < out->count; i++)
        if (!prepare_image(options, out, options->plan->order[i], err))
            return false;
    return true;
}

static void add_base(const char *reference, const char *pinned, pq_strings *out)
{
    if (strcmp(pinned, reference) == 0)
        return;
    PQ_AUTO_FREE char *pair = pq_asprintf("%s=%s", reference, pinned);
    (void)pq_strings_add_once(out, pair);
}

/* REFERENCE=IMAGE for the engine: every reference by what it was resolved to, so that what is built is what was
 * checked. buildah looks for what FROM says as it is written, `$BASE` and not what that stands for. `pulls` gets those
 * that come from a registry. */
static void list_bases(const pq_build_options *options, const pq_build *build, const pq_plan_image *image,
                       pq_strings *out, pq_strings *pulls)
{
    const pq_dockerfile *file = dockerfile_of(image);
    for (size_t i = 0; i < image->use_count; i++) {
        const pq_image_use *use = image->uses[i].use;
        PQ_AUTO_FREE char *pinned = NULL;
        bool local = false;
        if (image->uses[i].built_here != PQ_PLAN_ELSEWHERE) {
            const pq_built_image *base = &build->images[image->uses[i].built_here];
            local = base->local != NULL;
            pinned = local ? pq_strdup(base->local)
                           : pq_asprintf("%s/%s@%s", options->hub_host, base->repository, base->digest);
        } else {
            const pq_checked_image *checked = pq_preflight_find(options->preflight, &use->reference);
            PQ_AUTO_FREE char *name = pq_reference_name(&use->reference);
            pinned = pq_asprintf("%s@%s", name, checked->digest);
        }
        if (!local)
            (void)pq_strings_add_once(pulls, pinned);
        add_base(use->image, pinned, out);
        for (size_t j = 0; file && j < file->stage_count; j++)
            if (pq_streq(file->stages[j].base, use->image))
                add_base(file->stages[j].written, pinned, out);
    }
}

/* The hosts that serve an image on this machine: the engine reads registries.conf as we do. */
static void list_sources(const pq_build_options *options, const pq_reference *reference, pq_strings *out)
{
    const pq_checked_image *image = pq_preflight_find(options->preflight, reference);
    for (size_t i = 0; image && i < image->source_count; i++)
        (void)pq_strings_add_once(out, image->sources[i].reference.domain);
}

/* The hosts that the builds of this run pull from; nobody else's credentials are within their reach. */
static void list_hosts(const pq_build_options *options, const pq_build *build, pq_strings *out)
{
    for (size_t i = 0; i < options->plan->image_count; i++) {
        const pq_plan_image *image = &options->plan->images[i];
        if (build->images[i].was_there)
            continue;
        for (size_t j = 0; j < image->use_count; j++) {
            size_t base = image->uses[j].built_here;
            if (base == PQ_PLAN_ELSEWHERE)
                list_sources(options, &image->uses[j].use->reference, out);
            else if (build->images[base].was_there)
                (void)pq_strings_add_once(out, options->hub_host);
        }
    }
}

static bool build_image(const pq_build_options *options, pq_build *build, size_t at, pq_helper_server *server,
                        pq_error *err)
{
    const pq_plan_image *image = &options->plan->images[at];
    pq_built_image *built = &build->images[at];
    const pq_dockerfile *file = dockerfile_of(image);
    PQ_AUTO_STRINGS bases = {0}, pulls = {0};
    list_bases(options, build, image, &bases, &pulls);
    PQ_AUTO_BUILD_SECRETS secrets = {0};
    if (file && file->secrets.count && !pq_build_secrets_open(options->config, options->secrets, file, &secrets, err))
        return false;
    PQ_AUTO_FREE char *platform = pq_platform_string(options->platform);
    PQ_AUTO_FREE char *local = pq_asprintf("localhost/pratique/%s:%s", built->repository, built->tag);
    PQ_AUTO_FREE char *log = pq_asprintf("%s/%s.log", options->logs, image->folder->name);
    PQ_AUTO_FREE char *ignore = pq_path_join(pq_helper_server_folder(server), "ignore");
    bool with_git = speaks_of_git(options, image);
    if (!with_git && !write_ignore(options, image, ignore, err))
        return false;
    if (unlink(log) != 0 && errno != ENOENT)
        return pq_fail_errno(err, log, "cannot remove the log of the last time");
    pq_engine_build job = {
        .name = image->folder->name,
        .ignore = with_git ? NULL : ignore,
        .root = options->root,
        .dockerfile = image->folder->dockerfile,
        .context = image->folder->context,
        .platform = platform,
        .tag = local,
        .arguments = &image->folder->arguments,
        .bases = &bases,
        .pulls = &pulls,
        .secrets = &secrets.files,
        .log = log,
    };
    if (!pq_engine_run(options->engine, &job, server, err))
        return false;
    built->local = pq_steal(local);
    return true;
}

bool pq_build_run(const pq_build_options *options, pq_build *build, pq_error *err)
{
    if (!build->missing)
        return true;
    PQ_AUTO_STRINGS hosts = {0};
    list_hosts(options, build, &hosts);
    PQ_AUTO_HELPER_SERVER *server = NULL;
    if (!pq_helper_server_new(&hosts, options->helper, options->pull, options->identity_context, &server, err))
        return false;
    size_t done = 0;
    for (size_t i = 0; i < build->count; i++) {
        size_t at = options->plan->order[i];
        const char *name = options->plan->images[at].folder->name;
        if (build->images[at].was_there) {
            pq_detail("%s: the hub has it as %s", name, build->images[at].tag);
            continue;
        }
        pq_note("building %s (%zu of %zu)", name, ++done, build->missing);
        if (!build_image(options, build, at, server, err))
            return false;
    }
    return true;
}

bool pq_build_push(const pq_build_options *options, pq_build *build, pq_error *err)
{
    if (!build->missing)
        return true;
    PQ_AUTO_STRINGS hosts = {0};
    pq_strings_add(&hosts, options->hub_host);
    PQ_AUTO_HELPER_SERVER *server = NULL;
    if (!pq_helper_server_new(&hosts, options->helper, options->push, options->identity_context, &server, err))
        return false;
    for (size_t i = 0; i < build->count; i++) {
        size_t at = options->plan->order[i];
        pq_built_image *built = &build->images[at];
        if (!built->local)
            continue;
        PQ_AUTO_FREE char *destination = pq_asprintf("%s/%s:%s", options->hub_host, built->repository, built->tag);
        PQ_AUTO_FREE char *log = pq_asprintf("%s/%s.log", options->logs, options->plan->images[at].folder->name);
        pq_note("pushing %s/%s", options->hub_host, built->repository);
        if (!pq_engine_push(options->engine, built->local, destination, log, server, &built->digest, err))
            return false;
        build->uploaded++;
    }
    return true;
}

bool pq_build_tag_latest(const pq_build_options *options, const pq_build *build, pq_error *err)
{
    for (size_t i = 0; i < build->count; i++) {
        const pq_built_image *built = &build->images[i];
        pq_repository repository = {.host = options->hub_host, .name = built->repository};
        PQ_AUTO_REMOTE_MANIFEST ours = {0};
        PQ_AUTO_FREE char *latest = NULL;
        if (!pq_registry_find(options->hub, &repository, "latest", &latest, err))
            return false;
        if (pq_streq(latest, built->digest))
            continue;
        if (!pq_registry_pull_manifest(options->hub, &repository, built->digest, &ours, err) ||
            !pq_registry_push_manifest(options->hub, &repository, "latest", ours.media_type, pq_buf_text(&ours.bytes),
                                       ours.bytes.length, err))
            return false;
    }
    return true;
}
