#include "pq_cmocka.h"

#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/limits.h"
#include "yaml/yaml.h"

/* Of this process, in seconds: what others do on the machine does not count. */
static double processor_time(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

static pq_yaml *parse(const char *text)
{
    pq_yaml *yaml = NULL;
    PQ_AUTO_ERRORS errs = {0};
    if (!pq_yaml_parse("f.yml", text, strlen(text), &yaml, &errs))
        fail_msg("%s: %s", errs.at[0].where, errs.at[0].message);
    assert_int_equal(errs.count, 0);
    return yaml;
}

/* The first error must stand at `where` and have `words` in its message; no error may quote "secret". */
static void refuse_bytes(const char *text, size_t length, const char *where, const char *words)
{
    pq_yaml *yaml = NULL;
    PQ_AUTO_ERRORS errs = {0};
    assert_false(pq_yaml_parse("f.yml", text, length, &yaml, &errs));
    assert_null(yaml);
    assert_true(errs.count > 0);
    assert_string_equal(errs.at[0].where, where);
    if (!strstr(errs.at[0].message, words))
        fail_msg("\"%s\" is not in \"%s\"", words, errs.at[0].message);
    for (size_t i = 0; i < errs.count; i++)
        assert_null(strstr(errs.at[i].message, "secret"));
}

static void refuse(const char *text, const char *where, const char *words)
{
    refuse_bytes(text, strlen(text), where, words);
}

/* The bytes of the node's span must be `content`. */
static void assert_span(const char *text, pq_yaml_node node, const char *content, unsigned line, unsigned column)
{
    pq_yaml_span span = pq_yaml_span_of(node);
    assert_true(span.exact);
    assert_true(span.end <= strlen(text));
    assert_int_equal(span.end - span.start, strlen(content));
    assert_memory_equal(text + span.start, content, strlen(content));
    assert_int_equal(span.line, line);
    assert_int_equal(span.column, column);
}

static void spans_are_the_bytes_between_the_quotes(void **state)
{
    (void)state;
    const char *text = "\xef\xbb\xbf# BOM, line ends of Windows\r\n"
                       "\xc3\xa4: {image: alpine, b: 'x''y'}\r\n"
                       "second:\r\n"
                       "  image: \"a\\x41\"   # why\r\n"
                       "---\r\n"
                       "- one\r\n"
                       "- \"\"\r\n";
    PQ_AUTO_YAML *yaml = parse(text);
    assert_int_equal(pq_yaml_count(yaml), 2);
    pq_yaml_node root = pq_yaml_root(yaml, 0), first = pq_yaml_get(root, "\xc3\xa4");
    assert_span(text, pq_yaml_get(first, "image"), "alpine", 2, 12);
    assert_span(text, pq_yaml_get(first, "b"), "x''y", 2, 24);
    assert_string_equal(pq_yaml_text(pq_yaml_get(first, "b")), "x'y");
    pq_yaml_node image = pq_yaml_get(pq_yaml_get(root, "second"), "image");
    assert_span(text, image, "a\\x41", 4, 11);
    assert_string_equal(pq_yaml_text(image), "aA");
    assert_int_equal(pq_yaml_style_of(image), PQ_YAML_DOUBLE_QUOTED);
    PQ_AUTO_FREE char *where = pq_yaml_where("f.yml", image);
    assert_string_equal(where, "f.yml:4:11");
    pq_yaml_node list = pq_yaml_root(yaml, 1);
    assert_span(text, pq_yaml_at(list, 0), "one", 6, 3);
    assert_span(text, pq_yaml_at(list, 1), "", 7, 4);
    assert_int_equal(pq_yaml_kind_of(pq_yaml_at(list, 2)), PQ_YAML_ABSENT);
    assert_int_equal(pq_yaml_kind_of(pq_yaml_root(yaml, 2)), PQ_YAML_ABSENT);
}

static void block_scalars_cannot_be_spliced(void **state)
{
    (void)state;
    PQ_AUTO_YAML *yaml = parse("a: |\n  FROM x\n  RUN y\nb: >-\n  one\n  two\nc: one\n  two\n");
    pq_yaml_node root = pq_yaml_root(yaml, 0);
    assert_string_equal(pq_yaml_text(pq_yaml_get(root, "a")), "FROM x\nRUN y\n");
    assert_int_equal(pq_yaml_style_of(pq_yaml_get(root, "a")), PQ_YAML_LITERAL);
    assert_false(pq_yaml_span_of(pq_yaml_get(root, "a")).exact);
    assert_int_equal(pq_yaml_span_of(pq_yaml_get(root, "a")).line, 2);
    assert_string_equal(pq_yaml_text(pq_yaml_get(root, "b")), "one two");
    assert_int_equal(pq_yaml_style_of(pq_yaml_get(root, "b")), PQ_YAML_FOLDED);
    assert_string_equal(pq_yaml_text(pq_yaml_get(root, "c")), "one two");
    assert_false(pq_yaml_span_of(root).exact);
}

static void scalars_mean_what_other_readers_take_them_for(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        pq_yaml_type type;
    } cases[] = {
        {"abc", PQ_YAML_IS_TEXT},      {"\"12\"", PQ_YAML_IS_TEXT},     {"12", PQ_YAML_IS_NUMBER},
        {"-1.5e3", PQ_YAML_IS_NUMBER}, {"0x1F", PQ_YAML_IS_NUMBER},     {"0o17", PQ_YAML_IS_NUMBER},
        {".inf", PQ_YAML_IS_NUMBER},   {"1.2.3", PQ_YAML_IS_TEXT},      {"1e", PQ_YAML_IS_TEXT},
        {".", PQ_YAML_IS_TEXT},        {"-", PQ_YAML_IS_NOT_SCALAR},    {"~", PQ_YAML_IS_NULL},
        {"null", PQ_YAML_IS_NULL},     {"'null'", PQ_YAML_IS_TEXT},     {"Yes", PQ_YAML_IS_BOOL},
        {"FALSE", PQ_YAML_IS_BOOL},    {"tRUE", PQ_YAML_IS_TEXT},       {"'true'", PQ_YAML_IS_TEXT},
        {"!!str 12", PQ_YAML_IS_TEXT}, {"! 12", PQ_YAML_IS_TEXT},       {"!!int 12", PQ_YAML_IS_NUMBER},
        {"!x null", PQ_YAML_IS_NULL},  {"!!str null", PQ_YAML_IS_TEXT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        PQ_AUTO_YAML *yaml = parse(cases[i].text);
        if (pq_yaml_type_of(pq_yaml_root(yaml, 0)) != cases[i].type)
            fail_msg("%s", cases[i].text);
    }
    PQ_AUTO_YAML *yaml = parse("[off, on, 'on', 1]");
    bool truth = true;
    assert_true(pq_yaml_bool(pq_yaml_at(pq_yaml_root(yaml, 0), 0), &truth) && !truth);
    assert_true(pq_yaml_bool(pq_yaml_at(pq_yaml_root(yaml, 0), 1), &truth) && truth);
    assert_false(pq_yaml_bool(pq_yaml_at(pq_yaml_root(yaml, 0), 2), &truth));
    assert_false(pq_yaml_bool(pq_yaml_at(pq_yaml_root(yaml, 0), 3), &truth));
}

static void tags_are_kept(void **state)
{
    (void)state;
    PQ_AUTO_YAML *yaml = parse("a: !reset null\nb: !override [x]\nc: !!str d\n");
    pq_yaml_node root = pq_yaml_root(yaml, 0);
    assert_string_equal(pq_yaml_tag(pq_yaml_get(root, "a")), "!reset");
    assert_string_equal(pq_yaml_tag(pq_yaml_get(root, "b")), "!override");
    assert_string_equal(pq_yaml_tag(pq_yaml_get(root, "c")), "tag:yaml.org,2002:str");
    assert_null(pq_yaml_tag(root));
}

static void aliases_are_transparent_and_told(void **state)
{
    (void)state;
    const char *text = "x: &img alpine\n"
                       "a: *img\n"
                       "b: [*img]\n"
                       "*img : c\n";
    PQ_AUTO_YAML *yaml = parse(text);
    pq_yaml_node root = pq_yaml_root(yaml, 0);
    assert_false(pq_yaml_is_shared(pq_yaml_get(root, "x")));
    pq_yaml_node a = pq_yaml_get(root, "a");
    assert_string_equal(pq_yaml_text(a), "alpine");
    assert_true(pq_yaml_is_shared(a));
    assert_span(text, a, "alpine", 1, 9);
    assert_int_equal(pq_yaml_use_of(a).line, 2);
    assert_int_equal(pq_yaml_use_of(pq_yaml_at(pq_yaml_get(root, "b"), 0)).line, 3);
    assert_string_equal(pq_yaml_text(pq_yaml_get(root, "alpine")), "c");
}

static void the_latest_anchor_before_an_alias_counts(void **state)
{
    (void)state;
    PQ_AUTO_YAML *yaml = parse("- &a 1\n- *a\n- &a 2\n- *a\n");
    pq_yaml_node root = pq_yaml_root(yaml, 0);
    assert_string_equal(pq_yaml_text(pq_yaml_at(root, 1)), "1");
    assert_string_equal(pq_yaml_text(pq_yaml_at(root, 3)), "2");
    refuse("a: &a 1\n---\nb: *a\n", "f.yml:3:4", "no anchor");
}

/* Precedence as in https://yaml.org/type/merge.html: own keys, then earlier sources before later ones. */
static void merges_follow_their_precedence(void **state)
{
    (void)state;
    PQ_AUTO_YAML *yaml = parse("base: &base {image: one, restart: always}\n"
                               "more: &more\n"
                               "  <<: *base\n"
                               "  image: two\n"
                               "  user: u\n"
                               "web:\n"
                               "  <<: [*more, *base, {init: i, user: v}]\n"
                               "  image: three\n"
                               "'<<': text\n"
                               "via: *more\n");
    pq_yaml_node root = pq_yaml_root(yaml, 0), web = pq_yaml_get(root, "web");
    assert_string_equal(pq_yaml_text(pq_yaml_get(root, "<<")), "text");
    assert_int_equal(pq_yaml_size(web), 4);
    pq_yaml_entry entry;
    assert_true(pq_yaml_entry_at(web, 0, &entry));
    assert_string_equal(pq_yaml_text(entry.key), "image");
    assert_string_equal(pq_yaml_text(entry.value), "three");
    assert_false(entry.merged || pq_yaml_is_shared(entry.value));
    assert_true(pq_yaml_find(web, "user", &entry));
    assert_string_equal(pq_yaml_text(entry.value), "u");
    assert_true(entry.merged && pq_yaml_is_shared(entry.value));
    assert_int_equal(pq_yaml_span_of(entry.value).line, 5);
    assert_int_equal(pq_yaml_use_of(entry.value).line, 7);
    assert_string_equal(pq_yaml_text(pq_yaml_get(web, "restart")), "always");
    assert_string_equal(pq_yaml_text(pq_yaml_get(web, "init")), "i");
    pq_yaml_node more = pq_yaml_get(root, "more");
    assert_int_equal(pq_yaml_size(more), 3);
    assert_string_equal(pq_yaml_text(pq_yaml_get(more, "image")), "two");
    assert_int_equal(pq_yaml_use_of(pq_yaml_get(pq_yaml_get(root, "via"), "restart")).line, 10);
    for (size_t i = 0; i < pq_yaml_size(web); i++) {
        assert_true(pq_yaml_entry_at(web, i, &entry));
        assert_string_not_equal(pq_yaml_text(entry.key), "<<");
    }
    refuse("a: &a [x]\nb:\n  <<: *a\n", "f.yml:3:7", "must name a mapping");
    refuse("b:\n  <<: secret\n", "f.yml:2:7", "must name a mapping");
}

static void absent_nodes_answer_everything(void **state)
{
    (void)state;
    PQ_AUTO_YAML *yaml = parse("a:\n  b\n");
    pq_yaml_node none = pq_yaml_get(pq_yaml_get(pq_yaml_root(yaml, 0), "x"), "y");
    pq_yaml_entry entry;
    bool truth;
    assert_int_equal(pq_yaml_kind_of(none), PQ_YAML_ABSENT);
    assert_null(pq_yaml_text(none));
    assert_null(pq_yaml_tag(none));
    assert_int_equal(pq_yaml_size(none), 0);
    assert_false(pq_yaml_entry_at(none, 0, &entry) || pq_yaml_find(none, "x", &entry) || pq_yaml_bool(none, &truth));
    assert_int_equal(pq_yaml_kind_of(pq_yaml_at(none, 0)), PQ_YAML_ABSENT);
    assert_int_equal(pq_yaml_span_of(none).line, 0);
    assert_int_equal(pq_yaml_kind_of(pq_yaml_get(pq_yaml_root(yaml, 0), "b")), PQ_YAML_ABSENT);
}

static void empty_files_and_values_have_a_place(void **state)
{
    (void)state;
    static const char *const nothing[] = {"", "\xef\xbb\xbf", "# only this\n", "\n\n"};
    for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++) {
        PQ_AUTO_YAML *yaml = parse(nothing[i]);
        assert_int_equal(pq_yaml_count(yaml), 0);
    }
    PQ_AUTO_YAML *yaml = parse("%YAML 1.2\n---\na: 1\nb:\nc: 2\n...\n");
    assert_int_equal(pq_yaml_count(yaml), 1);
    pq_yaml_node b = pq_yaml_get(pq_yaml_root(yaml, 0), "b");
    assert_int_equal(pq_yaml_kind_of(b), PQ_YAML_NULL);
    assert_string_equal(pq_yaml_text(b), "");
    assert_int_equal(pq_yaml_span_of(b).line, 4);
    assert_false(pq_yaml_span_of(b).exact);
}

