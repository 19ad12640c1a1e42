#include "pq_cmocka.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "secrets/spec.h"

/* Arguments that can be written to, as main's are. */
typedef struct arguments {
    char *at[8];
    size_t count;
    size_t lengths[8];
} arguments;

static arguments make(const char *const *texts, size_t count)
{
    arguments made = {.count = count};
    for (size_t i = 0; i < count; i++) {
        made.at[i] = pq_strdup(texts[i]);
        made.lengths[i] = strlen(texts[i]);
    }
    return made;
}

static void let_go(arguments *made)
{
    for (size_t i = 0; i < made->count; i++)
        free(made->at[i]);
}

static void each_form_is_cut_at_the_first_equals_sign(void **state)
{
    (void)state;
    static const char *const texts[] = {"a=value", "b==file=name", "c=-", "d=", "e=--", "f=x=y==", "g= "};
    arguments made = make(texts, 7);
    PQ_AUTO_SECRET_SPECS specs = {0};
    PQ_AUTO_ERRORS errors = {0};
    assert_true(pq_secret_specs_parse(made.at, made.count, &specs, &errors));
    assert_int_equal(specs.count, 7);
    static const pq_spec_kind kinds[] = {PQ_SPEC_VALUE, PQ_SPEC_FILE,  PQ_SPEC_STDIN, PQ_SPEC_REMOVE,
                                         PQ_SPEC_VALUE, PQ_SPEC_VALUE, PQ_SPEC_VALUE};
    static const char *const values[] = {"value", NULL, NULL, NULL, "--", "x=y==", " "};
    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(specs.at[i].name[0], 'a' + (int)i);
        assert_int_equal(specs.at[i].kind, kinds[i]);
        if (values[i])
            assert_string_equal(pq_secret_bytes(specs.at[i].value), values[i]);
        else
            assert_null(specs.at[i].value);
        /* What follows NAME= is gone from where it lay. */
        for (size_t at = 2; at < made.lengths[i]; at++)
            assert_int_equal(made.at[i][at], 0);
    }
    assert_string_equal(specs.at[1].file, "file=name");
    let_go(&made);
}

static void every_problem_is_told_and_none_quotes(void **state)
{
    (void)state;
    static const char *const texts[] = {"a=1", "[default]", "aws secret key=hunter2", "a=2", "b==", "c=-",
                                        "d=-", ".hidden=x"};
    static const char *const messages[] = {
        "argument 2 has no '='",
        "argument 3 has a name that a secret cannot have",
        "argument 4 names a secret that an earlier one names",
        "argument 5 names no file after '=='",
        "argument 7 reads the standard input, which an earlier one reads already",
        "argument 8 has a name that a secret cannot have",
    };
    arguments made = make(texts, 8);
    PQ_AUTO_SECRET_SPECS specs = {0};
    PQ_AUTO_ERRORS errors = {0};
    assert_false(pq_secret_specs_parse(made.at, made.count, &specs, &errors));
    assert_int_equal(errors.count, 6);
    for (size_t i = 0; i < 6; i++) {
        assert_string_equal(errors.at[i].message, messages[i]);
        assert_int_equal(errors.at[i].code, PQ_EUSAGE);
    }
    for (size_t at = 0; at < made.lengths[2]; at++)
        assert_int_equal(made.at[2][at], 0);
    let_go(&made);
    PQ_AUTO_ERRORS none = {0};
    assert_false(pq_secret_specs_parse(NULL, 0, &specs, &none));
    assert_string_equal(none.at[0].message, "there is nothing to update");
}

