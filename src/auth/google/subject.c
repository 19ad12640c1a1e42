#include "auth/google/subject.h"

#include <jansson.h>
#include <string.h>

#include "auth/common/json_memory.h"
#include "auth/common/jwt.h"
#include "auth/common/service_words.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/process.h"

void pq_google_subject_clear(pq_google_subject *subject)
{
    pq_secret_free(subject->token);
    free(subject->certificate);
    free(subject->key);
    *subject = (pq_google_subject){0};
}

/* --- text and JSON ------------------------------------------------------------------------------------------------ */

static pq_secret *trimmed(const char *text, size_t length)
{
    while (length && pq_ascii_space(*text)) {
        text++;
        length--;
    }
    while (length && pq_ascii_space(text[length - 1]))
        length--;
    return length ? pq_secret_new(text, length) : NULL;
}

static pq_secret *field_of(const pq_buf *bytes, const char *field)
{
    pq_json_wipe_memory();
    json_t *document = json_loadb(pq_buf_text(bytes), bytes->length, 0, NULL);
    const json_t *value = json_object_get(document, field);
    pq_secret *token = json_is_string(value) ? trimmed(json_string_value(value), json_string_length(value)) : NULL;
    json_decref(document);
    return token;
}

static bool take_token(const pq_google_source *source, const pq_buf *bytes, const char *where, pq_secret **out,
                       pq_error *err)
{
    *out = source->json_field ? field_of(bytes, source->json_field) : trimmed(pq_buf_text(bytes), bytes->length);
    if (*out)
        return true;
    if (source->json_field)
        return pq_fail(err, PQ_ECONFIG, where, "look at `subject_token_field_name`",
                       "what the subject token is read from has no field %s", source->json_field);
    return pq_fail(err, PQ_ECONFIG, where, NULL, "what the subject token is read from is empty");
}

/* Whatever lies in a file must not leave because a secret says so: only a token may, which is for showing. */
static bool judge(const pq_google_file *file, pq_google_trust trust, const char *where, const pq_secret *token,
                  pq_error *err)
{
    PQ_AUTO_JWT jwt = {0};
    bool is_jwt = pq_jwt_read(pq_secret_bytes(token), pq_secret_length(token), &jwt);
    if (!is_jwt && trust == PQ_GOOGLE_SECRET)
        return pq_fail(err, PQ_ECONFIG, where,
                       "a credentials file in a secret may name only a file that holds a JSON Web Token",
                       "what `credential_source` names is no OIDC token, and was not sent");
    if (!is_jwt || !jwt.expires || jwt.expires > pq_now())
        return true;
    char when[PQ_TIME_TEXT];
    pq_time_text(jwt.expires, when);
    return pq_fail(err, PQ_EDENIED, where, "it lives for minutes: have a fresh one made",
                   "the subject token of %s ended at %s", file->source.place, when);
}

/* --- file, URL ---------------------------------------------------------------------------------------------------- */

static bool from_file(const pq_google_file *file, const char *where, pq_secret **out, pq_error *err)
{
    PQ_AUTO_BUF bytes = PQ_SENSITIVE_BUF(PQ_MAX_TOKEN_ANSWER);
    if (!pq_read_file(file->source.place, &bytes, err)) {
        err->code = err->code == PQ_ENOTFOUND || err->code == PQ_EINPUT ? PQ_ECONFIG : err->code;
        return pq_error_wrap(err, "the subject token");
    }
    return take_token(&file->source, &bytes, where, out, err);
}

static bool from_url(const pq_google_ask *ask, const pq_google_file *file, const char *where, pq_secret **out,
                     pq_error *err)
{
    enum { WAIT = 10 };
    bool neighbour = pq_starts_with(file->source.place, "http:");
    const pq_http_request request = {.method = "GET",
                                     .url = file->source.place,
                                     .where = where,
                                     .headers = &file->source.headers,
                                     .answer_cap = PQ_MAX_TOKEN_ANSWER,
                                     .sensitive = true,
                                     .direct = neighbour,
                                     .connect_timeout = neighbour ? 1 : 0,
                                     .try_timeout = WAIT};
    PQ_AUTO_ANSWER answer = {0};
    if (!ask->send(ask->send_context, &request, &answer, err))
        return pq_error_wrap(err, "the subject token");
    if (answer.status != 200)
        return pq_fail(err, answer.status == 429 || answer.status >= 500 ? PQ_EBUSY : PQ_EDENIED, where, NULL,
                       "`credential_source.url` gives no subject token: status %ld", answer.status);
    return take_token(&file->source, &answer.body, where, out, err);
}

