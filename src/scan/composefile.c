#include "scan/composefile.h"

#include <string.h>

#include "base/limits.h"

bool pq_composefile_parse(const char *path, const char *name, const char *bytes, size_t length, pq_composefile *out,
                          pq_errors *errs)
{
    pq_yaml *yaml = NULL;
    if (!pq_yaml_parse(name, bytes, length, &yaml, errs))
        return false;
    *out = (pq_composefile){.path = pq_strdup(path), .name = pq_strdup(name), .yaml = yaml};
    out->bytes = PQ_BUF(PQ_MAX_TREE_FILE);
    pq_buf_add(&out->bytes, bytes, length);
    return true;
}

void pq_composefile_clear(pq_composefile *file)
{
    free(file->path);
    free(file->name);
    pq_buf_clear(&file->bytes);
    pq_yaml_free(file->yaml);
    *file = (pq_composefile){0};
}

static bool is_reset(pq_yaml_node node)
{
    return pq_streq(pq_yaml_tag(node), "!reset");
}

pq_yaml_node pq_composefile_top(const pq_composefile *file, const char *key)
{
    for (size_t i = pq_yaml_count(file->yaml); i > 0; i--) {
        pq_yaml_node found = pq_yaml_get(pq_yaml_root(file->yaml, i - 1), key);
        if (pq_yaml_kind_of(found) != PQ_YAML_ABSENT)
            return found;
    }
    return PQ_YAML_NONE;
}

static pq_yaml_node service_of(const pq_composefile *file, size_t document, const char *service)
{
    return pq_yaml_get(pq_yaml_get(pq_yaml_root(file->yaml, document), "services"), service);
}

pq_yaml_node pq_composefile_service(const pq_composefile *file, const char *service)
{
    for (size_t i = pq_yaml_count(file->yaml); i > 0; i--) {
        pq_yaml_node found = service_of(file, i - 1, service);
        if (pq_yaml_kind_of(found) != PQ_YAML_ABSENT)
            return is_reset(found) ? PQ_YAML_NONE : found;
    }
    return PQ_YAML_NONE;
}

static bool find_last(const pq_composefile *file, const char *service, const char *key, pq_yaml_entry *out)
{
    for (size_t i = pq_yaml_count(file->yaml); i > 0; i--)
        if (pq_yaml_find(service_of(file, i - 1, service), key, out))
            return true;
    return false;
}

bool pq_composefile_find(const pq_composefile *file, const char *service, const char *key, pq_yaml_entry *out)
{
    return find_last(file, service, key, out) && !is_reset(out->value);
}

bool pq_composefile_resets(const pq_composefile *file, const char *service, const char *key)
{
    pq_yaml_entry found;
    return find_last(file, service, key, &found) && is_reset(found.value);
}

unsigned pq_composefile_line(const pq_composefile *file, pq_yaml_node node)
{
    pq_yaml_span span = pq_yaml_span_of(node);
    pq_yaml_style style = pq_yaml_style_of(node);
    if (pq_yaml_kind_of(node) != PQ_YAML_SCALAR || (style != PQ_YAML_LITERAL && style != PQ_YAML_FOLDED))
        return span.line;
    /* The span begins with the text: go back over blank lines to the one that announces it. */
    const char *bytes = pq_buf_text(&file->bytes);
    size_t at = span.start < file->bytes.length ? span.start : file->bytes.length;
    unsigned line = span.line;
    while (at > 0 && (bytes[at - 1] == ' ' || bytes[at - 1] == '\t' || bytes[at - 1] == '\r' || bytes[at - 1] == '\n'))
        line -= bytes[--at] == '\n' && line > 1;
    return line;
}

/* Blanks between the start of the line and the byte, or -1 when there is something else. */
static long indent_before(const char *bytes, size_t at)
{
    size_t start = at;
    while (start > 0 && bytes[start - 1] == ' ')
        start--;
    return start == 0 || bytes[start - 1] == '\n' ? (long)(at - start) : -1;
}

/* A new first key of the service. */
static pq_image_span insert_into(const pq_composefile *file, pq_yaml_node service)
{
    const char *bytes = pq_buf_text(&file->bytes);
    size_t start = pq_yaml_span_of(service).start;
    pq_image_span out = {.shared = true, .start = start, .end = start};
    if (start >= file->bytes.length)
        return out;
    if (bytes[start] == '{') {
        out.start = out.end = start + 1;
        out.before = pq_strdup("image: ");
        out.after = pq_strdup(", ");
        out.possible = true;
        return out;
    }
    long indent = indent_before(bytes, start);
    if (indent < 0) /* an anchor or a tag stands before the first key */
        return out;
    const char *newline = memchr(bytes, '\n', file->bytes.length);
    bool crlf = newline && newline > bytes && newline[-1] == '\r';
    out.before = pq_strdup("image: ");
    out.after = pq_asprintf("%s%*s", crlf ? "\r\n" : "\n", (int)indent, "");
    out.possible = true;
    return out;
}

static pq_image_span replace_span(const pq_composefile *file, pq_yaml_span span, const char *before, const char *after)
{
    const char *bytes = pq_buf_text(&file->bytes);
    pq_image_span out = {.start = span.start, .end = span.end};
    out.possible = span.start < span.end && span.end <= file->bytes.length &&
                   !memchr(bytes + span.start, '\n', span.end - span.start);
    out.before = pq_strdup(before);
    out.after = pq_strdup(after);
    return out;
}

pq_image_span pq_composefile_splice(const pq_composefile *file, const char *service, const pq_yaml_entry *image)
{
    const char *bytes = pq_buf_text(&file->bytes);
    pq_yaml_node node = pq_composefile_service(file, service);
    if (pq_yaml_count(file->yaml) != 1 || pq_yaml_kind_of(node) != PQ_YAML_MAPPING)
        return (pq_image_span){.shared = image == NULL || pq_yaml_is_shared(image->value)};
    if (pq_yaml_is_shared(node)) { /* `service: *anchor` becomes a mapping that merges the anchor's */
        pq_yaml_span use = pq_yaml_use_of(node);
        if (use.start >= use.end || use.end > file->bytes.length || bytes[use.start] != '*')
            return (pq_image_span){.shared = true};
        PQ_AUTO_FREE char *before = pq_asprintf("{<<: %.*s, image: ", (int)(use.end - use.start), bytes + use.start);
        pq_image_span out = replace_span(file, use, before, "}");
        out.shared = true;
        return out;
    }
    pq_yaml_entry own;
    if (!image && pq_yaml_find(node, "image", &own) && !own.merged)
        return (pq_image_span){.shared = true}; /* an empty one: a second key of that name would not be read */
    if (!image || image->merged)
        return insert_into(file, node);
    if (pq_yaml_is_shared(image->value)) { /* `image: *anchor` */
        pq_image_span out = replace_span(file, pq_yaml_use_of(image->value), "", "");
        out.possible = out.possible && bytes[out.start] == '*';
        out.shared = true;
        return out;
    }
    pq_yaml_span span = pq_yaml_span_of(image->value);
    pq_image_span out = replace_span(file, span, "", "");
    out.possible = out.possible && span.exact;
    return out;
}