static void syntax_errors_have_a_place_and_no_text(void **state)
{
    (void)state;
    refuse("a:\n\tb: 1\n", "f.yml:2:1", "tab");
    refuse("a: b\nc: @secret\n", "f.yml:2:4", "must be quoted");
    refuse("a: \"\\qsecret\"\n", "f.yml:1:5", "invalid escape");
    refuse("a: !foo!secret x\n", "f.yml:1:4", "undefined tag prefix");
    refuse("a: b: secret\n", "f.yml:1:5", "");
    refuse("a: [b, secret\nd: e", "f.yml:3:1", "");
    refuse("a: \"\\0\"\n", "f.yml:1:5", "NUL");
    refuse_bytes("a: b\n\0", 6, "f.yml:2:1", "NUL");
    refuse("a: b\r\nc: \xff", "f.yml:2:4", "UTF-8");
    refuse_bytes("\xff\xfe"
                 "a\0",
                 4, "f.yml:1:1", "UTF-8");
}

static void duplicate_keys_are_all_told(void **state)
{
    (void)state;
    const char *text = "a: 1\nb: {secret: 1, x: 2, 'secret': 3}\n\"a\": 2\na: 3\n";
    pq_yaml *yaml = NULL;
    PQ_AUTO_ERRORS errs = {0};
    assert_false(pq_yaml_parse("f.yml", text, strlen(text), &yaml, &errs));
    assert_int_equal(errs.count, 2);
    assert_string_equal(errs.at[0].where, "f.yml:2:23");
    assert_string_equal(errs.at[1].where, "f.yml:3:2");
    assert_non_null(strstr(errs.at[1].message, "line 1"));
    assert_null(strstr(errs.at[0].message, "secret"));
    refuse("x: &x {a: 1}\ny:\n  <<: *x\n  <<: *x\n", "f.yml:4:3", "line 3");
}