/* --- a program ---------------------------------------------------------------------------------------------------- */

static char *words_of(const json_t *value)
{
    return pq_service_words(json_string_value(value), json_string_length(value));
}

bool pq_google_executable_read(const void *bytes, size_t length, time_t now, const char *where, pq_secret **out,
                               pq_error *err)
{
    static const char saml[] = "urn:ietf:params:oauth:token-type:saml2";
    *out = NULL;
    pq_json_wipe_memory();
    json_t *document = json_loadb(bytes, length, 0, NULL);
    const json_t *version = json_object_get(document, "version"), *success = json_object_get(document, "success"),
                 *expires = json_object_get(document, "expiration_time");
    const char *type = json_string_value(json_object_get(document, "token_type"));
    const json_t *token = json_object_get(document, pq_streq(type, saml) ? "saml_response" : "id_token");
    PQ_AUTO_FREE char *said = words_of(json_object_get(document, "message"));
    bool good = false;
    if (!json_is_object(document) || !json_is_integer(version) || !json_is_boolean(success))
        (void)pq_fail(err, PQ_EFAILED, where, NULL, "what the program prints is not of the form that Google describes");
    else if (json_integer_value(version) != 1)
        (void)pq_fail(err, PQ_EFAILED, where, NULL, "the program answers in version %lld of the form; known is 1",
                      (long long)json_integer_value(version));
    else if (!json_is_true(success))
        (void)pq_fail(err, PQ_EDENIED, where, NULL, "the program gives no token%s%s", said ? ": " : "",
                      said ? said : "");
    else if (json_is_number(expires) && json_number_value(expires) <= (double)now)
        (void)pq_fail(err, PQ_EDENIED, where, NULL, "the program gives a token that has ended");
    else if (!json_is_string(token) || !(*out = trimmed(json_string_value(token), json_string_length(token))))
        (void)pq_fail(err, PQ_EFAILED, where, NULL, "what the program prints has no token of the type that it names");
    else
        good = true;
    json_decref(document);
    return good;
}

static void add_words(pq_strings *argv, const char *command)
{
    PQ_AUTO_FREE char *copy = pq_strdup(command);
    char *rest = NULL;
    for (char *word = strtok_r(copy, " \t", &rest); word; word = strtok_r(NULL, " \t", &rest))
        pq_strings_add(argv, word);
}

static bool from_executable(const pq_google_file *file, const char *where, pq_secret **out, pq_error *err)
{
    PQ_AUTO_STRINGS argv = {0}, variables = {0};
    add_words(&argv, file->source.place);
    if (!argv.count || *argv.at[0] != '/')
        return pq_fail(err, PQ_ECONFIG, where, NULL, "the program must be named by its absolute path");
    pq_process_environment(&variables);
    pq_process_environment_path(&variables, NULL);
    PQ_AUTO_FREE char *account = pq_google_impersonated_account(file->impersonation_url);
    pq_strings_take(&variables, pq_asprintf("GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE=%s", file->audience));
    pq_strings_take(&variables, pq_asprintf("GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE=%s", file->subject_token_type));
    pq_strings_add(&variables, "GOOGLE_EXTERNAL_ACCOUNT_INTERACTIVE=0");
    if (account)
        pq_strings_take(&variables, pq_asprintf("GOOGLE_EXTERNAL_ACCOUNT_IMPERSONATED_EMAIL=%s", account));
    PQ_AUTO_BUF output = PQ_SENSITIVE_BUF(PQ_MAX_TOKEN_ANSWER);
    const pq_process_options options = {.argv = &argv,
                                        .environment = &variables,
                                        .standard_output = &output,
                                        .timeout = file->source.timeout,
                                        .service_fd = -1};
    int status = 0;
    if (!pq_process_run(&options, &status, err))
        return pq_error_at(err, where);
    if (output.overflow)
        return pq_fail(err, PQ_EFAILED, where, NULL, "the program prints more than %u bytes", PQ_MAX_TOKEN_ANSWER);
    if (status != 0)
        return pq_fail(err, PQ_EDENIED, where, NULL, "the program %s ends with status %d", argv.at[0], status);
    return pq_google_executable_read(pq_buf_text(&output), output.length, pq_now(), where, out, err);
}

