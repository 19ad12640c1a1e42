/* Why Entra ID says no: its codes in words, and what to do about each. The codes are those of "Microsoft Entra
 * authentication and authorization error codes". */
#include <jansson.h>
#include <string.h>

#include "auth/azure/entra.h"
#include "auth/common/jwt.h"
#include "auth/common/service_words.h"

void pq_entra_fault_clear(pq_entra_fault *fault)
{
    free(fault->error);
    free(fault->said);
    *fault = (pq_entra_fault){0};
}

/* "AADSTS7000222: The provided … are expired. Trace ID: …": the code, and the words between. */
static void read_description(const char *text, pq_entra_fault *out)
{
    static const char prefix[] = "AADSTS";
    const char *words = text;
    if (pq_starts_with(text, prefix)) {
        const char *digits = text + sizeof prefix - 1;
        size_t width = strspn(digits, "0123456789");
        uint64_t code;
        PQ_AUTO_FREE char *number = pq_strndup(digits, width);
        if (!out->code && pq_parse_number(number, 999999999, &code))
            out->code = (long)code;
        words = digits + width;
        words += strspn(words, ": ");
    }
    const char *trace = strstr(words, "Trace ID:");
    size_t line = strcspn(words, "\r\n"),
           length = trace && (size_t)(trace - words) < line ? (size_t)(trace - words) : line;
    while (length && (words[length - 1] == ' ' || words[length - 1] == '.'))
        length--;
    out->said = pq_service_words(words, length);
}

/* Names of OAuth errors are of few letters (RFC 6749, section 5.2). */
static char *clean_error(const char *text)
{
    size_t length = text ? strspn(text, "abcdefghijklmnopqrstuvwxyz_") : 0;
    return length && length <= 64 && !text[length] ? pq_strdup(text) : NULL;
}

void pq_entra_fault_read(const pq_http_answer *answer, pq_entra_fault *out)
{
    *out = (pq_entra_fault){0};
    json_t *json = json_loadb(pq_buf_text(&answer->body), answer->body.length, 0, NULL);
    const json_t *code = json_array_get(json_object_get(json, "error_codes"), 0);
    const char *description = json_string_value(json_object_get(json, "error_description"));
    out->error = clean_error(json_string_value(json_object_get(json, "error")));
    if (json_is_integer(code) && json_integer_value(code) > 0 && json_integer_value(code) <= 999999999)
        out->code = (long)json_integer_value(code);
    if (description)
        read_description(description, out);
    json_decref(json);
}

/* --- words -------------------------------------------------------------------------------------------------------- */

typedef enum remedy {
    BY_HINT,
    NEW_SECRET,      /* make a secret and put it in place */
    NEW_CERTIFICATE, /* show the certificate to the application */
    NEW_TRUST,       /* make a federated credential for what the token says */
    FRESH_ASSERTION,
} remedy;

typedef struct words {
    long code;
    const char *message, *hint; /* the hint of BY_HINT, or what goes before that of another remedy */
    remedy remedy;
} words;

static const words table[] = {
    {7000215, "the client secret is wrong", "its value is wanted, not its ID: copy it anew, or ", NEW_SECRET},
    {7000222, "the client secret has expired", "", NEW_SECRET},
    {700016, "the tenant has no application with this client id",
     "look at the client id and the tenant: `az ad sp show --id CLIENT`, `az account show --query tenantId`", BY_HINT},
    {7000229, "the application has no service principal in this tenant", "`az ad sp create --id CLIENT`", BY_HINT},
    {7000112, "the application is disabled", "enable it under Enterprise applications in Entra ID", BY_HINT},
    {90002, "there is no such tenant in this cloud",
     "look at the tenant: `az account show --query tenantId` in the right cloud", BY_HINT},
    {900023, "there is no such tenant in this cloud",
     "look at the tenant: `az account show --query tenantId` in the right cloud", BY_HINT},
    {90038, "the tenant belongs to another cloud", "look at `url` and the tenant, and at AZURE_AUTHORITY_HOST",
     BY_HINT},
    {900382, "the tenant belongs to another cloud", "look at `url` and the tenant, and at AZURE_AUTHORITY_HOST",
     BY_HINT},
    {500011, "the tenant does not know the registry service that the token is asked for",
     "is the tenant of the registry's cloud? look at `url` and at AZURE_AUTHORITY_HOST", BY_HINT},
    {700027, "the certificate is not one of the application's, or the signature is wrong", "", NEW_CERTIFICATE},
    {700030, "the certificate's subject is not one that the application allows", "", NEW_CERTIFICATE},
    {PQ_ENTRA_ASSERTION_TIME, "the assertion's time is over, or yet to come", "", FRESH_ASSERTION},
    {700021, "the assertion was made for another application", "look at the client id", BY_HINT},
    {700023, "the assertion was made for another tenant or login service",
     "look at the tenant and at AZURE_AUTHORITY_HOST", BY_HINT},
    {70021, "the application trusts no such OIDC token", "", NEW_TRUST},
    {700211, "the application does not trust the OIDC token's issuer", "", NEW_TRUST},
    {700212, "the application does not trust the OIDC token's audience", "", NEW_TRUST},
    {700213, "the application does not trust the OIDC token's subject", "", NEW_TRUST},
    {7002131, "the application does not trust the OIDC token's subject", "", NEW_TRUST},
    {50013, "the signature of the assertion cannot be proved",
     "is it a token of the issuer that it names, and does that issuer publish its keys?", BY_HINT},
    {50027, "the assertion is no valid token", "look at where the OIDC token comes from", BY_HINT},
    {53003, "a conditional access policy blocks the sign-in", "ask who keeps the tenant's policies", BY_HINT},
};

