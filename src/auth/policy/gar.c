/* Google Artifact Registry: a binding of roles/artifactregistry.reader for each repository. One repository there holds
 * many images: `us-docker.pkg.dev/PROJECT/REPOSITORY/IMAGE`. What once was Container Registry are repositories that are
 * called as their hosts (Artifact Registry, "gcr.io domain support"). */
#include <jansson.h>
#include <string.h>

#include "auth/common/json_memory.h"
#include "auth/policy/device.h"

static char *key(const pq_policy_options *options, const pq_config_registry *entry, const char *host)
{
    (void)options;
    (void)host;
    return pq_asprintf("%u", entry->line);
}

/* --- who gets it -------------------------------------------------------------------------------------------------- */

static bool is_account(const char *text)
{
    if (!text || !strchr(text, '@'))
        return false;
    for (const char *at = text; *at; at++)
        if (!pq_ascii_alnum(*at) && !strchr("@.-_", *at))
            return false;
    return true;
}

/* The pool that a provider's name is in: projects/N/locations/global/workloadIdentityPools/POOL. Owned, or NULL. */
static char *pool_of(const char *provider)
{
    static const char host[] = "//iam.googleapis.com/";
    if (!provider)
        return NULL;
    if (pq_starts_with(provider, host))
        provider += sizeof host - 1;
    const char *end = strstr(provider, "/providers/");
    for (const char *at = provider; *at; at++)
        if (!pq_ascii_alnum(*at) && !strchr("/.-_", *at))
            return NULL;
    return pq_starts_with(provider, "projects/") && end ? pq_strndup(provider, (size_t)(end - provider)) : NULL;
}

/* …/serviceAccounts/EMAIL:generateAccessToken. Owned, or NULL. */
static char *impersonated(const char *url)
{
    static const char before[] = "/serviceAccounts/";
    const char *at = url ? strstr(url, before) : NULL;
    return at ? pq_strndup(at + sizeof before - 1, strcspn(at + sizeof before - 1, ":")) : NULL;
}

/* Who a key file or an external_account file is, as far as it says so and it is no secret. */
static void read_secret(const pq_secret *secret, char **account, char **pool)
{
    pq_json_wipe_memory();
    json_t *root = json_loadb(pq_secret_bytes(secret), pq_secret_length(secret), JSON_REJECT_DUPLICATES, NULL);
    const char *email = json_string_value(json_object_get(root, "client_email"));
    *account = email ? pq_strdup(email)
                     : impersonated(json_string_value(json_object_get(root, "service_account_impersonation_url")));
    *pool = pool_of(json_string_value(json_object_get(root, "audience")));
    if (!is_account(*account))
        free(pq_steal(*account));
    json_decref(root);
}

static char *member_of(const pq_policy_ask *ask)
{
    PQ_AUTO_FREE char *account = pq_strdup(ask->entry->service_account.text);
    PQ_AUTO_FREE char *pool = pool_of(ask->entry->workload_identity_provider.text);
    if (!account && ask->secret) {
        free(pq_steal(pool));
        read_secret(ask->secret, &account, &pool);
    }
    if (account)
        return pq_asprintf("serviceAccount:%s", account);
    PQ_AUTO_FREE char *wanted =
        pool ? pq_shell_wanted(ask->entry, "OIDC_SUBJECT", "the claim sub of the CI token")
             : pq_shell_wanted(ask->entry, "SERVICE_ACCOUNT", "the e-mail address of the service account");
    if (pool)
        return pq_asprintf("principal://iam.googleapis.com/%s/subject/%s", pool, wanted);
    return pq_asprintf("serviceAccount:%s", wanted);
}

/* --- to what ------------------------------------------------------------------------------------------------------ */

typedef struct place {
    char *location, *project, *repository;
} place;

static void clear_place(place *where)
{
    free(where->location);
    free(where->project);
    free(where->repository);
}
#define AUTO_PLACE PQ_CLEANUP(clear_place) place

/* The next component of a path, or NULL. Owned. */
static char *next(const char **at)
{
    size_t length = strcspn(*at, "/");
    char *part = length ? pq_strndup(*at, length) : NULL;
    *at += length + ((*at)[length] == '/');
    return part;
}

/* Whose repository has the name of its host, and where. */
static const char *location_of_gcr(const char *host)
{
    static const struct {
        const char *host, *location;
    } places[] = {{"gcr.io", "us"}, {"us.gcr.io", "us"}, {"eu.gcr.io", "europe"}, {"asia.gcr.io", "asia"}};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (pq_streq(places[i].host, host))
            return places[i].location;
    return NULL;
}

static char *location_of(const char *host)
{
    static const char before[] = "docker.";
    const char *gcr = location_of_gcr(host);
    if (gcr)
        return pq_strdup(gcr);
    if (pq_ends_with(host, "-docker.pkg.dev"))
        return pq_strndup(host, strlen(host) - strlen("-docker.pkg.dev"));
    if (pq_starts_with(host, before) && pq_ends_with(host, ".rep.pkg.dev"))
        return pq_strndup(host + strlen(before), strlen(host) - strlen(before) - strlen(".rep.pkg.dev"));
    return NULL;
}

