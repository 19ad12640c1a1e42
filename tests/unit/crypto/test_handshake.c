#include "pq_cmocka.h"

#include "crypto/handshake.h"

/* Numbers of RFC 8446, section 6 ("AlertDescription"). */
static void refusals_of_a_certificate_are_told_from_other_alerts(void **state)
{
    (void)state;
    static const int of_the_certificate[] = {42, 43, 44, 45, 46, 48, 49, 116};
    static const int others[] = {-1, 0, 10, 20, 47, 50, 70, 71, 80, 112, 120};
    for (size_t i = 0; i < sizeof of_the_certificate / sizeof *of_the_certificate; i++)
        assert_non_null(pq_alert_refusal(of_the_certificate[i], false));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_null(pq_alert_refusal(others[i], true));
    assert_string_equal(pq_alert_refusal(44, true), "it is revoked");
    /* handshake_failure and decrypt_error can be about anything, unless a certificate was wanted. */
    assert_non_null(pq_alert_refusal(40, true));
    assert_null(pq_alert_refusal(40, false));
    assert_non_null(pq_alert_refusal(51, true));
    assert_null(pq_alert_refusal(51, false));
}

/* x509_vfy.h: X509_V_ERR_… */
static void dates_are_told_from_strangers(void **state)
{
    (void)state;
    for (int code = 0; code < 80; code++) {
        const pq_handshake_facts facts = {.verify = code};
        assert_int_equal(pq_handshake_dates_only(&facts), code == 9 || code == 10);
        assert_int_equal(pq_handshake_stranger(&facts), code == 2 || (code >= 18 && code <= 21));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals_of_a_certificate_are_told_from_other_alerts),
        cmocka_unit_test(dates_are_told_from_strangers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
