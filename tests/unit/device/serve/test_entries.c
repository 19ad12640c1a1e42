/* What is kept for a registry, without a cloud, a socket or a child; answers are of it, and stand here too. */
#include "pq_cmocka.h"

#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "device/serve/answer.h"

enum { HOUR = 3600, SOMEBODY = 60000 };
static const char host[] = "one.example.com";
static const pq_error no_error = {0};

typedef struct fixture {
    pq_device_view view;
    pq_device_entries all;
    pq_device_entry *one;
    pq_client client;
    double now;
} fixture;

static void client_asks(fixture *f, double patience)
{
    free(f->client.url);
    free(f->client.host);
    pq_buf_clear(&f->client.answer);
    f->client = (pq_client){.fd = -1,
                            .url = pq_strdup("https://one.example.com"),
                            .host = pq_strdup(host),
                            .since = f->now,
                            .deadline = f->now + patience,
                            .answer = PQ_SENSITIVE_BUF(4096)};
}

static void begin(fixture *f)
{
    *f = (fixture){.all = {.boot_window = HOUR}, .now = pq_boot_time()};
    pq_strings_add(&f->view.hosts, host);
    f->one = pq_device_entries_ask(&f->all, &f->view, host, 0, f->now);
    assert_non_null(f->one);
    client_asks(f, PQ_CLIENT_WAITS_FOR);
}

static void end(fixture *f)
{
    pq_device_entries_clear(&f->all);
    pq_device_view_clear(&f->view);
    free(f->client.url);
    free(f->client.host);
    pq_buf_clear(&f->client.answer);
}
#define FIXTURE                                                                                                        \
    (void)state;                                                                                                       \
    PQ_CLEANUP(end) fixture f;                                                                                         \
    begin(&f)

/* `age` seconds ago it was got, and lasts for `life` in all. */
static void got(fixture *f, time_t age, time_t life)
{
    PQ_AUTO_DEVICE_CATCH caught = {.fetched = pq_now() - age};
    caught.credential = (pq_credential){
        .username = pq_strdup("robot"), .secret = pq_secret_new("hush", 4), .expires = pq_now() - age + life};
    pq_device_entry_keep(f->one, &caught, f->now);
    assert_null(caught.credential.secret);
}

static void failed(fixture *f, pq_code code)
{
    PQ_AUTO_ERROR err = {0};
    (void)pq_fail(&err, code, host, NULL, "the cloud says no");
    pq_device_entry_fail(f->one, &err, -1, f->now);
}

static void answers(fixture *f, const char *text)
{
    pq_device_answer(&f->client, f->one, &no_error, f->now);
    assert_true(pq_starts_with(pq_buf_text(&f->client.answer), text));
}

static void what_was_got_is_good_while_it_has_five_minutes(void **state)
{
    FIXTURE;
    assert_false(pq_device_entry_good(f.one));
    got(&f, 0, 12 * HOUR);
    assert_true(pq_device_entry_good(f.one));
    /* 2/5 to 1/2 of its life (auth/schedule.h). */
    assert_in_range(f.one->schedule.due - f.now, 0.4 * 12 * HOUR - 5, 0.5 * 12 * HOUR + 5);
    got(&f, 12 * HOUR - 200, 12 * HOUR);
    assert_true(pq_device_entry_left(f.one) > 190);
    assert_false(pq_device_entry_good(f.one));
    /* A quarter of its life is enough where that is less. */
    got(&f, 60, 120);
    assert_true(pq_device_entry_good(f.one));
}

static void a_refusal_ends_it_and_other_failures_do_not(void **state)
{
    FIXTURE;
    got(&f, 0, 12 * HOUR);
    failed(&f, PQ_ETRANSPORT);
    assert_true(pq_device_entry_good(f.one));
    assert_int_equal(f.one->failure.code, PQ_ETRANSPORT);
    failed(&f, PQ_EDENIED);
    assert_null(f.one->credential.secret);
    assert_true(pq_starts_with(f.one->failure.message, "the cloud says no; what was issued before may be good until "));
    got(&f, 0, 12 * HOUR);
    assert_int_equal(f.one->failure.code, PQ_OK);
}

static void what_changes_during_a_fetch_outlives_it(void **state)
{
    FIXTURE;
    f.one->work.child = 1; /* the fetch that is under way */
    pq_device_entries_renew(&f.all, &f.view, true, f.now);
    f.one->work.child = 0;
    got(&f, 0, 12 * HOUR);
    assert_true(f.one->stale && f.one->anew);
    assert_false(pq_device_entry_good(f.one));
    f.one->changed = false;
    got(&f, 0, 12 * HOUR);
    assert_true(pq_device_entry_good(f.one));
    assert_false(f.one->anew);
}

static void who_is_not_served_any_more_is_forgotten(void **state)
{
    FIXTURE;
    pq_strings_clear(&f.view.hosts);
    pq_strings_add(&f.view.hosts, "two.example.com");
    pq_device_entries_renew(&f.all, &f.view, false, f.now);
    assert_int_equal(f.all.count, 1);
    assert_string_equal(f.all.at[0]->host, "two.example.com");
    assert_true(f.all.at[0]->named);
}

