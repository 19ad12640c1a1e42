#include "scan/compose.h"

#include <string.h>

#include "scan/buildsection.h"
#include "scan/composeproject.h"
#include "scan/composetext.h"

#define MAX_CHAIN 32u /* `extends` of `extends` */
#define BUDGET ((size_t)16 << 20)

typedef struct reader {
    pq_compose_project project;
    pq_compose_unit *root;
    pq_vars listed; /* names of services */
    size_t budget;  /* see pq_build_section */
    unsigned searches;
} reader;

/* What a service is made of, once `include` and `extends` are followed. */
typedef struct origin {
    const char *service;
    const pq_composefile *file; /* of the image */
    const pq_compose_unit *unit;
    pq_yaml_entry image;
    bool found, has_build;
    bool reset;           /* `image: !reset` stands nearer than what is looked at */
    bool stopped;         /* an error or an unresolved entry was added, say no more */
    bool inherited;       /* the image is not in the file that was asked for */
    pq_vars seen;         /* what counts already */
    pq_strings extending; /* what leads here by `extends` */
} origin;

/* A service of a file that is read for a unit. */
typedef struct place {
    const pq_compose_unit *unit;
    const pq_composefile *file; /* the unit's own, or another that `extends` names */
    const char *service;
} place;

/* Whether the unit or what it includes has the service. However files include one another, each is asked once in one
 * search. */
static bool search(pq_compose_unit *unit, const char *service, unsigned number)
{
    for (; unit; unit = unit->under) {
        if (unit->looked == number)
            continue;
        unit->looked = number;
        if (pq_yaml_kind_of(pq_composefile_service(unit->file, service)) != PQ_YAML_ABSENT)
            return true;
        for (size_t i = 0; i < unit->included_count; i++)
            if (search(unit->included[i], service, number))
                return true;
    }
    return false;
}

/* Included services are those of the unit as well. */
static bool has_included(reader *in, const pq_compose_unit *unit, const char *service)
{
    in->searches++;
    for (size_t i = 0; i < unit->included_count; i++)
        if (search(unit->included[i], service, in->searches))
            return true;
    return false;
}

/* Takes from the budget; false when it is used up, which is told once. */
static bool afford(reader *in, const place *at)
{
    size_t cost = 16 * in->project.unit_count;
    if (in->budget > cost) {
        in->budget -= cost;
        return true;
    }
    if (in->budget)
        pq_compose_project_complain(&in->project, at->file, pq_composefile_service(at->file, at->service), NULL,
                                    "the file asks for too much, by services that extend and include others");
    in->budget = 0;
    return false;
}

/* Reads `extends` of a service: where the one stands that it extends. False when there is none, or (told) none to be
 * had. `*name` is owned. */
static bool follow_extends(reader *in, const place *at, origin *out, place *next, char **name)
{
    pq_yaml_entry extends;
    if (!pq_composefile_find(at->file, at->service, "extends", &extends) ||
        pq_yaml_kind_of(extends.value) == PQ_YAML_NULL)
        return false;
    bool mapping = pq_yaml_kind_of(extends.value) == PQ_YAML_MAPPING;
    pq_yaml_node node = mapping ? pq_yaml_get(extends.value, "service") : extends.value;
    pq_yaml_node other = mapping ? pq_yaml_get(extends.value, "file") : PQ_YAML_NONE;
    out->stopped = true; /* until proven otherwise */
    if (pq_yaml_kind_of(node) != PQ_YAML_SCALAR) {
        pq_compose_project_complain(&in->project, at->file, extends.value, "write extends: {service: NAME}",
                                    "extends names no service");
        return false;
    }
    pq_image_site site = pq_compose_project_site(&in->project, at->file, node, at->service);
    if (!pq_compose_text(at->file->name, node, &site, &at->unit->vars, name, in->project.scan))
        return false;
    *next = (place){.unit = at->unit, .file = at->file, .service = *name};
    if (pq_yaml_kind_of(other) != PQ_YAML_ABSENT) {
        next->file = pq_compose_project_load(&in->project, at->unit, at->file, other, at->service);
        if (!next->file)
            return false;
    }
    pq_yaml_kind kind = pq_yaml_kind_of(pq_composefile_service(next->file, *name));
    bool included = next->file == at->unit->file && has_included(in, at->unit, *name);
    if (kind != PQ_YAML_MAPPING && kind != PQ_YAML_NULL && !included) { /* one without anything may be extended */
        pq_compose_project_complain(&in->project, at->file, node, NULL, "extends a service that is not there");
        return false;
    }
    out->stopped = false;
    return true;
}

