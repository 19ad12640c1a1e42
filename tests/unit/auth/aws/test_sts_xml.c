#include "pq_cmocka.h"

#include <string.h>

#include "auth/aws/sts_xml.h"

/* The examples of the STS API reference, AssumeRole and GetCallerIdentity. */
static const char role[] =
    "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  <AssumeRoleResult>\n"
    "  <SourceIdentity>Alice</SourceIdentity>\n"
    "    <AssumedRoleUser>\n      <Arn>arn:aws:sts::123456789012:assumed-role/demo/TestAR</Arn>\n"
    "      <AssumedRoleId>ARO123EXAMPLE123:TestAR</AssumedRoleId>\n    </AssumedRoleUser>\n"
    "    <Credentials>\n      <AccessKeyId>ASIAIOSFODNN7EXAMPLE</AccessKeyId>\n"
    "      <SecretAccessKey>wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMPLEKEY</SecretAccessKey>\n"
    "      <SessionToken>AQoDYXdzEPT/LT&#x2B;4olKztx==</SessionToken>\n"
    "      <Expiration>2019-11-09T13:34:41Z</Expiration>\n    </Credentials>\n"
    "    <PackedPolicySize>6</PackedPolicySize>\n  </AssumeRoleResult>\n"
    "  <ResponseMetadata>\n    <RequestId>c6104cbe-af31-11e0-8154-cbc7ccf896c7</RequestId>\n  </ResponseMetadata>\n"
    "</AssumeRoleResponse>";
static const char caller[] = "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"
                             "<GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/Alice</Arn>"
                             "<UserId>AIDACKCEVSQ6C2EXAMPLE</UserId><Account>123456789012</Account>"
                             "</GetCallerIdentityResult></GetCallerIdentityResponse>";
static const char error[] = "<?xml version=\"1.0\"?><ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>"
                            "<Message>User &lt;x&gt; &amp; <![CDATA[more]]></Message></Error></ErrorResponse>";

static void the_texts_are_found_in_their_places(void **state)
{
    (void)state;
    PQ_AUTO_STS_XML xml = {0};
    assert_true(pq_sts_xml_read(role, strlen(role), &xml));
    assert_string_equal(xml.access_key_id, "ASIAIOSFODNN7EXAMPLE");
    assert_string_equal(pq_secret_bytes(xml.secret_access_key), "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMPLEKEY");
    assert_string_equal(pq_secret_bytes(xml.session_token), "AQoDYXdzEPT/LT+4olKztx==");
    assert_string_equal(xml.expiration, "2019-11-09T13:34:41Z");
    assert_string_equal(xml.arn, "arn:aws:sts::123456789012:assumed-role/demo/TestAR");
    assert_null(xml.error_code);
    PQ_AUTO_STS_XML who = {0};
    assert_true(pq_sts_xml_read(caller, strlen(caller), &who));
    assert_string_equal(who.arn, "arn:aws:iam::123456789012:user/Alice");
    PQ_AUTO_STS_XML refused = {0};
    assert_true(pq_sts_xml_read(error, strlen(error), &refused));
    assert_string_equal(refused.error_code, "AccessDenied");
    assert_string_equal(refused.error_message, "User <x> & more");
}

static void what_is_no_answer_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "<html><body>Sign in<br></body></html>",
        "{}",
        "<a>",
        "<!DOCTYPE x [<!ENTITY a \"aa\"><!ENTITY b \"&a;&a;\">]><Error><Code>&b;</Code></Error>",
        "<!DOCTYPE html><html></html>",
        "<E><Error><Code>a</Code><Code>b</Code></Error></E>",
        "<E><Error><Code>a<b/></Code></Error></E>",
        "<a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a></a></a></a></a></a></a></a></a></a></a></a></a></a></a></"
        "a>"
        "</a></a>",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        PQ_AUTO_STS_XML xml = {0};
        if (pq_sts_xml_read(wrong[i], strlen(wrong[i]), &xml))
            fail_msg("taken: %s", wrong[i]);
        assert_null(xml.error_code);
    }
}

/* The same names elsewhere mean something else. */
static void a_text_in_another_place_is_left_alone(void **state)
{
    (void)state;
    static const char text[] = "<R><AccessKeyId>x</AccessKeyId><Other><Arn>y</Arn><Code>z</Code></Other></R>";
    PQ_AUTO_STS_XML xml = {0};
    assert_true(pq_sts_xml_read(text, strlen(text), &xml));
    assert_null(xml.access_key_id);
    assert_null(xml.arn);
    assert_null(xml.error_code);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_texts_are_found_in_their_places),
        cmocka_unit_test(what_is_no_answer_is_refused),
        cmocka_unit_test(a_text_in_another_place_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
