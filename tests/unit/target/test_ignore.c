#include "pq_cmocka.h"

#include <string.h>

#include "target/ignore.h"

/* Answers of github.com/moby/patternmatcher v0.6.0: ignorefile.ReadAll, New, MatchesOrParentMatches. */
static const struct {
    const char *file, *path;
    bool matches;
} vectors[] = {
    {"*.md", "README.md", true},
    {"*.md", "docs/README.md", false},
    {"**/*.md", "docs/README.md", true},
    {"**/*.md", "README.md", true},
    {"docs", "docs/a/b", true},
    {"docs/", "docs/a", true},
    {"/docs", "docs/a", true},
    {"docs/*", "docs/a", true},
    {"docs/*", "docs/a/b", true},
    {"docs/*", "docs", false},
    {"docs/**", "docs", false},
    {"docs/**", "docs/a/b", true},
    {"**/docs", "x/y/docs/z", true},
    {"**docs", "xdocs", true},
    {"**docs", "x/docs", true},
    {"a**b", "axxb", false},
    {"a**b", "ax/b", true},
    {"a**/b", "a/x/b", true},
    {"a/**/b", "a/b", true},
    {"a/**/b", "a/x/y/b", true},
    {"?.txt", "a.txt", true},
    {"?.txt", "ab.txt", false},
    {"?.txt",
     "\xc3\xa9"
     ".txt",
     true},
    {"a?b", "a/b", false},
    {"[a-c].txt", "b.txt", true},
    {"[a-c].txt", "d.txt", false},
    {"[^a-c].txt", "d.txt", true},
    {"a[.]b", "a.b", true},
    {"\\*.md", "*.md", true},
    {"\\*.md", "a.md", false},
    {"*\n!keep", "keep", false},
    {"*\n!keep", "other", true},
    {"*\n!keep/this", "keep/this", false},
    {"*\n!keep/this", "keep/that", true},
    {"*.md\n!README*.md\nREADME-secret.md", "README-secret.md", true},
    {"*.md\n!README*.md\nREADME-secret.md", "README-x.md", false},
    {"# comment\na", "# comment", false},
    {" # spaced", "# spaced", true},
    {"a/../b", "b", true},
    {"./a//b", "a/b", true},
    {"! a\na", "a", true},
    {"a\n! a", "a", false},
    {"a.b", "axb", false},
    {"a$b", "a$b", true},
    {"a+b", "a+b", true},
    {"a(b)", "a(b)", true},
    {".", "a", false},
    {"..", "a", false},
    {"**", "a/b", true},
    {"*", "a/b", true},
    {"***", "a/b", true},
    {"a/*/c", "a/b/c", true},
    {"a/*/c", "a/b/d/c", false},
    {"foo*bar*baz", "foo1bar2baz", true},
    {"foo*bar*baz", "foo1bar2ba", false},
    {"node_modules", "x/node_modules", false},
    {"**/node_modules", "x/node_modules/y", true},
};

static void patterns_match_as_those_of_docker(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        PQ_AUTO_IGNORE ignore = {0};
        PQ_AUTO_ERROR err = {0};
        assert_true(pq_ignore_parse("f", vectors[i].file, strlen(vectors[i].file), &ignore, &err));
        if (pq_ignore_matches(&ignore, vectors[i].path) != vectors[i].matches)
            fail_msg("%s with %s", vectors[i].file, vectors[i].path);
    }
}

static void broken_patterns_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"a\n!", "a\n[b", "a\nb\\\\\\", "a\n[a\\]"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        PQ_AUTO_IGNORE ignore = {0};
        PQ_AUTO_ERROR err = {0};
        assert_false(pq_ignore_parse(".composeappignores", wrong[i], strlen(wrong[i]), &ignore, &err));
        assert_int_equal(err.code, PQ_EINPUT);
        assert_string_equal(err.where, ".composeappignores:2");
    }
}

static void a_hostile_pattern_takes_no_time(void **state)
{
    (void)state;
    PQ_AUTO_BUF pattern = PQ_BUF(2000), path = PQ_BUF(5000);
    PQ_AUTO_IGNORE ignore = {0};
    PQ_AUTO_ERROR err = {0};
    for (int i = 0; i < 100; i++)
        pq_buf_adds(&pattern, "**/*a*");
    for (int i = 0; i < 2000; i++)
        pq_buf_adds(&path, "a");
    assert_true(pq_ignore_parse("f", pattern.data, pattern.length, &ignore, &err));
    assert_false(pq_ignore_matches(&ignore, pq_buf_text(&path)));
}

static void folders_are_pruned_unless_something_below_is_taken_back(void **state)
{
    (void)state;
    PQ_AUTO_IGNORE ignore = {0};
    PQ_AUTO_ERROR err = {0};
    const char *file = "*\n!docs/keep\n";
    assert_true(pq_ignore_parse("f", file, strlen(file), &ignore, &err));
    assert_true(pq_ignore_prunes(&ignore, "other"));
    assert_false(pq_ignore_prunes(&ignore, "docs"));
    assert_true(pq_ignore_prunes(&ignore, "docs/other"));
    assert_false(pq_ignore_prunes(&ignore, "docs/keep"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match_as_those_of_docker),
        cmocka_unit_test(broken_patterns_are_refused),
        cmocka_unit_test(a_hostile_pattern_takes_no_time),
        cmocka_unit_test(folders_are_pruned_unless_something_below_is_taken_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