/* What stands in the service itself. */
static void take_own(reader *in, const place *at, origin *out)
{
    if (!out->found && !out->reset && pq_composefile_find(at->file, at->service, "image", &out->image)) {
        out->found = true;
        out->unit = at->unit;
        out->file = at->file;
        out->inherited = out->seen.count > 1;
    }
    pq_yaml_entry build, volumes;
    bool builds =
        pq_composefile_find(at->file, at->service, "build", &build) && pq_yaml_kind_of(build.value) != PQ_YAML_NULL;
    pq_build_section section = {.file = at->file,
                                .owner = in->project.owner,
                                .service = out->service,
                                .options = in->project.options,
                                .vars = &at->unit->vars,
                                .inherited = out->has_build,
                                .budget = &in->budget};
    if (builds)
        pq_build_section_scan(&section, build.value, in->project.scan);
    if (pq_composefile_find(at->file, at->service, "volumes", &volumes))
        pq_service_volumes_scan(&section, volumes.value, in->project.scan);
    out->has_build = out->has_build || builds;
}

static void gather_unit(reader *in, const pq_compose_unit *unit, const char *service, origin *out);

/* Owned. */
static char *key_of(const place *at)
{
    return pq_asprintf("%p %p %s", (const void *)at->unit, (const void *)at->file, at->service);
}

static void gather(reader *in, const place *at, origin *out);

/* What the service includes and extends. */
static void gather_below(reader *in, const place *at, origin *out)
{
    for (size_t i = 0; at->file == at->unit->file && i < at->unit->included_count; i++)
        gather_unit(in, at->unit->included[i], at->service, out);
    place next = {0};
    PQ_AUTO_FREE char *name = NULL;
    if (!follow_extends(in, at, out, &next, &name))
        return;
    PQ_AUTO_FREE char *key = key_of(at);
    pq_strings_add(&out->extending, key);
    gather(in, &next, out);
    free(out->extending.at[--out->extending.count]);
}

/* The service's own keys go before those of an included one of its name, and these before those of the one that it
 * extends. */
static void gather(reader *in, const place *at, origin *out)
{
    pq_yaml_entry extends;
    if (in->project.unit_count == 1 && !out->extending.count &&
        !pq_composefile_find(at->file, at->service, "extends", &extends)) { /* the usual: nowhere to go */
        take_own(in, at, out);
        return;
    }
    PQ_AUTO_FREE char *key = key_of(at);
    bool again = false;
    for (size_t i = 0; i < out->extending.count; i++)
        again = again || strcmp(out->extending.at[i], key) == 0;
    if (again || out->extending.count == MAX_CHAIN) {
        if (!out->stopped)
            pq_compose_project_complain(&in->project, at->file, pq_composefile_service(at->file, at->service), NULL,
                                        "extends leads back to itself, or through more than %u services", MAX_CHAIN);
        out->stopped = true;
        return;
    }
    if (pq_vars_get(&out->seen, key))
        return;
    if (!afford(in, at)) {
        out->stopped = true;
        return;
    }
    pq_vars_set(&out->seen, key, "", NULL);
    take_own(in, at, out);
    bool outer_reset = out->reset;
    out->reset = outer_reset || pq_composefile_resets(at->file, at->service, "image");
    gather_below(in, at, out);
    out->reset = outer_reset;
}

static void gather_unit(reader *in, const pq_compose_unit *unit, const char *service, origin *out)
{
    for (; unit; unit = unit->under) {
        place at = {.unit = unit, .file = unit->file, .service = service};
        if (pq_yaml_kind_of(pq_composefile_service(unit->file, service)) != PQ_YAML_ABSENT ||
            has_included(in, unit, service))
            gather(in, &at, out);
    }
}

static bool service_name_valid(const char *name)
{
    for (; *name; name++)
        if (!pq_ascii_alnum(*name) && !strchr("._-", *name))
            return false;
    return true;
}