static void hostile_aliases_end_at_once(void **state)
{
    (void)state;
    PQ_AUTO_BUF bomb = PQ_BUF(PQ_MAX_TREE_FILE);
    pq_buf_adds(&bomb, "a: &a [x,x,x,x,x,x,x,x,x]\n");
    for (int c = 'b'; c <= 'i'; c++) {
        pq_buf_addf(&bomb, "%c: &%c [", c, c);
        for (int i = 0; i < 9; i++)
            pq_buf_addf(&bomb, "*%c%s", c - 1, i < 8 ? "," : "]\n");
    }
    PQ_AUTO_BUF merges = PQ_BUF(PQ_MAX_TREE_FILE);
    pq_buf_adds(&merges, "m0: &m0 {x: 1}\n");
    for (int i = 1; i < 30; i++)
        pq_buf_addf(&merges, "m%d: &m%d\n  <<: [*m%d, *m%d, *m%d]\n", i, i, i - 1, i - 1, i - 1);
    PQ_AUTO_BUF chain = PQ_BUF(PQ_MAX_TREE_FILE);
    pq_buf_adds(&chain, "m0: &m0 {x: 1}\n");
    for (int i = 1; i < 10000; i++)
        pq_buf_addf(&chain, "m%d: &m%d {<<: *m%d}\n", i, i, i - 1);
    double before = processor_time();
    refuse(pq_buf_text(&bomb), "f.yml:6:8", "too large");
    refuse(pq_buf_text(&merges), "f.yml:21:8", "too large");
    refuse(pq_buf_text(&chain), "f.yml:64:16", "too deeply");
    assert_true(processor_time() - before < 2);
    refuse("a: &a [*a]\n", "f.yml:1:8", "what contains it");
    refuse("a: &a\n  <<: *a\n", "f.yml:2:7", "what contains it");
    refuse("a: *b\nb: &b 1\n", "f.yml:1:4", "no anchor");
}

