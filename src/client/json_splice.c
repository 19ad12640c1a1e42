#include "client/json_splice.h"

#include <jansson.h>
#include <string.h>

#include "base/docker_protocol.h"
#include "base/text.h"

/* A member: where its key begins, where its value begins and ends. Offsets into the text. */
typedef struct member {
    size_t key, value, end;
} member;

/* An object, from its brace to behind the closing one. */
typedef struct object {
    size_t start, end;
    size_t count; /* of members */
    member last;
    bool found; /* the one that was looked for */
    member wanted;
    size_t before; /* where the member before the wanted one ends, 0 when it is the first */
    size_t after;  /* where the key of the one behind it begins, 0 when it is the last */
} object;

static size_t skip_blanks(const char *text, size_t at)
{
    return at + strspn(text + at, " \t\r\n");
}

static size_t skip_string(const char *text, size_t at)
{
    for (at++; text[at] && text[at] != '"'; at++)
        at += text[at] == '\\' && text[at + 1];
    return text[at] ? at + 1 : at;
}

/* The end of a value. What is in it need not be understood, only its strings and its nesting. */
static size_t skip_value(const char *text, size_t at)
{
    size_t depth = 0;
    do {
        if (text[at] == '"') {
            at = skip_string(text, at);
        } else if (text[at] == '{' || text[at] == '[') {
            depth++;
            at++;
        } else if (text[at] == '}' || text[at] == ']') {
            depth--;
            at++;
        } else if (depth) {
            at += text[at] != '\0';
        } else {
            at += strcspn(text + at, ",]} \t\r\n");
        }
    } while (depth && text[at]);
    return at;
}

static bool key_is(const char *text, size_t from, size_t to, const char *wanted)
{
    json_t *key = json_loadb(text + from, to - from, JSON_DECODE_ANY, NULL);
    bool same = pq_streq(json_string_value(key), wanted);
    json_decref(key);
    return same;
}

static object read_object(const char *text, size_t start, const char *wanted)
{
    object found = {.start = start};
    size_t at = skip_blanks(text, start + 1);
    bool was_wanted = false;
    while (text[at] == '"') {
        member m = {.key = at};
        size_t key_end = skip_string(text, at);
        m.value = skip_blanks(text, key_end);
        m.value = skip_blanks(text, m.value + (text[m.value] == ':'));
        m.end = skip_value(text, m.value);
        if (was_wanted)
            found.after = m.key;
        was_wanted = key_is(text, m.key, key_end, wanted);
        if (was_wanted) {
            found.found = true;
            found.wanted = m;
            found.before = found.count ? found.last.end : 0;
            found.after = 0;
        }
        found.last = m;
        found.count++;
        at = skip_blanks(text, m.end);
        at = skip_blanks(text, at + (text[at] == ','));
    }
    found.end = at + (text[at] == '}');
    return found;
}

static void replace(pq_buf *text, size_t from, size_t to, const pq_buf *with)
{
    PQ_AUTO_BUF tail = {.cap = text->cap, .sensitive = text->sensitive};
    pq_buf_add(&tail, text->data + to, text->length - to);
    pq_buf_truncate(text, from);
    pq_buf_add(text, pq_buf_text(with), with->length);
    pq_buf_add(text, pq_buf_text(&tail), tail.length);
}

/* The blanks that stand before an offset. */
static char *blanks_before(const char *text, size_t at)
{
    size_t from = at;
    while (from > 0 && strchr(" \t\r\n", text[from - 1]))
        from--;
    return pq_strndup(text + from, at - from);
}

/* What stands before a member of an object: as before its last one; for an empty object, one step further in than the
 * member that it is the value of. */
static char *member_indent(const char *text, const object *in, const char *outer)
{
    if (in->count)
        return blanks_before(text, in->last.key);
    if (!outer)
        return pq_strdup("\n\t");
    const char *newline = strrchr(outer, '\n');
    if (!newline)
        return pq_strdup("");
    /* Twice what the outer one has: its step is its depth of one. */
    return pq_asprintf("%s%s", outer, newline + 1);
}

static void add_chain(pq_buf *out, const char *const *path, size_t depth, const char *value, const char *indent,
                      bool spaced)
{
    bool lines = strchr(indent, '\n') != NULL;
    pq_docker_json_string(out, path[0], strlen(path[0]));
    pq_buf_adds(out, lines || spaced ? ": " : ":");
    if (depth == 1) {
        pq_docker_json_string(out, value, strlen(value));
        return;
    }
    const char *newline = strrchr(indent, '\n');
    PQ_AUTO_FREE char *inner = lines ? pq_asprintf("%s%s", indent, newline + 1) : pq_strdup("");
    pq_buf_addf(out, "{%s", inner);
    add_chain(out, path + 1, depth - 1, value, inner, spaced);
    pq_buf_addf(out, "%s}", indent);
}

void pq_json_splice_set(pq_buf *text, const char *const *path, size_t depth, const char *value)
{
    PQ_AUTO_FREE char *outer = NULL;
    size_t at = skip_blanks(text->data, 0);
    for (;;) {
        object here = read_object(text->data, at, path[0]);
        PQ_AUTO_BUF with = PQ_BUF(text->cap);
        if (here.found && depth == 1) {
            pq_docker_json_string(&with, value, strlen(value));
            replace(text, here.wanted.value, here.wanted.end, &with);
            return;
        }
        PQ_AUTO_FREE char *indent = member_indent(text->data, &here, outer);
        if (here.found) {
            free(outer);
            outer = pq_steal(indent);
            at = here.wanted.value;
            path++;
            depth--;
            continue;
        }
        pq_buf_addf(&with, "%s%s", here.count ? "," : "", indent);
        bool spaced = here.count && strchr(" \t", text->data[here.last.value - 1]);
        add_chain(&with, path, depth, value, indent, spaced);
        if (here.count) {
            replace(text, here.last.end, here.last.end, &with);
        } else {
            const char *closing = outer ? outer : "\n";
            pq_buf_adds(&with, strchr(indent, '\n') ? closing : "");
            replace(text, here.start + 1, here.end - 1, &with);
        }
        return;
    }
}

bool pq_json_splice_remove(pq_buf *text, const char *const *path, size_t depth)
{
    size_t at = skip_blanks(text->data, 0);
    object here = read_object(text->data, at, path[0]);
    for (; here.found && depth > 1; depth--, path++)
        here = read_object(text->data, here.wanted.value, path[1]);
    if (!here.found)
        return false;
    const pq_buf nothing = PQ_BUF(0);
    if (here.count == 1)
        replace(text, here.start + 1, here.end - 1, &nothing);
    else if (here.after)
        replace(text, here.wanted.key, here.after, &nothing);
    else
        replace(text, here.before, here.wanted.end, &nothing);
    return true;
}
