/* The client against a server of a few lines on loopback, which answers each connection with what a test scripted and
 * keeps what it was asked. */
#include "pq_cmocka.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/http.h"

enum { MOST = 8 };

typedef struct server {
    int fd;
    unsigned port;
    pthread_t thread;
    const char *answers[MOST]; /* one a connection; NULL ends */
    char asked[MOST][4096];
    size_t count;
} server;

static void *serve(void *context)
{
    server *s = context;
    for (size_t i = 0; i < MOST && s->answers[i]; i++) {
        int fd = accept(s->fd, NULL, NULL);
        if (fd < 0)
            break;
        size_t length = 0;
        while (length < sizeof s->asked[i] - 1 && !strstr(s->asked[i], "\r\n\r\n")) {
            ssize_t got = read(fd, s->asked[i] + length, sizeof s->asked[i] - 1 - length);
            if (got <= 0)
                break;
            length += (size_t)got;
        }
        s->count++;
        if (strcmp(s->answers[i], "stall") == 0)
            (void)sleep(3);
        else if (write(fd, s->answers[i], strlen(s->answers[i])) < 0)
            break;
        (void)shutdown(fd, SHUT_WR);
        (void)close(fd);
    }
    return NULL;
}

static void start(server *s, const char *const *answers)
{
    memset(s, 0, sizeof *s);
    for (size_t i = 0; i < MOST && answers[i]; i++)
        s->answers[i] = answers[i];
    s->fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    assert_int_equal(bind(s->fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(s->fd, 16), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&address, &size), 0);
    s->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void stop(server *s)
{
    (void)shutdown(s->fd, SHUT_RDWR);
    (void)close(s->fd);
    (void)pthread_join(s->thread, NULL);
}

static pq_http *client(void)
{
    (void)unsetenv("http_proxy");
    pq_http_options options = {.connect_timeout = 2, .idle_timeout = 1, .tries = 3};
    pq_error err = {0};
    pq_http *http = NULL;
    assert_true(pq_http_new(&options, &http, &err));
    return http;
}

static void an_answer_comes_whole(void **state)
{
    (void)state;
    server s;
    start(&s, (const char *const[]){"HTTP/1.1 200 OK\r\nX-Name:  value \r\nContent-Length: 5\r\n\r\nhello", NULL});
    PQ_AUTO_HTTP *http = client();
    PQ_AUTO_ANSWER answer = {0};
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *url = pq_asprintf("http://127.0.0.1:%u/a?b", s.port);
    pq_http_request request = {.method = "GET", .url = url};
    assert_true(pq_http_do(http, &request, &answer, &err));
    assert_int_equal(answer.status, 200);
    assert_string_equal(pq_buf_text(&answer.body), "hello");
    assert_string_equal(pq_http_header(&answer, "x-name"), "value");
    assert_non_null(strstr(s.asked[0], "GET /a?b HTTP/1.1\r\n"));
    stop(&s);
}

/* What stands in a token decides nothing but that token. */
static void a_header_is_one_line(void **state)
{
    (void)state;
    static const char *const bad[] = {"Bearer a\r\nX-More: b", "Bearer a\nX-More: b", "Bearer a\r", "Bearer a\n"};
    PQ_AUTO_HTTP *http = client();
    for (size_t i = 0; i < 2 * sizeof bad / sizeof *bad; i++) {
        server s;
        start(&s, (const char *const[]){"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", NULL});
        const char *value = bad[i / 2];
        PQ_AUTO_ANSWER answer = {0};
        PQ_AUTO_ERROR err = {0};
        PQ_AUTO_STRINGS headers = {0};
        PQ_AUTO_FREE char *url = pq_asprintf("http://127.0.0.1:%u/", s.port);
        PQ_AUTO_SECRET *authorization = i % 2 ? pq_secret_new(value, strlen(value)) : NULL;
        if (!authorization)
            pq_strings_take(&headers, pq_asprintf("X-Token: %s", value));
        pq_http_request request = {.method = "GET", .url = url, .headers = &headers, .authorization = authorization};
        assert_false(pq_http_do(http, &request, &answer, &err));
        assert_non_null(strstr(err.message, "a line end stands in"));
        assert_null(strstr(err.message, "X-More"));
        stop(&s);
        assert_int_equal(s.count, 0);
    }
}

#define CUT(more) "HTTP/1.1 200 OK\r\n" more "Content-Length: 10\r\n\r\nhello"

/* What a GET of ten bytes gives that is cut off after five. */
static bool resume(server *s, const char *first, const char *second, const char *third, pq_http_answer *answer,
                   pq_error *err)
{
    start(s, (const char *const[]){first, second, third, NULL});
    PQ_AUTO_HTTP *http = client();
    PQ_AUTO_FREE char *url = pq_asprintf("http://127.0.0.1:%u/", s->port);
    pq_http_request request = {.method = "GET", .url = url, .resumable = true};
    bool good = pq_http_do(http, &request, answer, err);
    stop(s);
    return good;
}

static void a_body_that_is_cut_off_goes_on(void **state)
{
    (void)state;
    server s;
    PQ_AUTO_ANSWER answer = {0};
    PQ_AUTO_ERROR err = {0};
    /* In two more parts. */
    assert_true(resume(&s, CUT("Accept-Ranges: bytes\r\n"),
                       "HTTP/1.1 206 Part\r\nContent-Range: bytes 5-9/10\r\nContent-Length: 5\r\n\r\nwo",
                       "HTTP/1.1 206 Part\r\nContent-Range: bytes 7-9/10\r\nContent-Length: 3\r\n\r\nrld", &answer,
                       &err));
    assert_int_equal(answer.status, 200);
    assert_string_equal(pq_buf_text(&answer.body), "helloworld");
    assert_null(strstr(s.asked[0], "Range:"));
    assert_non_null(strstr(s.asked[1], "\r\nRange: bytes=5-\r\n"));
    assert_non_null(strstr(s.asked[2], "\r\nRange: bytes=7-\r\n"));
    /* From its beginning, by a server that thought better of it; or that never could. */
    assert_true(resume(&s, CUT("Accept-Ranges: bytes\r\n"), "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nnew", NULL,
                       &answer, &err));
    assert_string_equal(pq_buf_text(&answer.body), "new");
    assert_true(resume(&s, CUT(""), "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nnew", NULL, &answer, &err));
    assert_null(strstr(s.asked[1], "Range:"));
    assert_string_equal(pq_buf_text(&answer.body), "new");
    /* Elsewhere than it was asked to. */
    assert_false(resume(&s, CUT("Accept-Ranges: bytes\r\n"),
                        "HTTP/1.1 206 Part\r\nContent-Range: bytes 0-4/10\r\nContent-Length: 5\r\n\r\nhello", NULL,
                        &answer, &err));
    assert_int_equal(err.code, PQ_EFAILED);
}

static void a_redirect_elsewhere_drops_the_credential(void **state)
{
    (void)state;
    server stranger, first;
    start(&stranger, (const char *const[]){"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", NULL});
    PQ_AUTO_FREE char *redirect = pq_asprintf(
        "HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1:%u/there\r\nContent-Length: 0\r\n\r\n", stranger.port);
    start(&first,
          (const char *const[]){"HTTP/1.1 307 Go\r\nLocation: /next\r\nContent-Length: 0\r\n\r\n", redirect, NULL});
    PQ_AUTO_HTTP *http = client();
    PQ_AUTO_ANSWER answer = {0};
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_SECRET *secret = pq_secret_new("Basic c2VjcmV0", 14);
    PQ_AUTO_FREE char *url = pq_asprintf("http://127.0.0.1:%u/", first.port);
    pq_http_request request = {.method = "GET", .url = url, .authorization = secret, .follow = true};
    assert_true(pq_http_do(http, &request, &answer, &err));
    assert_string_equal(pq_buf_text(&answer.body), "ok");
    assert_non_null(strstr(first.asked[0], "Authorization: Basic c2VjcmV0\r\n"));
    assert_non_null(strstr(first.asked[1], "Authorization: Basic c2VjcmV0\r\n")); /* same origin */
    assert_non_null(strstr(stranger.asked[0], "GET /there"));
    assert_null(strstr(stranger.asked[0], "Authorization"));
    stop(&first);
    stop(&stranger);
}

static void a_credential_never_goes_in_the_clear(void **state)
{
    (void)state;
    PQ_AUTO_HTTP *http = client();
    PQ_AUTO_ANSWER answer = {0};
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_SECRET *secret = pq_secret_new("Basic c2VjcmV0", 14);
    pq_http_request request = {.method = "GET", .url = "http://192.0.2.1/", .authorization = secret};
    assert_false(pq_http_do(http, &request, &answer, &err));
    assert_int_equal(err.code, PQ_EFAILED);
    assert_string_equal(err.message, "a credential would go over an unencrypted connection, which is refused");
}

static void busy_answers_are_tried_again(void **state)
{
    (void)state;
    server s;
    start(&s, (const char *const[]){"HTTP/1.1 503 No\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n",
                                    "HTTP/1.1 429 No\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n",
                                    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", NULL});
    PQ_AUTO_HTTP *http = client();
    PQ_AUTO_ANSWER answer = {0};
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *url = pq_asprintf("http://127.0.0.1:%u/", s.port);
    pq_http_request request = {.method = "GET", .url = url};
    assert_true(pq_http_do(http, &request, &answer, &err));
    assert_int_equal(answer.status, 200);
    assert_int_equal(s.count, 3);
    stop(&s);
}

static void what_is_not_repeatable_is_sent_once(void **state)
{
    (void)state;
    server s;
    start(&s, (const char *const[]){"HTTP/1.1 503 No\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n",
                                    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", NULL});
    PQ_AUTO_HTTP *http = client();
    PQ_AUTO_ANSWER answer = {0};
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *url = pq_asprintf("http://127.0.0.1:%u/", s.port);
    pq_http_request request = {.method = "POST", .url = url, .body = "x=1", .body_length = 3};
    assert_true(pq_http_do(http, &request, &answer, &err));
    assert_int_equal(answer.status, 503);
    assert_int_equal(s.count, 1);
    stop(&s);
}

static void an_answer_beyond_its_cap_is_refused(void **state)
{
    (void)state;
    server s;
    start(&s, (const char *const[]){"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world", NULL});
    PQ_AUTO_HTTP *http = client();
    PQ_AUTO_ANSWER answer = {0};
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *url = pq_asprintf("http://127.0.0.1:%u/", s.port);
    pq_http_request request = {.method = "GET", .url = url, .where = "a/b:1", .answer_cap = 10};
    assert_false(pq_http_do(http, &request, &answer, &err));
    assert_int_equal(err.code, PQ_EFAILED);
    assert_string_equal(err.where, "a/b:1");
    assert_string_equal(err.message, "the answer is larger than 10 bytes");
    stop(&s);
}

static void silence_ends(void **state)
{
    (void)state;
    server s;
    start(&s, (const char *const[]){"stall", NULL});
    PQ_AUTO_HTTP *http = client();
    PQ_AUTO_ANSWER answer = {0};
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *url = pq_asprintf("http://127.0.0.1:%u/", s.port);
    pq_http_request request = {.method = "POST", .url = url, .body = "", .body_length = 0};
    double before = pq_monotonic();
    assert_false(pq_http_do(http, &request, &answer, &err));
    assert_int_equal(err.code, PQ_ETRANSPORT);
    assert_true(pq_monotonic() - before < 3);
    stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_comes_whole),
        cmocka_unit_test(a_header_is_one_line),
        cmocka_unit_test(a_body_that_is_cut_off_goes_on),
        cmocka_unit_test(a_redirect_elsewhere_drops_the_credential),
        cmocka_unit_test(a_credential_never_goes_in_the_clear),
        cmocka_unit_test(busy_answers_are_tried_again),
        cmocka_unit_test(what_is_not_repeatable_is_sent_once),
        cmocka_unit_test(an_answer_beyond_its_cap_is_refused),
        cmocka_unit_test(silence_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
