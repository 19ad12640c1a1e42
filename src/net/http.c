#include "net/http.h"

#include <curl/curl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/signals.h"
#include "net/failure.h"

/* Beyond what one HTTP/2 connection carries (100 streams, libcurl's own default), libcurl 7.88 opens another one and
 * loses a request on the way; and no registry answers more than this at a time any faster. */
enum { MAX_REDIRECTS = 5, MAX_RUNNING = 80, LONGEST_PAUSE = 60 };

typedef struct transfer {
    struct transfer *next;
    pq_http *http;
    pq_http_request request;
    pq_http_done *done;
    void *context;

    CURL *easy;
    struct curl_slist *headers;
    char error_text[CURL_ERROR_SIZE];
    char *url;             /* where it goes now */
    char *shown_to;        /* the host that may see the identity */
    bool keep_credentials; /* still at the origin that they are for */
    unsigned tries, redirects;
    double start_at; /* monotonic; when waiting to be tried again */
    double started;
    bool running;
    size_t body_sent;
    size_t sink_bytes;
    pq_buf kept; /* of an answer that was cut off, to go on with */
    pq_http_answer answer;
    pq_error failure; /* of a sink, a cap or a rule: beats what libcurl says */
} transfer;

struct pq_http {
    CURLM *multi;
    pq_http_options options;
    char *ca_file, *ca_dir;
    transfer *transfers;
    double told_to_wait; /* seconds; negative while nobody did */
    CURL *idle[8];
    size_t idle_count;
};

/* OpenSSL looks for HASH.N in a directory. ISRG Root X1 has been in every distribution's set since 2016, so its name
 * tells whether the system's directory was hashed. */
static bool is_hashed_dir(const char *path)
{
    PQ_AUTO_FREE char *isrg_root_x1 = pq_path_join(path, "4042bcee.0");
    return pq_path_exists(isrg_root_x1);
}

pq_http_options pq_http_options_from_environment(void)
{
    pq_http_options options = {0};
    const char *file = getenv("SSL_CERT_FILE");
    if (!file || !*file)
        file = getenv("CURL_CA_BUNDLE");
    if (file && *file)
        options.ca_file = file;
    const char *folder = getenv("SSL_CERT_DIR");
    if (folder && *folder)
        options.ca_dir = folder;
    const char *timeout = getenv("PRATIQUE_TIMEOUT");
    uint64_t seconds;
    if (timeout && pq_parse_number(timeout, 86400, &seconds) && seconds > 0) {
        options.idle_timeout = (double)seconds;
        options.connect_timeout = fmin((double)seconds, 10);
    }
    return options;
}

