#include "target/app_compose.h"

#include <string.h>

#include "base/text.h"
#include "crypto/hash.h"
#include "target/app_model.h"
#include "target/pin.h"

/* One file in the making. */
typedef struct work {
    const char *name;
    const char *bytes;
    size_t length;
    pq_yaml *yaml;
    pq_yaml_node services;
    json_t *wanted; /* what the new file must mean */
} work;

static void work_cleanup(work *w)
{
    pq_yaml_free(w->yaml);
    json_decref(w->wanted);
}
#define AUTO_WORK PQ_CLEANUP(work_cleanup) work

/* jansson fails only on text that is not UTF-8, which the parser does not let through. */
static void set(json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, value) != 0)
        abort();
}

/* ---- what the file must mean ---- */

/* The labels as a mapping: `- a=b` becomes a: "b", `- a` a: "". */
static json_t *labels_of(json_t *service)
{
    json_t *labels = pq_app_model_get(service, "labels");
    if (json_is_object(labels) && !json_object_get(labels, "!"))
        return json_incref(labels);
    json_t *object = json_object();
    for (size_t i = 0; i < json_array_size(labels); i++) {
        const char *item = json_string_value(json_array_get(labels, i));
        if (!item || *item == '0')
            continue;
        item++;
        size_t length = strcspn(item, "=");
        PQ_AUTO_FREE char *key = pq_asprintf("t%.*s", (int)length, item);
        PQ_AUTO_FREE char *value = pq_asprintf("t%s", item[length] ? item + length + 1 : "");
        set(object, key, json_string(value));
    }
    return object;
}

static void want_service(json_t *service, const char *image)
{
    PQ_AUTO_FREE char *value = pq_asprintf("t%s", image);
    bool quoted = json_object_get(service, "timage") != NULL;
    set(service, quoted ? "timage" : "pimage", json_string(value));
    pq_app_model_delete(service, "build");
    json_auto_t *labels = labels_of(service);
    pq_app_model_delete(labels, PQ_APP_HASH_LABEL);
    bool quoted_labels = json_object_get(service, "tlabels") != NULL;
    set(service, quoted_labels ? "tlabels" : "plabels", json_incref(labels));
    PQ_AUTO_FREE char *text = json_dumps(service, JSON_COMPACT | JSON_SORT_KEYS);
    pq_sha256 hash = pq_sha256_of(text, strlen(text));
    char hex[PQ_SHA256_HEX];
    pq_sha256_hex(&hash, hex);
    PQ_AUTO_FREE char *label = pq_asprintf("t%s", hex);
    set(labels, "p" PQ_APP_HASH_LABEL, json_string(label));
}

static const char *pin_of(const pq_app_pin *pins, size_t count, const char *service)
{
    for (size_t i = 0; i < count; i++)
        if (pq_streq(pins[i].service, service))
            return pins[i].image;
    return NULL;
}

static bool want(work *w, const pq_app_pin *pins, size_t count, pq_errors *errs)
{
    PQ_AUTO_ERROR err = {0};
    if (!pq_app_model_of(w->name, pq_yaml_root(w->yaml, 0), &w->wanted, &err)) {
        pq_errors_take(errs, &err);
        return false;
    }
    size_t before = errs->count;
    json_t *services = pq_app_model_get(w->wanted, "services");
    pq_yaml_entry entry;
    for (size_t i = 0; pq_yaml_entry_at(w->services, i, &entry); i++) {
        PQ_AUTO_FREE char *where = pq_yaml_where(w->name, entry.key);
        const char *service = pq_yaml_text(entry.key);
        const char *image = pin_of(pins, count, service);
        json_t *value = pq_app_model_get(services, service);
        if (!json_is_object(value) || json_object_get(value, "!"))
            (void)pq_errors_add(errs, PQ_EINPUT, where, NULL, "service %s is %s, not a mapping", service,
                                pq_yaml_kind_words(entry.value));
        else if (!image)
            (void)pq_errors_add(errs, PQ_EINPUT, where, "give it an `image:`", "service %s has no image to pin",
                                service);
        else
            want_service(value, image);
    }
    for (size_t i = 0; i < count; i++)
        if (!pq_app_model_get(services, pins[i].service))
            (void)pq_errors_add(errs, PQ_EINPUT, w->name, NULL, "has no service %s", pins[i].service);
    return errs->count == before;
}

/* ---- where an entry stands in the bytes ---- */

/* An entry of a mapping as it is written: [key, end) with the value in [value, end). In block style the entry starts
 * its own lines and ends with the line end of its last. */
