#include "device/check/endpoint.h"

#include <string.h>

#include "base/limits.h"
#include "crypto/handshake.h"
#include "device/check/identity.h"
#include "net/reach.h"

char *pq_check_endpoint_of(const char *url)
{
    PQ_AUTO_PEER peer = {0};
    if (!pq_peer_of_url(url, &peer))
        return NULL;
    return pq_streq(peer.port, "443") && !strchr(peer.host, ':') ? pq_strdup(peer.host) : pq_peer_words(&peer);
}

/* --- one request for the root ------------------------------------------------------------------------------------- */

static bool ask_root(pq_http *http, const char *method, const char *endpoint, const pq_http_trust *trust,
                     double seconds, pq_handshake *handshake, pq_http_answer *answer, pq_error *err)
{
    PQ_AUTO_FREE char *root = pq_asprintf("https://%s/", endpoint);
    const pq_http_identity identity = {.arm = pq_handshake_arm, .context = handshake};
    const pq_http_request request = {.method = method,
                                     .url = root,
                                     .trust = trust,
                                     .identity = &identity,
                                     .sensitive = true,
                                     .connect_timeout = seconds,
                                     .try_timeout = 2 * seconds,
                                     .tries = 1};
    return pq_http_do(http, &request, answer, err);
}

static bool date_of(const pq_http_answer *answer, time_t *out)
{
    const char *date = pq_http_header(answer, "Date");
    return date && pq_time_parse_http(date, out);
}

bool pq_check_server_time(pq_http *http, const char *url, const pq_http_trust *trust, double seconds, time_t *out)
{
    PQ_AUTO_FREE char *endpoint = pq_check_endpoint_of(url);
    PQ_AUTO_HANDSHAKE handshake = {.at_any_time = true};
    PQ_AUTO_ANSWER answer = {0};
    PQ_AUTO_ERROR ignored = {0};
    return endpoint && ask_root(http, "HEAD", endpoint, trust, seconds, &handshake, &answer, &ignored) &&
           date_of(&answer, out);
}

/* --- before TLS --------------------------------------------------------------------------------------------------- */

typedef struct walk {
    const pq_check_endpoint_ask *ask;
    pq_check_steps *steps;
    char *endpoint;
    pq_peer to, proxy;
    bool by_proxy;
    double started; /* asking it; monotonic */
} walk;

static void walk_clear(walk *w)
{
    free(w->endpoint);
    pq_peer_clear(&w->to);
    pq_peer_clear(&w->proxy);
}

static bool reach(walk *w)
{
    const pq_peer *peer = w->by_proxy ? &w->proxy : &w->to;
    PQ_AUTO_FREE char *shown = pq_peer_words(peer);
    PQ_AUTO_ADDRESSES list = {0};
    PQ_AUTO_STRINGS failed = {0};
    PQ_AUTO_ERROR err = {0};
    if (!pq_resolve(peer, &list, &err)) {
        if (w->by_proxy)
            (void)pq_error_wrap(&err, "of the proxy (HTTPS_PROXY)");
        return pq_check_fail(w->steps, PQ_CHECK_DNS, w->endpoint, &err);
    }
    PQ_AUTO_FREE char *words = pq_addresses_words(&list);
    if (w->by_proxy)
        pq_check_ok(w->steps, PQ_CHECK_DNS, w->endpoint, NULL, "the proxy %s looks it up", shown);
    else
        pq_check_ok(w->steps, PQ_CHECK_DNS, w->endpoint, NULL, "%s", words);
    size_t which = 0;
    if (!pq_try_connect(peer, &list, w->ask->seconds, &which, &failed, &err)) {
        if (w->by_proxy && err.code != PQ_EINTERRUPTED) {
            free(err.hint);
            err.hint = pq_strdup("check HTTPS_PROXY");
            (void)pq_error_wrap(&err, "the proxy");
        }
        return pq_check_fail(w->steps, PQ_CHECK_TCP, w->endpoint, &err);
    }
    PQ_AUTO_BUF others = PQ_BUF(PQ_MAX_MESSAGE);
    for (size_t i = 0; i < failed.count; i++)
        pq_buf_addf(&others, "%s%s", i ? ", " : "; no connection to ", failed.at[i]);
    if (!w->by_proxy)
        pq_check_ok(w->steps, PQ_CHECK_TCP, w->endpoint, NULL, "%s port %s%s", list.at[which].words, peer->port,
                    pq_buf_text(&others));
    return true;
}

