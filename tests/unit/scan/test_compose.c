#include "pq_cmocka.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "scan/compose.h"

/* A loader over a few files in memory. */
typedef struct memory_file {
    const char *path, *text;
} memory_file;

static bool read_memory(void *context, const char *path, pq_buf *out, pq_error *err)
{
    for (const memory_file *file = context; file->path; file++)
        if (strcmp(file->path, path) == 0) {
            pq_buf_adds(out, file->text);
            return true;
        }
    if (*path == '/' || strncmp(path, "..", 2) == 0)
        return pq_fail(err, PQ_EINPUT, path, NULL, "leads out of the tree, which is refused");
    return pq_fail(err, PQ_ENOTFOUND, path, NULL, "no such file");
}

static void scan_files(const memory_file *files, pq_scan *scan)
{
    PQ_AUTO_VARS vars = {0};
    pq_vars_set(&vars, "FACTORY", "acme", NULL);
    pq_vars_set(&vars, "TAG", "abc123", NULL);
    pq_scan_options options = {.variables = &vars};
    pq_loader loader = {.read = read_memory, .context = (void *)(uintptr_t)files};
    pq_compose_scan(files[0].path, files[0].text, strlen(files[0].text), &loader, &options, scan);
}

/* "file:line kind service image", "… ?text: reason", "!where: message"; a line each. */
static char *told(const pq_scan *scan)
{
    PQ_AUTO_BUF out = PQ_BUF(1u << 20);
    for (size_t i = 0; i < scan->use_count; i++)
        pq_buf_addf(&out, "%s:%u %s %s %s\n", scan->uses[i].file, scan->uses[i].line,
                    pq_image_kind_name(scan->uses[i].kind), scan->uses[i].service, scan->uses[i].image);
    for (size_t i = 0; i < scan->unresolved_count; i++)
        pq_buf_addf(&out, "%s:%u %s %s ?%s: %s\n", scan->unresolved[i].file, scan->unresolved[i].line,
                    pq_image_kind_name(scan->unresolved[i].kind),
                    scan->unresolved[i].service ? scan->unresolved[i].service : "-", scan->unresolved[i].text,
                    scan->unresolved[i].reason);
    for (size_t i = 0; i < scan->errors.count; i++)
        pq_buf_addf(&out, "!%s: %s\n", scan->errors.at[i].where, scan->errors.at[i].message);
    return pq_buf_steal(&out);
}

static void expect(const memory_file *files, const char *expected)
{
    PQ_AUTO_SCAN scan = {0};
    scan_files(files, &scan);
    PQ_AUTO_FREE char *got = told(&scan);
    if (strcmp(got, expected) != 0)
        fail_msg("%s\ngives\n%s", files[0].text, got);
}
#define EXPECT(text, expected) expect((const memory_file[]){{"c.yml", text}, {0}}, expected)

static void images_of_services(void **state)
{
    (void)state;
    EXPECT("# top\nversion: '3'\nservices:\n  web:\n    image: r.io/web:1\n  db: {image: 'postgres'}\n"
           "x-note: {image: no}\n",
           "c.yml:5 compose web r.io/web:1\nc.yml:6 compose db postgres\n");
    EXPECT("services:\n  a:\n    build: .\n  b:\n    build: {context: .}\n    image: r.io/b\n",
           "c.yml:6 compose b r.io/b\n");
    EXPECT("services:\n  a:\n    image: >-\n      r.io/a:1\n    profiles: [debug]\n", "c.yml:3 compose a r.io/a:1\n");
    EXPECT("services: {}\n", "");
    EXPECT("networks: {a: {}}\n", "");
    EXPECT("services:\n  a: {image: x}\n---\nservices:\n  a: {image: y}\n  b: {image: z}\n",
           "c.yml:5 compose a y\nc.yml:6 compose b z\n");
}

