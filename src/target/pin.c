#include "target/pin.h"

#include <string.h>

#include "base/text.h"

void pq_splices_clear(pq_splices *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->at[i].text);
    free(list->at);
    *list = (pq_splices){0};
}

void pq_splices_take(pq_splices *list, size_t start, size_t end, char *text)
{
    list->at = pq_grow(list->at, &list->capacity, list->count + 1, sizeof *list->at);
    list->at[list->count++] = (pq_splice){start, end, text};
}

void pq_splices_add(pq_splices *list, size_t start, size_t end, const char *text)
{
    pq_splices_take(list, start, end, pq_strdup(text));
}

/* Pointers into one array, so equal places keep the order in which they were given. */
static int by_start(const void *left, const void *right)
{
    const pq_splice *a = *(const pq_splice *const *)left, *b = *(const pq_splice *const *)right;
    if (a->start != b->start)
        return a->start < b->start ? -1 : 1;
    if ((a->end == a->start) != (b->end == b->start))
        return a->end == a->start ? -1 : 1;
    return a < b ? -1 : a > b;
}

bool pq_splices_apply(const pq_splices *list, const void *bytes, size_t length, pq_buf *out, pq_error *err)
{
    PQ_AUTO_FREE const pq_splice **order = pq_alloc(list->count, sizeof *order);
    for (size_t i = 0; i < list->count; i++)
        order[i] = &list->at[i];
    if (list->count)
        qsort(order, list->count, sizeof *order, by_start);
    const char *text = bytes;
    size_t done = 0;
    for (size_t i = 0; i < list->count; i++) {
        const pq_splice *splice = order[i];
        if (splice->start < done || splice->end < splice->start || splice->end > length)
            return pq_fail(err, PQ_EINPUT, NULL, NULL, "two changes at byte %zu overlap", splice->start);
        pq_buf_add(out, text + done, splice->start - done);
        pq_buf_adds(out, splice->text);
        done = splice->end;
    }
    if (length > done)
        pq_buf_add(out, text + done, length - done);
    if (out->overflow)
        return pq_fail(err, PQ_EINPUT, NULL, NULL, "becomes larger than %zu bytes", out->cap);
    return true;
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

/* The place of a key that is written at `start`. */
static bool place_at(const char *bytes, size_t start, pq_pin_place *out)
{
    size_t line = start;
    while (line > 0 && bytes[line - 1] == ' ')
        line--;
    size_t before = line;
    while (before > 0 && is_blank(bytes[before - 1]))
        before--;
    if (before > 0 && (bytes[before - 1] == '{' || bytes[before - 1] == ',')) {
        *out = (pq_pin_place){.offset = start, .flow = true};
        return true;
    }
    *out = (pq_pin_place){.offset = start, .indent = start - line};
    return line == 0 || bytes[line - 1] == '\n';
}

/* The place of the `<<` whose value, or the first element of it, is written at `value`. */
static bool place_of_merge(const char *bytes, size_t value, pq_pin_place *out)
{
    size_t at = value;
    while (at > 0 && (is_blank(bytes[at - 1]) || bytes[at - 1] == '[' || bytes[at - 1] == ':'))
        at--;
    return at >= 2 && bytes[at - 1] == '<' && bytes[at - 2] == '<' && place_at(bytes, at - 2, out);
}

bool pq_pin_place_of(const char *bytes, size_t length, pq_yaml_node key, pq_pin_place *out)
{
    pq_yaml_span span = pq_yaml_span_of(key);
    size_t start = span.start;
    if (pq_yaml_is_shared(key) || !span.exact || start >= length || pq_yaml_tag(key))
        return false;
    if (pq_yaml_style_of(key) != PQ_YAML_PLAIN && start-- == 0)
        return false;
    return place_at(bytes, start, out);
}

bool pq_pin_find_place(const char *bytes, size_t length, pq_yaml_node mapping, const char *skip, pq_pin_place *out)
{
    pq_yaml_entry entry, merged = {0};
    for (size_t i = 0; pq_yaml_entry_at(mapping, i, &entry); i++) {
        if (entry.merged && !merged.merged)
            merged = entry;
        if (entry.merged || pq_yaml_is_shared(entry.key) || (skip && pq_streq(pq_yaml_text(entry.key), skip)))
            continue;
        return pq_pin_place_of(bytes, length, entry.key, out);
    }
    size_t value = pq_yaml_use_of(merged.value).start;
    return merged.merged && value < length && place_of_merge(bytes, value, out);
}

/* The end of `*name` that starts at `start`. */
static size_t alias_end(const char *bytes, size_t length, size_t start)
{
    size_t end = start + 1;
    while (end < length && !is_blank(bytes[end]) && !strchr(",[]{}", bytes[end]))
        end++;
    return end;
}

/* Whether `*name` is written at `use` as the value of a key that is no merge. */
static bool is_value_alias(const char *bytes, size_t length, size_t use)
{
    if (use >= length || bytes[use] != '*')
        return false;
    while (use > 0 && is_blank(bytes[use - 1]))
        use--;
    return use >= 3 && bytes[use - 1] == ':' && memcmp(bytes + use - 3, "<<", 2) != 0;
}

bool pq_pin_image(const char *name, const char *bytes, size_t length, pq_yaml_node service, const char *reference,
                  pq_splices *out, pq_error *err)
{
    pq_yaml_entry entry;
    bool written = pq_yaml_find(service, "image", &entry) && !entry.merged;
    PQ_AUTO_FREE char *where = pq_yaml_where(name, written ? entry.value : service);
    const char *const hint = "write it as `image: name` on one line";
    size_t use = pq_yaml_use_of(service).start;
    if (pq_yaml_is_shared(service) && is_value_alias(bytes, length, use)) {
        size_t end = alias_end(bytes, length, use);
        pq_splices_take(out, use, end, pq_asprintf("{<<: %.*s, image: %s}", (int)(end - use), bytes + use, reference));
        return true;
    }
    if (!written) {
        pq_pin_place place;
        if (pq_yaml_is_shared(service) || !pq_pin_find_place(bytes, length, service, NULL, &place))
            return pq_fail(err, PQ_EINPUT, where, "write an `image:` of its own into the service",
                           "the image comes from elsewhere and cannot be pinned here");
        pq_splices_take(out, place.offset, place.offset,
                        place.flow ? pq_asprintf("image: %s, ", reference)
                                   : pq_asprintf("image: %s\n%*s", reference, (int)place.indent, ""));
        return true;
    }
    if (pq_yaml_is_shared(service))
        return pq_fail(err, PQ_EINPUT, where, "write an `image:` of its own into the service",
                       "the whole service comes from elsewhere and cannot be pinned here");
    pq_yaml_span span = pq_yaml_use_of(entry.value);
    if (pq_yaml_is_shared(entry.value)) {
        if (span.start >= length || bytes[span.start] != '*')
            return pq_fail(err, PQ_EINPUT, where, hint, "this image cannot be pinned as it is written");
        pq_splices_add(out, span.start, alias_end(bytes, length, span.start), reference);
        return true;
    }
    if (pq_yaml_kind_of(entry.value) != PQ_YAML_SCALAR || !span.exact)
        return pq_fail(err, PQ_EINPUT, where, hint, "this image cannot be pinned as it is written");
    pq_splices_add(out, span.start, span.end, reference);
    return true;
}
