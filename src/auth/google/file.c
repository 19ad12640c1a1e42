#include "auth/google/file.h"

#include <jansson.h>
#include <string.h>

#include "auth/common/json_memory.h"
#include "base/limits.h"

enum { MAX_LIFETIME = 43200, MIN_LIFETIME = 600, LIFETIME = 3600, MAX_BASES = 4, MAX_LISTED = 20 };
enum { COMMAND_TIMEOUT = 30, MIN_COMMAND_TIMEOUT = 5, MAX_COMMAND_TIMEOUT = 120 };

static const char make_key[] =
    "a service account's key comes from `gcloud iam service-accounts keys create`, the file of an external account "
    "from `gcloud iam workload-identity-pools create-cred-config`";

static void source_clear(pq_google_source *source)
{
    free(source->place);
    for (size_t i = 0; i < source->headers.count; i++)
        explicit_bzero(source->headers.at[i], strlen(source->headers.at[i]));
    pq_strings_clear(&source->headers);
    free(source->json_field);
    free(source->config);
    free(source->chain);
}

void pq_google_file_clear(pq_google_file *file)
{
    free(file->token_url);
    free(file->client_email);
    free(file->private_key_id);
    pq_secret_free(file->private_key);
    free(file->client_id);
    pq_secret_free(file->client_secret);
    pq_secret_free(file->refresh_token);
    free(file->audience);
    free(file->subject_token_type);
    free(file->user_project);
    source_clear(&file->source);
    free(file->impersonation_url);
    pq_strings_clear(&file->delegates);
    if (file->base)
        pq_google_file_clear(file->base);
    free(file->base);
    *file = (pq_google_file){0};
}

/* --- single values ------------------------------------------------------------------------------------------------ */

/* One file while it is read. */
typedef struct reader {
    const char *where;
    pq_errors *errors;
    unsigned bases; /* files within files so far */
} reader;

static bool problem(const reader *r, const char *hint, const char *format, ...) PQ_PRINTF(3, 4);

static bool problem(const reader *r, const char *hint, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    PQ_AUTO_FREE char *message = pq_vasprintf(format, arguments);
    va_end(arguments);
    return pq_errors_add(r->errors, PQ_ECONFIG, r->where, hint, "%s", message);
}

/* What goes into URLs, headers, paths and messages has no bytes that end one of them. */
static bool is_plain(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            return false;
    return length > 0;
}

/* The text of a field: NULL when it is not there (which is a problem if `needed`) or no plain text (always one). */
static const char *text_of(const reader *r, const json_t *object, const char *name, bool needed)
{
    const json_t *value = json_object_get(object, name);
    if (!value || json_is_null(value)) {
        if (needed)
            (void)problem(r, make_key, "`%s` is missing", name);
        return NULL;
    }
    if (json_is_string(value) && is_plain(json_string_value(value), json_string_length(value)))
        return json_string_value(value);
    (void)problem(r, NULL, "`%s` must be one line of text", name);
    return NULL;
}

static char *copy_of(const reader *r, const json_t *object, const char *name, bool needed)
{
    return pq_strdup(text_of(r, object, name, needed));
}

static pq_secret *secret_of(const reader *r, const json_t *object, const char *name, bool needed)
{
    const json_t *value = json_object_get(object, name);
    if (json_is_string(value) && json_string_length(value) &&
        !memchr(json_string_value(value), '\0', json_string_length(value)))
        return pq_secret_new(json_string_value(value), json_string_length(value));
    if (value && !json_is_null(value))
        (void)problem(r, NULL, "`%s` must be text", name);
    else if (needed)
        (void)problem(r, make_key, "`%s` is missing", name);
    return NULL;
}

/* An e-mail address as Google's accounts have it: it becomes a claim and a part of paths. */
static bool is_account(const char *text)
{
    const char *at = strchr(text, '@');
    if (!at || at == text || !strchr(at, '.'))
        return false;
    for (const char *byte = text; *byte; byte++)
        if (!pq_ascii_alnum(*byte) && !strchr("@.-_", *byte))
            return false;
    return true;
}

char *pq_google_impersonated_account(const char *url)
{
    static const char before[] = "/serviceAccounts/", after[] = ":generateAccessToken";
    const char *start = url ? strstr(url, before) : NULL;
    if (!start || !pq_ends_with(url, after))
        return NULL;
    start += sizeof before - 1;
    size_t length = strlen(start);
    if (length < sizeof after)
        return NULL;
    PQ_AUTO_FREE char *account = pq_strndup(start, length - (sizeof after - 1));
    return is_account(account) ? pq_steal(account) : NULL;
}

