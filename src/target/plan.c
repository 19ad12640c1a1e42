#include "target/plan.h"

#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "scan/compose.h"
#include "scan/dockerfile.h"

void pq_plan_clear(pq_plan *plan)
{
    for (size_t i = 0; i < plan->image_count; i++) {
        pq_scan_clear(&plan->images[i].scan);
        free(plan->images[i].uses);
    }
    for (size_t i = 0; i < plan->app_count; i++) {
        pq_scan_clear(&plan->apps[i].scan);
        free(plan->apps[i].uses);
    }
    free(plan->images);
    free(plan->order);
    free(plan->apps);
    pq_layout_clear(&plan->layout);
    *plan = (pq_plan){0};
}

/* An image of this repository: HOST/FACTORY/NAME with NAME a folder that is built, without a tag or with one that means
 * "the one of this build". */
static size_t find_built_here(const pq_plan *plan, const pq_plan_options *options, const pq_reference *reference)
{
    if (!options->hub_host || strcmp(reference->domain, options->hub_host) != 0 || reference->digest)
        return PQ_PLAN_ELSEWHERE;
    size_t length = strlen(options->factory);
    if (strncmp(reference->path, options->factory, length) != 0 || reference->path[length] != '/')
        return PQ_PLAN_ELSEWHERE;
    if (reference->tag && strcmp(reference->tag, "latest") != 0 && !pq_streq(reference->tag, options->tag))
        return PQ_PLAN_ELSEWHERE;
    for (size_t i = 0; i < plan->image_count; i++)
        if (strcmp(plan->images[i].folder->name, reference->path + length + 1) == 0)
            return i;
    return PQ_PLAN_ELSEWHERE;
}

static void take_problems(pq_scan *scan, pq_errors *errors)
{
    pq_errors_append(errors, &scan->errors);
    for (size_t i = 0; i < scan->unresolved_count; i++) {
        const pq_unresolved *u = &scan->unresolved[i];
        if (u->kind == PQ_IMAGE_SYNTAX || u->kind == PQ_IMAGE_COMPOSE_OTHER)
            continue;
        PQ_AUTO_FREE char *where = pq_asprintf("%s:%u", u->file, u->line);
        (void)pq_errors_add(errors, PQ_EFAILED, where, "give it a value there, or a default",
                            "which image is meant cannot be known: %s", u->reason);
    }
}

static bool read_file(const pq_tree *tree, const char *path, pq_buf *out, pq_errors *errors)
{
    PQ_AUTO_ERROR err = {0};
    if (pq_tree_read(tree, path, out, &err))
        return true;
    if (err.code == PQ_ENOTFOUND)
        err.code = PQ_EINPUT;
    pq_errors_take(errors, &err);
    return false;
}

static void check_stages(const pq_plan_options *options, const pq_dockerfile *file, pq_errors *errors)
{
    for (size_t i = 0; i < file->stage_count; i++) {
        const pq_stage *stage = &file->stages[i];
        PQ_AUTO_PLATFORM wanted = {0};
        PQ_AUTO_ERROR err = {0};
        if (!stage->platform ||
            (pq_platform_parse(stage->platform, &wanted, &err) && pq_platform_fit(options->platform, &wanted) > 0))
            continue;
        PQ_AUTO_FREE char *where = pq_asprintf("%s:%u", file->file, stage->line);
        PQ_AUTO_FREE char *ours = pq_platform_string(options->platform);
        (void)pq_errors_add(errors, PQ_EFAILED, where, "build it on such a machine",
                            "the stage is for another platform than %s, which this build is for", ours);
    }
}

/* The engine is told what each reference stands for by its name alone. */
static void check_names(const pq_scan *scan, const pq_dockerfile *file, pq_errors *errors)
{
    for (size_t i = 0; i < file->stage_count; i++) {
        const pq_stage *stage = &file->stages[i];
        PQ_AUTO_FREE char *where = pq_asprintf("%s:%u", file->file, stage->line);
        if (stage->written && strchr(stage->written, '='))
            (void)pq_errors_add(errors, PQ_EFAILED, where, "give the whole reference to an ARG, and write FROM $NAME",
                                "an `=` in FROM cannot be passed on to buildah");
        for (size_t j = 0; stage->name && j < scan->use_count; j++) {
            if (!pq_ascii_equal_nocase(scan->uses[j].image, stage->name))
                continue;
            (void)pq_errors_add(errors, PQ_EFAILED, where, "call the stage something else",
                                "the stage %s has the name of an image, and buildah would take the one for the other",
                                stage->name);
            break;
        }
    }
}

