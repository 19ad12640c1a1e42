#include "registry/registry.h"

#include <string.h>

#include "auth/common/jwt.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "registry/challenge.h"
#include "registry/token.h"

const char pq_accept_manifests[] = "Accept: application/vnd.oci.image.index.v1+json, "
                                   "application/vnd.oci.image.manifest.v1+json, "
                                   "application/vnd.docker.distribution.manifest.list.v2+json, "
                                   "application/vnd.docker.distribution.manifest.v2+json";

typedef enum scheme { SCHEME_UNKNOWN, SCHEME_NONE, SCHEME_BASIC, SCHEME_BEARER } scheme;

typedef struct call call;

typedef struct token {
    struct token *next;
    char *scope;
    pq_secret *header; /* "Bearer …"; NULL while it is being fetched */
    double ends;       /* monotonic */
    bool fetching;
    bool second; /* it came in the place of one that was refused, and nobody has taken it yet */
} token;

typedef struct host {
    struct host *next;
    char *name;
    char *base; /* https://name */
    char *ca_file, *client_cert, *client_key;
    pq_http_trust trust;
    scheme scheme;
    bool probing; /* one call is finding out the scheme; others wait for it */
    bool refreshed;
    bool let_in;  /* the token service took the identity */
    bool loading; /* the identity is being asked for, which may take requests of its own */
    bool have_identity;
    double loaded;            /* monotonic: when the identity came */
    pq_credential credential; /* empty: anonymous */
    pq_secret *basic;         /* "Basic …" */
    char *group;              /* see pq_registry_group */
    char *realm, *service;
    token *tokens;
} host;

struct call {
    call *next;
    pq_registry *registry;
    host *host;
    pq_registry_call what;
    pq_registry_done *done;
    void *context;
    char *url;
    char *scope;
    pq_strings headers;
    pq_secret *used; /* the Authorization of the request that is under way */
    bool is_probe;
    unsigned refusals;
};

struct pq_registry {
    pq_registry_options options;
    host *hosts;
    call *waiting; /* for a probe or a token */
};

static void advance(call *c);

pq_registry *pq_registry_new(const pq_registry_options *options)
{
    pq_registry *registry = pq_alloc(1, sizeof *registry);
    registry->options = *options;
    if (!registry->options.certs_dir)
        registry->options.certs_dir = "/etc/docker/certs.d";
    return registry;
}

static void free_token(token *t)
{
    free(t->scope);
    pq_secret_free(t->header);
    free(t);
}

static void free_host(host *h)
{
    while (h->tokens) {
        token *t = h->tokens;
        h->tokens = t->next;
        free_token(t);
    }
    free(h->name);
    free(h->base);
    free(h->ca_file);
    free(h->client_cert);
    free(h->client_key);
    free(h->realm);
    free(h->service);
    free(h->group);
    pq_credential_clear(&h->credential);
    pq_secret_free(h->basic);
    free(h);
}

void pq_registry_free(pq_registry *registry)
{
    if (!registry)
        return;
    while (registry->hosts) {
        host *h = registry->hosts;
        registry->hosts = h->next;
        free_host(h);
    }
    free(registry);
}

void pq_registry_cleanup(pq_registry **registry)
{
    pq_registry_free(*registry);
}

pq_http *pq_registry_http(pq_registry *registry)
{
    return registry->options.http;
}

static char *existing_file(const char *folder, const char *name)
{
    PQ_AUTO_FREE char *path = pq_path_join(folder, name);
    return pq_path_exists(path) ? pq_steal(path) : NULL;
}

