/* Google's "Application Default Credentials": which identity the environment holds (google-auth-library-python,
 * google/auth/_default.py). In this order: the file that GOOGLE_APPLICATION_CREDENTIALS names, the one that `gcloud
 * auth application-default login` wrote ($CLOUDSDK_CONFIG, else ~/.config/gcloud), the machine's metadata server. */
#pragma once

#include "auth/google/file.h"

/* Reads the file, if there is one, into `out` (a sensitive buffer). `*out_path` is its path (owned), or NULL: then only
 * the metadata server is left. A variable that names what cannot be read is PQ_ECONFIG. */
bool pq_google_default_read(pq_buf *out, char **out_path, pq_error *err) PQ_MUST_USE;
