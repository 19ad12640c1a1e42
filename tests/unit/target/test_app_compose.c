#include "pq_cmocka.h"

#include <string.h>

#include "target/app_compose.h"
#include "yaml/yaml.h"

#define A "hub.example.com/acme/a@sha256:0000000000000000000000000000000000000000000000000000000000000001"
#define B "hub.example.com/acme/b@sha256:0000000000000000000000000000000000000000000000000000000000000002"

static const pq_app_pin pins[] = {{"a", A}, {"b", B}};

/* Every run of 64 hexadecimal digits behind the label becomes HASH: what it is, is tested apart. */
static void hide_hashes(pq_buf *text)
{
    for (char *at = text->data; at && (at = strstr(at, PQ_APP_HASH_LABEL)); at++) {
        char *digits = at + strlen(PQ_APP_HASH_LABEL "\": \"") - (at[strlen(PQ_APP_HASH_LABEL)] != '"');
        assert_int_equal(strspn(digits, "0123456789abcdef"), 64);
        size_t rest = (size_t)(text->data + text->length - (digits + 64));
        memcpy(digits, "HASH", 4);
        memmove(digits + 4, digits + 64, rest + 1);
        text->length -= 60;
    }
}

static void rewrite(const char *source, size_t count, pq_buf *out)
{
    PQ_AUTO_ERRORS errs = {0};
    if (!pq_app_compose("docker-compose.yml", source, strlen(source), pins, count, out, &errs))
        fail_msg("%s: %s", errs.at[0].where, errs.at[0].message);
}

static void assert_rewritten(const char *source, size_t count, const char *expected)
{
    PQ_AUTO_BUF out = PQ_BUF(1u << 20);
    rewrite(source, count, &out);
    hide_hashes(&out);
    assert_string_equal(pq_buf_text(&out), expected);
}

static void block_style_is_changed_in_place(void **state)
{
    (void)state;
    assert_rewritten("# an app\n"
                     "services:\n"
                     "  a:   # first\n"
                     "    build:\n"
                     "      context: .   # gone\n"
                     "\n"
                     "      dockerfile_inline: |\n"
                     "        FROM x\n"
                     "        # y\n"
                     "    # stays\n"
                     "    image: \"hub/a:${TAG}\" # was a tag\n"
                     "    restart: always\n"
                     "\n"
                     "  b:\n"
                     "    labels:\n"
                     "      # own\n"
                     "      one: 'x'\n"
                     "    image: b:1\n"
                     "    build: b\n"
                     "\n"
                     "# end\n"
                     "volumes: {data: }\n",
                     2,
                     "# an app\n"
                     "services:\n"
                     "  a:   # first\n"
                     "    # stays\n"
                     "    labels:\n"
                     "      io.compose-spec.config-hash: \"HASH\"\n"
                     "    image: \"" A "\" # was a tag\n"
                     "    restart: always\n"
                     "\n"
                     "  b:\n"
                     "    labels:\n"
                     "      # own\n"
                     "      io.compose-spec.config-hash: \"HASH\"\n"
                     "      one: 'x'\n"
                     "    image: " B "\n"
                     "\n"
                     "# end\n"
                     "volumes: {data: }\n");
    assert_rewritten("services:\r\n  a:\r\n    image: x\r\n    build:\r\n    - weird\r\n    tty: true\r\n", 1,
                     "services:\r\n  a:\r\n    labels:\n      io.compose-spec.config-hash: \"HASH\"\n    image: " A
                     "\r\n    tty: true\r\n");
}

static void flow_style_is_changed_in_place(void **state)
{
    (void)state;
    assert_rewritten("services: {a: {build: {context: \"a,}b\", args: ['x,', y]}, image: 'x'}, "
                     "b: {image: y, labels: {l: \"1\"}, build: .}} # c\n",
                     2,
                     "services: {a: {labels: {io.compose-spec.config-hash: \"HASH\"}, image: '" A "'}, "
                     "b: {image: " B ", labels: {io.compose-spec.config-hash: \"HASH\", l: \"1\"}}} # c\n");
    assert_rewritten("{\"services\": {\"a\": {\"image\": \"x\", \"build\": \".\"}}}", 1,
                     "{\"services\": {\"a\": {labels: {io.compose-spec.config-hash: \"HASH\"}, \"image\": \"" A
                     "\"}}}");
    assert_rewritten("services:\n  a: {\n    image: x,\n    build: {\n      context: .\n     }\n   }\n", 1,
                     "services:\n  a: {\n    labels: {io.compose-spec.config-hash: \"HASH\"}, image: " A "\n   }\n");
}

static void an_image_that_is_not_written_is_put_in(void **state)
{
    (void)state;
    assert_rewritten("services:\n  a:\n    restart: always\n    build: .\n", 1,
                     "services:\n  a:\n    image: " A "\n    labels:\n      io.compose-spec.config-hash: \"HASH\"\n"
                     "    restart: always\n");
    /* Nothing is left to put it before: the service is written again. */
    assert_rewritten("services:\n  a:\n    build: .\n", 1,
                     "services:\n  a:\n    image: \"" A "\"\n    labels:\n"
                     "      io.compose-spec.config-hash: \"HASH\"\n");
}

