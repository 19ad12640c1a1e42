#include "scan/buildsection.h"

#include <string.h>

#include "scan/composetext.h"
#include "scan/dockerfile.h"

#define IMAGE_SCHEME "docker-image://"

static pq_image_site site_at(const pq_build_section *section, pq_yaml_node node)
{
    return (pq_image_site){
        .file = section->file->name,
        .owner = section->owner,
        .line = pq_composefile_line(section->file, node),
        .kind = PQ_IMAGE_COMPOSE_OTHER,
        .service = section->service,
        .volume = section->volumes,
    };
}

/* The scalar as text; false when it is none or (told) not to be had. Only text that can name an image is asked for. */
static bool text_of(const pq_build_section *section, pq_yaml_node node, char **out, pq_scan *scan)
{
    pq_image_site site = site_at(section, node);
    return pq_yaml_type_of(node) == PQ_YAML_IS_TEXT &&
           pq_compose_text(section->file->name, node, &site, section->vars, out, scan);
}

/* Takes from the budget; false when it is used up. */
static bool afford(const pq_build_section *section, pq_yaml_node node, size_t cost, pq_scan *scan)
{
    if (*section->budget > cost) {
        *section->budget -= cost;
        return true;
    }
    if (*section->budget) {
        PQ_AUTO_FREE char *where = pq_yaml_where(section->file->name, node);
        (void)pq_errors_add(&scan->errors, PQ_EINPUT, where, NULL,
                            "the file asks for too much, by services that extend others");
    }
    *section->budget = 0;
    return false;
}

static void add_image(const pq_build_section *section, pq_yaml_node node, const char *image, pq_scan *scan)
{
    pq_image_site site = site_at(section, node);
    pq_scan_add_image(scan, &site, image);
}

/* `build.args`, a mapping or a list of NAME=VALUE. What has no value or depends on an unset variable is left out, so
 * that what needs it is unresolved. */
static void read_args(const pq_build_section *section, pq_yaml_node args, pq_vars *out)
{
    PQ_AUTO_SCAN ignored = {0};
    pq_yaml_entry entry;
    for (size_t i = 0; pq_yaml_entry_at(args, i, &entry); i++) {
        pq_image_site site = site_at(section, entry.value);
        PQ_AUTO_FREE char *value = NULL;
        const char *name = pq_yaml_text(entry.key);
        if (pq_yaml_type_of(entry.value) == PQ_YAML_IS_NUMBER || pq_yaml_type_of(entry.value) == PQ_YAML_IS_BOOL)
            value = pq_strdup(pq_yaml_text(entry.value));
        else if (!pq_compose_text(section->file->name, entry.value, &site, section->vars, &value, &ignored))
            continue;
        if (name)
            pq_vars_set(out, name, value, NULL);
    }
    bool list = pq_yaml_kind_of(args) == PQ_YAML_SEQUENCE;
    for (size_t i = 0; list && i < pq_yaml_size(args); i++) {
        PQ_AUTO_FREE char *pair = NULL;
        if (text_of(section, pq_yaml_at(args, i), &pair, &ignored))
            (void)!pq_vars_set_pair(out, pair);
    }
}

/* A Dockerfile within the Compose file. All it names stands at the line of the scalar. */
static void scan_inline(const pq_build_section *section, pq_yaml_node build, pq_scan *scan)
{
    pq_yaml_node node = pq_yaml_get(build, "dockerfile_inline");
    PQ_AUTO_FREE char *text = NULL;
    if (section->inherited || pq_yaml_kind_of(node) != PQ_YAML_SCALAR ||
        !afford(section, node, pq_yaml_text_length(node) + 64, scan) || !text_of(section, node, &text, scan))
        return;
    PQ_AUTO_VARS args = {0};
    read_args(section, pq_yaml_get(build, "args"), &args);
    if (section->options->build_args)
        pq_vars_merge(&args, section->options->build_args);
    pq_dockerfile_options options = {
        .build_args = &args,
        .target_platform = section->options->target_platform,
        .build_platform = section->options->build_platform,
    };
    PQ_AUTO_SCAN found = {0};
    pq_dockerfile_scan(section->file->name, text, strlen(text), &options, &found);
    for (size_t i = 0; i < found.use_count; i++)
        add_image(section, node, found.uses[i].image, scan);
    pq_image_site site = site_at(section, node);
    for (size_t i = 0; i < found.unresolved_count; i++)
        pq_scan_add_unresolved(scan, &site, found.unresolved[i].text, pq_steal(found.unresolved[i].reason));
    PQ_AUTO_FREE char *where = pq_asprintf("%s:%u", site.file, site.line);
    for (size_t i = 0; i < found.errors.count; i++) {
        pq_error *err = &found.errors.at[i];
        free(err->where);
        err->where = pq_strdup(where);
        (void)pq_error_wrap(err, "dockerfile_inline");
        pq_errors_take(&scan->errors, err);
    }
    found.errors.count = 0; /* taken one by one */
}