bool pq_http_new(const pq_http_options *options, pq_http **out, pq_error *err)
{
    static bool ready;
    if (!ready && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return pq_fail(err, PQ_ESYSTEM, NULL, NULL, "libcurl cannot be started");
    ready = true;
    pq_http *http = pq_alloc(1, sizeof *http);
    http->options = *options;
    http->told_to_wait = -1;
    if (http->options.connect_timeout <= 0)
        http->options.connect_timeout = 10;
    if (http->options.idle_timeout <= 0)
        http->options.idle_timeout = 30;
    if (http->options.tries == 0)
        http->options.tries = 4;
    if (http->options.max_connections == 0)
        http->options.max_connections = 8;
    static const char *const folders[] = {"/etc/ssl/certs", "/etc/pki/tls/certs"};
    static const char *const files[] = {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"};
    if (options->ca_file || options->ca_dir) {
        http->ca_file = pq_strdup(options->ca_file);
        http->ca_dir = pq_strdup(options->ca_dir);
    } else {
        for (size_t i = 0; i < 2 && !http->ca_dir; i++)
            if (is_hashed_dir(folders[i]))
                http->ca_dir = pq_strdup(folders[i]);
        for (size_t i = 0; i < 2 && !http->ca_dir && !http->ca_file; i++)
            if (pq_path_exists(files[i]))
                http->ca_file = pq_strdup(files[i]);
    }
    http->multi = curl_multi_init();
    if (!http->multi) {
        pq_http_free(http);
        return pq_fail(err, PQ_ESYSTEM, NULL, NULL, "libcurl cannot be started");
    }
    (void)curl_multi_setopt(http->multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
    (void)curl_multi_setopt(http->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)http->options.max_connections);
    *out = http;
    return true;
}

void pq_http_answer_clear(pq_http_answer *answer)
{
    pq_strings_clear(&answer->headers);
    pq_buf_clear(&answer->body);
    free(answer->url);
    *answer = (pq_http_answer){0};
}

static void drop_headers(transfer *t)
{
    /* One of them may be the Authorization. */
    for (struct curl_slist *item = t->headers; item; item = item->next)
        explicit_bzero(item->data, strlen(item->data));
    curl_slist_free_all(t->headers);
    t->headers = NULL;
}

static void stop_easy(transfer *t)
{
    if (!t->easy)
        return;
    pq_http *http = t->http;
    (void)curl_multi_remove_handle(http->multi, t->easy);
    curl_easy_reset(t->easy);
    if (http->idle_count < sizeof http->idle / sizeof *http->idle)
        http->idle[http->idle_count++] = t->easy;
    else
        curl_easy_cleanup(t->easy);
    t->easy = NULL;
    t->running = false;
    drop_headers(t);
}

static void free_transfer(transfer *t)
{
    stop_easy(t);
    free(t->url);
    free(t->shown_to);
    pq_buf_clear(&t->kept);
    pq_http_answer_clear(&t->answer);
    pq_error_clear(&t->failure);
    free(t);
}

void pq_http_free(pq_http *http)
{
    if (!http)
        return;
    while (http->transfers) {
        transfer *t = http->transfers;
        http->transfers = t->next;
        free_transfer(t);
    }
    for (size_t i = 0; i < http->idle_count; i++)
        curl_easy_cleanup(http->idle[i]);
    if (http->multi)
        (void)curl_multi_cleanup(http->multi);
    free(http->ca_file);
    free(http->ca_dir);
    free(http);
}

void pq_http_cleanup(pq_http **http)
{
    pq_http_free(*http);
}

/* Where host and port begin: behind a user and a password. */
static const char *host_in(const char *url)
{
    const char *start = strstr(url, "://");
    start = start ? start + 3 : url;
    const char *at = memrchr(start, '@', strcspn(start, "/?#"));
    return at ? at + 1 : start;
}

void pq_url_add_shown(pq_buf *out, const char *url)
{
    const char *start = strstr(url, "://"), *host = host_in(url);
    if (start)
        pq_buf_add(out, url, (size_t)(start + 3 - url));
    pq_buf_add(out, host, strcspn(host, "?#"));
}

static size_t on_header(char *bytes, size_t size, size_t count, void *context)
{
    transfer *t = context;
    size_t length = size * count;
    if (length >= 5 && memcmp(bytes, "HTTP/", 5) == 0) {
        pq_strings_clear(&t->answer.headers); /* of an interim answer */
        return length;
    }
    size_t end = length;
    while (end > 0 && pq_ascii_space(bytes[end - 1]))
        end--;
    if (end > PQ_MAX_HEADER_LINE || t->answer.headers.count > 200) {
        (void)pq_fail(&t->failure, PQ_EFAILED, NULL, NULL, "the answer has too many or too large headers");
        return 0;
    }
    if (end > 0)
        pq_strings_take(&t->answer.headers, pq_strndup(bytes, end));
    return length;
}

/* The rest of what was kept begins to come, or all of it again. */
static bool go_on(transfer *t, long status)
{
    static const char unit[] = "bytes ";
    const char *range = pq_http_header(&t->answer, "Content-Range");
    PQ_AUTO_FREE char *wanted = pq_asprintf("%s%zu-", unit, t->kept.length);
    if (status != 206) {
        pq_buf_clear(&t->kept);
        return true;
    }
    if (!range || !pq_starts_with(range, wanted))
        return pq_fail(&t->failure, PQ_EFAILED, NULL, NULL, "the answer goes on at another place than was asked for");
    pq_buf_clear(&t->answer.body);
    t->answer.body = t->kept;
    t->kept = (pq_buf){0};
    return true;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
    transfer *t = context;
    size_t length = size * count;
    long status = 0;
    (void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status < 200 || status > 299) {
        /* Of a failure the beginning is enough, and the rest is not worth waiting for: but the connection is. */
        size_t room = t->answer.body.length < PQ_MAX_ERROR_BODY ? PQ_MAX_ERROR_BODY - t->answer.body.length : 0;
        t->sink_bytes += length;
        if (t->sink_bytes > (1u << 20)) {
            (void)pq_fail(&t->failure, PQ_EFAILED, NULL, NULL, "status %ld with an answer that does not end", status);
            return 0;
        }
        pq_buf_add(&t->answer.body, bytes, length < room ? length : room);
        return length;
    }
    if (t->request.sink) {
        t->sink_bytes += length;
        return t->request.sink(t->request.sink_context, bytes, length, &t->failure) ? length : 0;
    }
    if (t->kept.length && !go_on(t, status))
        return 0;
    pq_buf_add(&t->answer.body, bytes, length);
    if (t->answer.body.overflow) {
        (void)pq_fail(&t->failure, PQ_EFAILED, NULL, NULL, "the answer is larger than %zu bytes", t->answer.body.cap);
        return 0;
    }
    return length;
}

static size_t on_send(char *place, size_t size, size_t count, void *context)
{
    transfer *t = context;
    size_t room = size * count, left = t->request.body_length - t->body_sent;
    if (left < room)
        room = left;
    if (room == 0)
        return 0;
    if (t->request.body) {
        memcpy(place, (const char *)t->request.body + t->body_sent, room);
    } else {
        ssize_t got = pread(t->request.body_fd, place, room, (off_t)t->body_sent);
        if (got <= 0) {
            (void)pq_fail(&t->failure, PQ_ESYSTEM, NULL, NULL, "the file that is being sent changed underneath");
            return CURL_READFUNC_ABORT;
        }
        room = (size_t)got;
    }
    t->body_sent += room;
    return room;
}

static int on_rewind(void *context, curl_off_t offset, int origin)
{
    transfer *t = context;
    if (origin != SEEK_SET || offset < 0 || (size_t)offset > t->request.body_length)
        return CURL_SEEKFUNC_CANTSEEK;
    t->body_sent = (size_t)offset;
    return CURL_SEEKFUNC_OK;
}

static int on_progress(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    (void)context, (void)a, (void)b, (void)c, (void)d;
    return pq_interrupted();
}

static void add_header(transfer *t, const char *line)
{
    struct curl_slist *longer = curl_slist_append(t->headers, line);
    if (!longer)
        abort();
    t->headers = longer;
}

static void set_trust(transfer *t)
{
    const pq_http *http = t->http;
    const pq_http_trust *trust = t->request.trust;
    /* One file and one directory are what libcurl takes; a host's own CA takes the file's place, for it is there to be
     * used, and the directory goes on serving the rest. */
    (void)curl_easy_setopt(t->easy, CURLOPT_CAINFO, trust && trust->ca_file ? trust->ca_file : http->ca_file);
    (void)curl_easy_setopt(t->easy, CURLOPT_CAPATH, trust && trust->alone ? NULL : http->ca_dir);
    if (trust && trust->client_cert && t->keep_credentials) {
        (void)curl_easy_setopt(t->easy, CURLOPT_SSLCERT, trust->client_cert);
        (void)curl_easy_setopt(t->easy, CURLOPT_SSLKEY, trust->client_key);
    }
}

static CURLcode on_ssl_ctx(CURL *easy, void *ssl_ctx, void *context)
{
    transfer *t = context;
    const pq_http_identity *identity = t->request.identity;
    (void)easy;
    if (identity->arm(identity->context, ssl_ctx, t->shown_to))
        return CURLE_OK;
    (void)pq_fail(&t->failure, PQ_ESYSTEM, NULL, "is it a key of RSA, P-256 or P-384, and may this process use it?",
                  "OpenSSL cannot use the certificate and its key in a TLS handshake");
    return CURLE_SSL_CERTPROBLEM;
}

/* The host of a URL as certificates have it: no port, no brackets, and not the root's dot. Owned. */
static char *bare_host(const char *url)
{
    const char *host = host_in(url);
    bool brackets = *host == '[';
    host += brackets;
    size_t length = strcspn(host, brackets ? "]" : ":/?#");
    return pq_strndup(host, length && host[length - 1] == '.' ? length - 1 : length);
}

/* libcurl does not know what an SSL_CTX was armed with, and would share connections and sessions by the host's name
 * alone. HTTP/1.1, because a connection of HTTP/2 is shared while it is in use. */
static void set_identity(transfer *t)
{
    if (!t->request.identity || !t->keep_credentials)
        return;
    if (!t->shown_to) /* no redirect keeps the identity and changes the host */
        t->shown_to = bare_host(t->url);
    if (curl_easy_setopt(t->easy, CURLOPT_SSL_CTX_FUNCTION, on_ssl_ctx) != CURLE_OK)
        (void)pq_fail(&t->failure, PQ_ESYSTEM, NULL, "install the libcurl that is built with OpenSSL (libcurl4)",
                      "this libcurl takes no certificate that is not a file");
    (void)curl_easy_setopt(t->easy, CURLOPT_SSL_CTX_DATA, t);
    (void)curl_easy_setopt(t->easy, CURLOPT_FRESH_CONNECT, 1L);
    (void)curl_easy_setopt(t->easy, CURLOPT_FORBID_REUSE, 1L);
    (void)curl_easy_setopt(t->easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
    (void)curl_easy_setopt(t->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
}

static void set_method(transfer *t)
{
    const pq_http_request *request = &t->request;
    if (pq_streq(request->method, "HEAD")) {
        (void)curl_easy_setopt(t->easy, CURLOPT_NOBODY, 1L);
        return;
    }
    if (pq_streq(request->method, "GET")) {
        (void)curl_easy_setopt(t->easy, CURLOPT_HTTPGET, 1L);
        return;
    }
    (void)curl_easy_setopt(t->easy, CURLOPT_POST, 1L);
    (void)curl_easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, request->method);
    (void)curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_length);
    (void)curl_easy_setopt(t->easy, CURLOPT_READFUNCTION, on_send);
    (void)curl_easy_setopt(t->easy, CURLOPT_READDATA, t);
    (void)curl_easy_setopt(t->easy, CURLOPT_SEEKFUNCTION, on_rewind);
    (void)curl_easy_setopt(t->easy, CURLOPT_SEEKDATA, t);
}

static void begin(transfer *t)
{
    pq_http *http = t->http;
    const pq_http_request *request = &t->request;
    t->easy = http->idle_count ? http->idle[--http->idle_count] : curl_easy_init();
    if (!t->easy)
        abort();
    t->error_text[0] = '\0';
    t->body_sent = 0;
    t->sink_bytes = 0;
    t->tries++;
    t->started = pq_monotonic();
    pq_http_answer_clear(&t->answer);
    t->answer.body =
        (pq_buf){.cap = request->answer_cap ? request->answer_cap : PQ_MAX_API_ANSWER, .sensitive = request->sensitive};

    CURL *easy = t->easy;
    (void)curl_easy_setopt(easy, CURLOPT_PRIVATE, t);
    (void)curl_easy_setopt(easy, CURLOPT_URL, t->url);
    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->error_text);
    (void)curl_easy_setopt(easy, CURLOPT_USERAGENT, "pratique/" PRATIQUE_VERSION);
    (void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    (void)curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    double connect_timeout = request->connect_timeout > 0 ? request->connect_timeout : http->options.connect_timeout;
    (void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(connect_timeout * 1000));
    if (request->direct)
        (void)curl_easy_setopt(easy, CURLOPT_PROXY, "");
    /* One byte now and then is no answer either, and nothing goes on for ever. */
    (void)curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 128L);
    (void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS,
                           request->try_timeout > 0 ? (long)(request->try_timeout * 1000) : 3600L * 1000);
    (void)curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)ceil(http->options.idle_timeout));
    (void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
    (void)curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    (void)curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
    set_trust(t);
    set_identity(t);
    set_method(t);

    for (size_t i = 0; request->headers && i < request->headers->count; i++)
        add_header(t, request->headers->at[i]);
    add_header(t, "Expect:"); /* a registry that does not know it costs a second */
    if (t->kept.length) {
        PQ_AUTO_FREE char *range = pq_asprintf("Range: bytes=%zu-", t->kept.length);
        add_header(t, range);
    }
    if (request->authorization && t->keep_credentials) {
        PQ_AUTO_BUF line = PQ_SENSITIVE_BUF(PQ_MAX_SECRET * 2);
        pq_buf_adds(&line, "Authorization: ");
        pq_buf_add(&line, pq_secret_bytes(request->authorization), pq_secret_length(request->authorization));
        add_header(t, pq_buf_text(&line));
    }
    (void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, t->headers);
    if (curl_multi_add_handle(http->multi, easy) != CURLM_OK)
        abort();
    t->running = true;
}