static void scan_image(const pq_tree *tree, const pq_plan_options *options, pq_plan_image *image, pq_errors *errors)
{
    PQ_AUTO_BUF bytes = PQ_BUF(PQ_MAX_TREE_FILE);
    if (!read_file(tree, image->folder->dockerfile, &bytes, errors))
        return;
    PQ_AUTO_VARS arguments = {0};
    for (size_t i = 0; i < image->folder->arguments.count; i++)
        if (!pq_vars_set_pair(&arguments, image->folder->arguments.at[i]))
            (void)pq_errors_add(errors, PQ_EINPUT, image->folder->name, NULL, "a build argument is not NAME=value");
    pq_dockerfile_options how = {
        .build_args = &arguments, .target_platform = options->platform, .build_platform = options->platform};
    pq_dockerfile_scan(image->folder->dockerfile, pq_buf_text(&bytes), bytes.length, &how, &image->scan);
    for (size_t i = 0; i < image->scan.dockerfile_count; i++) {
        check_stages(options, &image->scan.dockerfiles[i], errors);
        check_names(&image->scan, &image->scan.dockerfiles[i], errors);
    }
    take_problems(&image->scan, errors);
}

static bool load_from_tree(void *context, const char *path, pq_buf *out, pq_error *err)
{
    return pq_tree_read(context, path, out, err);
}

static void scan_app(const pq_tree *tree, const pq_plan_options *options, pq_plan_app *app, pq_errors *errors)
{
    PQ_AUTO_BUF bytes = PQ_BUF(PQ_MAX_TREE_FILE);
    if (!read_file(tree, app->folder->compose, &bytes, errors))
        return;
    PQ_AUTO_VARS variables = {0};
    pq_vars_set(&variables, "FACTORY", options->factory, NULL);
    pq_vars_set(&variables, "TAG", options->tag, NULL);
    pq_vars_set(&variables, "H_BUILD", options->version, NULL);
    pq_tree borrowed = *tree;
    pq_loader loader = {.read = load_from_tree, .context = &borrowed};
    pq_scan_options how = {
        .variables = &variables, .target_platform = options->platform, .build_platform = options->platform};
    pq_compose_scan(app->folder->compose, pq_buf_text(&bytes), bytes.length, &loader, &how, &app->scan);
    take_problems(&app->scan, errors);
}

static pq_plan_use *make_uses(const pq_plan *plan, const pq_plan_options *options, const pq_scan *scan, bool services,
                              size_t *count)
{
    pq_plan_use *uses = pq_alloc(scan->use_count, sizeof *uses);
    *count = 0;
    for (size_t i = 0; i < scan->use_count; i++) {
        const pq_image_use *use = &scan->uses[i];
        bool wanted = services ? use->kind == PQ_IMAGE_COMPOSE : use->kind != PQ_IMAGE_SYNTAX;
        if (wanted)
            uses[(*count)++] = (pq_plan_use){.use = use, .built_here = find_built_here(plan, options, &use->reference)};
    }
    return uses;
}

/* An image that is asked for here but that this platform leaves out. */
static void check_skipped(const pq_plan *plan, const pq_plan_options *options, const pq_scan *scan, pq_errors *errors)
{
    size_t length = options->factory ? strlen(options->factory) : 0;
    for (size_t i = 0; i < scan->use_count; i++) {
        const pq_reference *reference = &scan->uses[i].reference;
        if (!options->hub_host || strcmp(reference->domain, options->hub_host) != 0 ||
            strncmp(reference->path, options->factory, length) != 0 || reference->path[length] != '/')
            continue;
        const pq_folder *folder = pq_layout_image(&plan->layout, reference->path + length + 1);
        if (!folder || !folder->skipped)
            continue;
        PQ_AUTO_FREE char *where = pq_asprintf("%s:%u", scan->uses[i].file, scan->uses[i].line);
        (void)pq_errors_add(errors, PQ_EFAILED, where, folder->skipped, "the image %s is not built on this platform",
                            folder->name);
    }
}

/* An image of our own hub and factory that no folder builds is taken as it lies there: it may be an old one. */
static void warn_of_strays(const pq_plan *plan, const pq_plan_options *options, const pq_plan_use *uses, size_t count)
{
    size_t length = options->factory ? strlen(options->factory) : 0;
    for (size_t i = 0; i < count; i++) {
        const pq_reference *reference = &uses[i].use->reference;
        if (uses[i].built_here != PQ_PLAN_ELSEWHERE || reference->digest || !options->hub_host ||
            strcmp(reference->domain, options->hub_host) != 0 ||
            strncmp(reference->path, options->factory, length) != 0 || reference->path[length] != '/' ||
            pq_layout_image(&plan->layout, reference->path + length + 1))
            continue;
        PQ_AUTO_FREE char *where = pq_asprintf("%s:%u", uses[i].use->file, uses[i].use->line);
        pq_warn(where, NULL, "%s is taken from the hub as it is: no folder here builds it",
                reference->path + length + 1);
    }
}