static void read_impersonation(const reader *r, const json_t *object, bool needed, pq_google_file *out)
{
    static const char name[] = "service_account_impersonation_url";
    out->impersonation_url = copy_of(r, object, name, needed);
    out->impersonation_lifetime = LIFETIME;
    PQ_AUTO_FREE char *account = pq_google_impersonated_account(out->impersonation_url);
    if (out->impersonation_url && !account)
        (void)problem(r, "it ends in /serviceAccounts/NAME@PROJECT.iam.gserviceaccount.com:generateAccessToken",
                      "`%s` names no service account", name);
    const json_t *more = json_object_get(object, "service_account_impersonation");
    const json_t *lifetime = json_object_get(more, "token_lifetime_seconds");
    json_int_t seconds = json_integer_value(lifetime);
    if (!lifetime)
        return;
    if (!json_is_integer(lifetime) || seconds < MIN_LIFETIME || seconds > MAX_LIFETIME)
        (void)problem(r, NULL, "`token_lifetime_seconds` must be %d to %d", MIN_LIFETIME, MAX_LIFETIME);
    else
        out->impersonation_lifetime = (unsigned)seconds;
}

/* --- the types ---------------------------------------------------------------------------------------------------- */

static void read_service_account(const reader *r, const json_t *object, pq_google_file *out)
{
    out->client_email = copy_of(r, object, "client_email", true);
    if (out->client_email && !is_account(out->client_email))
        (void)problem(r, NULL, "`client_email` is no account's address");
    out->private_key_id = copy_of(r, object, "private_key_id", false);
    out->private_key = secret_of(r, object, "private_key", true);
    if (out->private_key && strstr(pq_secret_bytes(out->private_key), "\\n"))
        (void)problem(r, "store the file as it was downloaded: `pratique secrets update NAME==FILE`",
                      "the line ends of `private_key` were escaped twice");
    out->token_url = copy_of(r, object, "token_uri", false);
    if (!out->token_url)
        out->token_url = pq_strdup("https://oauth2.googleapis.com/token");
}

static void read_user(const reader *r, const json_t *object, pq_google_file *out)
{
    out->client_id = copy_of(r, object, "client_id", true);
    out->client_secret = secret_of(r, object, "client_secret", true);
    out->refresh_token = secret_of(r, object, "refresh_token", true);
    out->token_url = pq_strdup("https://oauth2.googleapis.com/token");
}

static void read_format(const reader *r, const json_t *source, pq_google_source *out)
{
    const json_t *format = json_object_get(source, "format");
    const char *type = format ? text_of(r, format, "type", false) : NULL;
    if (!type || pq_streq(type, "text"))
        return;
    if (pq_streq(type, "json"))
        out->json_field = copy_of(r, format, "subject_token_field_name", true);
    else
        (void)problem(r, NULL, "`credential_source.format.type` must be text or json");
}

static bool is_header_name(const char *text)
{
    for (const char *byte = text; *byte; byte++)
        if (!pq_ascii_alnum(*byte) && !strchr("-_", *byte))
            return false;
    return *text != '\0';
}

static void read_headers(const reader *r, const json_t *source, pq_google_source *out)
{
    json_t *headers = json_object_get(source, "headers");
    const char *name;
    json_t *value;
    if (json_object_size(headers) > MAX_LISTED) {
        (void)problem(r, NULL, "`credential_source.headers` has more than %d headers", MAX_LISTED);
        return;
    }
    json_object_foreach(headers, name, value)
    {
        if (is_header_name(name) && json_is_string(value) &&
            is_plain(json_string_value(value), json_string_length(value)))
            pq_strings_take(&out->headers, pq_asprintf("%s: %s", name, json_string_value(value)));
        else
            (void)problem(r, NULL, "`credential_source.headers` must be names and texts of one line");
    }
}

static void read_executable(const reader *r, const json_t *executable, pq_google_source *out)
{
    out->type = PQ_GOOGLE_FROM_EXECUTABLE;
    out->place = copy_of(r, executable, "command", true);
    out->timeout = COMMAND_TIMEOUT;
    const json_t *timeout = json_object_get(executable, "timeout_millis");
    if (!timeout)
        return;
    double seconds = json_number_value(timeout) / 1000;
    if (!json_is_number(timeout) || seconds < MIN_COMMAND_TIMEOUT || seconds > MAX_COMMAND_TIMEOUT)
        (void)problem(r, NULL, "`timeout_millis` must be %d000 to %d000", MIN_COMMAND_TIMEOUT, MAX_COMMAND_TIMEOUT);
    else
        out->timeout = seconds;
}