static host *host_of(pq_registry *registry, const char *name)
{
    for (host *h = registry->hosts; h; h = h->next)
        if (strcmp(h->name, name) == 0)
            return h;
    host *h = pq_alloc(1, sizeof *h);
    h->name = pq_strdup(name);
    h->base = pq_asprintf("https://%s", pq_streq(name, "docker.io") ? "registry-1.docker.io" : name);
    PQ_AUTO_FREE char *folder = pq_path_join(registry->options.certs_dir, name);
    h->ca_file = existing_file(folder, "ca.crt");
    h->client_cert = existing_file(folder, "client.cert");
    h->client_key = existing_file(folder, "client.key");
    if (!h->client_cert || !h->client_key) {
        free(pq_steal(h->client_cert));
        free(pq_steal(h->client_key));
    }
    h->trust = (pq_http_trust){.ca_file = h->ca_file, .client_cert = h->client_cert, .client_key = h->client_key};
    if (registry->options.group)
        h->group = registry->options.group(registry->options.identity_context, name);
    h->next = registry->hosts;
    registry->hosts = h;
    return h;
}

bool pq_registry_allow_plain(pq_registry *registry, const char *name)
{
    PQ_AUTO_FREE char *base = pq_asprintf("http://%s", name);
    if (!pq_url_is_loopback(base))
        return false;
    host *h = host_of(registry, name);
    free(h->base);
    h->base = pq_steal(base);
    return true;
}

static bool load_identity(pq_registry *registry, host *h, pq_error *err)
{
    bool again = h->refreshed;
    pq_credential_clear(&h->credential);
    pq_secret_free(pq_steal(h->basic));
    h->loading = true;
    bool good = registry->options.identity(registry->options.identity_context, h->name, again, &h->credential, err);
    h->loading = false;
    if (!good)
        return pq_error_at(err, h->name);
    h->have_identity = true;
    h->loaded = pq_monotonic();
    if (h->credential.secret)
        h->basic = pq_basic_authorization(&h->credential);
    return true;
}

static void free_call(call *c)
{
    free(c->url);
    free(c->scope);
    pq_strings_clear(&c->headers);
    pq_secret_free(c->used);
    free(c);
}

static void end_call(call *c, pq_http_answer *answer, pq_error *err)
{
    if (err->code != PQ_OK)
        (void)pq_error_at(err, c->what.where ? c->what.where : c->host->name);
    c->done(c->context, answer, err);
    free_call(c);
}

static void fail_call(call *c, pq_error *err)
{
    PQ_AUTO_ANSWER none = {0};
    end_call(c, &none, err);
}

static void wait_for_change(call *c)
{
    c->next = c->registry->waiting;
    c->registry->waiting = c;
}

static bool share(const host *a, const host *b)
{
    return a == b || (a->group && pq_streq(a->group, b->group));
}

static bool is_loading(const pq_registry *registry, const host *h)
{
    for (const host *other = registry->hosts; other; other = other->next)
        if (other->loading && share(other, h))
            return true;
    return false;
}

/* Lets every call that waits on this host, or on one that shares its identity, try again: a probe, an identity or a
 * token has come or not. */
static void wake(pq_registry *registry, const host *h)
{
    call *woken = NULL;
    for (call **at = &registry->waiting; *at;) {
        call *c = *at;
        if (share(c->host, h)) {
            *at = c->next;
            c->next = woken;
            woken = c;
        } else {
            at = &c->next;
        }
    }
    /* `waiting` is a stack and so is `woken`: they go on in the order in which they came. */
    while (woken) {
        call *c = woken;
        woken = c->next;
        c->next = NULL;
        advance(c);
    }
}

static token *token_of(host *h, const char *scope)
{
    for (token *t = h->tokens; t; t = t->next)
        if (strcmp(t->scope, scope) == 0)
            return t;
    token *t = pq_alloc(1, sizeof *t);
    t->scope = pq_strdup(scope);
    t->next = h->tokens;
    h->tokens = t;
    return t;
}

