#include "auth/google/metadata.h"

#include <string.h>

#include "base/limits.h"

static const double first_wait = 1; /* seconds; who is there answers in milliseconds */
static const double token_wait = 3; /* Kubernetes fetches one first */
static const char elsewhere[] = "this machine is not one of Google Cloud: set GOOGLE_APPLICATION_CREDENTIALS, or run "
                                "`gcloud auth application-default login`";

char *pq_google_metadata_url(void)
{
    const char *host = getenv("GCE_METADATA_HOST");
    if (!host || !*host)
        return pq_strdup("http://169.254.169.254");
    for (const char *byte = host; *byte; byte++)
        if (!pq_ascii_alnum(*byte) && !strchr(".-:[]", *byte))
            return NULL;
    return pq_asprintf("http://%s", host);
}

static bool ask_for(const pq_google_ask *ask, const char *base, const char *what, double wait, pq_http_answer *out,
                    pq_error *err)
{
    PQ_AUTO_FREE char *url = pq_asprintf("%s/computeMetadata/v1/instance/service-accounts/default/%s", base, what);
    PQ_AUTO_STRINGS headers = {0};
    pq_strings_add(&headers, "Metadata-Flavor: Google");
    const pq_http_request request = {.method = "GET",
                                     .url = url,
                                     .where = ask->where,
                                     .headers = &headers,
                                     .answer_cap = PQ_MAX_TOKEN_ANSWER,
                                     .sensitive = true,
                                     .direct = true,
                                     .connect_timeout = first_wait,
                                     .try_timeout = wait,
                                     .tries = 1};
    if (!ask->send(ask->send_context, &request, out, err))
        return err->code == PQ_EINTERRUPTED ? false
                                            : pq_fail(err, PQ_ENOTFOUND, NULL, elsewhere, "nobody answers at %s", base);
    if (!pq_streq(pq_http_header(out, "Metadata-Flavor"), "Google"))
        return pq_fail(err, PQ_ENOTFOUND, NULL, elsewhere, "what answers at %s is no metadata server of Google's",
                       base);
    return true;
}

static char *account_in(const pq_http_answer *answer)
{
    const char *text = pq_buf_text(&answer->body);
    size_t length = strcspn(text, "\r\n");
    for (size_t i = 0; i < length; i++)
        if (!pq_ascii_alnum(text[i]) && !strchr("@.-_", text[i]))
            return NULL;
    return answer->status == 200 && length ? pq_strndup(text, length) : NULL;
}

bool pq_google_metadata_token(const pq_google_ask *ask, pq_access_token *out, char **out_account, pq_error *err)
{
    *out_account = NULL;
    PQ_AUTO_FREE char *base = pq_google_metadata_url();
    if (!base)
        return pq_fail(err, PQ_ECONFIG, "GCE_METADATA_HOST", NULL, "must be HOST[:PORT]");
    PQ_AUTO_ANSWER account = {0}, answer = {0};
    if (!ask_for(ask, base, "email", first_wait, &account, err))
        return false;
    if (account.status == 404)
        return pq_fail(err, PQ_ENOTFOUND, NULL, "attach a service account to the machine or to the pod",
                       "this machine runs as no service account");
    if (!ask_for(ask, base, "token", token_wait, &answer, err))
        return false;
    if (answer.status != 200) {
        PQ_AUTO_GOOGLE_FAULT fault = {0};
        pq_google_fault_read(pq_buf_text(&answer.body), answer.body.length, &fault);
        PQ_AUTO_FREE char *said = fault.said ? pq_asprintf(": %s", fault.said) : pq_strdup("");
        bool busy = answer.status == 429 || answer.status >= 500;
        return pq_fail(err, busy ? PQ_EBUSY : PQ_EDENIED, NULL, busy ? "try again later" : NULL,
                       "gives no token: status %ld%s", answer.status, said);
    }
    if (!pq_access_token_read(pq_buf_text(&answer.body), answer.body.length, PQ_GOOGLE_SERVICE, out, err))
        return false;
    *out_account = account_in(&account);
    return true;
}