static void read_certificate(const reader *r, const json_t *certificate, pq_google_source *out)
{
    out->type = PQ_GOOGLE_FROM_CERTIFICATE;
    out->config = copy_of(r, certificate, "certificate_config_location", false);
    out->chain = copy_of(r, certificate, "trust_chain_path", false);
    bool standard = json_is_true(json_object_get(certificate, "use_default_certificate_config"));
    if (standard == (out->config != NULL))
        (void)problem(r, NULL,
                      "`credential_source.certificate` must have one of `certificate_config_location` and "
                      "`use_default_certificate_config`");
}

static void read_source(const reader *r, const json_t *object, pq_google_source *out)
{
    const json_t *source = json_object_get(object, "credential_source");
    if (!json_is_object(source)) {
        (void)problem(r, make_key, "`credential_source` is missing");
        return;
    }
    const char *cloud = text_of(r, source, "environment_id", false);
    const json_t *executable = json_object_get(source, "executable"),
                 *certificate = json_object_get(source, "certificate");
    const char *file = text_of(r, source, "file", false), *url = text_of(r, source, "url", false);
    if (cloud) {
        (void)problem(r, "use an OIDC token of the job (`auth: oidc`), or a file or URL that has one",
                      "an external account of AWS (`environment_id`) is not supported");
        return;
    }
    if ((file != NULL) + (url != NULL) + (executable != NULL) + (certificate != NULL) != 1) {
        (void)problem(r, make_key, "`credential_source` must have one of `file`, `url`, `executable`, `certificate`");
        return;
    }
    if (executable) {
        read_executable(r, executable, out);
    } else if (certificate) {
        read_certificate(r, certificate, out);
    } else {
        out->type = file ? PQ_GOOGLE_FROM_FILE : PQ_GOOGLE_FROM_URL;
        out->place = pq_strdup(file ? file : url);
        read_format(r, source, out);
        read_headers(r, source, out);
    }
}

static void read_external(const reader *r, const json_t *object, pq_google_file *out)
{
    out->audience = copy_of(r, object, "audience", true);
    out->subject_token_type = copy_of(r, object, "subject_token_type", true);
    read_source(r, object, &out->source);
    bool certificate = out->source.type == PQ_GOOGLE_FROM_CERTIFICATE;
    out->token_url = copy_of(r, object, "token_url", false);
    if (!out->token_url)
        out->token_url =
            pq_strdup(certificate ? "https://sts.mtls.googleapis.com/v1/token" : "https://sts.googleapis.com/v1/token");
    out->user_project = copy_of(r, object, "workforce_pool_user_project", false);
    out->client_id = copy_of(r, object, "client_id", false);
    out->client_secret = secret_of(r, object, "client_secret", false);
    read_impersonation(r, object, false, out);
}

static void read_object(reader *r, const json_t *object, pq_google_file *out);

static void read_impersonated(reader *r, const json_t *object, pq_google_file *out)
{
    read_impersonation(r, object, true, out);
    json_t *delegates = json_object_get(object, "delegates"), *value;
    size_t i;
    if (json_array_size(delegates) > MAX_LISTED)
        (void)problem(r, NULL, "more than %d `delegates`", MAX_LISTED);
    else
        json_array_foreach(delegates, i, value)
        {
            const char *name = json_string_value(value);
            const char *account = name ? strrchr(name, '/') : NULL;
            if (name && is_account(account ? account + 1 : name))
                pq_strings_add(&out->delegates, name);
            else
                (void)problem(r, NULL, "`delegates` must name service accounts");
        }
    const json_t *base = json_object_get(object, "source_credentials");
    if (++r->bases > MAX_BASES)
        (void)problem(r, NULL, "more than %d files within one another", MAX_BASES);
    else if (!json_is_object(base))
        (void)problem(r, NULL, "`source_credentials` is missing");
    else {
        out->base = pq_alloc(1, sizeof *out->base);
        read_object(r, base, out->base);
    }
}