/* What one call was told is the answer for all that wait for the same: nobody asks for it one after the other. */
static void fail_those_waiting(pq_registry *registry, const host *h, const char *scope, const pq_error *err)
{
    call *failed = NULL;
    for (call **at = &registry->waiting; *at;) {
        call *c = *at;
        if (c->host == h && strcmp(c->scope, scope) == 0) {
            *at = c->next;
            c->next = failed;
            failed = c;
        } else {
            at = &c->next;
        }
    }
    while (failed) {
        call *c = failed;
        PQ_AUTO_ERROR copy = {0};
        failed = c->next;
        (void)pq_fail(&copy, err->code, err->where, err->hint, "%s", err->message);
        fail_call(c, &copy);
    }
}

typedef struct token_fetch {
    pq_registry *registry;
    host *host;
    token *token;
    call *for_call;
    char *url;
    pq_secret *form; /* of an identity token; else NULL */
    pq_strings headers;
} token_fetch;

static void free_fetch(token_fetch *fetch)
{
    free(fetch->url);
    pq_secret_free(fetch->form);
    pq_strings_clear(&fetch->headers);
    free(fetch);
}

/* What a cloud handed out for a while, and the registry takes no longer, whatever was said of its end: once in a run it
 * is asked for anew. It may come from an earlier run and have been revoked since. */
static bool renew_passing_identity(host *h, const pq_http_answer *answer)
{
    bool passing = h->credential.identity_token || h->credential.expires;
    if (!passing || answer->status != 401 || h->refreshed)
        return false;
    h->refreshed = true;
    h->have_identity = false;
    return true;
}

static void on_token(void *context, pq_http_answer *answer, pq_error *err)
{
    token_fetch *fetch = context;
    token *t = fetch->token;
    host *h = fetch->host;
    t->fetching = false;
    pq_token parsed = {0};
    bool good = err->code == PQ_OK && pq_token_read(answer, h->name, &h->credential, h->let_in, &parsed, err);
    if (good) {
        h->let_in = true;
        t->header = pq_steal(parsed.header);
        t->ends = pq_monotonic() + parsed.lifetime;
    }
    call *c = fetch->for_call;
    pq_registry *registry = fetch->registry;
    bool again = !good && renew_passing_identity(h, answer);
    free_fetch(fetch);
    if (good || again) {
        pq_error_clear(err);
        advance(c);
        wake(registry, h);
    } else {
        fail_those_waiting(registry, h, t->scope, err);
        fail_call(c, err);
        wake(registry, h);
    }
}

static void fetch_token(call *c, token *t)
{
    host *h = c->host;
    PQ_AUTO_ERROR err = {0};
    if (!pq_realm_allowed(h->base, h->realm, h->name, &err)) {
        fail_call(c, &err);
        return;
    }
    token_fetch *fetch = pq_alloc(1, sizeof *fetch);
    *fetch = (token_fetch){.registry = c->registry, .host = h, .token = t, .for_call = c};
    t->fetching = true;
    pq_http_request request = {
        .method = "GET",
        .where = h->name,
        .authorization = h->basic,
        .trust = &h->trust,
        .answer_cap = PQ_MAX_TOKEN_ANSWER,
        .sensitive = true,
    };
    if (h->credential.identity_token) {
        fetch->url = pq_strdup(h->realm);
        fetch->form = pq_token_form(&h->credential, h->service, t->scope);
        pq_strings_add(&fetch->headers, PQ_FORM_TYPE);
        request.method = "POST";
        request.authorization = NULL;
        request.headers = &fetch->headers;
        request.body = pq_secret_bytes(fetch->form);
        request.body_length = pq_secret_length(fetch->form);
        request.repeatable = true;
    } else {
        fetch->url = pq_token_url(h->realm, h->service, t->scope);
    }
    request.url = fetch->url;
    pq_http_start(c->registry->options.http, &request, on_token, fetch);
}

/* Learns from the challenges of a 401. True when the token itself is in order, but not for this (RFC 6750, section
 * 3.1): another one like it would be refused too. */