typedef struct written {
    size_t start, key, value, end;
    size_t indent;
    bool flow;
} written;

static size_t line_end(const work *w, size_t at)
{
    const char *end = memchr(w->bytes + at, '\n', w->length - at);
    return end ? (size_t)(end - w->bytes) + 1 : w->length;
}

/* The end of the lines that belong to a block entry whose key stands at `indent`: deeper ones, and list items at the
 * same depth. */
static size_t block_end(const work *w, size_t start, size_t indent)
{
    size_t end = line_end(w, start);
    for (size_t at = end; at < w->length;) {
        size_t first = at, next = line_end(w, at);
        while (first < next && w->bytes[first] == ' ')
            first++;
        size_t depth = first - at;
        char byte = first < next ? w->bytes[first] : '\n';
        bool blank = byte == '\n' || byte == '\r';
        bool item = byte == '-' && first + 1 < w->length && strchr(" \r\n", w->bytes[first + 1]);
        if (!blank && (depth > indent || (depth == indent && item)))
            end = next;
        else if (!blank && byte != '#')
            break;
        at = next;
    }
    return end;
}

/* The `,` or closing bracket that ends a flow value. A quote opens a text only where a scalar can begin. */
static size_t flow_end(const work *w, size_t at)
{
    size_t depth = 0;
    bool fresh = true; /* a scalar can begin here */
    for (; at < w->length; at++) {
        char byte = w->bytes[at];
        if (fresh && (byte == '"' || byte == '\'')) {
            for (at++; at < w->length && w->bytes[at] != byte; at++)
                at += byte == '"' && w->bytes[at] == '\\';
            fresh = false;
        } else if (fresh && byte == '#') {
            at = line_end(w, at) - 1;
        } else if (depth == 0 && (byte == ',' || byte == '}' || byte == ']')) {
            return at;
        } else {
            depth += byte == '{' || byte == '[';
            depth -= byte == '}' || byte == ']';
            fresh = strchr("{[,: \t\r\n", byte) != NULL && byte != '\0';
        }
    }
    return w->length;
}

static bool find_written(const work *w, pq_yaml_node mapping, const char *key, written *out)
{
    pq_yaml_entry entry;
    if (!pq_yaml_find(mapping, key, &entry) || entry.merged || pq_yaml_is_shared(mapping))
        return false;
    pq_yaml_span span = pq_yaml_span_of(entry.key);
    bool quoted = pq_yaml_style_of(entry.key) != PQ_YAML_PLAIN;
    pq_pin_place place;
    if (!pq_pin_place_of(w->bytes, w->length, entry.key, &place))
        return false;
    size_t colon = span.end + quoted;
    while (colon < w->length && w->bytes[colon] == ' ')
        colon++;
    if (colon >= w->length || w->bytes[colon] != ':')
        return false;
    *out = (written){.key = place.offset, .value = colon + 1, .indent = place.indent, .flow = place.flow};
    out->start = place.flow ? place.offset : place.offset - place.indent;
    out->end = place.flow ? flow_end(w, out->value) : block_end(w, place.offset, place.indent);
    while (place.flow && out->end > out->value && strchr(" \t\r\n", w->bytes[out->end - 1]))
        out->end--;
    return true;
}

/* ---- splicing ---- */

/* Takes an entry away: whole lines, or in flow style with one of its commas. */
static void splice_away(const work *w, const written *entry, pq_splices *splices)
{
    size_t start = entry->start, end = entry->end;
    if (entry->flow && end < w->length && w->bytes[end] == ',') {
        end++;
        while (end < w->length && w->bytes[end] == ' ')
            end++;
    } else if (entry->flow) {
        while (start > 0 && strchr(" \t\r\n", w->bytes[start - 1]))
            start--;
        start -= start > 0 && w->bytes[start - 1] == ',';
    }
    pq_splices_add(splices, start, end, "");
}

/* Whether an alias or merge stands anywhere in the node, as far as one can be seen. */
static bool holds_alias(pq_yaml_node node)
{
    if (pq_yaml_is_shared(node))
        return true;
    pq_yaml_entry entry;
    for (size_t i = 0; pq_yaml_entry_at(node, i, &entry); i++)
        if (entry.merged || pq_yaml_is_shared(entry.key) || holds_alias(entry.value))
            return true;
    for (size_t i = 0; pq_yaml_kind_of(node) == PQ_YAML_SEQUENCE && i < pq_yaml_size(node); i++)
        if (holds_alias(pq_yaml_at(node, i)))
            return true;
    return false;
}

