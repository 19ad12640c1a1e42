/* device.yml: who the device is, and the registries that it may pull from. What it says goes into `device` and
 * `registries` of a pq_config. */
#pragma once

#include "base/error.h"
#include "config/model.h"

/* Where it is unless somebody names another. */
#define PQ_DEVICE_CONFIG "/etc/pratique/device.yml"

/* As pq_config_parse() and pq_config_load(). */
bool pq_config_parse_device(const void *bytes, size_t length, const char *name, pq_config *out,
                            pq_errors *errs) PQ_MUST_USE;
bool pq_config_load_device(const char *path, const char *name, pq_config *out, pq_errors *errs) PQ_MUST_USE;
/* The key by which an entry says where its identity comes from, "iot"; NULL for those of a factory. */
const char *pq_config_device_way(pq_config_auth auth);
