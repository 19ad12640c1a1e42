/* The digest of all that an image build depends on: what makes a second run free, since two runs of the same build give
 * different bytes and so different digests.
 *
 * Covered: the Dockerfile, every entry of the context (path, type, whether a file may be executed, contents or link
 * target; other permission bits differ between two clones of one revision), the build arguments, what each reference to
 * another image stood for, the platform. Not covered: what a build fetches by itself.
 */
#pragma once

#include "base/file.h"
#include "base/text.h"
#include "crypto/hash.h"

typedef struct pq_inputs {
    const char *dockerfile;      /* relative to the tree */
    const char *context;         /* relative to the tree */
    const char *platform;        /* linux/amd64 */
    const pq_strings *arguments; /* NAME=VALUE */
    const pq_strings *bases;     /* REFERENCE=DIGEST for each image that the Dockerfile refers to */
    const pq_strings *secrets;   /* ids that are mounted; their values do not count */
    bool with_git;               /* folders and files named .git are part of the context */
} pq_inputs;

/* "inputs-<64 hex>", a tag. Owned. */
bool pq_inputs_tag(const pq_tree *tree, const pq_inputs *inputs, char **out, pq_error *err) PQ_MUST_USE;
