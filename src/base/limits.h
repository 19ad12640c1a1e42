/* Every cap on what outside input may make us hold, in bytes unless the name says otherwise. One page, so that a reader
 * sees what the program can be made to allocate. */
#pragma once

#define PQ_MAX_CONFIG (1u << 20)         /* factory-config.yml, registries.conf */
#define PQ_MAX_TOML_NODES 10000u         /* values of registries.conf */
#define PQ_MAX_TOML_DEPTH 32u            /* arrays, inline tables and parts of keys within one another */
#define PQ_MAX_SECRET (1u << 20)         /* one secret; larger than any credentials file seen */
#define PQ_MAX_TREE_FILE (1u << 20)      /* a Dockerfile, Compose file or .env of a scanned tree */
#define PQ_MAX_YAML_NODES 100000u        /* nodes visited while walking one YAML document, aliases included */
#define PQ_MAX_YAML_DEPTH 64u            /* nesting, aliases included */
#define PQ_MAX_EXPANSION (64u << 10)     /* one value after variable expansion */
#define PQ_MAX_EXPANSION_DEPTH 64u       /* ${…} within ${…} */
#define PQ_MAX_MANIFEST (4u << 20)       /* a manifest or index; registries cap at 4 MiB themselves */
#define PQ_MAX_TOKEN_ANSWER (64u << 10)  /* an answer of a token endpoint */
#define PQ_MAX_API_ANSWER (256u << 10)   /* an answer of a cloud's API */
#define PQ_MAX_ERROR_BODY (16u << 10)    /* how much of a failed answer is read */
#define PQ_MAX_HEADER_LINE (64u << 10)   /* one header of an answer */
#define PQ_MAX_METADATA (8u << 20)       /* a TUF metadata file */
#define PQ_MAX_BUNDLE (256u << 20)       /* a Compose App bundle, uncompressed */
#define PQ_MAX_BUNDLE_FILES 20000u       /* entries of a Compose App bundle */
#define PQ_MAX_BUILD_LOG (64u << 20)     /* what a build says, in its log */
#define PQ_MAX_MESSAGE (64u << 10)       /* a message that we print */
#define PQ_MAX_TEXT (64u << 20)          /* text that we build ourselves */
#define PQ_MAX_BINDING (1u << 20)        /* the binding beside a client's configuration */
#define PQ_MAX_TOKEN_ENTRY (256u << 10)  /* an entry of the token cache */
#define PQ_MAX_TOKEN_SOURCES 16u         /* files that an entry was made from */
#define PQ_MAX_CLIENT_CONFIG (4u << 20)  /* docker's config.json, containers/auth.json */
#define PQ_MAX_CLIENT_REQUEST (1u << 20) /* what a client says on standard input: credentials to store, a kubelet */
