#include "registry/token.h"

#include <jansson.h>
#include <libpsl.h>
#include <string.h>

#include "auth/common/jwt.h"
#include "base/limits.h"
#include "crypto/hash.h"

const char pq_hint_no_login[] = "add it to container_registries in factory-config.yml, with its secret";
const char pq_hint_no_login_or_name[] =
    "add it to container_registries in factory-config.yml, with its secret; or correct "
    "the name: some registries also say this of what does not exist";
const char pq_hint_no_right_or_name[] =
    "give it the right to pull there, or correct the name: some registries also say this of what does not exist";

pq_secret *pq_basic_authorization(const pq_credential *credential)
{
    PQ_AUTO_BUF pair = PQ_SENSITIVE_BUF(2 * PQ_MAX_SECRET), header = PQ_SENSITIVE_BUF(4 * PQ_MAX_SECRET);
    pq_buf_addf(&pair, "%s:", credential->username);
    pq_buf_add(&pair, pq_secret_bytes(credential->secret), pq_secret_length(credential->secret));
    pq_buf_adds(&header, "Basic ");
    pq_base64_add(&header, pq_buf_text(&pair), pair.length);
    return pq_secret_from_buf(&header);
}

/* The host of an http(s) URL, lower case, without port and brackets. Owned; NULL when there is none. */
static char *host_of_url(const char *url)
{
    const char *start = strstr(url, "://");
    if (!start)
        return NULL;
    start += 3;
    size_t length = strcspn(start, "/?#");
    /* Nothing that two parsers could read in two ways: a backslash, %2f, a blank, letters that a mapping turns into
     * others. */
    for (size_t i = 0; i < length; i++)
        if (!pq_ascii_alnum(start[i]) && !strchr(".-_:[]", start[i]))
            return NULL;
    PQ_AUTO_FREE char *host = pq_strndup(start, length);
    char *port = strrchr(host, ':');
    if (port && !strchr(port, ']'))
        *port = '\0';
    pq_ascii_lower_in_place(host);
    return pq_steal(host);
}

/* Below these, each name is another customer's, also where the public suffix list does not say so. */
static bool is_tenant(const char *host)
{
    static const char *const shared[] = {".azurecr.io",       ".azurecr.cn", ".azurecr.us", ".amazonaws.com",
                                         ".amazonaws.com.cn", ".on.aws",     ".pkg.dev",    ".gcr.io"};
    for (size_t i = 0; i < sizeof shared / sizeof *shared; i++)
        if (pq_ends_with(host, shared[i]))
            return true;
    return false;
}

/* The end of an address says nothing about whose it is: 10.0.0.5 and 192.0.0.5 would share the "domain" 0.5. */
static bool is_address(const char *host)
{
    return *host == '[' || strspn(host, "0123456789.") == strlen(host);
}

static bool same_site(const char *a, const char *b)
{
    if (strcmp(a, b) == 0)
        return true;
    if (is_tenant(a) || is_tenant(b) || is_address(a) || is_address(b))
        return false;
    const psl_ctx_t *psl = psl_builtin();
    const char *left = psl ? psl_registrable_domain(psl, a) : NULL;
    const char *right = psl ? psl_registrable_domain(psl, b) : NULL;
    return left && right && strcmp(left, right) == 0;
}

bool pq_realm_allowed(const char *base, const char *realm, const char *host, pq_error *err)
{
    PQ_AUTO_FREE char *ours = host_of_url(base);
    PQ_AUTO_FREE char *theirs = host_of_url(realm);
    if (!theirs || !pq_url_is_safe(realm))
        return pq_fail(err, PQ_EFAILED, host, "its token service must use https",
                       "the registry asks for credentials to be sent to a place that is not https");
    if (!ours || !same_site(ours, theirs))
        return pq_fail(err, PQ_EFAILED, host, "ask the registry's owner; no credential was sent",
                       "the registry asks for credentials to be sent to %s, a stranger's host", theirs);
    return true;
}

char *pq_token_url(const char *realm, const char *service, const char *scope)
{
    PQ_AUTO_BUF url = PQ_BUF(PQ_MAX_TEXT);
    pq_buf_adds(&url, realm);
    pq_buf_adds(&url, strchr(realm, '?') ? "&" : "?");
    if (service) {
        PQ_AUTO_FREE char *escaped = pq_url_escape(service);
        pq_buf_addf(&url, "service=%s&", escaped);
    }
    if (*scope) {
        PQ_AUTO_FREE char *escaped = pq_url_escape(scope);
        pq_buf_addf(&url, "scope=%s&", escaped);
    }
    pq_buf_adds(&url, "client_id=pratique");
    return pq_buf_steal(&url);
}

pq_secret *pq_token_form(const pq_credential *identity, const char *service, const char *scope)
{
    PQ_AUTO_BUF form = PQ_SENSITIVE_BUF(PQ_MAX_TEXT);
    pq_form_add(&form, "grant_type", "refresh_token");
    if (service)
        pq_form_add(&form, "service", service);
    if (*scope)
        pq_form_add(&form, "scope", scope);
    pq_form_add(&form, "client_id", "pratique");
    pq_form_add_secret(&form, "refresh_token", identity->secret);
    return pq_secret_from_buf(&form);
}

static void json_release(json_t **value)
{
    json_decref(*value);
}