static bool read_place(const char *name, place *out)
{
    const char *rest = pq_policy_repository(name);
    PQ_AUTO_FREE char *host = pq_policy_host(name);
    out->location = location_of(host);
    out->project = next(&rest);
    /* A project of a domain is DOMAIN:PROJECT elsewhere, and DOMAIN/PROJECT in a path. */
    if (out->project && strchr(out->project, '.')) {
        PQ_AUTO_FREE char *domain = pq_steal(out->project);
        PQ_AUTO_FREE char *project = next(&rest);
        out->project = project ? pq_asprintf("%s:%s", domain, project) : NULL;
    }
    out->repository = location_of_gcr(host) ? pq_strdup(host) : next(&rest);
    return out->location && out->project && out->repository && *rest;
}

/* What is bound in one repository; the three words are for a shell, each behind a blank. */
static char *binding_of(const char *repository, const char *location, const char *project, const char *member)
{
    return pq_asprintf("gcloud artifacts repositories add-iam-policy-binding%s --location%s --project%s --member %s "
                       "--role roles/artifactregistry.reader --condition None",
                       repository, location, project, member);
}

/* The binding for a name, or NULL with an error. Owned. */
static char *bind_name(const char *name, const char *member, pq_errors *errors)
{
    AUTO_PLACE where = {0};
    if (!read_place(name, &where)) {
        (void)pq_errors_add(errors, PQ_EFAILED, name, "write HOST/PROJECT/REPOSITORY/IMAGE, or gcr.io/PROJECT/IMAGE",
                            "names no repository of Artifact Registry");
        return NULL;
    }
    PQ_AUTO_BUF repository = PQ_BUF(SIZE_MAX / 2), location = PQ_BUF(SIZE_MAX / 2), project = PQ_BUF(SIZE_MAX / 2);
    pq_shell_add(&repository, where.repository);
    pq_shell_add(&location, where.location);
    pq_shell_add(&project, where.project);
    return binding_of(pq_buf_text(&repository), pq_buf_text(&location), pq_buf_text(&project), member);
}

/* The same where no repository is named: an administrator knows which they are. Owned. */
static char *bind_wanted(const pq_policy_ask *ask, const char *name, const char *member)
{
    const char *known_host = ask->entry->host.text;
    PQ_AUTO_FREE char *host = pq_policy_host(name);
    PQ_AUTO_FREE char *known = known_host ? location_of(host) : NULL;
    PQ_AUTO_FREE char *location =
        known ? pq_strdup(known) : pq_shell_wanted(ask->entry, "LOCATION", "where the repository is, such as us");
    PQ_AUTO_FREE char *repository = pq_shell_wanted(ask->entry, "REPOSITORY", "the repository that devices pull from");
    PQ_AUTO_FREE char *project = pq_shell_wanted(ask->entry, "REPOSITORY_PROJECT", "the project of that repository");
    PQ_AUTO_FREE char *of = pq_asprintf(" %s", repository);
    PQ_AUTO_FREE char *at = pq_asprintf(" %s", location);
    PQ_AUTO_FREE char *in = pq_asprintf(" %s", project);
    return binding_of(of, at, in, member);
}

/* Who is to read: one, or each device. */
static void find_members(const pq_policy_ask *ask, pq_policy *policy, pq_strings *out)
{
    PQ_AUTO_FREE char *pool = pool_of(ask->entry->audience.text);
    if (pool)
        pq_policy_device_federation(ask, policy, pool);
    if (pool && !ask->entry->service_account.text)
        pq_policy_device_principals(ask, pool, out);
    else
        pq_strings_take(out, member_of(ask));
}

static void make(const pq_policy_ask *ask, pq_policy *policy, pq_errors *errors)
{
    PQ_AUTO_STRINGS members = {0}, seen = {0};
    policy->identity = pq_policy_identity(ask->entry);
    find_members(ask, policy, &members);
    const char *note = "The role Artifact Registry Reader in each repository. A repository holds all the images below "
                       "it; nothing smaller can be given.";
    for (size_t i = 0; i < policy->repositories.count * members.count; i++) {
        const char *name = policy->repositories.at[i / members.count], *member = members.at[i % members.count];
        PQ_AUTO_FREE char *command =
            pq_policy_is_all(name) ? bind_wanted(ask, name, member) : bind_name(name, member, errors);
        if (!command || !pq_strings_add_once(&seen, command))
            continue;
        pq_policy_add(policy, note, pq_steal(command), NULL);
        note = NULL;
    }
}

const pq_policy_kind pq_policy_kind_gar = {.type = PQ_REGISTRY_GAR, .key = key, .make = make};