static void variables(void **state)
{
    (void)state;
    EXPECT("services:\n  a: {image: 'hub.io/${FACTORY}/a:$TAG'}\n  b: {image: 'b:${VER:-2}'}\n"
           "  c: {image: 'c:$VER'}\n  d: {image: '${X:?must}'}\n  e: {image: 'e$$x'}\n  f: {image: '${'}\n",
           "c.yml:2 compose a hub.io/acme/a:abc123\nc.yml:3 compose b b:2\n"
           "c.yml:4 compose c ?c:$VER: variable VER is not set\nc.yml:5 compose d ?${X:?must}: variable X is not set\n"
           "!c.yml:6: service e: invalid image reference\n!c.yml:7:15: a ${ has no }\n");
    const memory_file with_env[] = {
        {"app/c.yml", "services:\n  a: {image: 'a:$VER'}\n  b: {image: 'b:$TAG'}\n  c: {image: 'c:$OLD'}\n"},
        {"app/.env", "VER=7\nTAG=file\nOLD=$NONE\n"},
        {0}};
    expect(with_env, "app/c.yml:2 compose a a:7\napp/c.yml:3 compose b b:abc123\n"
                     "app/c.yml:4 compose c ?c:$OLD: variable NONE is not set\n");
    const memory_file bad_env[] = {{"c.yml", "services:\n  a: {image: a}\n"}, {".env", "A B=c\n"}, {0}};
    expect(bad_env, "c.yml:2 compose a a\n!.env:1: a variable's name has a space\n");
}

static void the_process_environment_counts_only_when_asked(void **state)
{
    (void)state;
    assert_int_equal(setenv("PQ_TEST_TAG", "outside", 1), 0);
    const char *text = "services:\n  a: {image: 'a:$PQ_TEST_TAG'}\n";
    const memory_file none[] = {{0}};
    pq_loader loader = {.read = read_memory, .context = (void *)(uintptr_t)none};
    for (int asked = 0; asked < 2; asked++) {
        PQ_AUTO_SCAN scan = {0};
        pq_scan_options options = {.use_environment = asked == 1};
        pq_compose_scan("c.yml", text, strlen(text), &loader, &options, &scan);
        PQ_AUTO_FREE char *got = told(&scan);
        assert_string_equal(got, asked ? "c.yml:2 compose a a:outside\n"
                                       : "c.yml:2 compose a ?a:$PQ_TEST_TAG: variable PQ_TEST_TAG is not set\n");
    }
}

static void anchors_and_merges(void **state)
{
    (void)state;
    EXPECT("x-i: &i r.io/i:1\nx-b: &b\n  image: r.io/b:1\nservices:\n  one: {image: *i}\n  two:\n    <<: *b\n"
           "  three:\n    <<: *b\n    image: r.io/own\n  four: *b\n",
           "c.yml:1 compose one r.io/i:1\nc.yml:3 compose two r.io/b:1\nc.yml:10 compose three r.io/own\n"
           "c.yml:3 compose four r.io/b:1\n");
}

static void extends_and_include(void **state)
{
    (void)state;
    EXPECT("services:\n  a: {extends: b}\n  b: {extends: {service: c}}\n  c: {image: r.io/c}\n",
           "c.yml:4 compose a r.io/c\nc.yml:4 compose b r.io/c\nc.yml:4 compose c r.io/c\n");
    EXPECT("services:\n  a: {extends: b, image: r.io/a}\n  b: {build: .}\n  d: {extends: b}\n",
           "c.yml:2 compose a r.io/a\n");
    EXPECT("services:\n  a: {extends: b}\n  b: {extends: a}\n",
           "!c.yml:2:6: extends leads back to itself, or through more than 32 services\n"
           "!c.yml:3:6: extends leads back to itself, or through more than 32 services\n");
    EXPECT("services:\n  a: {extends: nobody}\n", "!c.yml:2:16: extends a service that is not there\n");
    EXPECT("services:\n  a: {extends: {file: 'https://x.io/c.yml', service: b}}\n",
           "!c.yml:2:24: names a file that is not in the tree, which is refused\n");
    EXPECT("services:\n  a: {extends: b, image: r.io/a}\n  b:\n",
           "c.yml:2 compose a r.io/a\n!c.yml:3:3: service b is nothing, not a mapping\n");
    EXPECT("include: [../up.yml, none.yml, {path: []}]\nservices: {}\n",
           "!c.yml:1:11: ../up.yml: leads out of the tree, which is refused\n!c.yml:1:22: none.yml: no such file\n"
           "!c.yml:1:32: include names no file\n");
    const memory_file files[] = {
        {"app/c.yml", "include:\n  - ./more/d.yml\n  - path: more/d.yml\nservices:\n  a:\n    extends:\n"
                      "      file: ../base.yml\n      service: b\n"},
        {"base.yml", "services:\n  b: {image: 'r.io/b:$VER'}\n"},
        {"app/more/d.yml", "include: [../c.yml]\nservices:\n  d: {image: 'r.io/d:$VER-$OWN'}\n"},
        {"app/more/.env", "VER=3\nOWN=4\n"},
        {"app/.env", "VER=2\n"},
        {0}};
    expect(files, "app/more/d.yml:3 compose d r.io/d:2-4\nbase.yml:2 compose a r.io/b:2\n"
                  "!app/more/d.yml:1:11: include leads back to itself\n");
    PQ_AUTO_SCAN scan = {0};
    scan_files(files, &scan);
    assert_string_equal(scan.uses[0].owner, "app/c.yml");
    assert_string_equal(scan.uses[1].owner, "app/c.yml");
}