/* --- a certificate ------------------------------------------------------------------------------------------------ */

/* Whether the two are the same certificate. */
static bool same(const pq_certificate *a, size_t i, const pq_certificate *b, size_t j)
{
    PQ_AUTO_BUF first = PQ_BUF(PQ_MAX_SECRET), second = PQ_BUF(PQ_MAX_SECRET);
    pq_certificate_der(a, i, &first);
    pq_certificate_der(b, j, &second);
    return first.length == second.length && memcmp(pq_buf_text(&first), pq_buf_text(&second), first.length) == 0;
}

static void add_certificate(pq_buf *out, const pq_certificate *from, size_t index)
{
    PQ_AUTO_BUF der = PQ_BUF(PQ_MAX_SECRET);
    pq_certificate_der(from, index, &der);
    pq_buf_adds(out, out->length > 1 ? ",\"" : "\"");
    pq_base64_add(out, pq_buf_text(&der), der.length);
    pq_buf_addc(out, '"');
}

bool pq_google_certificate_check(const pq_certificate *certificate, const char *where, pq_error *err)
{
    enum { DAY = 86400, LONGEST_LIFE = 390, LONGEST_CHAIN = 5 };
    time_t life = pq_certificate_ends(certificate) - pq_certificate_begins(certificate);
    size_t count = pq_certificate_count(certificate);
    if (life > (time_t)LONGEST_LIFE * DAY)
        return pq_fail(err, PQ_ECONFIG, where, "have one issued for a year or less",
                       "Google takes no certificate that lives longer than %d days, and this one is for %lld",
                       LONGEST_LIFE, (long long)((life + DAY - 1) / DAY));
    if (count > LONGEST_CHAIN)
        return pq_fail(err, PQ_ECONFIG, where, "the anchor's own certificate need not be among them",
                       "Google takes a chain of %d certificates at most, and this one has %zu", LONGEST_CHAIN, count);
    return true;
}

bool pq_google_certificate_token(const pq_certificate *certificate, const pq_certificate *chain, const char *where,
                                 pq_secret **out, pq_error *err)
{
    PQ_AUTO_BUF list = PQ_SENSITIVE_BUF(PQ_MAX_TOKEN_ANSWER);
    pq_buf_addc(&list, '[');
    add_certificate(&list, certificate, 0);
    size_t count = chain ? pq_certificate_count(chain) : 0;
    for (size_t i = 0; i < count; i++) {
        if (!same(certificate, 0, chain, i))
            add_certificate(&list, chain, i);
        else if (i > 0)
            return pq_fail(err, PQ_ECONFIG, where, "put it first, or leave it out",
                           "the certificate stands within its own chain");
    }
    pq_buf_addc(&list, ']');
    if (list.overflow)
        return pq_fail(err, PQ_ECONFIG, where, NULL, "the chain of certificates is too long");
    *out = pq_secret_from_buf(&list);
    return true;
}

/* Google's order: the file's own, $GOOGLE_API_CERTIFICATE_CONFIG, gcloud's folder. Owned; NULL without a home. */
static char *config_path(const pq_google_source *source)
{
    const char *named = source->config ? source->config : pq_getenv("GOOGLE_API_CERTIFICATE_CONFIG");
    const char *home = pq_getenv("HOME");
    if (named)
        return pq_strdup(named);
    return home ? pq_asprintf("%s/.config/gcloud/certificate_config.json", home) : NULL;
}

static bool read_text(const char *path, pq_buf *out, pq_error *err)
{
    if (pq_read_file(path, out, err))
        return true;
    err->code = err->code == PQ_ENOTFOUND || err->code == PQ_EINPUT ? PQ_ECONFIG : err->code;
    return false;
}

static bool read_certificate(const char *path, pq_certificate **out, pq_error *err)
{
    PQ_AUTO_BUF bytes = PQ_BUF(PQ_MAX_SECRET);
    return read_text(path, &bytes, err) && pq_certificate_from_pem(pq_buf_text(&bytes), bytes.length, path, out, err);
}

