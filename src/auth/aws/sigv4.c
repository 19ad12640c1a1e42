#include "auth/aws/sigv4.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

void pq_aws_keys_clear(pq_aws_keys *keys)
{
    free(keys->access_key_id);
    pq_secret_free(keys->secret_access_key);
    pq_secret_free(keys->session_token);
    *keys = (pq_aws_keys){0};
}

void pq_aws_keys_copy(const pq_aws_keys *from, pq_aws_keys *to)
{
    pq_aws_keys copy = {.access_key_id = pq_strdup(from->access_key_id),
                        .secret_access_key = pq_secret_copy(from->secret_access_key),
                        .session_token = pq_secret_copy(from->session_token),
                        .expires = from->expires};
    pq_aws_keys_clear(to);
    *to = copy;
}

void pq_sigv4_clear(pq_sigv4 *signature)
{
    pq_strings_wipe(&signature->headers);
    pq_secret_free(signature->authorization);
    signature->authorization = NULL;
    pq_buf_clear(&signature->canonical_request);
    pq_buf_clear(&signature->string_to_sign);
    pq_buf_clear(&signature->signed_headers);
    free(pq_steal(signature->signature));
}

static bool is_unreserved(char byte)
{
    return pq_ascii_alnum(byte) || byte == '-' || byte == '.' || byte == '_' || byte == '~';
}

static void add_encoded(pq_buf *out, const char *text, size_t length, bool keep_slash)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (is_unreserved(text[i]) || (keep_slash && byte == '/')) {
            pq_buf_addc(out, text[i]);
        } else {
            const char escaped[] = {'%', digits[byte >> 4], digits[byte & 15]};
            pq_buf_add(out, escaped, sizeof escaped);
        }
    }
}

/* RFC 3986, section 5.2.4, and runs of slashes become one, as every service but S3 wants it. */
static void add_normalized(pq_buf *out, const char *path)
{
    if (path[0] == '/')
        pq_buf_addc(out, '/');
    size_t root = out->length;
    size_t length = strlen(path);
    for (size_t at = 0; at < length;) {
        size_t width = strcspn(path + at, "/");
        if (width == 2 && memcmp(path + at, "..", 2) == 0) {
            while (out->length > root && out->data[out->length - 1] != '/')
                pq_buf_truncate(out, out->length - 1);
            if (out->length > root)
                pq_buf_truncate(out, out->length - 1);
        } else if (width > 0 && !(width == 1 && path[at] == '.')) {
            if (out->length > root)
                pq_buf_addc(out, '/');
            pq_buf_add(out, path + at, width);
        }
        at += width + 1;
    }
    if (length && path[length - 1] == '/' && out->length > root)
        pq_buf_addc(out, '/');
}

static void add_path(pq_buf *out, const pq_sigv4_request *request)
{
    const char *path = request->path && *request->path ? request->path : "/";
    PQ_AUTO_BUF kept = PQ_BUF(PQ_MAX_TEXT);
    if (request->keep_path)
        pq_buf_adds(&kept, path);
    else
        add_normalized(&kept, path);
    if (request->encode_once)
        pq_buf_add(out, kept.data, kept.length);
    else
        add_encoded(out, pq_buf_text(&kept), kept.length, true);
}

/* A byte of a query that may be written as itself or as %XX, encoded in the one canonical way. */
static void add_query_part(pq_buf *out, const char *text, size_t length)
{
    PQ_AUTO_BUF plain = PQ_BUF(PQ_MAX_TEXT);
    for (size_t i = 0; i < length; i++) {
        PQ_AUTO_BUF byte = PQ_BUF(1);
        char digits[] = {i + 2 < length ? text[i + 1] : '\0', i + 2 < length ? text[i + 2] : '\0', '\0'};
        if (text[i] == '%' && strlen(digits) == 2 && pq_hex_decode(digits, &byte)) {
            pq_buf_add(&plain, byte.data, 1);
            i += 2;
        } else {
            pq_buf_addc(&plain, text[i]);
        }
    }
    add_encoded(out, pq_buf_text(&plain), plain.length, false);
}

typedef struct field {
    char *name, *value;
    size_t order; /* of arrival: equal names keep it, for qsort may not */
} field;

typedef struct fields {
    field *at;
    size_t count, capacity;
} fields;

static void fields_clear(fields *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->at[i].name);
        explicit_bzero(list->at[i].value, strlen(list->at[i].value));
        free(list->at[i].value);
    }
    free(list->at);
    *list = (fields){0};
}

static void fields_take(fields *list, char *name, char *value)
{
    list->at = pq_grow(list->at, &list->capacity, list->count + 1, sizeof *list->at);
    list->at[list->count] = (field){.name = name, .value = value, .order = list->count};
    list->count++;
}

static int by_name_and_value(const void *a, const void *b)
{
    const field *left = a, *right = b;
    int names = strcmp(left->name, right->name);
    return names ? names : strcmp(left->value, right->value);
}