/* Compose specification, 14-include.md; the values are compose-go's. */
static void included_services_are_the_projects_own(void **state)
{
    (void)state;
    const memory_file below[] = {
        {"c.yml", "include: [s/d.yml, s/e.yml]\nservices:\n  a: {extends: d}\n  d: {image: r.io/mine}\n"
                  "  k: {restart: always}\n"},
        {"s/d.yml", "services:\n  d: {image: r.io/d}\n  k: {image: 'r.io/k:$V'}\n"},
        {"s/e.yml", "include: [d.yml]\nservices:\n  k: {image: r.io/later}\n  e: {extends: k}\n"},
        {"s/.env", "V=1\n"},
        {0}};
    expect(below, "c.yml:4 compose d r.io/mine\ns/d.yml:3 compose k r.io/k:1\ns/e.yml:3 compose e r.io/later\n"
                  "c.yml:4 compose a r.io/mine\n");
    const memory_file several[] = {
        {"c.yml", "services:\n  c: {image: c}\ninclude:\n  - path: [s/d.yml, o/d.yml]\n"},
        {"s/d.yml", "services:\n  d: {image: 'd:$V'}\n  k: {image: 'k:$V'}\n"},
        {"o/d.yml", "services:\n  d: {image: 'over:$V'}\n  m: {extends: {file: f.yml, service: f}}\n"},
        {"s/f.yml", "services:\n  f: {image: 'f:$V'}\n"},
        {"s/.env", "V=1\n"},
        {"o/.env", "V=2\n"},
        {0}};
    expect(several, "c.yml:2 compose c c\no/d.yml:2 compose d over:1\ns/d.yml:3 compose k k:1\n"
                    "s/f.yml:2 compose m f:1\n");
    const memory_file elsewhere[] = {
        {"c.yml", "include:\n  - path: s/d.yml\n    project_directory: o\n    env_file: [a.env, b.env]\n"},
        {"a.env", "V=a\nW=a\n"},
        {"b.env", "W=b$V\n"},
        {".env", "Z=main\n"},
        {"o/.env", "V=o\n"},
        {"o/f.yml", "services:\n  f: {image: 'f:${V}'}\n"},
        {"s/d.yml", "include: [f.yml]\nservices:\n  d: {image: 'd:${V}-${W}-${Z}'}\n"},
        {0}};
    expect(elsewhere, "o/f.yml:2 compose f f:a\ns/d.yml:3 compose d d:a-ba-main\n");
    EXPECT("include:\n  - {path: none.yml, env_file: none.env}\n  - {path: c.yml}\n",
           "!c.yml:2:12: none.yml: no such file\n!c.yml:3:12: include leads back to itself\n");
    const memory_file no_env[] = {
        {"c.yml", "include:\n  - {path: d.yml, env_file: none.env}\n"}, {"d.yml", "services: {}\n"}, {0}};
    expect(no_env, "!c.yml:2:29: none.env: no such file\n");
}

/* Two files in each of 45 layers, which both include the two of the next; all have the same services. */
static bool read_diamonds(void *context, const char *path, pq_buf *out, pq_error *err)
{
    (void)context;
    int layer;
    if (sscanf(path, "%*c%d.yml", &layer) != 1 || layer > 45)
        return pq_fail(err, PQ_ENOTFOUND, path, NULL, "no such file");
    if (layer < 45)
        pq_buf_addf(out, "include: [l%d.yml, r%d.yml]\n", layer + 1, layer + 1);
    pq_buf_adds(out, "services:\n");
    for (int i = 0; i < 1000; i++)
        pq_buf_addf(out, "  s%d: {extends: s%d, build: .}\n", i, i % 20 == 19 ? 1000 : i + 1);
    pq_buf_adds(out, "  s1000: {build: .}\n");
    return true;
}