/* --- TLS ---------------------------------------------------------------------------------------------------------- */

static void say_proxy(walk *w)
{
    PQ_AUTO_FREE char *proxy = w->by_proxy ? pq_peer_words(&w->proxy) : NULL;
    if (proxy)
        pq_check_ok(w->steps, PQ_CHECK_TCP, w->endpoint, NULL, "by way of the proxy %s", proxy);
}

/* Dates that do not fit: is it the server's certificate, or our clock? */
static bool fail_dates(walk *w, pq_error *err)
{
    const pq_check_endpoint_ask *ask = w->ask;
    PQ_AUTO_FREE char *other = NULL;
    PQ_AUTO_ERROR clock = {0};
    time_t theirs = 0;
    bool known = pq_check_server_time(ask->http, ask->url, ask->trust, ask->seconds, &theirs) ||
                 ask->ask_time(ask->ask_time_context, &theirs, &other);
    if (known && !pq_check_skew(theirs, other ? other : w->endpoint, &clock))
        return pq_check_fail(w->steps, PQ_CHECK_CLOCK, w->endpoint, &clock);
    return pq_check_fail(w->steps, PQ_CHECK_TLS, w->endpoint, err);
}

static bool fail_server(walk *w, const pq_handshake_facts *facts, pq_error *err)
{
    if (pq_handshake_dates_only(facts))
        return fail_dates(w, err);
    if (!pq_handshake_stranger(facts))
        return pq_check_fail(w->steps, PQ_CHECK_TLS, w->endpoint, err);
    PQ_AUTO_ERROR named = {0};
    (void)pq_fail(&named, PQ_EFAILED, NULL, w->ask->trust_hint,
                  "the certificate of %s is signed by a CA that is not trusted here: %s, issued by %s", w->endpoint,
                  facts->subject ? facts->subject : "?", facts->issuer ? facts->issuer : "?");
    return pq_check_fail(w->steps, PQ_CHECK_TLS, w->endpoint, &named);
}

static void say_tls(walk *w, const pq_handshake_facts *facts)
{
    char ends[PQ_TIME_TEXT];
    pq_time_text(facts->ends, ends);
    pq_check_ok(w->steps, PQ_CHECK_TLS, w->endpoint, NULL, "%s, ALPN %s; certificate %s issued by %s, until %s",
                facts->version ? facts->version : "TLS", facts->alpn ? facts->alpn : "none",
                facts->subject ? facts->subject : "?", facts->issuer ? facts->issuer : "?", ends);
}

/* After TLS 1.2's handshake a certificate was looked at, after TLS 1.3's perhaps not: its refusal comes as an alert in
 * place of an answer, or as a connection that is cut. */
static bool fail_client(walk *w, const pq_handshake_facts *facts, pq_error *err)
{
    const char *refusal = pq_alert_refusal(facts->alert, facts->asked);
    const char *step = facts->done || refusal ? PQ_CHECK_CLIENT : PQ_CHECK_TLS;
    bool slow = pq_monotonic() - w->started >= w->ask->seconds;
    PQ_AUTO_ERROR cut = {0};
    if (facts->done || refusal)
        say_tls(w, facts);
    /* The words of net/failure.c for an alert know what to do. */
    if (!facts->asked || refusal || facts->alert > 0 || slow)
        return pq_check_fail(w->steps, step, w->endpoint, err);
    (void)pq_fail(
        &cut, PQ_ETRANSPORT, NULL,
        "it had asked for the device's certificate: some servers cut the connection off instead of saying that "
        "it will not do",
        "%s", err->message);
    return pq_check_fail(w->steps, step, w->endpoint, &cut);
}

