/* A file with a cloud's key, or a user and a password, that was copied to a device (`credentials_file` in device.yml):
 * for bootstrapping only. It is what a secret is, with the same rules for what may stand in it; but nobody can take it
 * back from a device that is lost. So each use of it is told, with what replaces it. */
#pragma once

#include "base/secret.h"
#include "config/config.h"

/* Reads the entry's file, and warns. PQ_ECONFIG with `where` when it is not there, when somebody else owns it, or may
 * read or change it. */
bool pq_static_file_read(const pq_config_registry *entry, const char *where, pq_secret **out,
                         pq_error *err) PQ_MUST_USE;