static int by_name_and_order(const void *a, const void *b)
{
    const field *left = a, *right = b;
    int names = strcmp(left->name, right->name);
    return names ? names : (left->order > right->order) - (left->order < right->order);
}

static void add_query(pq_buf *out, const char *query)
{
    PQ_CLEANUP(fields_clear) fields list = {0};
    for (const char *at = query; at && *query;) {
        size_t width = strcspn(at, "&");
        const char *equals = memchr(at, '=', width);
        size_t name_width = equals ? (size_t)(equals - at) : width;
        size_t value_at = equals ? name_width + 1 : width;
        PQ_AUTO_BUF name = PQ_BUF(PQ_MAX_TEXT), value = PQ_BUF(PQ_MAX_TEXT);
        add_query_part(&name, at, name_width);
        add_query_part(&value, at + value_at, width - value_at);
        fields_take(&list, pq_buf_steal(&name), pq_buf_steal(&value));
        at = at[width] ? at + width + 1 : NULL;
    }
    if (list.count)
        qsort(list.at, list.count, sizeof *list.at, by_name_and_value);
    for (size_t i = 0; i < list.count; i++)
        pq_buf_addf(out, "%s%s=%s", i ? "&" : "", list.at[i].name, list.at[i].value);
}

/* The value without blanks at its ends, inner runs of them made one space. Owned. */
static char *trimmed(const char *value)
{
    PQ_AUTO_BUF out = PQ_SENSITIVE_BUF(PQ_MAX_TEXT);
    for (const char *at = value; *at; at++) {
        if (!pq_ascii_space(*at))
            pq_buf_addc(&out, *at);
        else if (out.length && out.data[out.length - 1] != ' ')
            pq_buf_addc(&out, ' ');
    }
    if (out.length && out.data[out.length - 1] == ' ')
        pq_buf_truncate(&out, out.length - 1);
    return pq_buf_steal(&out);
}

static bool is_signed(const char *lower_name)
{
    /* What a proxy or the HTTP library may change on the way, and what signing itself sets. */
    static const char *const left_out[] = {"authorization",        "connection",     "expect",     "te",
                                           "transfer-encoding",    "upgrade",        "user-agent", "x-amz-date",
                                           "x-amz-security-token", "x-amzn-trace-id"};
    for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++)
        if (strcmp(lower_name, left_out[i]) == 0)
            return false;
    return true;
}

static const pq_secret *session_token(const pq_sigv4_request *request)
{
    return request->keys ? request->keys->session_token : NULL;
}

static void collect_headers(const pq_sigv4_request *request, const char *when, const char *body_hash, fields *list)
{
    for (size_t i = 0; request->headers && i < request->headers->count; i++) {
        const char *line = request->headers->at[i];
        size_t width = strcspn(line, ":");
        PQ_AUTO_FREE char *name = pq_strndup(line, width);
        pq_ascii_lower_in_place(name);
        if (!is_signed(name) || (request->content_sha256 && pq_streq(name, "x-amz-content-sha256")))
            continue;
        fields_take(list, pq_steal(name), trimmed(line[width] ? line + width + 1 : ""));
    }
    fields_take(list, pq_strdup("x-amz-date"), pq_strdup(when));
    if (request->content_sha256)
        fields_take(list, pq_strdup("x-amz-content-sha256"), pq_strdup(body_hash));
    if (session_token(request) && !request->leave_token_unsigned)
        fields_take(list, pq_strdup("x-amz-security-token"), trimmed(pq_secret_bytes(session_token(request))));
    qsort(list->at, list->count, sizeof *list->at, by_name_and_order);
}

static void add_canonical_request(const pq_sigv4_request *request, const char *when, const char *body_hash,
                                  pq_sigv4 *out)
{
    pq_buf *text = &out->canonical_request;
    pq_buf_addf(text, "%s\n", request->method);
    add_path(text, request);
    pq_buf_addc(text, '\n');
    add_query(text, request->query);
    PQ_CLEANUP(fields_clear) fields headers = {0};
    collect_headers(request, when, body_hash, &headers);
    for (size_t i = 0; i < headers.count; i++) {
        const field *header = &headers.at[i];
        if (i && strcmp(header->name, headers.at[i - 1].name) == 0) {
            pq_buf_addf(text, ",%s", header->value);
            continue;
        }
        pq_buf_addf(text, "\n%s:%s", header->name, header->value);
        pq_buf_addf(&out->signed_headers, "%s%s", out->signed_headers.length ? ";" : "", header->name);
    }
    pq_buf_addf(text, "\n\n%s\n%s", pq_buf_text(&out->signed_headers), body_hash);
}

/* --- what every signature has in common ----------------------------------------------------------------------------
 */

/* What the string to sign says of the signature to be. */
typedef struct frame {
    const char *algorithm; /* static */
    char *day, *scope;
} frame;

static void frame_clear(frame *of)
{
    free(of->day);
    free(of->scope);
}
#define AUTO_FRAME PQ_CLEANUP(frame_clear) frame