static bool learn_scheme(host *h, const pq_http_answer *answer)
{
    PQ_AUTO_CHALLENGES challenges = {0};
    for (size_t i = 0; i < answer->headers.count; i++) {
        static const char name[] = "www-authenticate:";
        if (strncasecmp(answer->headers.at[i], name, sizeof name - 1) == 0)
            pq_challenges_parse(answer->headers.at[i] + sizeof name - 1, &challenges);
    }
    const pq_challenge *bearer = pq_challenges_find(&challenges, "bearer");
    const char *realm = bearer ? pq_challenge_param_of(bearer, "realm") : NULL;
    if (realm) {
        const char *service = pq_challenge_param_of(bearer, "service");
        free(h->realm);
        free(h->service);
        h->realm = pq_strdup(realm);
        h->service = pq_strdup(service);
        h->scheme = SCHEME_BEARER;
    } else if (pq_challenges_find(&challenges, "basic")) {
        h->scheme = SCHEME_BASIC;
    }
    return bearer && pq_streq(pq_challenge_param_of(bearer, "error"), "insufficient_scope");
}

/* The token may have ended in the meantime, on a clock that is not ours: once more with a new one, which all that were
 * refused share. True when there is something to try. */
static bool renew_token(token *t, const call *c)
{
    if (!t->header || !pq_secret_equal(t->header, c->used))
        return true; /* somebody did already */
    if (t->second)
        return false;
    pq_secret_free(pq_steal(t->header));
    t->second = true;
    return true;
}

/* The same for a password that has ended, once in a run. */
static bool renew_identity(host *h, const call *c)
{
    if (!h->have_identity || !h->basic || !pq_secret_equal(h->basic, c->used))
        return true; /* somebody did already, or is about to */
    if (h->refreshed)
        return false;
    h->refreshed = true;
    h->have_identity = false;
    return true;
}

/* A 403 of ECR for a token whose twelve hours are over. */
static bool says_expired(const pq_http_answer *answer)
{
    return answer->status == 403 && answer->body.length &&
           memmem(answer->body.data, answer->body.length, "token has expired", 17);
}

/* True when the call goes on with another authorization. */
static bool answer_challenge(call *c, pq_http_answer *answer)
{
    host *h = c->host;
    token *t = c->used && h->scheme == SCHEME_BEARER ? token_of(h, c->scope) : NULL;
    if (t && t->header && answer->status != 401 && pq_secret_equal(t->header, c->used))
        t->second = false;
    if (answer->status != 401 && !says_expired(answer))
        return false;
    scheme before = h->scheme;
    bool not_for_this = answer->status == 401 && learn_scheme(h, answer);
    if (!c->used && h->scheme != SCHEME_UNKNOWN && h->scheme != SCHEME_NONE)
        return c->refusals++ == 0;
    if (h->scheme == SCHEME_BEARER && c->used) {
        if (before != h->scheme)
            return c->refusals++ < 2;
        return !not_for_this && c->refusals++ < 2 && renew_token(token_of(h, c->scope), c);
    }
    bool passing = says_expired(answer) || h->credential.expires;
    return h->scheme == SCHEME_BASIC && c->used && passing && c->refusals++ < 2 && renew_identity(h, c);
}

static void on_answer(void *context, pq_http_answer *answer, pq_error *err)
{
    call *c = context;
    host *h = c->host;
    pq_registry *registry = c->registry;
    bool probe = c->is_probe;
    c->is_probe = false;
    if (probe)
        h->probing = false;
    if (err->code == PQ_OK && answer_challenge(c, answer)) {
        advance(c);
    } else {
        if (err->code == PQ_OK && probe && h->scheme == SCHEME_UNKNOWN && answer->status < 400)
            h->scheme = SCHEME_NONE;
        end_call(c, answer, err);
    }
    if (probe)
        wake(registry, h);
}