/* As libyaml and go-yaml do, though YAML 1.2 wants them further right than the key (values from PyYAML; go-yaml is
 * asked in tests/interop). */
static void flow_collections_may_be_indented_as_one_likes(void **state)
{
    (void)state;
    static const char *const texts[] = {"a:\n  b: [\n    x,\n    y\n  ]\n  c: d\n", "a:\n  b: [\nx,\ny\n]\n  c: d\n"};
    for (size_t i = 0; i < 2; i++) {
        PQ_AUTO_YAML *yaml = parse(texts[i]);
        pq_yaml_node a = pq_yaml_get(pq_yaml_root(yaml, 0), "a");
        assert_int_equal(pq_yaml_size(a), 2);
        assert_string_equal(pq_yaml_text(pq_yaml_at(pq_yaml_get(a, "b"), 1)), "y");
        assert_string_equal(pq_yaml_text(pq_yaml_get(a, "c")), "d");
    }
}

static void deep_nesting_is_refused(void **state)
{
    (void)state;
    static const char *const pieces[] = {"[", "{a: ", "- ", "? "};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        PQ_AUTO_BUF text = PQ_BUF(PQ_MAX_TREE_FILE);
        while (text.length < 200000)
            pq_buf_adds(&text, pieces[i]);
        PQ_AUTO_FREE char *where = pq_asprintf("f.yml:1:%zu", 64 * strlen(pieces[i]) + 1);
        refuse(pq_buf_text(&text), where, "too deeply");
    }
    PQ_AUTO_BUF text = PQ_BUF(1000);
    for (int i = 0; i < 64; i++)
        pq_buf_adds(&text, "[");
    for (int i = 0; i < 64; i++)
        pq_buf_adds(&text, "]");
    PQ_AUTO_YAML *yaml = parse(pq_buf_text(&text));
    assert_int_equal(pq_yaml_size(pq_yaml_root(yaml, 0)), 1);
}