/* Canonical request, string to sign, and the header lines that signing adds. */
static void prepare(const pq_sigv4_request *request, const char *algorithm, frame *out_frame, pq_sigv4 *out)
{
    *out = (pq_sigv4){.canonical_request = PQ_SENSITIVE_BUF(PQ_MAX_TEXT),
                      .string_to_sign = PQ_BUF(PQ_MAX_TEXT),
                      .signed_headers = PQ_BUF(PQ_MAX_TEXT)};
    char when[PQ_TIME_TEXT], hash[PQ_SHA256_HEX], canonical_hash[PQ_SHA256_HEX];
    pq_time_compact(request->when, when);
    pq_sha256 body = pq_sha256_of(request->body, request->body_length);
    pq_sha256_hex(&body, hash);
    add_canonical_request(request, when, hash, out);

    char *day = pq_strndup(when, strlen("YYYYMMDD"));
    *out_frame = (frame){.algorithm = algorithm,
                         .day = day,
                         .scope = pq_asprintf("%s/%s/%s/aws4_request", day, request->region, request->service)};
    pq_sha256 canonical = pq_sha256_of(out->canonical_request.data, out->canonical_request.length);
    pq_sha256_hex(&canonical, canonical_hash);
    pq_buf_addf(&out->string_to_sign, "%s\n%s\n%s\n%s", algorithm, when, out_frame->scope, canonical_hash);

    pq_strings_take(&out->headers, pq_asprintf("X-Amz-Date: %s", when));
    if (session_token(request))
        pq_strings_take(&out->headers,
                        pq_asprintf("X-Amz-Security-Token: %s", pq_secret_bytes(session_token(request))));
    if (request->content_sha256)
        pq_strings_take(&out->headers, pq_asprintf("X-Amz-Content-Sha256: %s", hash));
}

/* `signature` (hexadecimal) is taken, `who` is borrowed. */
static void finish(const frame *of, const char *who, char *signature, pq_sigv4 *out)
{
    PQ_AUTO_BUF authorization = PQ_SENSITIVE_BUF(PQ_MAX_TEXT);
    pq_buf_addf(&authorization, "%s Credential=%s/%s, SignedHeaders=%s, Signature=%s", of->algorithm, who, of->scope,
                pq_buf_text(&out->signed_headers), signature);
    out->signature = signature;
    out->authorization = pq_secret_from_buf(&authorization);
}

/* --- by a secret key ------------------------------------------------------------------------------------------------
 */

/* The chain of MACs from the secret to the signature; what lies between is as good as the secret for a day. Owned. */
static char *compute_signature(const pq_sigv4_request *request, const char *day, const pq_buf *string_to_sign)
{
    PQ_AUTO_BUF start = PQ_SENSITIVE_BUF(PQ_MAX_SECRET + 4);
    pq_buf_adds(&start, "AWS4");
    pq_buf_add(&start, pq_secret_bytes(request->keys->secret_access_key),
               pq_secret_length(request->keys->secret_access_key));
    pq_sha256 key = pq_hmac_sha256(start.data, start.length, day, strlen(day));
    const char *const steps[] = {request->region, request->service, "aws4_request", pq_buf_text(string_to_sign)};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        key = pq_hmac_sha256(key.bytes, sizeof key.bytes, steps[i], strlen(steps[i]));
    char hex[PQ_SHA256_HEX];
    pq_sha256_hex(&key, hex);
    explicit_bzero(&key, sizeof key);
    return pq_strdup(hex);
}

void pq_sigv4_sign(const pq_sigv4_request *request, pq_sigv4 *out)
{
    AUTO_FRAME of = {0};
    prepare(request, "AWS4-HMAC-SHA256", &of, out);
    finish(&of, request->keys->access_key_id, compute_signature(request, of.day, &out->string_to_sign), out);
}

/* --- by a certificate's key ------------------------------------------------------------------------------------------
 */

bool pq_sigv4_sign_x509(const pq_sigv4_request *request, const pq_certificate *certificate, const pq_pkey *key,
                        pq_sigv4 *out, pq_error *err)
{
    bool rsa = pq_pkey_type_of(key) == PQ_PKEY_RSA;
    AUTO_FRAME of = {0};
    prepare(request, rsa ? "AWS4-X509-RSA-SHA256" : "AWS4-X509-ECDSA-SHA256", &of, out);
    PQ_AUTO_BUF signature = PQ_BUF(PQ_MAX_SECRET), hex = PQ_BUF(2 * PQ_MAX_SECRET);
    if (!pq_pkey_sign(key, rsa ? PQ_RS256 : PQ_ECDSA_DER, pq_buf_text(&out->string_to_sign), out->string_to_sign.length,
                      &signature, err))
        return false;
    pq_hex_add(&hex, signature.data, signature.length);
    PQ_AUTO_FREE char *serial = pq_certificate_serial(certificate);
    finish(&of, serial, pq_buf_steal(&hex), out);
    return true;
}
