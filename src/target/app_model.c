#include "target/app_model.h"

#include <string.h>

#include "base/text.h"

/* Plain scalars that stay plain scalars of the same meaning wherever they are put, flow style included. */
static bool plain_everywhere(const char *text)
{
    bool word = false;
    for (const char *at = text; *at; at++) {
        word = word || pq_ascii_alnum(*at);
        if (!pq_ascii_alnum(*at) && !strchr("_./+-", *at))
            return false;
    }
    return word && !pq_starts_with(text, "---") && !pq_starts_with(text, "...");
}

static char *encode(pq_yaml_node node)
{
    pq_yaml_type type = pq_yaml_type_of(node);
    const char *text = pq_yaml_text(node);
    if (type == PQ_YAML_IS_NULL)
        return pq_strdup("0");
    bool plain = type == PQ_YAML_IS_BOOL || type == PQ_YAML_IS_NUMBER ||
                 (pq_yaml_style_of(node) == PQ_YAML_PLAIN && plain_everywhere(text));
    return pq_asprintf("%c%s", plain ? 'p' : 't', text);
}

typedef struct reading {
    const char *name;
    size_t bytes;
    pq_error *err;
} reading;

static json_t *read_node(reading *r, pq_yaml_node node);

static char *read_text(reading *r, pq_yaml_node node)
{
    r->bytes += pq_yaml_text_length(node) + 1;
    if (r->bytes <= PQ_APP_MODEL_MAX)
        return encode(node);
    PQ_AUTO_FREE char *where = pq_yaml_where(r->name, node);
    (void)pq_fail(r->err, PQ_EINPUT, where, NULL, "with its aliases followed this is too large");
    return NULL;
}

static json_t *read_mapping(reading *r, pq_yaml_node node)
{
    json_auto_t *object = json_object();
    pq_yaml_entry entry;
    for (size_t i = 0; pq_yaml_entry_at(node, i, &entry); i++) {
        if (!pq_yaml_text(entry.key)) {
            PQ_AUTO_FREE char *where = pq_yaml_where(r->name, entry.key);
            (void)pq_fail(r->err, PQ_EINPUT, where, NULL, "a Compose file has only texts as keys");
            return NULL;
        }
        PQ_AUTO_FREE char *key = read_text(r, entry.key);
        json_t *value = key ? read_node(r, entry.value) : NULL;
        if (!value)
            return NULL;
        if (json_object_set_new(object, key, value) != 0)
            abort(); /* the parser lets only UTF-8 through */
    }
    return json_incref(object);
}

static json_t *read_untagged(reading *r, pq_yaml_node node)
{
    if (pq_yaml_kind_of(node) == PQ_YAML_MAPPING)
        return read_mapping(r, node);
    if (pq_yaml_kind_of(node) == PQ_YAML_SEQUENCE) {
        json_auto_t *list = json_array();
        for (size_t i = 0; i < pq_yaml_size(node); i++) {
            json_t *value = read_node(r, pq_yaml_at(node, i));
            if (!value)
                return NULL;
            if (json_array_append_new(list, value) != 0)
                abort();
        }
        return json_incref(list);
    }
    PQ_AUTO_FREE char *text = read_text(r, node);
    return text ? json_string(text) : NULL;
}

static json_t *read_node(reading *r, pq_yaml_node node)
{
    const char *tag = pq_yaml_tag(node);
    json_t *value = read_untagged(r, node);
    return tag && value ? json_pack("{s:s,s:o}", "!", tag, "v", value) : value;
}

bool pq_app_model_of(const char *name, pq_yaml_node node, json_t **out, pq_error *err)
{
    reading r = {.name = name, .err = err};
    *out = read_node(&r, node);
    return *out != NULL;
}

json_t *pq_app_model_get(const json_t *object, const char *key)
{
    PQ_AUTO_FREE char *plain = pq_asprintf("p%s", key), *quoted = pq_asprintf("t%s", key);
    json_t *value = json_object_get(object, plain);
    return value ? value : json_object_get(object, quoted);
}

void pq_app_model_delete(json_t *object, const char *key)
{
    PQ_AUTO_FREE char *plain = pq_asprintf("p%s", key), *quoted = pq_asprintf("t%s", key);
    (void)json_object_del(object, plain);
    (void)json_object_del(object, quoted);
}

