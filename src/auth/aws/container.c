#include "auth/aws/container.h"

#include <string.h>

#include "auth/aws/keys_json.h"
#include "auth/aws/plan.h"
#include "base/file.h"
#include "base/limits.h"

static const char who[] = "the container's credential service";
static const char relative[] = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
static const char full[] = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
static const char token_file[] = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
static const char token_variable[] = "AWS_CONTAINER_AUTHORIZATION_TOKEN";

enum { SECONDS = 2, TRIES = 3 };

/* https goes anywhere; http to loopback and to the addresses that ECS and EKS give to this service. */
static bool is_allowed(const char *url)
{
    static const char *const hosts[] = {"http://169.254.170.2", "http://169.254.170.23", "http://[fd00:ec2::23]"};
    bool allowed = pq_url_is_safe(url);
    PQ_AUTO_FREE char *host = pq_url_host(url);
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts && !allowed; i++)
        allowed = pq_starts_with(url, "http://") && pq_streq(host, hosts[i] + strlen("http://"));
    return allowed && host && !strpbrk(url, "#@ ");
}

/* Owned; NULL with an error. */
static char *find_url(pq_error *err)
{
    const char *path = pq_getenv(relative), *url = pq_getenv(full);
    if (path && (path[0] != '/' || strpbrk(path, " @#"))) {
        (void)pq_fail(err, PQ_ECONFIG, relative, NULL, "must be a path that begins with /");
        return NULL;
    }
    if (path)
        return pq_asprintf("http://169.254.170.2%s", path);
    if (url && is_allowed(url))
        return pq_strdup(url);
    (void)pq_fail(err, PQ_ECONFIG, full, NULL,
                  "must be an https URL, or http to loopback, 169.254.170.2, 169.254.170.23 or [fd00:ec2::23]");
    return NULL;
}

/* What goes into Authorization as it is; `*out` stays NULL when there is none. The file is read each time, for it is
 * renewed. */
static bool find_token(pq_secret **out, pq_error *err)
{
    const char *path = pq_getenv(token_file), *value = pq_getenv(token_variable);
    PQ_AUTO_BUF text = PQ_SENSITIVE_BUF(PQ_MAX_TOKEN_ANSWER);
    if (path && !pq_read_file(path, &text, err)) {
        err->code = err->code == PQ_ENOTFOUND || err->code == PQ_EINPUT ? PQ_ECONFIG : err->code;
        return pq_error_wrap(err, "%s", token_file);
    }
    if (!path)
        pq_buf_adds(&text, value ? value : "");
    for (size_t i = 0; i < text.length; i++)
        if (text.data[i] == '\r' || text.data[i] == '\n' || text.data[i] == '\0')
            return pq_fail(err, PQ_ECONFIG, path ? token_file : token_variable, "take the line end away",
                           "the authorization token has a line end in it");
    if (text.length)
        *out = pq_secret_from_buf(&text);
    return true;
}

bool pq_aws_container_check(pq_error *err)
{
    PQ_AUTO_SECRET *token = NULL;
    PQ_AUTO_FREE char *url = find_url(err);
    return url && find_token(&token, err);
}

bool pq_aws_container_keys(const pq_aws_caller *caller, pq_aws_keys *out, pq_error *err)
{
    PQ_AUTO_SECRET *token = NULL;
    PQ_AUTO_FREE char *url = find_url(err);
    if (!url || !find_token(&token, err))
        return false;
    PQ_AUTO_SENSITIVE_STRINGS headers = {0};
    pq_strings_add(&headers, "Accept: application/json");
    /* Not as `authorization`, which goes over TLS or to loopback only: the link-local address is this machine's own. */
    if (token)
        pq_strings_take(&headers, pq_asprintf("Authorization: %s", pq_secret_bytes(token)));
    const pq_http_request request = {.method = "GET",
                                     .url = url,
                                     .where = who,
                                     .headers = &headers,
                                     .answer_cap = PQ_MAX_TOKEN_ANSWER,
                                     .sensitive = true,
                                     .direct = true,
                                     .connect_timeout = SECONDS,
                                     .try_timeout = SECONDS,
                                     .tries = TRIES};
    PQ_AUTO_ANSWER answer = {0};
    if (!caller->send(caller->send_context, &request, &answer, err))
        return false;
    if (answer.status == 401 || answer.status == 403)
        return pq_fail(err, PQ_EDENIED, who, "is the authorization token that of this container?",
                       "refuses the token of %s: status %ld", pq_getenv(token_file) ? token_file : token_variable,
                       answer.status);
    if (answer.status != 200)
        return pq_fail(err, answer.status == 429 || answer.status >= 500 ? PQ_EBUSY : PQ_EFAILED, who, NULL,
                       "gives no keys: status %ld", answer.status);
    return pq_aws_keys_read_json(pq_buf_text(&answer.body), answer.body.length, PQ_AWS_FORM_METADATA, who, out, err);
}