static bool fail_tls(walk *w, const pq_handshake_facts *facts, pq_error *err)
{
    if (err->code == PQ_EINTERRUPTED || !facts->begun)
        return pq_check_fail(w->steps, PQ_CHECK_TCP, w->endpoint, err);
    say_proxy(w);
    if (facts->verify)
        return fail_server(w, facts, err);
    /* Its name is compared after the handshake. */
    if (err->code == PQ_EFAILED)
        return pq_check_fail(w->steps, PQ_CHECK_TLS, w->endpoint, err);
    if (w->ask->shown && facts->answered && facts->subject)
        return fail_client(w, facts, err);
    return pq_check_fail(w->steps, PQ_CHECK_TLS, w->endpoint, err);
}

/* nginx's own page for a certificate that it does not take (ngx_http_special_response.c). */
static bool is_front_refusal(const pq_http_answer *answer)
{
    return answer->status == 400 && strcasestr(pq_buf_text(&answer->body), "SSL certificate");
}

static bool say_client(walk *w, const pq_handshake_facts *facts, const pq_http_answer *answer, bool *out_unsure)
{
    const pq_check_endpoint_ask *ask = w->ask;
    PQ_AUTO_ERROR err = {0};
    if (!ask->shown)
        return true;
    if (is_front_refusal(answer)) {
        *out_unsure = true;
        return true;
    }
    if (!facts->asked && ask->must_ask) {
        (void)pq_fail(&err, PQ_EFAILED, NULL,
                      "it can be that the address is that of another kind of endpoint; or that a proxy ends TLS on the "
                      "way, and the server's certificate is the proxy's own",
                      "%s does not ask for a client certificate, which is what this endpoint is there for",
                      w->endpoint);
        return pq_check_fail(w->steps, PQ_CHECK_CLIENT, w->endpoint, &err);
    }
    pq_check_ok(w->steps, PQ_CHECK_CLIENT, w->endpoint, NULL,
                facts->asked ? "asked for, and taken in the handshake" : "not asked for yet");
    return true;
}

static bool say_clock(walk *w, const pq_http_answer *answer)
{
    PQ_AUTO_ERROR err = {0};
    time_t theirs = 0;
    if (!date_of(answer, &theirs)) {
        pq_check_skip(w->steps, PQ_CHECK_CLOCK, w->endpoint, "it does not say what time it is");
        return true;
    }
    if (!pq_check_skew(theirs, w->endpoint, &err))
        return pq_check_fail(w->steps, PQ_CHECK_CLOCK, w->endpoint, &err);
    time_t ahead = pq_now() - theirs;
    PQ_AUTO_FREE char *by = pq_check_duration(ahead);
    if (ahead >= -1 && ahead <= 1)
        pq_check_ok(w->steps, PQ_CHECK_CLOCK, w->endpoint, NULL, "this machine's and the server's agree");
    else
        pq_check_ok(w->steps, PQ_CHECK_CLOCK, w->endpoint, NULL, "this machine's is %s %s the server's", by,
                    ahead > 0 ? "ahead of" : "behind");
    return true;
}

bool pq_check_endpoint(const pq_check_endpoint_ask *ask, pq_check_steps *steps, bool *out_unsure)
{
    PQ_CLEANUP(walk_clear) walk w = {.ask = ask, .steps = steps, .endpoint = pq_check_endpoint_of(ask->url)};
    const pq_proxy_environment environment = pq_proxy_environment_read();
    if (!pq_peer_of_url(ask->url, &w.to))
        return true; /* plain HTTP, to this machine's own loopback only */
    w.by_proxy = pq_proxy_for(&environment, &w.to, &w.proxy);
    if (!reach(&w))
        return false;
    PQ_AUTO_HANDSHAKE handshake = {.shown = ask->shown};
    PQ_AUTO_ANSWER answer = {0};
    PQ_AUTO_ERROR err = {0};
    w.started = pq_monotonic();
    /* A refusal has a body that tells more than its status. */
    const char *method = ask->shown ? "GET" : "HEAD";
    if (!ask_root(ask->http, method, w.endpoint, ask->trust, ask->seconds, &handshake, &answer, &err))
        return fail_tls(&w, &handshake.facts, &err);
    say_proxy(&w);
    say_tls(&w, &handshake.facts);
    return say_client(&w, &handshake.facts, &answer, out_unsure) && say_clock(&w, &answer);
}