static void send_call(call *c, const pq_secret *authorization)
{
    pq_secret_free(c->used);
    c->used = pq_secret_copy(authorization);
    pq_http_request request = {
        .method = c->what.method,
        .url = c->url,
        .where = c->what.where,
        .headers = c->what.headers,
        .authorization = c->used,
        .body = c->what.body,
        .body_length = c->what.body_length,
        .body_fd = c->what.body_fd,
        .trust = &c->host->trust,
        .answer_cap = c->what.answer_cap,
        .follow = !c->what.keep_redirect && (pq_streq(c->what.method, "GET") || pq_streq(c->what.method, "HEAD")),
        .repeatable = c->what.repeatable,
        .resumable = c->what.resumable,
        .sink = c->what.sink,
        .sink_context = c->what.sink_context,
    };
    pq_http_start(c->registry->options.http, &request, on_answer, c);
}

/* Its time is over: long runs outlive a token. What came just now is used all the same, since then a clock is wrong. */
static bool has_ended(const host *h)
{
    enum { JUST_NOW = 60 };
    return h->credential.expires && h->credential.expires <= pq_now() && pq_monotonic() - h->loaded > JUST_NOW;
}

static void send_or_end(call *c, const pq_secret *authorization)
{
    PQ_AUTO_ANSWER none = {0};
    PQ_AUTO_ERROR err = {0};
    if (c->what.token_only)
        end_call(c, &none, &err);
    else
        send_call(c, authorization);
}

static void advance(call *c)
{
    host *h = c->host;
    pq_registry *registry = c->registry;
    PQ_AUTO_ERROR err = {0};
    switch (h->scheme) {
    case SCHEME_UNKNOWN:
        if (h->probing) {
            wait_for_change(c);
            return;
        }
        h->probing = c->is_probe = true;
        send_call(c, NULL);
        return;
    case SCHEME_NONE:
        send_or_end(c, NULL);
        return;
    case SCHEME_BASIC:
    case SCHEME_BEARER:
        break;
    }
    if (!h->have_identity || has_ended(h)) {
        if (is_loading(registry, h)) {
            wait_for_change(c);
            return;
        }
        bool good = load_identity(registry, h, &err);
        if (!good)
            fail_call(c, &err);
        else
            advance(c);
        wake(registry, h);
        return;
    }
    if (h->scheme == SCHEME_BASIC) {
        send_or_end(c, h->basic);
        return;
    }
    token *t = token_of(h, c->scope);
    if (t->fetching) {
        wait_for_change(c);
        return;
    }
    if (t->header && pq_monotonic() < t->ends) {
        send_or_end(c, t->header);
        return;
    }
    pq_secret_free(pq_steal(t->header));
    fetch_token(c, t);
}

static char *scope_of(const char *repository, bool push)
{
    return pq_asprintf("repository:%s:%s", repository, push ? "pull,push" : "pull");
}

void pq_registry_start(pq_registry *registry, const pq_registry_call *what, pq_registry_done *done, void *context)
{
    call *c = pq_alloc(1, sizeof *c);
    *c = (call){.registry = registry, .what = *what, .done = done, .context = context};
    c->host = host_of(registry, what->host);
    if (pq_starts_with(what->path, "https://") || pq_starts_with(what->path, "http://"))
        c->url = pq_strdup(what->path);
    else if (what->repository)
        c->url = pq_asprintf("%s/v2/%s/%s", c->host->base, what->repository, what->path);
    else
        c->url = pq_asprintf("%s/v2/", c->host->base);
    c->scope = what->repository ? scope_of(what->repository, what->push) : pq_strdup("");
    advance(c);
}

typedef struct waited {
    pq_http_answer *answer;
    pq_error *err;
    bool done;
} waited;

static void keep_answer(void *context, pq_http_answer *answer, pq_error *err)
{
    waited *w = context;
    pq_http_answer_clear(w->answer);
    *w->answer = *answer;
    *answer = (pq_http_answer){0};
    pq_error_move(w->err, err);
    w->done = true;
}

bool pq_registry_do(pq_registry *registry, const pq_registry_call *what, pq_http_answer *out, pq_error *err)
{
    pq_error_clear(err);
    waited w = {.answer = out, .err = err};
    pq_registry_start(registry, what, keep_answer, &w);
    pq_http_run_until(registry->options.http, &w.done);
    return err->code == PQ_OK;
}