/* The next anchor (`&`) or alias (`*`) from `*at` on, by the look of it; NULL after the last. `*at` moves behind it. */
static char *next_name(const char *bytes, size_t length, char sigil, size_t *at)
{
    for (size_t i = *at; i < length; i++) {
        if (bytes[i] != sigil || (i > 0 && !strchr(" \t\r\n:,[{", bytes[i - 1])))
            continue;
        size_t end = i + 1;
        while (end < length && !strchr(" \t\r\n,[]{}", bytes[end]))
            end++;
        *at = end;
        return pq_strndup(bytes + i + 1, end - i - 1);
    }
    return NULL;
}

static int by_text(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

/* Whether something in the bytes looks like an alias of an anchor that is there: a merge whose entries are all
 * overridden shows nowhere else. What only looks like one does no harm but to the layout. */
static bool looks_aliased(const char *bytes, size_t length)
{
    PQ_AUTO_STRINGS anchors = {0};
    size_t at = 0;
    for (char *name; (name = next_name(bytes, length, '&', &at));)
        pq_strings_take(&anchors, name);
    if (anchors.count == 0)
        return false;
    pq_strings_sort(&anchors);
    for (at = 0;;) {
        PQ_AUTO_FREE char *name = next_name(bytes, length, '*', &at);
        if (!name)
            return false;
        if (*name && bsearch(&name, anchors.at, anchors.count, sizeof *anchors.at, by_text))
            return true;
    }
}

static const char *label_of(const json_t *wanted)
{
    return json_string_value(pq_app_model_get(pq_app_model_get(wanted, "labels"), PQ_APP_HASH_LABEL)) + 1;
}

/* Changes a service in place; false when it has to be written again. */
static bool splice_service(const work *w, pq_yaml_node service, const json_t *wanted, pq_splices *splices)
{
    pq_yaml_node labels = pq_yaml_get(service, "labels"), image = pq_yaml_get(service, "image");
    pq_yaml_kind kind = pq_yaml_kind_of(labels);
    pq_pin_place head, label_head;
    written entry;
    if (holds_alias(service) || !pq_pin_find_place(w->bytes, w->length, service, "build", &head))
        return false;
    const char *hash = label_of(wanted), *reference = json_string_value(pq_app_model_get(wanted, "image")) + 1;
    if (pq_yaml_kind_of(image) == PQ_YAML_ABSENT)
        pq_splices_take(splices, head.offset, head.offset,
                        head.flow ? pq_asprintf("image: %s, ", reference)
                                  : pq_asprintf("image: %s\n%*s", reference, (int)head.indent, ""));
    else if (pq_yaml_kind_of(image) == PQ_YAML_SCALAR && pq_yaml_span_of(image).exact)
        pq_splices_add(splices, pq_yaml_span_of(image).start, pq_yaml_span_of(image).end, reference);
    else
        return false;
    if (kind == PQ_YAML_ABSENT) {
        pq_splices_take(splices, head.offset, head.offset,
                        head.flow ? pq_asprintf("labels: {" PQ_APP_HASH_LABEL ": \"%s\"}, ", hash)
                                  : pq_asprintf("labels:\n%*s" PQ_APP_HASH_LABEL ": \"%s\"\n%*s", (int)head.indent + 2,
                                                "", hash, (int)head.indent, ""));
    } else {
        if (kind != PQ_YAML_MAPPING || pq_yaml_kind_of(pq_yaml_get(labels, PQ_APP_HASH_LABEL)) != PQ_YAML_ABSENT ||
            !pq_pin_find_place(w->bytes, w->length, labels, NULL, &label_head))
            return false;
        pq_splices_take(splices, label_head.offset, label_head.offset,
                        label_head.flow
                            ? pq_asprintf(PQ_APP_HASH_LABEL ": \"%s\", ", hash)
                            : pq_asprintf(PQ_APP_HASH_LABEL ": \"%s\"\n%*s", hash, (int)label_head.indent, ""));
    }
    if (pq_yaml_kind_of(pq_yaml_get(service, "build")) == PQ_YAML_ABSENT)
        return true;
    if (!find_written(w, service, "build", &entry))
        return false;
    splice_away(w, &entry, splices);
    return true;
}

/* Writes a service again from its meaning. */
static bool rewrite_service(const work *w, const char *service, const json_t *wanted, pq_splices *splices)
{
    written entry;
    PQ_AUTO_BUF text = PQ_BUF(PQ_APP_COMPOSE_MAX);
    if (!find_written(w, w->services, service, &entry))
        return false;
    if (entry.flow) {
        pq_buf_addc(&text, ' ');
        pq_app_model_add_flow(wanted, &text);
    } else {
        pq_app_model_add_block(wanted, entry.indent + 2, &text);
    }
    pq_splices_take(splices, entry.value, entry.end, pq_buf_steal(&text));
    return true;
}

/* Whether the bytes are what was wanted. */
static bool means_what_is_wanted(const work *w, const pq_buf *text)
{
    PQ_AUTO_ERRORS ignored = {0};
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_YAML *yaml = NULL;
    json_t *model = NULL;
    if (text->overflow || !pq_yaml_parse(w->name, text->data, text->length, &yaml, &ignored) ||
        pq_yaml_count(yaml) != 1 || holds_alias(pq_yaml_root(yaml, 0)) || looks_aliased(text->data, text->length) ||
        !pq_app_model_of(w->name, pq_yaml_root(yaml, 0), &model, &err))
        return false;
    bool equal = json_equal(model, w->wanted);
    json_decref(model);
    return equal;
}

static bool splice_all(const work *w, pq_buf *text)
{
    PQ_AUTO_SPLICES all = {0};
    PQ_AUTO_ERROR err = {0};
    const json_t *services = pq_app_model_get(w->wanted, "services");
    pq_yaml_entry entry;
    for (size_t i = 0; pq_yaml_entry_at(w->services, i, &entry); i++) {
        const char *service = pq_yaml_text(entry.key);
        const json_t *wanted = pq_app_model_get(services, service);
        PQ_AUTO_SPLICES own = {0};
        bool in_place = !entry.merged && splice_service(w, entry.value, wanted, &own);
        if (!in_place) {
            pq_splices_clear(&own);
            if (!rewrite_service(w, service, wanted, &own))
                return false;
        }
        for (size_t j = 0; j < own.count; j++)
            pq_splices_take(&all, own.at[j].start, own.at[j].end, pq_steal(own.at[j].text));
    }
    return pq_splices_apply(&all, w->bytes, w->length, text, &err);
}

bool pq_app_compose(const char *name, const char *bytes, size_t length, const pq_app_pin *pins, size_t count,
                    pq_buf *out, pq_errors *errs)
{
    AUTO_WORK w = {.name = name, .bytes = bytes, .length = length};
    if (length > PQ_APP_COMPOSE_MAX)
        return pq_errors_add(errs, PQ_EINPUT, name, NULL, "is larger than %u bytes", PQ_APP_COMPOSE_MAX);
    if (!pq_yaml_parse(name, bytes, length, &w.yaml, errs))
        return false;
    if (pq_yaml_count(w.yaml) != 1)
        return pq_errors_add(errs, PQ_EINPUT, name, "leave one", "has %zu documents", pq_yaml_count(w.yaml));
    w.services = pq_yaml_get(pq_yaml_root(w.yaml, 0), "services");
    if (pq_yaml_kind_of(w.services) != PQ_YAML_MAPPING || pq_yaml_size(w.services) == 0)
        return pq_errors_add(errs, PQ_EINPUT, name, NULL, "has no services");
    if (pq_yaml_size(w.services) > PQ_APP_SERVICES_MAX)
        return pq_errors_add(errs, PQ_EINPUT, name, NULL, "has more than %u services", PQ_APP_SERVICES_MAX);
    if (!want(&w, pins, count, errs))
        return false;
    PQ_AUTO_BUF text = PQ_BUF(PQ_APP_COMPOSE_MAX);
    if (!splice_all(&w, &text) || !means_what_is_wanted(&w, &text)) {
        pq_buf_clear(&text);
        PQ_AUTO_BUF whole = PQ_BUF(PQ_APP_COMPOSE_MAX);
        pq_app_model_add_block(w.wanted, 0, &whole);
        if (!whole.overflow) /* without the line end that would follow a key */
            pq_buf_add(&text, whole.data + 1, whole.length - 1);
        if (whole.overflow || !means_what_is_wanted(&w, &text))
            return pq_errors_add(errs, PQ_EINPUT, name, "write it without aliases and tags",
                                 "cannot be rewritten for devices, or becomes larger than %u bytes",
                                 PQ_APP_COMPOSE_MAX);
    }
    pq_buf_add(out, text.data, text.length);
    if (out->overflow)
        return pq_errors_add(errs, PQ_EINPUT, name, NULL, "becomes larger than %zu bytes", out->cap);
    return true;
}
