/* Agreement with distribution/reference over its own published cases, where they are at hand: a folder `refs` with
 * `references.jsonl` in $PRATIQUE_VECTORS, else in ../shared/vectors beside the source tree. */
#include "pq_cmocka.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "oci/reference.h"

#define CASES 461

static const char *source_root;

/* The library's kinds of error, and words that our message must hold for each. */
static const struct {
    const char *kind, *words;
} kinds[] = {
    {"invalid-format", "reference"},
    {"name-empty", "reference"},
    {"uppercase", "lower case"},
    {"name-too-long", "longer than 255"},
    {"digest-invalid-length", "digest length"},
    {"digest-invalid-format", "digest format"},
    {"digest-unsupported", "unsupported digest"},
    {"ambiguous-image-id", "image id"},
};

static bool same(const json_t *expected, const char *name, const char *got)
{
    const char *want = json_string_value(json_object_get(expected, name));
    return pq_streq(want, got) || (!want && got && !*got); /* domain is null or "" where there is none */
}

static bool agrees_on_values(const json_t *expected, const pq_reference *got, bool normalised)
{
    PQ_AUTO_FREE char *string = pq_reference_string(got);
    bool good = same(expected, "domain", got->domain) && same(expected, "path", got->path) &&
                same(expected, "tag", got->tag) && same(expected, "digest", got->digest) &&
                same(expected, "string", string);
    if (!normalised)
        return good;
    PQ_AUTO_FREE char *familiar_name = pq_reference_familiar_name(got);
    PQ_AUTO_FREE char *familiar = pq_reference_familiar_string(got);
    PQ_AUTO_FREE char *pull = pq_reference_pull_string(got);
    return good && same(expected, "familiar_name", familiar_name) && same(expected, "familiar_string", familiar) &&
           same(expected, "docker_ref", pull);
}

static bool agrees(const json_t *row, const char *form, const char *input)
{
    const json_t *expected = json_object_get(row, form);
    const json_t *with_sha512 = json_object_get(row, "with_sha512_registered");
    /* The library knows sha512 where a program links it, as docker does. sha384 is registered by no specification. */
    if (with_sha512 && strstr(input, "@sha512:"))
        expected = json_object_get(with_sha512, form);
    bool normalised = strcmp(form, "normalized") == 0;
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_REFERENCE got = {0};
    bool parsed = normalised ? pq_reference_parse(input, &got, &err) : pq_reference_parse_plain(input, &got, &err);
    const char *kind = json_string_value(json_object_get(expected, "error_kind"));
    if (!kind) {
        const char *note = json_string_value(json_object_get(row, "note"));
        if (!parsed && normalised && note && strstr(note, "an error is an acceptable answer too"))
            return true;
        return parsed && agrees_on_values(expected, &got, normalised);
    }
    for (size_t i = 0; !parsed && i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kind, kinds[i].kind) == 0)
            return strstr(err.message, kinds[i].words) != NULL;
    return false;
}

static void agrees_with_distribution_reference(void **state)
{
    (void)state;
    const char *given = getenv("PRATIQUE_VECTORS");
    PQ_AUTO_FREE char *folder = given ? pq_strdup(given) : pq_path_join(source_root, "../shared/vectors");
    PQ_AUTO_FREE char *path = pq_path_join(folder, "refs/references.jsonl");
    if (!pq_path_exists(path)) {
        (void)printf("there is no %s; set PRATIQUE_VECTORS to the folder that has refs/references.jsonl\n", path);
        skip();
    }
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_BUF bytes = PQ_BUF(16u << 20);
    assert_true(pq_read_file(path, &bytes, &err));
    size_t rows = 0, wrong = 0;
    char *rest = NULL;
    for (char *line = strtok_r(bytes.data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        json_t *row = json_loads(line, 0, NULL);
        assert_non_null(row);
        const char *input = json_string_value(json_object_get(row, "input"));
        rows++;
        static const char *const forms[] = {"parse", "normalized"};
        for (size_t i = 0; i < 2; i++) {
            if (agrees(row, forms[i], input))
                continue;
            (void)printf("%s %s: %s\n", json_string_value(json_object_get(row, "id")), forms[i], input);
            wrong++;
        }
        json_decref(row);
    }
    assert_int_equal(wrong, 0);
    assert_true(rows >= CASES);
    (void)printf("%zu references agree\n", rows);
}

int main(int argc, char **argv)
{
    source_root = argc > 1 ? argv[1] : ".";
    const struct CMUnitTest tests[] = {cmocka_unit_test(agrees_with_distribution_reference)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