static void includes_that_ask_for_hours_are_refused(void **state)
{
    (void)state;
    double before = pq_monotonic();
    pq_loader loader = {.read = read_diamonds};
    pq_scan_options options = {0};
    PQ_AUTO_SCAN scan = {0};
    static const char text[] = "include: [l0.yml, r0.yml]\n";
    pq_compose_scan("c.yml", text, strlen(text), &loader, &options, &scan);
    assert_int_equal(scan.errors.count, 1);
    assert_non_null(strstr(scan.errors.at[0].message, "asks for too much"));
    assert_true(pq_monotonic() - before < 5);
}

/* Compose specification, 13-merge.md. */
static void what_is_reset_is_not_there(void **state)
{
    (void)state;
    EXPECT("services:\n  a: {image: x}\n  b: !reset {image: z}\n  c: !override {image: w}\n",
           "c.yml:2 compose a x\nc.yml:4 compose c w\n");
    EXPECT("services:\n  a: {extends: b, image: !reset null, build: .}\n  b: {image: y}\n", "c.yml:3 compose b y\n");
    EXPECT("services: {a: {image: x}, b: {image: y}}\n---\nservices: {a: !reset null}\n", "c.yml:1 compose b y\n");
}

static void images_elsewhere(void **state)
{
    (void)state;
    EXPECT(
        "services:\n  a:\n    build:\n      context: .\n      args: {V: 3}\n      dockerfile_inline: |\n"
        "        ARG V\n        FROM r.io/in:$${V}\n        FROM $$NONE\n"
        "      cache_from:\n        - r.io/c1\n        - type=registry,ref=r.io/c2\n        - type=local,src=x\n"
        "      additional_contexts:\n        one: docker-image://r.io/x1\n        two: ../dir\n        three: $UNSET\n"
        "    volumes:\n      - ./a:/a\n      - {type: image, source: r.io/v, target: /v}\n"
        "  b:\n    build:\n      additional_contexts: [y=docker-image://r.io/x2, z=service:a]\n",
        "c.yml:6 compose-other a r.io/in:3\nc.yml:11 compose-other a r.io/c1\nc.yml:12 compose-other a r.io/c2\n"
        "c.yml:15 compose-other a r.io/x1\nc.yml:20 compose-other a r.io/v\nc.yml:23 compose-other b r.io/x2\n"
        "c.yml:6 compose-other a ?$NONE: NONE is not declared by an ARG before the first FROM\n");
    EXPECT("services:\n  a:\n    build:\n      dockerfile_inline: |\n        FROMM x\n",
           "!c.yml:4: dockerfile_inline: unknown instruction\n");
}

static void what_is_wrong(void **state)
{
    (void)state;
    EXPECT("", "!c.yml: is empty\n");
    EXPECT("- a\n", "!c.yml:1:1: is a list, not a mapping\n");
    EXPECT("web:\n  image: a\n", "!c.yml: is a version 1 Compose file, which is no longer read\n");
    EXPECT("services:\n  'a b': {image: x}\n",
           "c.yml:2 compose a b x\n!c.yml:2:10: the name of a service has a character that is not allowed\n");
    EXPECT("services: [a]\n", "!c.yml:1:11: services is a list, not a mapping\n");
    EXPECT(
        "services:\n  a:\n  b: x\n  c: {}\n  d: {image: 5}\n  e: {image: [x]}\n  f: {image: 'A b'}\n  g: {image: ''}\n",
        "!c.yml:2:3: service a is nothing, not a mapping\n!c.yml:3:6: service b is a text, not a mapping\n"
        "!c.yml:4:6: service c has neither image nor build\n!c.yml:5:14: a number where a text is needed\n"
        "!c.yml:6:14: a list where a text is needed\n!c.yml:7: service f: the repository name must be lower case\n"
        "!c.yml:8: service g: empty image reference\n");
    PQ_AUTO_SCAN scan = {0};
    scan_files((const memory_file[]){{"c.yml", "services:\n  a: {image: x\n"}, {0}}, &scan);
    assert_int_equal(scan.use_count, 0);
    assert_true(scan.errors.count > 0);
}