static bool may_repeat(const transfer *t)
{
    return t->request.repeatable || pq_streq(t->request.method, "GET") || pq_streq(t->request.method, "HEAD");
}

double pq_http_retry_after(const pq_http_answer *answer)
{
    const char *asked = pq_http_header(answer, "Retry-After");
    uint64_t seconds;
    time_t date;
    if (asked && pq_parse_number(asked, 1u << 30, &seconds))
        return (double)seconds;
    return asked && pq_time_parse_http(asked, &date) ? fmax(0, difftime(date, pq_now())) : -1;
}

double pq_http_told_to_wait(const pq_http *http)
{
    return http->told_to_wait;
}

static unsigned tries_of(const transfer *t)
{
    return t->request.tries ? t->request.tries : t->http->options.tries;
}

/* Seconds until the next try: what the peer asks for, else doubling from half a second; both with jitter so that jobs
 * that failed together do not come back together. */
static double pause_before_retry(const transfer *t)
{
    double wait = pq_http_retry_after(&t->answer);
    if (wait < 0)
        wait = 0.5 * pow(2, t->tries - 1);
    double jitter = (double)((uint64_t)(pq_monotonic() * 1e9) % 1000u) / 1000.0;
    return wait + 0.25 * jitter * fmin(wait + 0.1, 2);
}