static const words *words_of(long code)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].code == code)
            return &table[i];
    return NULL;
}

const char *pq_entra_code_words(long code)
{
    const words *found = words_of(code);
    return found ? found->message : NULL;
}

/* What the application would have to trust. */
static char *trust_hint(const pq_secret *assertion)
{
    PQ_AUTO_JWT jwt = {0};
    if (!assertion || !pq_jwt_read(pq_secret_bytes(assertion), pq_secret_length(assertion), &jwt))
        return pq_strdup("add a federated credential to the application for this token");
    PQ_AUTO_BUF text = PQ_BUF(4096);
    pq_buf_adds(&text, "add a federated credential to the application with just these: ");
    const char *const names[] = {"issuer", "subject", "audience"};
    const char *const values[] = {jwt.issuer, jwt.subject, jwt.audience};
    for (size_t i = 0; i < 3; i++) {
        pq_buf_addf(&text, "%s%s ", i ? ", " : "", names[i]);
        pq_buf_add_printable(&text, values[i] ? values[i] : "none", values[i] ? strnlen(values[i], 300) : 4);
    }
    return pq_buf_steal(&text);
}

static char *hint_for(const pq_entra_call *call, const words *found)
{
    switch (found->remedy) {
    case NEW_SECRET:
        return pq_asprintf("%smake a new one with `az ad sp credential reset --id %s`, then %s", found->hint,
                           call->client, call->renew);
    case NEW_CERTIFICATE:
        return pq_asprintf("%sadd it with `az ad app credential reset --id %s --cert @%s --append`, or set the "
                           "right one: %s",
                           found->hint, call->client, call->certificate ? call->certificate : "cert.pem", call->renew);
    case NEW_TRUST:
        return trust_hint(call->assertion);
    case FRESH_ASSERTION:
        return pq_strdup(call->key ? "set this machine's clock"
                                   : "OIDC tokens live for minutes: have a fresh one made; or is a clock wrong?");
    case BY_HINT:
        break;
    }
    const char *client = strstr(found->hint, "CLIENT");
    return client ? pq_asprintf("%.*s%s%s", (int)(client - found->hint), found->hint, call->client,
                                client + strlen("CLIENT"))
                  : pq_strdup(found->hint);
}

bool pq_entra_fail(const pq_entra_call *call, const pq_entra_fault *fault, long status, pq_error *err)
{
    /* 90033: "A transient error has occurred". */
    bool passes = status == 429 || status >= 500 || fault->code == 90033;
    const words *found = words_of(fault->code);
    PQ_AUTO_FREE char *code = fault->code    ? pq_asprintf("AADSTS%ld", fault->code)
                              : fault->error ? pq_strdup(fault->error)
                                             : pq_asprintf("status %ld", status);
    const char *colon = fault->said ? ": " : "", *said = fault->said ? fault->said : "";
    if (found && !passes) {
        PQ_AUTO_FREE char *hint = hint_for(call, found);
        return pq_fail(err, PQ_EDENIED, NULL, hint, "%s (%s)", found->message, code);
    }
    if (passes)
        return pq_fail(err, PQ_EBUSY, NULL, "try again later",
                       status == 429 ? "Entra ID says that there are too many requests (%s)%s%s"
                                     : "Entra ID has a problem of its own (%s)%s%s",
                       code, colon, said);
    if (!fault->code && !fault->error)
        return pq_fail(err, PQ_EFAILED, NULL, "is there a proxy, or another service under AZURE_AUTHORITY_HOST?",
                       "status %ld instead of an answer of Entra ID", status);
    return pq_fail(err, PQ_EDENIED, NULL, NULL, "Entra ID refuses the request (%s)%s%s", code, colon, said);
}
