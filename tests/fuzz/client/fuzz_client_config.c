#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "client/client_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static json_t *parse(const pq_client_config *config)
{
    json_t *root = json_loadb(config->text.data, config->text.length, 0, NULL);
    if (!root)
        abort();
    return root;
}

/* What is set is there, all else stays, and what is removed leaves what there was. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PQ_AUTO_CLIENT_CONFIG config = {0};
    PQ_AUTO_ERROR err = {0};
    if (!pq_client_config_read("a", data, size, &config, &err))
        return 0;
    json_t *before = parse(&config);
    PQ_AUTO_FREE char *was = pq_client_config_helper(&config, "a.b");
    pq_client_config_set(&config, "a.b", "pratique");
    pq_client_config_set(&config, "c.d:5", "pratique");
    if (config.text.overflow)
        return json_decref(before), 0;
    PQ_AUTO_FREE char *is = pq_client_config_helper(&config, "a.b");
    if (!pq_streq(is, "pratique"))
        abort();
    json_t *after = parse(&config);
    const char *key;
    json_t *value;
    json_object_foreach(before, key, value) if (strcmp(key, "credHelpers") != 0 &&
                                                !json_equal(value, json_object_get(after, key))) abort();
    json_object_foreach(json_object_get(before, "credHelpers"), key,
                        value) if (strcmp(key, "a.b") != 0 && strcmp(key, "c.d:5") != 0 &&
                                   !json_equal(value, json_object_get(json_object_get(after, "credHelpers"), key)))
        abort();
    bool clean = !was && !json_object_get(json_object_get(before, "credHelpers"), "a.b") &&
                 !json_object_get(json_object_get(before, "credHelpers"), "c.d:5");
    pq_client_config_remove(&config, "c.d:5", config.made_helpers);
    pq_client_config_remove(&config, "a.b", config.made_helpers);
    json_t *back = parse(&config);
    if (clean && !json_equal(before, back))
        abort();
    json_decref(before);
    json_decref(after);
    json_decref(back);
    return 0;
}
