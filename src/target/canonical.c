#include "target/canonical.h"

#include <inttypes.h>
#include <string.h>

#include "base/text.h"

enum { MAX_DEPTH = 64 };

static void add_string(const char *text, size_t length, pq_buf *out)
{
    pq_buf_addc(out, '"');
    for (size_t start = 0; start < length;) {
        size_t run = 0;
        while (start + run < length && text[start + run] != '"' && text[start + run] != '\\')
            run++;
        pq_buf_add(out, text + start, run);
        start += run;
        if (start < length) {
            pq_buf_addc(out, '\\');
            pq_buf_addc(out, text[start++]);
        }
    }
    pq_buf_addc(out, '"');
}

static bool add(const json_t *value, unsigned depth, pq_buf *out, pq_error *err);

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Keys hold no NUL: jansson's parser refuses it, and ours are literals. */
static bool add_object(const json_t *value, unsigned depth, pq_buf *out, pq_error *err)
{
    size_t count = json_object_size(value), at = 0;
    PQ_AUTO_FREE const char **keys = pq_alloc(count, sizeof *keys);
    for (void *i = json_object_iter((json_t *)value); i; i = json_object_iter_next((json_t *)value, i))
        keys[at++] = json_object_iter_key(i);
    if (count)
        qsort(keys, count, sizeof *keys, by_bytes);
    pq_buf_addc(out, '{');
    for (size_t i = 0; i < count; i++) {
        if (i)
            pq_buf_addc(out, ',');
        add_string(keys[i], strlen(keys[i]), out);
        pq_buf_addc(out, ':');
        if (!add(json_object_get(value, keys[i]), depth, out, err))
            return false;
    }
    pq_buf_addc(out, '}');
    return true;
}

static bool add_array(const json_t *value, unsigned depth, pq_buf *out, pq_error *err)
{
    pq_buf_addc(out, '[');
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (i)
            pq_buf_addc(out, ',');
        if (!add(json_array_get(value, i), depth, out, err))
            return false;
    }
    pq_buf_addc(out, ']');
    return true;
}

static bool add(const json_t *value, unsigned depth, pq_buf *out, pq_error *err)
{
    if (depth == 0)
        return pq_fail(err, PQ_EINPUT, NULL, NULL, "JSON nested deeper than %d", MAX_DEPTH);
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return add_object(value, depth - 1, out, err);
    case JSON_ARRAY:
        return add_array(value, depth - 1, out, err);
    case JSON_STRING:
        add_string(json_string_value(value), json_string_length(value), out);
        break;
    case JSON_INTEGER:
        pq_buf_addf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        break;
    case JSON_TRUE:
        pq_buf_adds(out, "true");
        break;
    case JSON_FALSE:
        pq_buf_adds(out, "false");
        break;
    case JSON_NULL:
        pq_buf_adds(out, "null");
        break;
    case JSON_REAL:
        return pq_fail(err, PQ_EINPUT, NULL, "write it as a string", "canonical JSON has no numbers with a fraction");
    }
    return true;
}

bool pq_canonical_add(const json_t *value, pq_buf *out, pq_error *err)
{
    if (!add(value, MAX_DEPTH, out, err))
        return false;
    if (out->overflow)
        return pq_fail(err, PQ_EINPUT, NULL, NULL, "canonical JSON larger than %zu bytes", out->cap);
    return true;
}