static bool judge_certificate(const pq_certificate *certificate, const char *path, pq_error *err)
{
    enum { SOON = 14 * 86400 };
    time_t now = pq_now();
    char when[PQ_TIME_TEXT];
    if (pq_certificate_ends(certificate) <= now) {
        pq_time_text(pq_certificate_ends(certificate), when);
        return pq_fail(err, PQ_EDENIED, path, "have a new one made", "the certificate ended at %s", when);
    }
    if (pq_certificate_begins(certificate) > now) {
        pq_time_text(pq_certificate_begins(certificate), when);
        return pq_fail(err, PQ_EDENIED, path, "is this machine's clock right?", "the certificate begins at %s", when);
    }
    if (pq_certificate_ends(certificate) - now < SOON) {
        pq_time_text(pq_certificate_ends(certificate), when);
        pq_warn(path, "have a new one made while this one is good", "the certificate ends at %s", when);
    }
    return true;
}

static bool from_certificate(const pq_google_file *file, const char *where, pq_google_subject *out, pq_error *err)
{
    PQ_AUTO_FREE char *config = config_path(&file->source);
    if (!config)
        return pq_fail(err, PQ_ECONFIG, where, "set GOOGLE_API_CERTIFICATE_CONFIG",
                       "it is not known which certificate is meant: there is no home");
    PQ_AUTO_BUF bytes = PQ_BUF(PQ_MAX_TOKEN_ANSWER), key_bytes = PQ_SENSITIVE_BUF(PQ_MAX_SECRET);
    PQ_AUTO_CERTIFICATE *certificate = NULL, *chain = NULL;
    PQ_AUTO_PKEY *key = NULL;
    if (!read_text(config, &bytes, err) ||
        !pq_google_certificate_config_read(pq_buf_text(&bytes), bytes.length, config, &out->certificate, &out->key,
                                           err) ||
        !read_certificate(out->certificate, &certificate, err) ||
        !judge_certificate(certificate, out->certificate, err) || !read_text(out->key, &key_bytes, err) ||
        !pq_pkey_from_pem(pq_buf_text(&key_bytes), key_bytes.length, out->key, &key, err))
        return false;
    if (!pq_certificate_matches(certificate, key))
        return pq_fail(err, PQ_ECONFIG, out->key, NULL, "is not the key of the certificate %s", out->certificate);
    if (file->source.chain && !read_certificate(file->source.chain, &chain, err))
        return false;
    return pq_google_certificate_token(certificate, chain, where, &out->token, err);
}

bool pq_google_subject_get(const pq_google_ask *ask, const pq_google_file *file, pq_google_trust trust,
                           const char *where, pq_google_subject *out, pq_error *err)
{
    *out = (pq_google_subject){0};
    switch (file->source.type) {
    case PQ_GOOGLE_FROM_FILE:
        return from_file(file, where, &out->token, err) && judge(file, trust, where, out->token, err);
    case PQ_GOOGLE_FROM_URL:
        return from_url(ask, file, where, &out->token, err) && judge(file, PQ_GOOGLE_OWN, where, out->token, err);
    case PQ_GOOGLE_FROM_EXECUTABLE:
        return from_executable(file, where, &out->token, err);
    case PQ_GOOGLE_FROM_CERTIFICATE:
        return from_certificate(file, where, out, err);
    case PQ_GOOGLE_FROM_CI:
    case PQ_GOOGLE_FROM_DEVICE:
        break;
    }
    return pq_fail(err, PQ_ECONFIG, where, NULL, "there is no place to get a subject token from");
}

bool pq_google_subject_check(const pq_google_file *file, const char *where, pq_error *err)
{
    const pq_google_source *source = &file->source;
    if (source->type == PQ_GOOGLE_FROM_FILE && !pq_path_exists(source->place))
        return pq_fail(err, PQ_ECONFIG, where, "look at the path, and whether the platform puts the token there",
                       "there is no file %s to read the subject token from", source->place);
    if (source->type == PQ_GOOGLE_FROM_CERTIFICATE) {
        PQ_AUTO_GOOGLE_SUBJECT subject = {0};
        return from_certificate(file, where, &subject, err);
    }
    return true;
}