/* Splices every service's image with a digest and reads the result again: all are pinned, nothing else moved. */
static void splices_pin_each_service_in_itself(void **state)
{
    (void)state;
    static const char text[] = "# kept\r\nx-i: &i 'r.io/i:1'\r\nx-b: &b\r\n  image: r.io/b:1   # base\r\nservices:\r\n"
                               "  own:\r\n    image: \"r.io/own:1\" # why\r\n    restart: always\r\n"
                               "  alias:\r\n    image: *i\r\n  merged:\r\n    <<: *b\r\n    restart: always\r\n"
                               "  flow: {<<: *b, restart: always}\r\n  whole: *b\r\n  ext:\r\n    # first\r\n"
                               "    \"extends\": own\r\n";
    static const char pinned[] =
        "# kept\r\nx-i: &i 'r.io/i:1'\r\nx-b: &b\r\n  image: r.io/b:1   # base\r\nservices:\r\n"
        "  own:\r\n    image: \"PIN\" # why\r\n    restart: always\r\n"
        "  alias:\r\n    image: PIN\r\n  merged:\r\n    image: PIN\r\n    <<: *b\r\n    restart: always\r\n"
        "  flow: {image: PIN, <<: *b, restart: always}\r\n  whole: {<<: *b, image: PIN}\r\n  ext:\r\n    # first\r\n"
        "    image: PIN\r\n    \"extends\": own\r\n";
    PQ_AUTO_SCAN scan = {0};
    scan_files((const memory_file[]){{"c.yml", text}, {0}}, &scan);
    assert_int_equal(scan.use_count, 6);
    PQ_AUTO_BUF out = PQ_BUF(4096);
    size_t at = 0;
    for (size_t i = 0; i < scan.use_count; i++) { /* services, and so their splices, are in order */
        const pq_image_span *splice = &scan.uses[i].splice;
        assert_true(splice->possible);
        assert_int_equal(splice->shared, i != 0);
        pq_buf_add(&out, text + at, splice->start - at);
        pq_buf_addf(&out, "%sPIN%s", splice->before, splice->after);
        at = splice->end;
    }
    pq_buf_adds(&out, text + at);
    assert_string_equal(pq_buf_text(&out), pinned);

    PQ_AUTO_SCAN again = {0};
    static const char reference[] = "r.io/p@sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    PQ_AUTO_BUF whole = PQ_BUF(8192);
    for (const char *from = pq_buf_text(&out), *pin;; from = pin + 3) {
        pin = strstr(from, "PIN");
        pq_buf_add(&whole, from, pin ? (size_t)(pin - from) : strlen(from));
        if (!pin)
            break;
        pq_buf_adds(&whole, reference);
    }
    scan_files((const memory_file[]){{"c.yml", pq_buf_text(&whole)}, {0}}, &again);
    assert_int_equal(again.errors.count, 0);
    assert_int_equal(again.use_count, 6);
    for (size_t i = 0; i < again.use_count; i++)
        assert_string_equal(again.uses[i].image, reference);
}

static void block_scalars_cannot_be_spliced(void **state)
{
    (void)state;
    PQ_AUTO_SCAN scan = {0};
    scan_files((const memory_file[]){{"c.yml", "services:\n  a:\n    image: >-\n      r.io/a\n"}, {0}}, &scan);
    assert_int_equal(scan.use_count, 1);
    assert_false(scan.uses[0].splice.possible);
}

static void paths_are_those_of_the_naming_file(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"c.yml", "d.yml", "d.yml"},       {"a/c.yml", "./d.yml", "a/d.yml"},
        {"a/c.yml", "../d.yml", "d.yml"},  {"a/b/c.yml", "../x/d.yml", "a/x/d.yml"},
        {"c.yml", "../d.yml", "../d.yml"}, {"a/c.yml", "../../d", "../d"},
        {"a/c.yml", "/etc/d", "/etc/d"},   {"a/c.yml", "..", "."},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        PQ_AUTO_FREE char *path = pq_scan_beside(cases[i][0], cases[i][1]);
        assert_string_equal(path, cases[i][2]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(images_of_services),
        cmocka_unit_test(variables),
        cmocka_unit_test(the_process_environment_counts_only_when_asked),
        cmocka_unit_test(anchors_and_merges),
        cmocka_unit_test(extends_and_include),
        cmocka_unit_test(included_services_are_the_projects_own),
        cmocka_unit_test(includes_that_ask_for_hours_are_refused),
        cmocka_unit_test(what_is_reset_is_not_there),
        cmocka_unit_test(images_elsewhere),
        cmocka_unit_test(what_is_wrong),
        cmocka_unit_test(splices_pin_each_service_in_itself),
        cmocka_unit_test(block_scalars_cannot_be_spliced),
        cmocka_unit_test(paths_are_those_of_the_naming_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
