#include "cmd/tree_images.h"

#include <string.h>

#include "base/file.h"
#include "oci/platform.h"

void pq_tree_images_clear(pq_tree_images *images)
{
    pq_scan_clear(&images->scan);
    pq_layout_clear(&images->layout);
    pq_revision_clear(&images->revision);
}

/* Which folders are images here; what else is odd about the layout is `target build`'s business. */
static void read_layout(pq_tree_images *images, const char *folder)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_ERRORS ignored = {0};
    PQ_AUTO_TREE tree = PQ_TREE_NONE;
    PQ_AUTO_PLATFORM here = {0};
    pq_platform_of_this_machine(&here);
    if (pq_is_dir(folder) && pq_tree_open(folder, &tree, &err))
        (void)pq_layout_read(&tree, here.architecture, &images->layout, &ignored);
}

static bool wants_tag(const pq_scan *scan, const pq_vars *variables)
{
    bool wanted = false;
    for (size_t i = 0; i < scan->unresolved_count && !wanted; i++)
        wanted = strstr(scan->unresolved[i].text, "TAG") != NULL;
    return wanted && !pq_vars_get(variables, "TAG");
}

/* TAG means what it means in `target build`; it takes asking git, so only where a file asks for it. */
static void scan_folder(pq_tree_images *images, const char *folder, pq_scan_arguments *how)
{
    PQ_AUTO_ERROR err = {0};
    pq_scan_path(folder, &how->options, &images->scan);
    if (!wants_tag(&images->scan, &how->variables) || !pq_is_dir(folder) ||
        !pq_revision_read(folder, &images->revision, &err))
        return;
    pq_vars_set(&how->variables, "TAG", images->revision.short_name, NULL);
    pq_scan_clear(&images->scan);
    pq_scan_path(folder, &how->options, &images->scan);
}

bool pq_tree_images_read(pq_tree_images *out, const char *folder, pq_scan_arguments *how, const pq_config *config,
                         pq_errors *errors)
{
    out->config = config;
    pq_scan_arguments_define(how, config);
    scan_folder(out, folder, how);
    if (out->scan.errors.count) {
        pq_errors_append(errors, &out->scan.errors);
        return false;
    }
    read_layout(out, folder);
    return true;
}

bool pq_tree_images_built_here(const pq_tree_images *images, const pq_reference *reference)
{
    const pq_config *config = images->config;
    if (!config->hub.line || reference->digest || strcmp(reference->domain, config->hub.host.text) != 0 ||
        (reference->tag && strcmp(reference->tag, "latest") != 0 &&
         !pq_streq(reference->tag, images->revision.short_name)))
        return false;
    size_t length = strlen(config->hub.factory.text);
    return strncmp(reference->path, config->hub.factory.text, length) == 0 && reference->path[length] == '/' &&
           pq_layout_image(&images->layout, reference->path + length + 1);
}

void pq_tree_images_unresolved(const pq_unresolved *unresolved, pq_errors *errors)
{
    PQ_AUTO_FREE char *where = pq_asprintf("%s:%u", unresolved->file, unresolved->line);
    (void)pq_errors_add(errors, PQ_EFAILED, where, "give it a value there, or a default",
                        "which image is meant cannot be known: %s", unresolved->reason);
}
