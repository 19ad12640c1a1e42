#include "auth/aws/instance.h"

#include <string.h>

#include "auth/aws/keys_json.h"
#include "auth/aws/plan.h"
#include "base/limits.h"

static const char who[] = "the instance metadata service";
static const char roles[] = "/latest/meta-data/iam/security-credentials/";

enum { MOST_SECONDS = 60, MOST_TRIES = 10 };

/* A small number of the environment, or 1. */
static unsigned number_of(const char *variable, unsigned most)
{
    const char *text = pq_getenv(variable);
    uint64_t number;
    return text && pq_parse_number(text, most, &number) && number > 0 ? (unsigned)number : 1;
}

/* Without a final slash. Owned, NULL when it is a place that must not be asked. */
static char *find_endpoint(void)
{
    static const char v4[] = "http://169.254.169.254", v6[] = "http://[fd00:ec2::254]";
    const char *mode = pq_getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
    const char *given = pq_getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    if (!given)
        return pq_strdup(mode && pq_ascii_equal_nocase(mode, "ipv6") ? v6 : v4);
    if (!pq_url_is_safe(given) && !pq_url_same_origin(given, v4) && !pq_url_same_origin(given, v6))
        return NULL;
    size_t length = strlen(given);
    while (length && given[length - 1] == '/')
        length--;
    return strpbrk(given, "?#@ ") ? NULL : pq_strndup(given, length);
}

bool pq_aws_instance_check(pq_error *err)
{
    PQ_AUTO_FREE char *endpoint = find_endpoint();
    return endpoint || pq_fail(err, PQ_ECONFIG, "AWS_EC2_METADATA_SERVICE_ENDPOINT", NULL,
                               "must be an https URL, or http to loopback, 169.254.169.254 or [fd00:ec2::254]");
}

static bool ask(const pq_aws_caller *caller, const char *method, const char *url, const char *header,
                pq_http_answer *out, pq_error *err)
{
    PQ_AUTO_SENSITIVE_STRINGS headers = {0};
    pq_strings_add(&headers, header);
    double seconds = number_of("AWS_METADATA_SERVICE_TIMEOUT", MOST_SECONDS);
    const pq_http_request request = {.method = method,
                                     .url = url,
                                     .where = who,
                                     .headers = &headers,
                                     .answer_cap = PQ_MAX_TOKEN_ANSWER,
                                     .sensitive = true,
                                     .repeatable = true,
                                     .direct = true,
                                     .connect_timeout = seconds,
                                     .try_timeout = seconds,
                                     .tries = number_of("AWS_METADATA_SERVICE_NUM_ATTEMPTS", MOST_TRIES)};
    return caller->send(caller->send_context, &request, out, err);
}

static bool fail_status(const char *what, long status, pq_error *err)
{
    return pq_fail(err, status == 429 || status >= 500 ? PQ_EBUSY : PQ_EFAILED, who, NULL, "%s: status %ld", what,
                   status);
}

/* One line of printable text, which a header or a path can take. Borrowed from the answer; NULL otherwise. */
static const char *line_of(pq_http_answer *answer)
{
    pq_buf *body = &answer->body;
    while (body->length && pq_ascii_space(body->data[body->length - 1]))
        pq_buf_truncate(body, body->length - 1);
    for (size_t i = 0; i < body->length; i++)
        if (body->data[i] <= ' ' || body->data[i] > '~')
            return NULL;
    return body->length ? pq_buf_text(body) : NULL;
}

static bool get_token(const pq_aws_caller *caller, const char *endpoint, char **out_header, pq_error *err)
{
    PQ_AUTO_ANSWER answer = {0};
    PQ_AUTO_FREE char *url = pq_asprintf("%s/latest/api/token", endpoint);
    if (!ask(caller, "PUT", url, "X-aws-ec2-metadata-token-ttl-seconds: 21600", &answer, err)) {
        if (err->code == PQ_ETRANSPORT) {
            free(err->hint);
            err->hint = pq_strdup("on EC2 in a container, the instance's hop limit must be 2: `aws ec2 "
                                  "modify-instance-metadata-options --http-put-response-hop-limit 2`");
        }
        return false;
    }
    if (answer.status != 200)
        return fail_status("gives no session", answer.status, err);
    const char *token = line_of(&answer);
    if (!token)
        return pq_fail(err, PQ_EFAILED, who, NULL, "gives no session, but something else");
    *out_header = pq_asprintf("X-aws-ec2-metadata-token: %s", token);
    return true;
}

static bool get_role(const pq_aws_caller *caller, const char *endpoint, const char *header, char **out, pq_error *err)
{
    PQ_AUTO_ANSWER answer = {0};
    PQ_AUTO_FREE char *url = pq_asprintf("%s%s", endpoint, roles);
    if (!ask(caller, "GET", url, header, &answer, err))
        return false;
    if (answer.status == 404)
        return pq_fail(err, PQ_EDENIED, who, "attach an instance profile with a role that may pull",
                       "this instance has no role");
    if (answer.status != 200)
        return fail_status("does not tell the role", answer.status, err);
    const char *role = line_of(&answer);
    if (!role || strpbrk(role, "/?#<>"))
        return pq_fail(err, PQ_EFAILED, who, NULL, "does not tell the role, but something else");
    *out = pq_url_escape(role);
    return true;
}

bool pq_aws_instance_keys(const pq_aws_caller *caller, pq_aws_keys *out, pq_error *err)
{
    PQ_AUTO_FREE char *endpoint = find_endpoint();
    PQ_AUTO_SENSITIVE_STRINGS session = {0};
    char *header = NULL;
    if (!endpoint)
        return pq_aws_instance_check(err);
    if (!get_token(caller, endpoint, &header, err))
        return false;
    pq_strings_take(&session, header);
    PQ_AUTO_FREE char *role = NULL;
    if (!get_role(caller, endpoint, header, &role, err))
        return false;
    PQ_AUTO_ANSWER answer = {0};
    PQ_AUTO_FREE char *url = pq_asprintf("%s%s%s", endpoint, roles, role);
    if (!ask(caller, "GET", url, header, &answer, err))
        return false;
    if (answer.status != 200)
        return fail_status("gives no keys", answer.status, err);
    return pq_aws_keys_read_json(pq_buf_text(&answer.body), answer.body.length, PQ_AWS_FORM_METADATA, who, out, err);
}