char *pq_registry_reason(const pq_http_answer *answer)
{
    enum { LONGEST = 300 };
    if (!answer->body.length)
        return NULL;
    PQ_CLEANUP(json_release)
    json_t *root = json_loadb(answer->body.data, answer->body.length, 0, NULL);
    const json_t *first = json_array_get(json_object_get(root, "errors"), 0);
    const char *code = json_string_value(json_object_get(first, "code"));
    const char *message = json_string_value(json_object_get(first, "message"));
    if (!message)
        message = json_string_value(json_object_get(root, "error_description"));
    if (!message)
        message = json_string_value(json_object_get(root, "details"));
    if (!message && !code)
        return NULL;
    PQ_AUTO_BUF text = PQ_BUF(PQ_MAX_MESSAGE);
    if (message)
        pq_buf_add_printable(&text, message, strnlen(message, LONGEST));
    if (code)
        pq_buf_addf(&text, "%s%.64s%s", message ? " (" : "", code, message ? ")" : "");
    return pq_buf_steal(&text);
}

char *pq_registry_later(const pq_http_answer *answer)
{
    double wait = pq_http_retry_after(answer);
    return wait >= 1 ? pq_asprintf("try again in %.0f s, as it asks", wait) : pq_strdup("try again later");
}

static bool is_web_page(const pq_http_answer *answer)
{
    const char *text = pq_buf_text(&answer->body), *type = pq_http_header(answer, "Content-Type");
    while (pq_ascii_space(*text))
        text++;
    /* quay.io says text/html of a plain `true`. */
    bool named = type && strncasecmp(type, "text/html", 9) == 0 && *text == '<';
    return named || strncasecmp(text, "<!doctype html", 14) == 0 || strncasecmp(text, "<html", 5) == 0;
}

bool pq_registry_no_web_page(const pq_http_answer *answer, const char *where, pq_error *err)
{
    if (!is_web_page(answer))
        return true;
    pq_code code = answer->status == 401 || answer->status == 403 ? PQ_EDENIED
                   : answer->status == 404                        ? PQ_ENOTFOUND
                                                                  : PQ_EFAILED;
    return pq_fail(err, code, where, "is it a registry, and does a login page or a proxy stand between?",
                   "a web page answers in place of a registry (status %ld)", answer->status);
}

/* Seconds between its beginning and its end, so that no clock but the issuer's counts. */
static double life_of(const json_t *token)
{
    PQ_AUTO_JWT jwt = {0};
    bool told = pq_jwt_read(json_string_value(token), json_string_length(token), &jwt) && jwt.issued &&
                jwt.expires > jwt.issued;
    return told ? (double)(jwt.expires - jwt.issued) : 60;
}

bool pq_token_read(const pq_http_answer *answer, const char *host, const pq_credential *credential, bool known_good,
                   pq_token *out, pq_error *err)
{
    PQ_AUTO_FREE char *reason = answer->status == 200 ? NULL : pq_registry_reason(answer);
    const char *colon = reason ? ": " : "", *words = reason ? reason : "";
    const char *identity = credential->source;
    if (answer->status == 200 && !pq_registry_no_web_page(answer, host, err))
        return false;
    if (answer->status == 401 || answer->status == 403 || answer->status == 400) {
        if (!identity)
            return pq_fail(err, PQ_EDENIED, host, known_good ? pq_hint_no_login_or_name : pq_hint_no_login,
                           "%s wants a login and the configuration has none for it%s%s", host, colon, words);
        if (known_good)
            return pq_fail(err, PQ_EDENIED, host, pq_hint_no_right_or_name, "access denied for %s%s%s", identity, colon,
                           words);
        if (credential->identity_token)
            return pq_fail(err, PQ_EDENIED, host, "may the identity still pull there?",
                           "the registry refuses the token that it gave to %s%s%s", identity, colon, words);
        return pq_fail(err, PQ_EDENIED, host, "set the secret again with `pratique secrets update`",
                       "the registry refuses the user name or password of %s%s%s", identity, colon, words);
    }
    PQ_AUTO_FREE char *later = pq_registry_later(answer);
    if (answer->status == 429 || answer->status >= 500)
        return pq_fail(err, PQ_EBUSY, host, later, "the token service failed (status %ld)%s%s", answer->status, colon,
                       words);
    if (answer->status != 200)
        return pq_fail(err, PQ_EFAILED, host, NULL, "the token service answered with status %ld%s%s", answer->status,
                       colon, words);
    PQ_CLEANUP(json_release)
    json_t *root = json_loadb(pq_buf_text(&answer->body), answer->body.length, 0, NULL);
    const json_t *value = json_object_get(root, "token");
    if (!json_is_string(value))
        value = json_object_get(root, "access_token");
    if (!json_is_string(value) || json_string_length(value) == 0)
        return pq_fail(err, PQ_EFAILED, host, NULL, "the token service's answer holds no token");
    const char *text = json_string_value(value);
    for (const char *at = text; *at; at++)
        if ((unsigned char)*at <= ' ' || (unsigned char)*at >= 0x7f)
            return pq_fail(err, PQ_EFAILED, host, NULL, "the token service's answer holds a malformed token");
    PQ_AUTO_BUF header = PQ_SENSITIVE_BUF(PQ_MAX_TOKEN_ANSWER);
    pq_buf_adds(&header, "Bearer ");
    pq_buf_adds(&header, text);
    out->header = pq_secret_from_buf(&header);
    const json_t *expires_in = json_object_get(root, "expires_in");
    double life = json_is_number(expires_in) ? json_number_value(expires_in) : life_of(value);
    /* A tenth is left for the way there; a token that ends at once is good for the request that follows. */
    out->lifetime = life < 1 ? 1 : life > 86400 ? 86400 : life * 0.9;
    return true;
}