typedef struct walk {
    const pq_plan *plan;
    char *state; /* 0 not seen, 1 on the way, 2 done */
    size_t *path;
    size_t path_length;
    size_t done;
    pq_errors *errors;
} walk;

static void report_circle(const walk *w, size_t back_to)
{
    PQ_AUTO_BUF names = PQ_BUF(PQ_MAX_MESSAGE);
    size_t start = 0;
    while (w->path[start] != back_to)
        start++;
    for (size_t i = start; i < w->path_length; i++)
        pq_buf_addf(&names, "%s, ", w->plan->images[w->path[i]].folder->name);
    pq_buf_adds(&names, w->plan->images[back_to].folder->name);
    (void)pq_errors_add(w->errors, PQ_EINPUT, w->plan->images[back_to].folder->dockerfile,
                        "take one of them out of the circle", "images are made from one another in a circle: %s",
                        pq_buf_text(&names));
}

/* Depth first; the depth is at most the number of images, which are folders of one directory. */
static void visit(walk *w, size_t at)
{
    if (w->state[at] == 2)
        return;
    if (w->state[at] == 1) {
        report_circle(w, at);
        return;
    }
    w->state[at] = 1;
    w->path[w->path_length++] = at;
    const pq_plan_image *image = &w->plan->images[at];
    for (size_t i = 0; i < image->use_count; i++)
        if (image->uses[i].built_here != PQ_PLAN_ELSEWHERE)
            visit(w, image->uses[i].built_here);
    w->path_length--;
    w->state[at] = 2;
    w->plan->order[w->done++] = at;
}

static void order_images(pq_plan *plan, pq_errors *errors)
{
    plan->order = pq_alloc(plan->image_count, sizeof *plan->order);
    PQ_AUTO_FREE char *state = pq_alloc(plan->image_count, 1);
    PQ_AUTO_FREE size_t *path = pq_alloc(plan->image_count, sizeof *path);
    walk w = {.plan = plan, .state = state, .path = path, .errors = errors};
    for (size_t i = 0; i < plan->image_count; i++)
        visit(&w, i);
}

bool pq_plan_make(const pq_tree *tree, const pq_plan_options *options, pq_plan *out, pq_errors *errors)
{
    size_t before = errors->count;
    (void)pq_layout_read(tree, options->platform->architecture, &out->layout, errors);
    out->images = pq_alloc(out->layout.count, sizeof *out->images);
    out->apps = pq_alloc(out->layout.count, sizeof *out->apps);
    for (size_t i = 0; i < out->layout.count; i++) {
        const pq_folder *folder = &out->layout.at[i];
        if (folder->image && folder->skipped)
            pq_note("%s is left out: %s", folder->name, folder->skipped);
        else if (folder->image && folder->dockerfile && folder->context)
            out->images[out->image_count++].folder = folder;
        if (folder->app)
            out->apps[out->app_count++].folder = folder;
    }
    if (out->layout.count == 0 && errors->count == before)
        (void)pq_errors_add(
            errors, PQ_EINPUT, tree->path,
            "each first-level folder with a Dockerfile is an image, each with a docker-compose.yml an app",
            "holds neither images nor apps");
    for (size_t i = 0; i < out->image_count; i++)
        scan_image(tree, options, &out->images[i], errors);
    for (size_t i = 0; i < out->app_count; i++)
        scan_app(tree, options, &out->apps[i], errors);
    for (size_t i = 0; i < out->image_count; i++) {
        pq_plan_image *image = &out->images[i];
        image->uses = make_uses(out, options, &image->scan, false, &image->use_count);
        check_skipped(out, options, &image->scan, errors);
    }
    for (size_t i = 0; i < out->app_count; i++) {
        pq_plan_app *app = &out->apps[i];
        app->uses = make_uses(out, options, &app->scan, true, &app->use_count);
        check_skipped(out, options, &app->scan, errors);
    }
    for (size_t i = 0; i < out->image_count; i++)
        warn_of_strays(out, options, out->images[i].uses, out->images[i].use_count);
    for (size_t i = 0; i < out->app_count; i++)
        warn_of_strays(out, options, out->apps[i].uses, out->apps[i].use_count);
    order_images(out, errors);
    return errors->count == before;
}

const pq_dockerfile *pq_plan_heredoc(const pq_plan *plan)
{
    for (size_t i = 0; i < plan->image_count; i++)
        for (size_t j = 0; j < plan->images[i].scan.dockerfile_count; j++)
            if (plan->images[i].scan.dockerfiles[j].heredoc_line)
                return &plan->images[i].scan.dockerfiles[j];
    return NULL;
}