/* True when the transfer goes on elsewhere. */
static bool follow_redirect(transfer *t)
{
    long status = t->answer.status;
    const char *location = pq_http_header(&t->answer, "Location");
    if (!t->request.follow || !location ||
        !(status == 301 || status == 302 || status == 303 || status == 307 || status == 308))
        return false;
    if (++t->redirects > MAX_REDIRECTS) {
        (void)pq_fail(&t->failure, PQ_EFAILED, NULL, NULL, "more than %d redirects", MAX_REDIRECTS);
        return false;
    }
    PQ_AUTO_FREE char *next = pq_url_resolve(t->url, location);
    if (!next || (pq_starts_with(t->url, "https://") && !pq_starts_with(next, "https://"))) {
        (void)pq_fail(&t->failure, PQ_EFAILED, NULL, NULL, "redirects to a place that is not https");
        return false;
    }
    /* What listens there trusts whoever can reach it, and a server elsewhere cannot. */
    if (pq_url_is_loopback(next) && !pq_url_is_loopback(t->url)) {
        (void)pq_fail(&t->failure, PQ_EFAILED, NULL, NULL, "redirects to this machine, which is refused");
        return false;
    }
    if (!pq_url_same_origin(t->url, next))
        t->keep_credentials = false;
    free(t->url);
    t->url = pq_steal(next);
    t->tries = 0;
    return true;
}