static void files_and_input_are_taken_as_they_are(void **state)
{
    (void)state;
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_ERRORS errors = {0};
    PQ_AUTO_FREE char *folder = NULL;
    assert_true(pq_make_temp_dir("pq-test-", &folder, &err));
    PQ_AUTO_FREE char *file = pq_path_join(folder, "file");
    PQ_AUTO_FREE char *empty = pq_path_join(folder, "empty");
    PQ_AUTO_FREE char *large = pq_path_join(folder, "large");
    PQ_AUTO_FREE char *store_path = pq_path_join(folder, "s.db");
    PQ_AUTO_FREE char *key_path = pq_path_join(folder, "key");
    assert_true(pq_write_file(file, 0600, "\0\xff\n=\r\n", 6, &err));
    assert_true(pq_write_file(empty, 0600, "", 0, &err));
    assert_true(pq_write_file(large, 0600, "", 0, &err));
    assert_int_equal(truncate(large, (1 << 20) + 1), 0);

    /* The input is a pipe, and so may be a file: NAME==<(command). */
    int input[2], other[2];
    assert_int_equal(pipe(input), 0);
    assert_int_equal(pipe(other), 0);
    assert_int_equal(write(input[1], "in\0put\n", 7), 7);
    assert_int_equal(write(other[1], "piped", 5), 5);
    assert_int_equal(close(input[1]), 0);
    assert_int_equal(close(other[1]), 0);
    PQ_AUTO_FREE char *from_file = pq_asprintf("a==%s", file);
    PQ_AUTO_FREE char *from_pipe = pq_asprintf("p==/dev/fd/%d", other[0]);
    const char *const texts[] = {from_file, "b=-", "c=text", "gone=", from_pipe};
    arguments made = make(texts, 5);
    {
        PQ_AUTO_SECRET_SPECS specs = {0};
        assert_true(pq_secret_specs_parse(made.at, made.count, &specs, &errors));
        assert_true(pq_secret_specs_load(&specs, input[0], &errors));
        PQ_AUTO_STORE *store = NULL;
        pq_store_options options = {.path = store_path, .key_path = key_path, .create = true};
        assert_true(pq_store_open(&options, &store, &err));
        PQ_AUTO_STRINGS hosts = {0};
        pq_strings_add(&hosts, "ghcr.io");
        pq_log_setup(PQ_QUIET, false);
        assert_true(pq_secret_specs_store(&specs, &hosts, store, &err));
        assert_int_equal(pq_warnings()->count, 1);
        assert_string_equal(pq_warnings()->at[0].message, "there was no secret named gone to remove");

        static const struct {
            const char *name, *bytes;
            size_t length;
        } expected[] = {{"a", "\0\xff\n=\r\n", 6}, {"b", "in\0put\n", 7}, {"c", "text", 4}, {"p", "piped", 5}};
        for (size_t i = 0; i < 4; i++) {
            PQ_AUTO_SECRET *value = NULL;
            PQ_AUTO_STRINGS bound = {0};
            assert_true(pq_store_get(store, expected[i].name, &value, &bound, &err));
            assert_int_equal(pq_secret_length(value), expected[i].length);
            assert_memory_equal(pq_secret_bytes(value), expected[i].bytes, expected[i].length);
            assert_int_equal(bound.count, 1);
        }
    }
    let_go(&made);
    assert_int_equal(close(input[0]), 0);
    assert_int_equal(close(other[0]), 0);

    PQ_AUTO_FREE char *from_empty = pq_asprintf("a==%s", empty);
    PQ_AUTO_FREE char *from_folder = pq_asprintf("b==%s", folder);
    PQ_AUTO_FREE char *from_large = pq_asprintf("c==%s", large);
    const char *const wrong[] = {from_empty, from_folder, from_large, "d==/nonexistent/x", "e=-"};
    static const char *const messages[] = {"is empty, and an empty secret is not stored", "is a folder, not a file",
                                           "is larger than 1048576 bytes", "no such file",
                                           "is empty, and an empty secret is not stored"};
    made = make(wrong, 5);
    PQ_AUTO_SECRET_SPECS specs = {0};
    assert_true(pq_secret_specs_parse(made.at, made.count, &specs, &errors));
    PQ_AUTO_CLOSE int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_false(pq_secret_specs_load(&specs, nothing, &errors));
    assert_int_equal(errors.count, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_string_equal(errors.at[i].message, messages[i]);
        assert_int_equal(errors.at[i].code, PQ_EINPUT);
    }
    assert_string_equal(errors.at[0].where, empty);
    assert_string_equal(errors.at[4].where, "standard input");
    let_go(&made);
    assert_true(pq_remove_tree(folder, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_form_is_cut_at_the_first_equals_sign),
        cmocka_unit_test(every_problem_is_told_and_none_quotes),
        cmocka_unit_test(files_and_input_are_taken_as_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