static void many_keys_are_quick(void **state)
{
    (void)state;
    PQ_AUTO_BUF text = PQ_BUF(4u << 20);
    for (int i = 0; i < 100000; i++)
        pq_buf_addf(&text, "k%d: v\n", i);
    double before = processor_time();
    PQ_AUTO_YAML *yaml = parse(pq_buf_text(&text));
    assert_int_equal(pq_yaml_size(pq_yaml_root(yaml, 0)), 100000);
    assert_int_equal(pq_yaml_span_of(pq_yaml_get(pq_yaml_root(yaml, 0), "k99999")).line, 100000);
    pq_buf_adds(&text, "l: v\n");
    refuse(pq_buf_text(&text), "f.yml:100001:4", "too many");
    assert_true(processor_time() - before < 5); /* 0.2 usually; quadratic would be 20 */
}

/* Inputs of 1 MiB over which libfyaml alone takes minutes. */
static void hostile_blanks_end_at_once(void **state)
{
    (void)state;
    static const struct {
        const char *begin, *more, *where, *words;
    } cases[] = {
        {"", "%", "f.yml:1:1025", "directive"},
        {"k: |\n ", "\n", "f.yml:1024:1", "blanks"},
        {"k: >\n ", " \n", "f.yml:513:1", "blanks"},
        {"- ", " ", "f.yml:1:1026", "blanks"},
        {"\xef\xbb\xbf", "%", "f.yml:1:1026", "directive"},
        {"%YAML 1.1\n---\na: |\n", "\xc2\x85", "f.yml:4:1024", "blanks"},
        {"%YAML 1.1\n---\na: b\xe2\x80\xa8", "%", "f.yml:3:1030", "directive"},
    };
    double before = processor_time();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        PQ_AUTO_BUF text = PQ_BUF(2 * PQ_MAX_TREE_FILE);
        pq_buf_adds(&text, cases[i].begin);
        while (text.length < PQ_MAX_TREE_FILE)
            pq_buf_adds(&text, cases[i].more);
        refuse(pq_buf_text(&text), cases[i].where, cases[i].words);
    }
    PQ_AUTO_BUF runs = PQ_BUF(2 * PQ_MAX_TREE_FILE);
    pq_buf_adds(&runs, "k: |\n");
    while (runs.length < PQ_MAX_TREE_FILE) {
        for (int i = 0; i < 1020; i++)
            pq_buf_adds(&runs, "\n");
        pq_buf_adds(&runs, " x\n");
    }
    PQ_AUTO_YAML *yaml = parse(pq_buf_text(&runs));
    assert_int_equal(pq_yaml_size(pq_yaml_root(yaml, 0)), 1);
    assert_true(processor_time() - before < 10);
}

