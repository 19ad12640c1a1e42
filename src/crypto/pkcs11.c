/* ENGINE is deprecated in OpenSSL 3, and is what Debian 12 has for PKCS#11; where a provider named `pkcs11` can be
 * loaded, that is used. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "crypto/pkcs11.h"

#include <openssl/err.h>
#include <openssl/provider.h>
#include <openssl/store.h>
#include <openssl/ui.h>
#ifndef OPENSSL_NO_ENGINE
#include <openssl/engine.h>
#endif
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/secret.h"
#include "base/text.h"
#include "base/trust.h"
#include "crypto/openssl_auto.h"

static const char scheme[] = "pkcs11:";
enum { LONGEST_PIN = 256 };

/* --- URIs (RFC 7512) ---------------------------------------------------------------------------------------------- */

bool pq_pkcs11_is_uri(const char *text)
{
    return strncasecmp(text, scheme, sizeof scheme - 1) == 0;
}

/* What engine and module need to know, apart from the object. */
typedef struct address {
    char *object; /* the URI without what follows */
    char *pin_file, *module;
} address;

static void address_clear(address *to)
{
    free(to->object);
    free(to->pin_file);
    free(to->module);
}
#define AUTO_ADDRESS PQ_CLEANUP(address_clear) address

static int hex_digit(char byte)
{
    const char *digits = "0123456789abcdef", *at = byte ? strchr(digits, pq_ascii_lower(byte)) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* A value with its %XX undone. Owned; NULL when it is not well-formed or holds a NUL. */
static char *decoded(const char *text, size_t length)
{
    PQ_AUTO_BUF out = PQ_BUF(PQ_MAX_MESSAGE);
    for (size_t i = 0; i < length; i++) {
        int high = i + 2 < length ? hex_digit(text[i + 1]) : -1, low = high >= 0 ? hex_digit(text[i + 2]) : -1;
        if (text[i] != '%') {
            pq_buf_addc(&out, text[i]);
        } else if (low >= 0 && (high || low)) {
            pq_buf_addc(&out, (char)(high * 16 + low));
            i += 2;
        } else
            return NULL;
    }
    return out.overflow ? NULL : pq_buf_steal(&out);
}

/* `file:/path`, `file:///path` or a bare path. Owned; NULL for anything else. */
static char *file_of(const char *source)
{
    if (strncasecmp(source, "file:", 5) == 0)
        source += strncmp(source + 5, "//", 2) == 0 ? 7 : 5;
    return *source == '/' ? pq_strdup(source) : NULL;
}

/* RFC 7512, section 2.3; after these the query's. Vendors may have attributes of their own, which begin with `x-` where
 * they keep to custom. Any other is taken to be misspelt: passed over, it would leave it to chance which object is
 * meant. */
static bool is_known(const char *attribute, size_t length)
{
    static const char *const names[] = {
        "token",   "manufacturer",    "serial",    "model",       "library-manufacturer", "library-description",
        "object",  "library-version", "type",      "id",          "slot-description",     "slot-manufacturer",
        "slot-id", "pin-source",      "pin-value", "module-name", "module-path",
    };
    const char *value = memchr(attribute, '=', length);
    size_t name = value ? (size_t)(value - attribute) : length;
    bool known = name > 2 && strncasecmp(attribute, "x-", 2) == 0;
    for (size_t i = 0; i < sizeof names / sizeof *names && !known; i++)
        known = strlen(names[i]) == name && strncasecmp(attribute, names[i], name) == 0;
    return known && value;
}

/* What is no name may be a piece of a PIN, and is not shown. */
static bool fail_unknown(const char *attribute, size_t length, const char *where, pq_error *err)
{
    static const char form[] =
        "it is pkcs11:token=NAME;object=NAME;type=private?module-path=/PATH&pin-source=file:/PATH";
    const char *value = memchr(attribute, '=', length);
    size_t name = 0;
    while (value && attribute + name < value && (pq_ascii_alnum(attribute[name]) || strchr("-_", attribute[name])))
        name++;
    if (!value || attribute + name != value)
        return pq_fail(err, PQ_ECONFIG, where, form,
                       "what stands in the PKCS#11 URI is not all of the form NAME=VALUE");
    return pq_fail(err, PQ_ECONFIG, where, form, "`%.*s` is no attribute of a PKCS#11 URI", (int)name, attribute);
}

static bool add_query(const char *attribute, size_t length, const char *where, address *out, pq_buf *rest,
                      pq_error *err)
{
    const char *value = memchr(attribute, '=', length);
    size_t name = value ? (size_t)(value - attribute) : length;
    PQ_AUTO_FREE char *text = value ? decoded(value + 1, length - name - 1) : NULL;
    if (name == 9 && strncasecmp(attribute, "pin-value", name) == 0)
        return pq_fail(err, PQ_ECONFIG, where, "put the PIN into a file (mode 0600) and name it: pin-source=file:/PATH",
                       "a PIN stands in the URI");
    bool source = name == 10 && strncasecmp(attribute, "pin-source", name) == 0,
         module = name == 11 && strncasecmp(attribute, "module-path", name) == 0;
    /* RFC 7512, section 2.3: none twice. Others might take the other one. */
    if ((source && out->pin_file) || (module && out->module))
        return pq_fail(err, PQ_ECONFIG, where, NULL, "`%s` stands twice in the URI",
                       source ? "pin-source" : "module-path");
    if (source) {
        out->pin_file = text ? file_of(text) : NULL;
        return out->pin_file || pq_fail(err, PQ_ECONFIG, where, "write pin-source=file:/PATH",
                                        "`pin-source` does not name a file by an absolute path");
    }
    if (module) {
        out->module = pq_steal(text);
        return (out->module && *out->module == '/') ||
               pq_fail(err, PQ_ECONFIG, where, NULL, "`module-path` is not an absolute path");
    }
    pq_buf_addc(rest, rest->length ? '&' : '?');
    pq_buf_add(rest, attribute, length);
    return true;
}

/* Path attributes (`token=`, `object=`, …), then after `?` those of the query. p11-kit and others also take the query's
 * among the path's, with `;`, as people write it. */
static bool parse(const char *uri, const char *where, address *out, pq_error *err)
{
    PQ_AUTO_BUF object = PQ_BUF(PQ_MAX_MESSAGE), rest = PQ_BUF(PQ_MAX_MESSAGE);
    pq_buf_adds(&object, scheme);
    bool query = false, good = true;
    for (const char *at = uri + sizeof scheme - 1; good && *at;) {
        size_t length = strcspn(at, query ? "&" : ";?");
        bool ours = query || strncasecmp(at, "pin-", 4) == 0 || strncasecmp(at, "module-path=", 12) == 0;
        if (length && !is_known(at, length))
            good = fail_unknown(at, length, where, err);
        else if (length && ours)
            good = add_query(at, length, where, out, &rest, err);
        else if (length) {
            if (object.length > sizeof scheme - 1)
                pq_buf_addc(&object, ';');
            pq_buf_add(&object, at, length);
        }
        at += length;
        query = query || *at == '?';
        at += *at != '\0';
    }
    if (good && (object.overflow || object.length == sizeof scheme - 1))
        return pq_fail(err, PQ_ECONFIG, where, "write pkcs11:token=NAME;object=NAME", "the URI names no object");
    pq_buf_add(&object, pq_buf_text(&rest), rest.length);
    out->object = pq_buf_steal(&object);
    return good;
}

bool pq_pkcs11_check_uri(const char *uri, const char *where, pq_error *err)
{
    AUTO_ADDRESS to = {0};
    return parse(uri, where, &to, err);
}

char *pq_pkcs11_pin_file(const char *uri)
{
    AUTO_ADDRESS to = {0};
    PQ_AUTO_ERROR ignored = {0};
    return parse(uri, NULL, &to, &ignored) ? pq_steal(to.pin_file) : NULL;
}

/* --- the PIN ------------------------------------------------------------------------------------------------------ */

/* Editors and `echo` put a line end behind it, which is no part of any PIN. */
static bool read_pin(const address *from, const char *where, pq_secret **out, pq_error *err)
{
    PQ_AUTO_BUF text = PQ_SENSITIVE_BUF(LONGEST_PIN);
    struct stat status;
    if (!from->pin_file)
        return true;
    if (!pq_read_file_status(from->pin_file, &text, &status, err)) {
        err->code = PQ_ECONFIG;
        free(err->where);
        err->where = pq_strdup(where);
        pq_hint_of_owner(from->pin_file, err);
        return pq_error_wrap(err, "the PIN's file %s", from->pin_file);
    }
    if ((status.st_mode & (S_IRWXO | S_IWGRP)) != 0) {
        PQ_AUTO_FREE char *hint = pq_asprintf("chmod 600 %s", from->pin_file);
        return pq_fail(err, PQ_ECONFIG, where, hint, "the PIN's file %s can be read or changed by others",
                       from->pin_file);
    }
    while (text.length && (text.data[text.length - 1] == '\n' || text.data[text.length - 1] == '\r'))
        pq_buf_truncate(&text, text.length - 1);
    if (!text.length) /* not to be tried: the token counts it */
        return pq_fail(err, PQ_ECONFIG, where, "write the PIN into it", "the PIN's file %s is empty", from->pin_file);
    *out = pq_secret_from_buf(&text);
    return true;
}

/* --- words -------------------------------------------------------------------------------------------------------- */

/* Why it did not work, from OpenSSL's queue of errors, which is empty afterwards. */
typedef struct reasons {
    bool pin, locked;
} reasons;

static reasons take_reasons(void)
{
    reasons why = {0};
    const char *data = NULL;
    int flags = 0;
    for (unsigned long code; (code = ERR_get_error_all(NULL, NULL, NULL, &data, &flags));) {
        const char *texts[] = {ERR_reason_error_string(code), flags & ERR_TXT_STRING ? data : NULL};
        for (size_t i = 0; i < 2; i++) {
            const char *text = texts[i] ? texts[i] : "";
            why.locked = why.locked || strcasestr(text, "PIN locked") || strcasestr(text, "PIN_LOCKED");
            why.pin = why.pin || strcasestr(text, "PIN") || strcasestr(text, "not logged in");
        }
    }
    return why;
}

static bool pin_refused;

bool pq_pkcs11_pin_refused(void)
{
    return pin_refused;
}

/* How the token's own labels are seen; opensc is what the key was made with as a rule. Owned. */
static char *labels_hint(const address *from)
{
    return pq_asprintf("are `token` and `object` the labels that `pkcs11-tool --module %s` shows, with "
                       "--list-token-slots and with --login --list-objects",
                       from->module ? from->module : "MODULE");
}

static bool fail_object(const address *from, const char *what, const char *where, pq_error *err)
{
    reasons why = take_reasons();
    pin_refused = pin_refused || why.locked || (why.pin && from->pin_file);
    if (why.locked)
        return pq_fail(err, PQ_ECONFIG, where, "the security officer must unlock it",
                       "the token is locked after too many wrong PINs");
    if (why.pin && from->pin_file)
        return pq_fail(err, PQ_ECONFIG, where, "look at the PIN in that file; a few wrong ones lock the token",
                       "the token refuses the PIN of %s", from->pin_file);
    /* A token shows its private keys only to whom it knows. */
    PQ_AUTO_FREE char *labels = labels_hint(from);
    if (!from->pin_file && strstr(what, "private")) {
        PQ_AUTO_FREE char *hint = pq_asprintf("put the token's PIN into a file (mode 0600) and add "
                                              "pin-source=file:/PATH to the URI, behind ? or &; if it needs none: %s?",
                                              labels);
        return pq_fail(err, PQ_ECONFIG, where, hint, "no %s is found by this URI without a PIN", what);
    }
    /* A provider does not say why. */
    PQ_AUTO_FREE char *pin =
        from->pin_file ? pq_asprintf("is the PIN of %s right (a few wrong ones lock the token), ", from->pin_file)
                       : pq_strdup("");
    PQ_AUTO_FREE char *hint =
        pq_asprintf("%s, %smay this user use it, and is its module known (PKCS11_MODULE_PATH, or module-path=/PATH in "
                    "the URI)?",
                    labels, pin);
    return pq_fail(err, PQ_ECONFIG, where, hint, "no %s is found by this URI", what);
}

/* --- the provider ------------------------------------------------------------------------------------------------- */

/* A library context of its own: a token made of software (SoftHSM) calls OpenSSL itself, and would come back to the
 * provider that waits for it. Keys of it work elsewhere as well. Before it is loaded the provider is told the module in
 * its own variable; of this process only, which starts nothing that reads it. NULL where there is no provider. */
static OSSL_LIB_CTX *provider_context(const address *to)
{
    static OSSL_LIB_CTX *context;
    static bool tried;
    const char *module = to->module ? to->module : pq_getenv("PKCS11_MODULE_PATH");
    if (tried)
        return context;
    tried = true;
    if (module)
        (void)setenv("PKCS11_PROVIDER_MODULE", module, 0);
    context = OSSL_LIB_CTX_new();
    if (context && OSSL_PROVIDER_load(context, "pkcs11") && OSSL_PROVIDER_load(context, "default"))
        return context;
    OSSL_LIB_CTX_free(context);
    pq_crypto_forget_errors();
    return context = NULL;
}

static OSSL_STORE_INFO *first_of(OSSL_STORE_CTX *store, int type)
{
    while (!OSSL_STORE_eof(store)) {
        OSSL_STORE_INFO *info = OSSL_STORE_load(store);
        if (info && OSSL_STORE_INFO_get_type(info) == type)
            return info;
        OSSL_STORE_INFO_free(info);
        if (OSSL_STORE_error(store))
            return NULL;
    }
    return NULL;
}

/* Nobody is asked for a PIN. */
static void *provider_load(OSSL_LIB_CTX *context, const char *uri, int type)
{
    OSSL_STORE_CTX *store = OSSL_STORE_open_ex(uri, context, NULL, UI_null(), NULL, NULL, NULL, NULL);
    OSSL_STORE_INFO *info = store && OSSL_STORE_expect(store, type) == 1 ? first_of(store, type) : NULL;
    void *object = !info                          ? NULL
                   : type == OSSL_STORE_INFO_PKEY ? (void *)OSSL_STORE_INFO_get1_PKEY(info)
                                                  : (void *)OSSL_STORE_INFO_get1_CERT(info);
    OSSL_STORE_INFO_free(info);
    if (store)
        (void)OSSL_STORE_close(store);
    return object;
}

/* --- the engine --------------------------------------------------------------------------------------------------- */

#ifndef OPENSSL_NO_ENGINE

/* libp11's, for one module; it stays for the life of the process, as the keys need it. */
static ENGINE *engine;

static bool open_engine(const address *to, const char *where, pq_error *err)
{
    if (engine)
        return true;
    ENGINE_load_dynamic();
    ENGINE *found = ENGINE_by_id("pkcs11");
    if (!found) {
        pq_crypto_forget_errors();
        return pq_fail(err, PQ_ECONFIG, where, "apt-get install libengine-pkcs11-openssl",
                       "OpenSSL cannot use PKCS#11 tokens: neither its provider nor its engine is installed");
    }
    /* It would print what we say. */
    (void)ENGINE_ctrl_cmd_string(found, "QUIET", NULL, 1);
    bool good =
        (!to->module || ENGINE_ctrl_cmd_string(found, "MODULE_PATH", to->module, 0) == 1) && ENGINE_init(found) == 1;
    /* What ENGINE_by_id() gave; ENGINE_init() holds another. */
    ENGINE_free(found);
    pq_crypto_forget_errors();
    if (!good)
        return pq_fail(err, PQ_ECONFIG, where, "look at PKCS11_MODULE_PATH, or module-path= in the URI",
                       "the PKCS#11 module cannot be loaded%s%s", to->module ? ": " : "", to->module ? to->module : "");
    engine = found;
    return true;
}

static bool prepare_engine(const address *to, const char *where, pq_error *err)
{
    PQ_AUTO_SECRET *pin = NULL;
    if (!read_pin(to, where, &pin, err) || !open_engine(to, where, err))
        return false;
    if (pin && ENGINE_ctrl_cmd_string(engine, "PIN", pq_secret_bytes(pin), 0) != 1) {
        pq_crypto_forget_errors();
        return pq_fail(err, PQ_ECONFIG, where, NULL, "the PKCS#11 engine takes no PIN");
    }
    return true;
}

static EVP_PKEY *engine_key(const address *to)
{
    return ENGINE_load_private_key(engine, to->object, NULL, NULL);
}

static X509 *engine_certificate(const address *to)
{
    struct {
        const char *id;
        X509 *certificate;
    } ask = {.id = to->object};
    (void)ENGINE_ctrl_cmd(engine, "LOAD_CERT_CTRL", 0, &ask, NULL, 1);
    return ask.certificate;
}

#else

static bool prepare_engine(const address *to, const char *where, pq_error *err)
{
    (void)to;
    return pq_fail(err, PQ_ECONFIG, where, "install pkcs11-provider",
                   "OpenSSL cannot use PKCS#11 tokens: its provider is not installed");
}

static EVP_PKEY *engine_key(const address *to)
{
    (void)to;
    return NULL;
}

static X509 *engine_certificate(const address *to)
{
    (void)to;
    return NULL;
}

#endif

/* --- both --------------------------------------------------------------------------------------------------------- */

static bool prepare(const char *uri, const char *where, address *out, pq_error *err)
{
    if (!parse(uri, where, out, err))
        return false;
    /* Nobody is asked for a PIN, whichever way they take to ask. */
    UI_set_default_method(UI_null());
    if (!out->module)
        return true;
    /* It is loaded late, and the loader then has words of its own. */
    if (access(out->module, R_OK) != 0)
        return pq_fail(err, PQ_ECONFIG, where, "look at module-path= in the URI",
                       "the PKCS#11 module %s cannot be read", out->module);
    /* What it does, it does as us. */
    if (pq_trust_way(out->module, err))
        return true;
    PQ_AUTO_ERROR why = {0};
    pq_error_move(&why, err);
    return pq_fail(err, PQ_ECONFIG, where, why.hint, "the PKCS#11 module %s is not loaded: %s: %s", out->module,
                   why.where, why.message);
}

bool pq_pkcs11_load_key(const char *uri, const char *where, EVP_PKEY **out, pq_error *err)
{
    AUTO_ADDRESS to = {0};
    if (!prepare(uri, where, &to, err))
        return false;
    OSSL_LIB_CTX *provider = provider_context(&to);
    PQ_AUTO_SECRET *pin = NULL;
    if (provider && !read_pin(&to, where, &pin, err))
        return false;
    if (provider)
        *out = provider_load(provider, uri, OSSL_STORE_INFO_PKEY);
    else if (!prepare_engine(&to, where, err))
        return false;
    else
        *out = engine_key(&to);
    if (!*out)
        return fail_object(&to, "private key", where, err);
    pq_crypto_forget_errors();
    return true;
}

bool pq_pkcs11_load_certificate(const char *uri, const char *where, X509 **out, pq_error *err)
{
    AUTO_ADDRESS to = {0};
    if (!prepare(uri, where, &to, err))
        return false;
    OSSL_LIB_CTX *provider = provider_context(&to);
    if (provider)
        *out = provider_load(provider, uri, OSSL_STORE_INFO_CERT);
    else if (!prepare_engine(&to, where, err))
        return false;
    else
        *out = engine_certificate(&to);
    if (!*out)
        return fail_object(&to, "certificate", where, err);
    pq_crypto_forget_errors();
    return true;
}