static void finish(transfer *t)
{
    pq_http *http = t->http;
    for (transfer **at = &http->transfers; *at; at = &(*at)->next)
        if (*at == t) {
            *at = t->next;
            break;
        }
    if (t->failure.code != PQ_OK)
        (void)pq_error_at(&t->failure, t->request.where);
    t->answer.url = pq_strdup(t->url);
    t->done(t->context, &t->answer, &t->failure);
    free_transfer(t);
}

/* Puts aside what came of an answer that was cut off. */
static void keep_part(transfer *t, long status)
{
    const char *ranges = pq_http_header(&t->answer, "Accept-Ranges");
    bool known = status == 206 || (status == 200 && pq_streq(ranges, "bytes"));
    if (!t->request.resumable || t->request.sink || !known || !t->answer.body.length ||
        !pq_streq(t->request.method, "GET"))
        return;
    pq_buf_clear(&t->kept);
    t->kept = t->answer.body;
    t->answer.body = (pq_buf){0};
}

static void on_complete(transfer *t, CURLcode code)
{
    long came = 0;
    (void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &came);
    if (code == CURLE_OK)
        /* The whole is there: that it came in parts is nobody's business. */
        t->answer.status = came == 206 && t->request.resumable ? 200 : came;
    else if (t->failure.code == PQ_OK)
        pq_http_describe(t->easy, code, t->error_text, t->url, pq_monotonic() - t->started, &t->failure);
    if (pq_log_level() >= PQ_VERBOSE) {
        PQ_AUTO_BUF shown = PQ_BUF(PQ_MAX_MESSAGE);
        pq_url_add_shown(&shown, t->url);
        if (code == CURLE_OK)
            pq_detail("%s %s: %ld in %.0f ms", t->request.method, pq_buf_text(&shown), t->answer.status,
                      (pq_monotonic() - t->started) * 1000);
        else
            pq_detail("%s %s: %s", t->request.method, pq_buf_text(&shown), t->failure.message);
    }
    size_t got = t->sink_bytes;
    stop_easy(t);

    long status = t->answer.status;
    bool busy = code == CURLE_OK && (status == 429 || status == 502 || status == 503 || status == 504);
    bool lost = t->failure.code == PQ_ETRANSPORT && (got == 0 || !t->request.sink);
    /* To come back earlier than asked for would be in vain, and nobody sits through more. */
    bool patient = pq_http_retry_after(&t->answer) <= LONGEST_PAUSE;
    if ((busy || lost) && patient && may_repeat(t) && t->tries < tries_of(t) && !pq_interrupted()) {
        double wait = pause_before_retry(t);
        if (wait >= 2)
            pq_note("%s: %s; trying again in %.0f s", t->request.where ? t->request.where : "a request",
                    busy ? "the other side is busy" : t->failure.message, wait);
        t->start_at = pq_monotonic() + wait;
        if (lost)
            keep_part(t, came);
        pq_error_clear(&t->failure);
        return;
    }
    if (busy)
        t->http->told_to_wait = fmax(t->http->told_to_wait, pq_http_retry_after(&t->answer));
    if (t->failure.code == PQ_OK && follow_redirect(t)) {
        t->start_at = 0;
        return;
    }
    finish(t);
}

