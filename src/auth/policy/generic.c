/* Registries that take a user and a token: what the token must be able to do, in their own words. */
#include "auth/policy/kind.h"

static char *key(const pq_policy_options *options, const pq_config_registry *entry, const char *host)
{
    (void)options;
    (void)entry;
    return pq_strdup(host);
}

/* A host, or the end of one. */
static const struct {
    const char *host, *words;
} known[] = {
    {"docker.io",
     "a personal access token with the permission Read-only, of an account that may read these repositories and no "
     "other; or an organisation access token with Image Pull on just these repositories"},
    {"ghcr.io",
     "a classic personal access token with the scope read:packages alone, of an account with the role Read in these "
     "packages and no other; in GitHub Actions, its own GITHUB_TOKEN with `permissions: packages: read`"},
    {"quay.io", "a robot account with the permission Read on these repositories and no other"},
    {"registry.gitlab.com", "a deploy token with the scope read_registry alone: one for each project, or one of their "
                            "group; in GitLab CI, its "
                            "own job token (gitlab-ci-token)"},
};

static const char others[] =
    "an account or token that may pull these repositories and do no more: at Harbor a robot account with Pull "
    "Repository, at GitLab a deploy token with read_registry, at Quay a robot account with Read, at Gitea a token with "
    "read:package, at Nexus and Artifactory a user with the privilege to read";

static void make(const pq_policy_ask *ask, pq_policy *policy, pq_errors *errors)
{
    (void)errors;
    policy->identity = pq_policy_identity(ask->entry);
    const char *words = others;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (pq_streq(policy->registries.at[0], known[i].host))
            words = known[i].words;
    PQ_AUTO_FREE char *note = pq_asprintf("What the secret should hold: %s.", words);
    pq_policy_add(policy, note, NULL, NULL);
}

const pq_policy_kind pq_policy_kind_generic = {.type = PQ_REGISTRY_GENERIC, .key = key, .make = make};
