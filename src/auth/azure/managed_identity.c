#include "auth/azure/managed_identity.h"

#include <jansson.h>
#include <string.h>

#include "auth/common/service_words.h"
#include "base/limits.h"

static const char imds[] = "http://169.254.169.254";
static const char who[] = "the managed identity service";

/* Where to ask, and how. */
typedef struct place {
    char *base;         /* what errors name */
    char *url;          /* without a query */
    const char *header; /* the secret of App Service; borrowed from the environment; NULL for IMDS */
} place;

static void place_clear(place *at)
{
    free(at->base);
    free(at->url);
}

/* Http is for this machine's own neighbours only: loopback, and the link that no router forwards (RFC 3927). */
static bool is_near(const char *url)
{
    static const char link[] = "http://169.254.";
    size_t rest = pq_starts_with(url, link) ? strspn(url + sizeof link - 1, "0123456789.") : 0;
    const char *end = url + sizeof link - 1 + rest;
    return pq_url_is_safe(url) || (rest && (*end == '\0' || *end == '/' || *end == ':'));
}

static void find_place(place *out)
{
    const char *endpoint = pq_getenv("IDENTITY_ENDPOINT"), *header = pq_getenv("IDENTITY_HEADER");
    if (endpoint && header) {
        *out = (place){.base = pq_strdup(endpoint), .url = pq_strdup(endpoint), .header = header};
        return;
    }
    const char *base = pq_getenv("AZURE_POD_IDENTITY_AUTHORITY_HOST");
    base = base ? base : imds;
    size_t length = strlen(base);
    while (length && base[length - 1] == '/')
        length--;
    out->base = pq_strndup(base, length);
    out->url = pq_asprintf("%s/metadata/identity/oauth2/token", out->base);
}

char *pq_managed_identity_place(void)
{
    PQ_CLEANUP(place_clear) place at = {0};
    find_place(&at);
    return pq_asprintf("managed identity at %s", at.base);
}

bool pq_managed_identity_check(const char *where, pq_error *err)
{
    PQ_CLEANUP(place_clear) place at = {0};
    find_place(&at);
    if (at.header && pq_getenv("IDENTITY_SERVER_THUMBPRINT"))
        return pq_fail(err, PQ_ECONFIG, where, "use a federated identity or a secret there",
                       "auth: environment: the managed identity of Service Fabric is not supported");
    if (strpbrk(at.url, "?#@ \r\n") || !is_near(at.url) || (at.header && strpbrk(at.header, "\r\n")))
        return pq_fail(err, PQ_ECONFIG, where, "write an https URL, or http on loopback or 169.254.x.x",
                       "auth: environment: %s is no address to get an identity from",
                       at.header ? "IDENTITY_ENDPOINT" : "AZURE_POD_IDENTITY_AUTHORITY_HOST");
    return true;
}

char *pq_managed_identity_reason(const pq_http_answer *answer)
{
    json_t *json = json_loadb(pq_buf_text(&answer->body), answer->body.length, 0, NULL);
    const json_t *said = json_object_get(json, "error_description");
    if (!json_string_length(said))
        said = json_object_get(json, "message");
    char *words = pq_service_words(json_string_value(said), json_string_length(said));
    json_decref(json);
    return words;
}

static bool ask(const pq_managed_identity_call *call, const place *at, const char *url, const pq_strings *headers,
                double seconds, unsigned tries, pq_http_answer *answer, pq_error *err)
{
    const pq_http_request request = {.method = "GET",
                                     .url = url,
                                     .where = at->base,
                                     .headers = headers,
                                     .answer_cap = PQ_MAX_TOKEN_ANSWER,
                                     .sensitive = true,
                                     .direct = true,
                                     .connect_timeout = 1,
                                     .try_timeout = seconds,
                                     .tries = tries};
    return call->send(call->send_context, &request, answer, err);
}

/* A token may take seconds, and where there is no IMDS its address swallows everything. A request without the header is
 * refused at once: that tells the one from the other within a second (as azure-identity does). */
static bool is_there(const pq_managed_identity_call *call, const place *at, pq_error *err)
{
    PQ_AUTO_ANSWER answer = {0};
    PQ_AUTO_ERROR reason = {0};
    PQ_AUTO_STRINGS none = {0};
    if (ask(call, at, at->url, &none, 1, 1, &answer, &reason))
        return true;
    if (reason.code == PQ_EINTERRUPTED) {
        pq_error_move(err, &reason);
        return false;
    }
    return pq_fail(err, PQ_ETRANSPORT, NULL,
                   "set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, AZURE_CLIENT_CERTIFICATE_PATH or "
                   "AZURE_FEDERATED_TOKEN_FILE where there is no managed identity",
                   "no managed identity service answers: %s", reason.message);
}

static bool fail_refused(const pq_managed_identity_call *call, const pq_http_answer *answer, pq_error *err)
{
    PQ_AUTO_FREE char *reason = pq_managed_identity_reason(answer);
    const char *colon = reason ? ": " : "", *said = reason ? reason : "";
    long status = answer->status;
    /* 410: the service is being updated (Azure, "How to use managed identities … to acquire an access token"). */
    if (status == 410 || status == 429 || status >= 500)
        return pq_fail(err, PQ_EBUSY, NULL, "try again later", "%s is busy (status %ld)%s%s", who, status, colon, said);
    if (status == 400 || status == 401 || status == 403 || status == 404)
        return pq_fail(err, PQ_EDENIED, NULL,
                       call->client ? "is the identity with that client id assigned to this machine?"
                                    : "assign an identity to this machine, or name a user-assigned one with "
                                      "azure_client_id",
                       "%s gives no token (status %ld)%s%s", who, status, colon, said);
    return pq_fail(err, PQ_EFAILED, NULL, NULL, "%s answered with status %ld%s%s", who, status, colon, said);
}

bool pq_managed_identity_get_token(const pq_managed_identity_call *call, pq_access_token *out, pq_error *err)
{
    enum { TOKEN_SECONDS = 5, TRIES = 3 };
    PQ_CLEANUP(place_clear) place at = {0};
    find_place(&at);
    *out = (pq_access_token){0};
    if (!is_there(call, &at, err))
        return false;
    PQ_AUTO_BUF url = PQ_BUF(PQ_MAX_TEXT);
    PQ_AUTO_SENSITIVE_STRINGS headers = {0};
    pq_buf_addf(&url, "%s?api-version=%s&resource=", at.url, at.header ? "2019-08-01" : "2018-02-01");
    pq_url_add_escaped(&url, call->resource, strlen(call->resource));
    if (call->client) {
        pq_buf_adds(&url, "&client_id=");
        pq_url_add_escaped(&url, call->client, strlen(call->client));
    }
    if (at.header)
        pq_strings_take(&headers, pq_asprintf("X-IDENTITY-HEADER: %s", at.header));
    else
        pq_strings_add(&headers, "Metadata: true");
    PQ_AUTO_ANSWER answer = {0};
    if (!ask(call, &at, pq_buf_text(&url), &headers, TOKEN_SECONDS, TRIES, &answer, err))
        return false;
    if (answer.status != 200)
        return fail_refused(call, &answer, err);
    return pq_access_token_read(pq_buf_text(&answer.body), answer.body.length, who, out, err);
}