void pq_http_start(pq_http *http, const pq_http_request *request, pq_http_done *done, void *context)
{
    transfer *t = pq_alloc(1, sizeof *t);
    *t = (transfer){.http = http, .request = *request, .done = done, .context = context, .keep_credentials = true};
    t->url = pq_strdup(request->url);
    transfer **end = &http->transfers;
    while (*end)
        end = &(*end)->next;
    *end = t;
}

static bool has_line_end(const char *text, size_t length)
{
    return memchr(text, '\r', length) || memchr(text, '\n', length) || memchr(text, '\0', length);
}

/* Libcurl sends a header as it is: a line end in it would begin another one, or another request. */
static bool headers_are_lines(const pq_http_request *request)
{
    for (size_t i = 0; request->headers && i < request->headers->count; i++)
        if (has_line_end(request->headers->at[i], strlen(request->headers->at[i])))
            return false;
    const pq_secret *authorization = request->authorization;
    return !authorization || !has_line_end(pq_secret_bytes(authorization), pq_secret_length(authorization));
}

/* False with a failure when the request must not be sent. */
static bool may_be_sent(transfer *t)
{
    if (t->request.authorization && t->keep_credentials && !pq_url_is_safe(t->url))
        return pq_fail(&t->failure, PQ_EFAILED, NULL, "use https",
                       "a credential would go over an unencrypted connection, which is refused");
    if (t->request.identity && t->keep_credentials && !pq_starts_with(t->url, "https://"))
        return pq_fail(&t->failure, PQ_EFAILED, NULL, "use https",
                       "a certificate can be shown over TLS only, and this address is not https");
    if (!headers_are_lines(&t->request))
        return pq_fail(&t->failure, PQ_EFAILED, NULL, "look for a line end in a token or its variable",
                       "a line end stands in what would go into a header, which is refused");
    return !pq_interrupted() || pq_fail(&t->failure, PQ_EINTERRUPTED, NULL, NULL, "interrupted");
}

