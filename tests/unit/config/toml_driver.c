/* Prints a TOML document from standard input as JSON, or "error" (test_toml_tomllib.py). Numbers and dates are
 * {"other": TEXT}. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"
#include "config/toml.h"

static json_t *json_of(const pq_toml *value)
{
    json_t *json = NULL;
    switch (value->type) {
    case PQ_TOML_TEXT:
        return json_string(value->text);
    case PQ_TOML_BOOL:
        return json_boolean(value->truth);
    case PQ_TOML_OTHER:
        return json_pack("{s:s}", "other", value->text);
    case PQ_TOML_ARRAY:
        json = json_array();
        for (const pq_toml *child = value->first; child; child = child->next)
            if (json_array_append_new(json, json_of(child)) != 0)
                return NULL;
        return json;
    case PQ_TOML_TABLE:
        json = json_object();
        for (const pq_toml *child = value->first; child; child = child->next)
            if (json_object_set_new(json, child->key, json_of(child)) != 0)
                return NULL;
        return json;
    }
    return NULL;
}

int main(void)
{
    PQ_AUTO_BUF bytes = PQ_BUF(PQ_MAX_CONFIG);
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_TOML *root = NULL;
    if (!pq_read_fd(STDIN_FILENO, "standard input", &bytes, &err))
        return 2;
    if (!pq_toml_parse(pq_buf_text(&bytes), bytes.length, "f.toml", &root, &err)) {
        (void)puts("error");
        return 0;
    }
    json_t *json = json_of(root);
    int status = json && json_dumpf(json, stdout, 0) == 0 ? 0 : 2;
    json_decref(json);
    return status;
}