/* libfyaml prints to standard error unless told otherwise in just the right way. */
static void nothing_is_printed(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    int kept = dup(STDERR_FILENO);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    (void)close(ends[1]);
    pq_yaml *yaml = NULL;
    PQ_AUTO_ERRORS errs = {0};
    bool good = pq_yaml_parse("f.yml", "a: [secret\n", 11, &yaml, &errs);
    assert_true(dup2(kept, STDERR_FILENO) >= 0);
    (void)close(kept);
    char byte;
    assert_false(good);
    assert_int_equal(read(ends[0], &byte, 1), 0);
    (void)close(ends[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_are_the_bytes_between_the_quotes),
        cmocka_unit_test(block_scalars_cannot_be_spliced),
        cmocka_unit_test(scalars_mean_what_other_readers_take_them_for),
        cmocka_unit_test(tags_are_kept),
        cmocka_unit_test(aliases_are_transparent_and_told),
        cmocka_unit_test(the_latest_anchor_before_an_alias_counts),
        cmocka_unit_test(merges_follow_their_precedence),
        cmocka_unit_test(absent_nodes_answer_everything),
        cmocka_unit_test(empty_files_and_values_have_a_place),
        cmocka_unit_test(syntax_errors_have_a_place_and_no_text),
        cmocka_unit_test(duplicate_keys_are_all_told),
        cmocka_unit_test(hostile_aliases_end_at_once),
        cmocka_unit_test(flow_collections_may_be_indented_as_one_likes),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(many_keys_are_quick),
        cmocka_unit_test(hostile_blanks_end_at_once),
        cmocka_unit_test(nothing_is_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