/* `IMAGE`, or `type=registry,ref=IMAGE`; other types name no image. */
static void scan_cache(const pq_build_section *section, pq_yaml_node node, pq_scan *scan)
{
    PQ_AUTO_FREE char *text = NULL;
    if (!afford(section, node, 64, scan) || !text_of(section, node, &text, scan))
        return;
    if (!strchr(text, '=')) {
        add_image(section, node, text, scan);
        return;
    }
    bool registry = false;
    const char *image = NULL;
    char *rest = NULL;
    for (char *field = strtok_r(text, ",", &rest); field; field = strtok_r(NULL, ",", &rest)) {
        registry = registry || strcmp(field, "type=registry") == 0;
        if (pq_starts_with(field, "ref="))
            image = field + 4;
    }
    if (registry && image)
        add_image(section, node, image, scan);
}

static void scan_context(const pq_build_section *section, pq_yaml_node node, bool pair, pq_scan *scan)
{
    const char *raw = pq_yaml_text(node);
    PQ_AUTO_SCAN ignored = {0}; /* what is missing matters only where an image is meant */
    PQ_AUTO_FREE char *text = NULL;
    if (!raw || !afford(section, node, 64, scan) ||
        !text_of(section, node, &text, strstr(raw, IMAGE_SCHEME) ? scan : &ignored))
        return;
    const char *value = pair ? strchr(text, '=') : text;
    if (pair && value)
        value++;
    if (value && pq_starts_with(value, IMAGE_SCHEME))
        add_image(section, node, value + strlen(IMAGE_SCHEME), scan);
}

void pq_build_section_scan(const pq_build_section *section, pq_yaml_node build, pq_scan *scan)
{
    if (pq_yaml_kind_of(build) != PQ_YAML_MAPPING)
        return; /* only a context */
    pq_yaml_node caches = pq_yaml_get(build, "cache_from"), contexts = pq_yaml_get(build, "additional_contexts");
    scan_inline(section, build, scan);
    if (pq_yaml_kind_of(caches) == PQ_YAML_SEQUENCE)
        for (size_t i = 0; i < pq_yaml_size(caches); i++)
            scan_cache(section, pq_yaml_at(caches, i), scan);
    pq_yaml_entry entry;
    for (size_t i = 0; pq_yaml_entry_at(contexts, i, &entry); i++)
        scan_context(section, entry.value, false, scan);
    if (pq_yaml_kind_of(contexts) == PQ_YAML_SEQUENCE)
        for (size_t i = 0; i < pq_yaml_size(contexts); i++)
            scan_context(section, pq_yaml_at(contexts, i), true, scan);
}

void pq_service_volumes_scan(const pq_build_section *of, pq_yaml_node volumes, pq_scan *scan)
{
    pq_build_section own = *of, *section = &own;
    own.volumes = true;
    if (pq_yaml_kind_of(volumes) != PQ_YAML_SEQUENCE)
        return;
    for (size_t i = 0; i < pq_yaml_size(volumes); i++) {
        pq_yaml_node volume = pq_yaml_at(volumes, i), source = pq_yaml_get(volume, "source");
        const char *type = pq_yaml_text(pq_yaml_get(volume, "type"));
        PQ_AUTO_FREE char *image = NULL;
        if (!afford(section, volume, 64, scan))
            return;
        if (type && strcmp(type, "image") == 0 && text_of(section, source, &image, scan))
            add_image(section, source, image, scan);
    }
}