static void one_user_has_some_places_of_a_pattern(void **state)
{
    FIXTURE;
    f.view.google = true;
    for (int i = 0; i < 20; i++) {
        PQ_AUTO_FREE char *name = pq_asprintf("h%d-docker.pkg.dev", i);
        const pq_device_entry *e = pq_device_entries_ask(&f.all, &f.view, name, SOMEBODY, f.now);
        assert_int_equal(e != NULL, i < 16);
    }
    assert_non_null(pq_device_entries_ask(&f.all, &f.view, "x-docker.pkg.dev", SOMEBODY + 1, f.now));
    /* Nobody asks for them in a day; the one that device.yml names stays. */
    pq_device_entries_sweep(&f.all, f.now + 25 * HOUR);
    assert_int_equal(f.all.count, 1);
    assert_string_equal(f.all.at[0]->host, host);
}

static void a_clock_that_is_set_forgives_failures(void **state)
{
    FIXTURE;
    failed(&f, PQ_EUNTRUSTED);
    double due = f.one->schedule.due;
    assert_true(pq_schedule_next(&f.one->schedule, true) > f.now);
    pq_device_entries_forgive(&f.all, f.now);
    assert_int_equal(f.one->failure.code, PQ_OK);
    assert_true(pq_schedule_next(&f.one->schedule, true) <= f.now);
    assert_true(f.one->schedule.due >= due && f.one->schedule.due <= due); /* who waits for it asks, others in time */
}

static void who_asks_gets_what_is_good(void **state)
{
    FIXTURE;
    answers(&f, "");
    assert_true(pq_client_waits(&f.client)); /* it is being asked for */
    got(&f, 0, 12 * HOUR);
    answers(&f, "0{\"ServerURL\":\"https://one.example.com\",\"Username\":\"robot\",\"Secret\":\"hush\"}");
}

static void what_ends_soon_is_given_if_nothing_better_comes(void **state)
{
    FIXTURE;
    got(&f, 12 * HOUR - 200, 12 * HOUR);
    f.now += 1;
    client_asks(&f, PQ_CLIENT_WAITS_FOR);
    answers(&f, "");
    assert_true(pq_client_waits(&f.client));
    failed(&f, PQ_ETRANSPORT);
    answers(&f, "0{");
}

static void a_failure_is_told_when_its_next_try_is_far(void **state)
{
    FIXTURE;
    failed(&f, PQ_ETRANSPORT);
    answers(&f, "");
    assert_true(pq_client_waits(&f.client)); /* the next is within 15 seconds */
    failed(&f, PQ_EDENIED);
    answers(&f, "1pratique: one.example.com: the cloud says no; remembered, the next try is in ");
}

static void at_the_end_of_its_time_it_is_told_what_there_is(void **state)
{
    FIXTURE;
    client_asks(&f, 0.5);
    answers(&f, "1pratique: the credential is still being asked for (ask again)\n");
}

static void a_pin_that_is_refused_is_told_at_once(void **state)
{
    FIXTURE;
    PQ_AUTO_ERROR refused = {0};
    (void)pq_fail(&refused, PQ_ECONFIG, "device.yml:3", NULL, "the token refuses the PIN");
    pq_device_answer(&f.client, f.one, &refused, f.now);
    assert_string_equal(pq_buf_text(&f.client.answer), "1pratique: device.yml:3: the token refuses the PIN\n");
    /* What is served by a copied file needs no PIN. */
    client_asks(&f, PQ_CLIENT_WAITS_FOR);
    f.one->copied = true;
    pq_device_answer(&f.client, f.one, &refused, f.now);
    assert_true(pq_client_waits(&f.client));
}

static void other_hosts_get_nothing(void **state)
{
    FIXTURE;
    pq_device_answer_nothing(&f.client, f.now);
    assert_string_equal(pq_buf_text(&f.client.answer), "1credentials not found in native keychain\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_got_is_good_while_it_has_five_minutes),
        cmocka_unit_test(a_refusal_ends_it_and_other_failures_do_not),
        cmocka_unit_test(what_changes_during_a_fetch_outlives_it),
        cmocka_unit_test(who_is_not_served_any_more_is_forgotten),
        cmocka_unit_test(one_user_has_some_places_of_a_pattern),
        cmocka_unit_test(a_clock_that_is_set_forgives_failures),
        cmocka_unit_test(who_asks_gets_what_is_good),
        cmocka_unit_test(what_ends_soon_is_given_if_nothing_better_comes),
        cmocka_unit_test(a_failure_is_told_when_its_next_try_is_far),
        cmocka_unit_test(at_the_end_of_its_time_it_is_told_what_there_is),
        cmocka_unit_test(a_pin_that_is_refused_is_told_at_once),
        cmocka_unit_test(other_hosts_get_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