/* Starts what is due; the seconds until the next is, -1 when nothing waits. */
static double start_due(pq_http *http)
{
    double soonest = -1, now = pq_monotonic();
    size_t running = 0;
    for (transfer *t = http->transfers, *next; t && running < MAX_RUNNING; t = next) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): finish() unlinks before it frees */
        next = t->next;
        if (t->running) {
            running++;
            continue;
        }
        if (!may_be_sent(t)) {
            finish(t);
            return 0; /* the list may have changed */
        }
        if (t->start_at <= now) {
            begin(t);
            running++;
        } else if (soonest < 0 || t->start_at - now < soonest)
            soonest = t->start_at - now;
    }
    return soonest;
}

/* One turn: starts, moves bytes, hands on what is done, waits a little when there was nothing to do. */
static void run_once(pq_http *http)
{
    double wait = start_due(http);
    int running = 0, left = 0;
    if (curl_multi_perform(http->multi, &running) != CURLM_OK)
        abort();
    bool completed = false;
    for (CURLMsg *message; (message = curl_multi_info_read(http->multi, &left));) {
        if (message->msg != CURLMSG_DONE)
            continue;
        transfer *t = NULL;
        CURLcode code = message->data.result;
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &t);
        on_complete(t, code);
        completed = true;
    }
    if (completed || !http->transfers || wait == 0)
        return;
    double longest = wait > 0 && wait < 1 ? wait : 1;
    (void)curl_multi_poll(http->multi, NULL, 0, (int)ceil(longest * 1000), NULL);
}

void pq_http_run(pq_http *http)
{
    while (http->transfers)
        run_once(http);
}

void pq_http_run_until(pq_http *http, const bool *done)
{
    while (!*done && http->transfers)
        run_once(http);
}

typedef struct waited {
    pq_http_answer *answer;
    pq_error *err;
    bool done;
} waited;

static void keep_answer(void *context, pq_http_answer *answer, pq_error *err)
{
    waited *w = context;
    *w->answer = *answer;
    *answer = (pq_http_answer){0};
    pq_error_move(w->err, err);
    w->done = true;
}

bool pq_http_do(pq_http *http, const pq_http_request *request, pq_http_answer *out, pq_error *err)
{
    pq_error_clear(err);
    pq_http_answer_clear(out);
    waited w = {.answer = out, .err = err};
    pq_http_start(http, request, keep_answer, &w);
    pq_http_run_until(http, &w.done);
    return err->code == PQ_OK;
}

const char *pq_http_header(const pq_http_answer *answer, const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < answer->headers.count; i++) {
        const char *line = answer->headers.at[i];
        if (strncasecmp(line, name, length) != 0 || line[length] != ':')
            continue;
        const char *value = line + length + 1;
        while (*value == ' ' || *value == '\t')
            value++;
        return value;
    }
    return NULL;
}