static void read_object(reader *r, const json_t *object, pq_google_file *out)
{
    const char *type = text_of(r, object, "type", false);
    if (!type) {
        bool client = json_object_get(object, "installed") || json_object_get(object, "web");
        (void)problem(r, make_key, "%s",
                      client ? "this is the file of an OAuth client, not a credentials file of Google"
                             : "this is no credentials file of Google: `type` is missing");
    } else if (pq_streq(type, "service_account")) {
        out->type = PQ_GOOGLE_SERVICE_ACCOUNT;
        read_service_account(r, object, out);
    } else if (pq_streq(type, "external_account")) {
        out->type = PQ_GOOGLE_EXTERNAL_ACCOUNT;
        read_external(r, object, out);
    } else if (pq_streq(type, "authorized_user")) {
        out->type = PQ_GOOGLE_AUTHORIZED_USER;
        read_user(r, object, out);
    } else if (pq_streq(type, "impersonated_service_account")) {
        out->type = PQ_GOOGLE_IMPERSONATED;
        read_impersonated(r, object, out);
    } else {
        (void)problem(r,
                      "known are service_account, external_account, authorized_user and impersonated_service_account",
                      "a credentials file of type %.40s is not supported", type);
    }
}

/* What else people put there. */
static bool fail_not_json(const reader *r, const char *text, size_t length)
{
    PQ_AUTO_FREE char *start = pq_strndup(text, length < 64 ? length : 64);
    const char *at = start;
    while (pq_ascii_space(*at))
        at++;
    if (*at == '\0')
        return problem(r, make_key, "the credentials file is empty");
    if (pq_starts_with(at, "_json_key"))
        return problem(r, "leave out what stands before the `{`", "this is a user and a password, not the key's file");
    if (pq_starts_with(at, "ey") || pq_starts_with(at, "ew"))
        return problem(r, "decode it with `base64 -d`", "this looks like the base64 of a credentials file");
    if (pq_starts_with(at, "-----BEGIN"))
        return problem(r, make_key, "this is a bare key or certificate, not the JSON of a credentials file");
    return problem(r, make_key, "this is not JSON");
}

bool pq_google_file_read(const void *bytes, size_t length, const char *where, pq_google_file *out, pq_errors *errors)
{
    *out = (pq_google_file){0};
    reader r = {.where = where, .errors = errors};
    size_t before = errors->count;
    pq_json_wipe_memory();
    json_t *document = json_loadb(bytes, length, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(document))
        read_object(&r, document, out);
    else
        (void)fail_not_json(&r, bytes, length);
    json_decref(document);
    return errors->count == before;
}

char *pq_google_file_who(const pq_google_file *file)
{
    PQ_AUTO_FREE char *account = pq_google_impersonated_account(file->impersonation_url);
    if (account)
        return pq_asprintf("service account %s", account);
    switch (file->type) {
    case PQ_GOOGLE_SERVICE_ACCOUNT:
        return pq_asprintf("service account %s", file->client_email);
    case PQ_GOOGLE_AUTHORIZED_USER:
        return pq_strdup("a person's login");
    case PQ_GOOGLE_EXTERNAL_ACCOUNT:
    case PQ_GOOGLE_IMPERSONATED:
        break;
    }
    const char *pool = file->audience ? strstr(file->audience, "/workloadIdentityPools/") : NULL;
    return pool ? pq_asprintf("workload identity pool %s", pool + strlen("/workloadIdentityPools/"))
                : pq_strdup("an external account");
}

bool pq_google_certificate_config_read(const void *bytes, size_t length, const char *where, char **out_certificate,
                                       char **out_key, pq_error *err)
{
    *out_certificate = *out_key = NULL;
    json_t *document = json_loadb(bytes, length, JSON_REJECT_DUPLICATES, NULL);
    const json_t *workload = json_object_get(json_object_get(document, "cert_configs"), "workload");
    const json_t *certificate = json_object_get(workload, "cert_path"), *key = json_object_get(workload, "key_path");
    bool good = json_is_string(certificate) && json_is_string(key) &&
                is_plain(json_string_value(certificate), json_string_length(certificate)) &&
                is_plain(json_string_value(key), json_string_length(key));
    if (good) {
        *out_certificate = pq_strdup(json_string_value(certificate));
        *out_key = pq_strdup(json_string_value(key));
    }
    json_decref(document);
    return good ||
           pq_fail(err, PQ_ECONFIG, where, "it is written by `gcloud iam workload-identity-pools create-cred-config`",
                   "names no certificate and key (cert_configs.workload.cert_path and key_path)");
}