void pq_registry_run(pq_registry *registry)
{
    pq_http_run(registry->options.http);
}

const char *pq_registry_identity_words(pq_registry *registry, const char *name)
{
    const host *h = host_of(registry, name);
    if (h->credential.source)
        return h->credential.source;
    return h->have_identity || h->scheme == SCHEME_NONE ? "anonymous" : NULL;
}

pq_push_right pq_registry_token_right(pq_registry *registry, const char *name, const char *repository)
{
    static const char bearer[] = "Bearer ";
    PQ_AUTO_FREE char *scope = scope_of(repository, true);
    const token *t = host_of(registry, name)->tokens;
    while (t && strcmp(t->scope, scope) != 0)
        t = t->next;
    if (!t || !t->header)
        return PQ_PUSH_UNKNOWN;
    size_t skipped = sizeof bearer - 1;
    switch (pq_jwt_access(pq_secret_bytes(t->header) + skipped, pq_secret_length(t->header) - skipped, repository,
                          "push")) {
    case PQ_JWT_GRANTS:
        return PQ_PUSH_YES;
    case PQ_JWT_DENIES:
        return PQ_PUSH_NO;
    default:
        return PQ_PUSH_UNKNOWN;
    }
}

time_t pq_registry_identity_expires(pq_registry *registry, const char *name)
{
    return host_of(registry, name)->credential.expires;
}

/* Whether a refusal may as well mean that there is no such thing: registries do not tell strangers what they have. Who
 * was let in to its manifest knows that a repository is there. */
static bool may_not_exist(const pq_registry_call *what)
{
    return what->repository && !what->push && pq_starts_with(what->path, "manifests/");
}

bool pq_registry_refused(pq_registry *registry, const pq_registry_call *what, const pq_http_answer *answer,
                         pq_error *err)
{
    const host *h = host_of(registry, what->host);
    PQ_AUTO_FREE char *reason = pq_registry_reason(answer);
    const char *colon = reason ? ": " : "", *words = reason ? reason : "";
    const char *where = what->where ? what->where : what->host;
    const char *identity = h->credential.source;
    long status = answer->status;
    if (status < 500 && status != 429 && !pq_registry_no_web_page(answer, where, err))
        return false;
    if (status == 401 && !identity)
        return pq_fail(err, PQ_EDENIED, where, may_not_exist(what) ? pq_hint_no_login_or_name : pq_hint_no_login,
                       "%s wants a login and the configuration has none for it", what->host);
    if (status == 401 && h->scheme == SCHEME_BASIC)
        return pq_fail(err, PQ_EDENIED, where, "set the secret again with `pratique secrets update`",
                       "the registry refuses the user name or password of %s%s%s", identity, colon, words);
    if (status == 401 || status == 403)
        return pq_fail(err, PQ_EDENIED, where,
                       what->push            ? "give it the right to push there"
                       : may_not_exist(what) ? pq_hint_no_right_or_name
                                             : "give it the right to pull there",
                       "access denied for %s%s%s", identity ? identity : "an anonymous client", colon, words);
    if (status == 404)
        return pq_fail(err, PQ_ENOTFOUND, where,
                       identity ? "check the name and tag; some registries also say this when the identity may not pull"
                                : "check the name and tag; a private repository may look like this without a login",
                       "not found%s%s", colon, words);
    PQ_AUTO_FREE char *later = pq_registry_later(answer);
    if (status == 429)
        return pq_fail(err, PQ_EBUSY, where, later, "too many requests (status 429)%s%s", colon, words);
    if (status >= 500)
        return pq_fail(err, PQ_EBUSY, where, later, "the registry failed (status %ld)%s%s", status, colon, words);
    return pq_fail(err, PQ_EFAILED, where, NULL, "the registry answered with status %ld%s%s", status, colon, words);
}