/* aktualizr-lite's reader takes no aliases, and no list of labels. */
static void what_devices_cannot_read_is_written_again(void **state)
{
    (void)state;
    assert_rewritten("x-log: &log # default\n"
                     "  driver: json-file\n"
                     "x-base: &base\n"
                     "  image: base\n"
                     "  restart: 'no'\n"
                     "services:\n"
                     "  a:\n"
                     "    <<: *base\n"
                     "    logging: *log\n"
                     "    mode: 0440\n"
                     "    command: [\"x\", 'it''s', a: b]\n"
                     "    # lost\n"
                     "  # kept\n"
                     "  b:\n"
                     "    labels: # mine\n"
                     "    - one=1=2\n"
                     "    - two\n"
                     "    image: b:1\n"
                     "networks: {}\n",
                     2,
                     "x-log: &log # default\n"
                     "  driver: json-file\n"
                     "x-base: &base\n"
                     "  image: base\n"
                     "  restart: 'no'\n"
                     "services:\n"
                     "  a:\n"
                     "    logging:\n"
                     "      driver: json-file\n"
                     "    mode: 0440\n"
                     "    command:\n"
                     "      - \"x\"\n"
                     "      - \"it's\"\n"
                     "      - {a: b}\n"
                     "    image: \"" A "\"\n"
                     "    restart: \"no\"\n"
                     "    labels:\n"
                     "      io.compose-spec.config-hash: \"HASH\"\n"
                     "  # kept\n"
                     "  b:\n"
                     "    labels:\n"
                     "      \"one\": \"1=2\"\n"
                     "      \"two\": \"\"\n"
                     "      io.compose-spec.config-hash: \"HASH\"\n"
                     "    image: \"" B "\"\n"
                     "networks: {}\n");
    /* An alias outside the services, and a merge that shows nowhere. */
    assert_rewritten(
        "x: &x {driver: local}\nservices: {a: {image: x}}\nvolumes: {v: *x}\n", 1,
        "x:\n  driver: local\nservices:\n  a:\n    image: \"" A
        "\"\n    labels:\n      io.compose-spec.config-hash: \"HASH\"\nvolumes:\n  v:\n    driver: local\n");
    assert_rewritten("x: &x {restart: always}\nservices:\n  a:\n    <<: *x\n    restart: on-failure\n    image: x\n", 1,
                     "x:\n  restart: always\nservices:\n  a:\n    restart: on-failure\n    image: \"" A
                     "\"\n    labels:\n      io.compose-spec.config-hash: \"HASH\"\n");
}

static void hash_of(const char *source, char out[65])
{
    PQ_AUTO_BUF text = PQ_BUF(1u << 20);
    rewrite(source, 1, &text);
    const char *at = strstr(pq_buf_text(&text), PQ_APP_HASH_LABEL ": \"");
    assert_non_null(at);
    memcpy(out, at + strlen(PQ_APP_HASH_LABEL ": \""), 64);
    out[64] = '\0';
}

static void the_hash_follows_the_meaning_of_the_service(void **state)
{
    (void)state;
    char base[65], other[65];
    hash_of("services:\n  a:\n    image: x\n    tty: true\n    build: .\n", base);
    static const char *const same[] = {
        "# c\nservices:\n  a:\n    tty: true # c\n    image: y:2\n",
        "services: {a: {image: x, tty: true}}\nvolumes: {}\n",
        "x: &x\n  tty: true\nservices:\n  a:\n    <<: *x\n    image: z\n    build: other\n",
        "services: {a: {image: x, tty: true, labels: {io.compose-spec.config-hash: \"0\"}}}\n",
    };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        hash_of(same[i], other);
        assert_string_equal(base, other);
    }
    hash_of("services: {a: {image: x, tty: false}}\n", other);
    assert_string_not_equal(base, other);
    /* printf '{"pimage":"t…","plabels":{},"ptty":"ptrue"}' | sha256sum, the image for … */
    assert_string_equal(base, "a7726542edec4eaec0a368dff4f3821b44cd47ef1ce1533deb8a11da27d4b298");
}

static void refused(const char *source, size_t count, const char *where, const char *message)
{
    PQ_AUTO_ERRORS errs = {0};
    PQ_AUTO_BUF out = PQ_BUF(1u << 20);
    assert_false(pq_app_compose("f", source, strlen(source), pins, count, &out, &errs));
    assert_int_equal(errs.at[0].code, PQ_EINPUT);
    assert_string_equal(errs.at[0].where, where);
    assert_non_null(strstr(errs.at[0].message, message));
    assert_int_equal(out.length, 0);
}

static void what_cannot_be_an_app_is_refused(void **state)
{
    (void)state;
    refused("services: {a: {image: x}, b: {image: y}}", 1, "f:1:27", "service b has no image to pin");
    refused("services: {a: {image: x}}", 2, "f", "has no service b");
    refused("services: {a: 1}", 1, "f:1:12", "service a is a number, not a mapping");
    refused("version: '3'\n", 0, "f", "has no services");
    refused("services: {a: {image: x}}\n---\nservices: {}\n", 1, "f", "has 2 documents");
    refused("services: {a: {image: x}, ? [k] : v}\n", 1, "f:1:29", "only texts as keys");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(block_style_is_changed_in_place),
        cmocka_unit_test(flow_style_is_changed_in_place),
        cmocka_unit_test(an_image_that_is_not_written_is_put_in),
        cmocka_unit_test(what_devices_cannot_read_is_written_again),
        cmocka_unit_test(the_hash_follows_the_meaning_of_the_service),
        cmocka_unit_test(what_cannot_be_an_app_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
