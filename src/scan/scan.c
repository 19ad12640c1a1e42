#include "scan/scan.h"

#include <string.h>

#include "base/limits.h"

const char *pq_image_kind_name(pq_image_kind kind)
{
    static const char *const names[] = {
        [PQ_IMAGE_FROM] = "from",     [PQ_IMAGE_COPY_FROM] = "copy-from", [PQ_IMAGE_MOUNT_FROM] = "mount-from",
        [PQ_IMAGE_SYNTAX] = "syntax", [PQ_IMAGE_COMPOSE] = "compose",     [PQ_IMAGE_COMPOSE_OTHER] = "compose-other",
    };
    return names[kind];
}

char *pq_printable(const char *text)
{
    PQ_AUTO_BUF out = PQ_BUF(PQ_MAX_TEXT);
    pq_buf_add_printable(&out, text, strlen(text));
    return pq_buf_steal(&out);
}

void pq_image_use_clear(pq_image_use *use)
{
    free(use->image);
    free(use->file);
    free(use->owner);
    free(use->service);
    free(use->splice.before);
    free(use->splice.after);
    pq_reference_clear(&use->reference);
}

static void unresolved_clear(pq_unresolved *entry)
{
    free(entry->text);
    free(entry->file);
    free(entry->owner);
    free(entry->service);
    free(entry->reason);
}

static void dockerfile_clear(pq_dockerfile *dockerfile)
{
    for (size_t i = 0; i < dockerfile->stage_count; i++) {
        free(dockerfile->stages[i].name);
        free(dockerfile->stages[i].base);
        free(dockerfile->stages[i].written);
        free(dockerfile->stages[i].platform);
    }
    free(dockerfile->stages);
    free(dockerfile->file);
    pq_strings_clear(&dockerfile->secrets);
}

void pq_scan_clear(pq_scan *scan)
{
    for (size_t i = 0; i < scan->use_count; i++)
        pq_image_use_clear(&scan->uses[i]);
    for (size_t i = 0; i < scan->unresolved_count; i++)
        unresolved_clear(&scan->unresolved[i]);
    for (size_t i = 0; i < scan->dockerfile_count; i++)
        dockerfile_clear(&scan->dockerfiles[i]);
    free(scan->uses);
    free(scan->unresolved);
    free(scan->dockerfiles);
    pq_strings_clear(&scan->others);
    pq_errors_clear(&scan->errors);
    *scan = (pq_scan){0};
}

static pq_image_use *new_use(pq_scan *scan)
{
    scan->uses = pq_grow(scan->uses, &scan->use_capacity, scan->use_count + 1, sizeof *scan->uses);
    return &scan->uses[scan->use_count++];
}

static pq_unresolved *new_unresolved(pq_scan *scan)
{
    scan->unresolved =
        pq_grow(scan->unresolved, &scan->unresolved_capacity, scan->unresolved_count + 1, sizeof *scan->unresolved);
    return &scan->unresolved[scan->unresolved_count++];
}

void pq_scan_append(pq_scan *to, pq_scan *from)
{
    for (size_t i = 0; i < from->use_count; i++)
        *new_use(to) = from->uses[i];
    for (size_t i = 0; i < from->unresolved_count; i++)
        *new_unresolved(to) = from->unresolved[i];
    for (size_t i = 0; i < from->dockerfile_count; i++) {
        to->dockerfiles =
            pq_grow(to->dockerfiles, &to->dockerfile_capacity, to->dockerfile_count + 1, sizeof *to->dockerfiles);
        to->dockerfiles[to->dockerfile_count++] = from->dockerfiles[i];
    }
    for (size_t i = 0; i < from->others.count; i++)
        pq_strings_take(&to->others, from->others.at[i]);
    from->others.count = 0;
    pq_errors_append(&to->errors, &from->errors);
    from->use_count = from->unresolved_count = from->dockerfile_count = 0;
    pq_scan_clear(from);
}

void pq_scan_add_image(pq_scan *scan, const pq_image_site *site, const char *image)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_REFERENCE reference = {0};
    if (!pq_reference_parse(image, &reference, &err)) {
        PQ_AUTO_FREE char *where = pq_asprintf("%s:%u", site->file, site->line);
        if (site->service)
            (void)pq_error_wrap(&err, "service %s", site->service);
        (void)pq_error_at(&err, where);
        pq_errors_take(&scan->errors, &err);
        return;
    }
    *new_use(scan) = (pq_image_use){
        .image = pq_strdup(image),
        .file = pq_strdup(site->file),
        .owner = pq_strdup(site->owner ? site->owner : site->file),
        .line = site->line,
        .kind = site->kind,
        .service = pq_strdup(site->service),
        .reference = reference,
        .has_build = site->has_build,
        .volume = site->volume,
        .splice = site->splice,
    };
    pq_image_span *splice = &scan->uses[scan->use_count - 1].splice;
    splice->before = pq_strdup(splice->before);
    splice->after = pq_strdup(splice->after);
    reference = (pq_reference){0};
}

void pq_scan_add_unresolved(pq_scan *scan, const pq_image_site *site, const char *text, char *reason)
{
    PQ_AUTO_FREE char *raw = reason; /* it may name a variable in bytes that are not UTF-8 */
    *new_unresolved(scan) = (pq_unresolved){
        .text = pq_printable(text),
        .file = pq_strdup(site->file),
        .owner = pq_strdup(site->owner ? site->owner : site->file),
        .line = site->line,
        .volume = site->volume,
        .kind = site->kind,
        .service = pq_strdup(site->service),
        .reason = pq_printable(raw),
    };
}

void pq_scan_add_error(pq_scan *scan, const char *file, unsigned line, const char *hint, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    PQ_AUTO_FREE char *message = pq_vasprintf(format, arguments);
    va_end(arguments);
    PQ_AUTO_FREE char *where = line ? pq_asprintf("%s:%u", file, line) : pq_strdup(file);
    (void)pq_errors_add(&scan->errors, PQ_EINPUT, where, hint, "%s", message);
}