static void read_service(reader *in, const pq_compose_unit *unit, const char *service)
{
    pq_yaml_node node = pq_composefile_service(unit->file, service);
    if (!service_name_valid(service))
        pq_compose_project_complain(&in->project, unit->file, node, "use letters, digits, . _ and -",
                                    "the name of a service has a character that is not allowed");
    if (pq_yaml_kind_of(node) != PQ_YAML_MAPPING) {
        pq_compose_project_complain(&in->project, unit->file, node, NULL, "service %s is %s, not a mapping", service,
                                    pq_yaml_kind_words(node));
        return;
    }
    origin from = {.service = service};
    gather_unit(in, in->root, service, &from);
    pq_yaml_entry provider;
    if (from.found) {
        bool of_root = pq_yaml_kind_of(pq_composefile_service(in->root->file, service)) == PQ_YAML_MAPPING;
        pq_image_site site = pq_compose_project_site(&in->project, from.file, from.image.value, service);
        site.has_build = from.has_build;
        site.splice = !of_root ? (pq_image_span){.shared = true}
                               : pq_composefile_splice(in->root->file, service, from.inherited ? NULL : &from.image);
        PQ_AUTO_FREE char *image = NULL;
        if (pq_compose_text(from.file->name, from.image.value, &site, &from.unit->vars, &image, in->project.scan))
            pq_scan_add_image(in->project.scan, &site, image); /* copies the splice */
        free(site.splice.before);
        free(site.splice.after);
    } else if (!from.has_build && !from.stopped && !pq_composefile_find(unit->file, service, "provider", &provider)) {
        pq_compose_project_complain(&in->project, unit->file, node, NULL, "service %s has neither image nor build",
                                    service);
    }
    pq_vars_clear(&from.seen);
    pq_strings_clear(&from.extending);
}

/* Each service of the project once, in the order of the first document that has it. */
static bool list_services(reader *in, const pq_compose_unit *unit)
{
    bool any = false;
    for (size_t i = 0; i < pq_yaml_count(unit->file->yaml); i++) {
        pq_yaml_node services = pq_yaml_get(pq_yaml_root(unit->file->yaml, i), "services");
        pq_yaml_kind kind = pq_yaml_kind_of(services);
        if (kind == PQ_YAML_ABSENT)
            continue;
        any = true;
        if (kind != PQ_YAML_MAPPING && kind != PQ_YAML_NULL)
            pq_compose_project_complain(&in->project, unit->file, services, NULL, "services is %s, not a mapping",
                                        pq_yaml_kind_words(services));
        pq_yaml_entry entry;
        for (size_t k = 0; pq_yaml_entry_at(services, k, &entry); k++) {
            const char *name = pq_yaml_text(entry.key);
            if (!name || pq_vars_get(&in->listed, name) ||
                pq_yaml_kind_of(pq_composefile_service(unit->file, name)) == PQ_YAML_ABSENT) /* taken back */
                continue;
            pq_vars_set(&in->listed, name, "", NULL);
            read_service(in, unit, name);
        }
    }
    return any;
}

/* Whether it looks like a file from before `services:` came. */
static bool is_version_1(const pq_composefile *file)
{
    pq_yaml_node root = pq_yaml_root(file->yaml, 0);
    pq_yaml_entry entry, image;
    for (size_t i = 0; pq_yaml_entry_at(root, i, &entry); i++) {
        const char *key = pq_yaml_text(entry.key);
        if (key && !pq_starts_with(key, "x-") &&
            (pq_yaml_find(entry.value, "image", &image) || pq_yaml_find(entry.value, "build", &image)))
            return true;
    }
    return false;
}

static void list_unit(reader *in, pq_compose_unit *unit)
{
    if (unit->listed)
        return;
    unit->listed = true;
    if (unit->under)
        list_unit(in, unit->under);
    bool include_first = pq_yaml_span_of(pq_composefile_top(unit->file, "include")).start <
                         pq_yaml_span_of(pq_composefile_top(unit->file, "services")).start;
    bool any = !include_first && list_services(in, unit);
    for (size_t i = 0; i < unit->included_count; i++)
        list_unit(in, unit->included[i]);
    any = (include_first && list_services(in, unit)) || any;
    if (!any && is_version_1(unit->file))
        pq_scan_add_error(in->project.scan, unit->file->name, 0, "put the services under a key services:",
                          "is a version 1 Compose file, which is no longer read");
}

void pq_compose_scan(const char *path, const char *bytes, size_t length, const pq_loader *loader,
                     const pq_scan_options *options, pq_scan *scan)
{
    PQ_AUTO_FREE char *name = pq_scan_name(options, path);
    pq_composefile file = {0};
    if (!pq_composefile_parse(path, name, bytes, length, &file, &scan->errors))
        return;
    reader in = {.budget = BUDGET, .project = {.loader = loader, .options = options, .scan = scan, .owner = name}};
    in.root = pq_compose_project_open(&in.project, &file);
    if (in.root)
        list_unit(&in, in.root);
    pq_compose_project_clear(&in.project);
    pq_vars_clear(&in.listed);
    pq_composefile_clear(&file);
}