/* Double-quoted style of YAML 1.2, section 5.7. What readers of YAML 1.1 take for line breaks, and a byte order mark,
 * are escaped; everything else beyond ASCII stands as it is, since \u cannot write surrogates. */
void pq_app_model_add_quoted(const char *text, pq_buf *out)
{
    static const char *const special[][2] = {
        {"\"", "\\\""},          {"\\", "\\\\"},          {"\n", "\\n"},
        {"\t", "\\t"},           {"\r", "\\r"},           {"\xc2\x85", "\\N"},
        {"\xe2\x80\xa8", "\\L"}, {"\xe2\x80\xa9", "\\P"}, {"\xef\xbb\xbf", "\\uFEFF"},
    };
    pq_buf_addc(out, '"');
    while (*text) {
        size_t i = 0, count = sizeof special / sizeof *special;
        while (i < count && !pq_starts_with(text, special[i][0]))
            i++;
        if (i < count) {
            pq_buf_adds(out, special[i][1]);
            text += strlen(special[i][0]);
        } else if ((unsigned char)*text < ' ' || *text == '\x7f') {
            pq_buf_addf(out, "\\x%02x", (unsigned char)*text++);
        } else {
            pq_buf_addc(out, *text++);
        }
    }
    pq_buf_addc(out, '"');
}

static void add_scalar(const char *coded, pq_buf *out)
{
    if (*coded == '0')
        pq_buf_adds(out, "null");
    else if (*coded == 'p')
        pq_buf_adds(out, coded + 1);
    else
        pq_app_model_add_quoted(coded + 1, out);
}

/* A tag as resolved, in a form that resolves to it again. */
static void add_tag(const char *tag, pq_buf *out)
{
    if (*tag == '!')
        pq_buf_addf(out, "%s ", tag);
    else
        pq_buf_addf(out, "!<%s> ", tag);
}

void pq_app_model_add_flow(const json_t *value, pq_buf *out)
{
    if (json_is_string(value))
        return add_scalar(json_string_value(value), out);
    const char *tag = json_string_value(json_object_get(value, "!"));
    if (tag) {
        add_tag(tag, out);
        return pq_app_model_add_flow(json_object_get(value, "v"), out);
    }
    if (json_is_array(value)) {
        pq_buf_addc(out, '[');
        for (size_t i = 0; i < json_array_size(value); i++) {
            pq_buf_adds(out, i ? ", " : "");
            pq_app_model_add_flow(json_array_get(value, i), out);
        }
        pq_buf_addc(out, ']');
        return;
    }
    pq_buf_addc(out, '{');
    const char *key, *comma = "";
    json_t *member;
    json_object_foreach((json_t *)value, key, member)
    {
        pq_buf_adds(out, comma);
        add_scalar(key, out);
        pq_buf_adds(out, ": ");
        pq_app_model_add_flow(member, out);
        comma = ", ";
    }
    pq_buf_addc(out, '}');
}

void pq_app_model_add_block(const json_t *value, size_t indent, pq_buf *out)
{
    const char *tag = json_string_value(json_object_get(value, "!"));
    if (tag) {
        pq_buf_addc(out, ' ');
        pq_app_model_add_flow(value, out);
        pq_buf_addc(out, '\n');
    } else if (json_array_size(value)) {
        pq_buf_addc(out, '\n');
        for (size_t i = 0; i < json_array_size(value); i++) {
            pq_buf_addf(out, "%*s- ", (int)indent, "");
            pq_app_model_add_flow(json_array_get(value, i), out);
            pq_buf_addc(out, '\n');
        }
    } else if (json_object_size(value)) {
        pq_buf_addc(out, '\n');
        const char *key;
        json_t *member;
        json_object_foreach((json_t *)value, key, member)
        {
            pq_buf_addf(out, "%*s", (int)indent, "");
            add_scalar(key, out);
            pq_buf_addc(out, ':');
            pq_app_model_add_block(member, indent + 2, out);
        }
    } else {
        pq_buf_addc(out, ' ');
        pq_app_model_add_flow(value, out);
        pq_buf_addc(out, '\n');
    }
}
