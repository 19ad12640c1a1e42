#include "pq_cmocka.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <jansson.h>
#include <locale.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/secret.h"
#include "crypto/hash.h"
#include "target/bundle.h"

static char *folder;

static int setup(void **state)
{
    (void)state;
    PQ_AUTO_ERROR err = {0};
    return pq_make_temp_dir("pq-bundle-", &folder, &err) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    PQ_AUTO_ERROR err = {0};
    bool good = pq_remove_tree(folder, &err);
    free(folder);
    return good ? 0 : -1;
}

static void put(const char *path, mode_t mode, const char *text)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *whole = pq_path_join(folder, path);
    PQ_AUTO_FREE char *above = pq_path_dirname(whole);
    assert_true(pq_make_dirs(above, 0700, &err));
    assert_true(pq_write_file(whole, mode, text, strlen(text), &err));
}

static char *below(const char *path)
{
    return pq_path_join(folder, path);
}

static bool build(const char *app, pq_bundle *out, pq_errors *errs)
{
    PQ_AUTO_TREE tree = PQ_TREE_NONE;
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *path = below(app);
    const pq_bundle_replacement pinned = {.path = "docker-compose.yml", .bytes = "pinned", .length = 6};
    assert_true(pq_tree_open(path, &tree, &err));
    return pq_bundle_build(&tree, &pinned, 1, out, errs);
}

static void write_app(const char *app)
{
    static const struct {
        const char *path, *text;
        mode_t mode;
    } files[] = {
        {"docker-compose.yml", "source", 0600},
        {"run.sh", "#!/bin/sh\n", 0700},
        {"config/a.conf", "a", 0666},
        {"config/B.conf", "b", 0400},
        {".git/HEAD", "ref", 0644},
        {"sub/.git", "gitdir", 0644},
        {"notes.md", "n", 0644},
        {".composeappignores", "*.md", 0644},
        {".env", "A=1", 0644},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        PQ_AUTO_FREE char *path = pq_path_join(app, files[i].path);
        put(path, files[i].mode, files[i].text);
    }
    PQ_AUTO_FREE char *name = pq_path_join(app, "config/link");
    PQ_AUTO_FREE char *link = below(name);
    assert_int_equal(symlink("../run.sh", link), 0);
}

/* What libarchive reads back, a line an entry: mode, owner, time, type, path, link, contents. */
static void list(const pq_bundle *bundle, pq_buf *out)
{
    assert_non_null(setlocale(LC_CTYPE, "C.UTF-8")); /* for libarchive's reader only */
    struct archive *a = archive_read_new();
    struct archive_entry *entry;
    assert_int_equal(archive_read_support_format_tar(a), ARCHIVE_OK);
    assert_int_equal(archive_read_support_filter_gzip(a), ARCHIVE_OK);
    assert_int_equal(archive_read_open_memory(a, bundle->archive.data, bundle->archive.length), ARCHIVE_OK);
    while (archive_read_next_header(a, &entry) == ARCHIVE_OK) {
        char text[100];
        la_ssize_t length = archive_read_data(a, text, sizeof text);
        const char *user = archive_entry_uname(entry), *group = archive_entry_gname(entry);
        pq_buf_addf(out, "%o %d:%d[%s%s] %ld %s%s%s %.*s\n", archive_entry_mode(entry), (int)archive_entry_uid(entry),
                    (int)archive_entry_gid(entry), user ? user : "", group ? group : "",
                    (long)archive_entry_mtime(entry), archive_entry_pathname(entry),
                    archive_entry_symlink(entry) ? " -> " : "",
                    archive_entry_symlink(entry) ? archive_entry_symlink(entry) : "", (int)length, text);
    }
    (void)archive_read_free(a);
    (void)setlocale(LC_CTYPE, "C");
}

static void a_bundle_holds_the_folder_and_no_more(void **state)
{
    (void)state;
    PQ_AUTO_ERRORS errs = {0};
    PQ_AUTO_BUNDLE bundle = {0};
    PQ_AUTO_BUF text = PQ_BUF(10000);
    write_app("app");
    assert_true(build("app", &bundle, &errs));
    list(&bundle, &text);
    assert_string_equal(pq_buf_text(&text), "100644 0:0[] 0 .env A=1\n"
                                            "40755 0:0[] 0 config/ \n"
                                            "100644 0:0[] 0 config/B.conf b\n"
                                            "100644 0:0[] 0 config/a.conf a\n"
                                            "120777 0:0[] 0 config/link -> ../run.sh \n"
                                            "100644 0:0[] 0 docker-compose.yml pinned\n"
                                            "100755 0:0[] 0 run.sh #!/bin/sh\n\n"
                                            "40755 0:0[] 0 sub/ \n");
    /* gzip: no flags (so no name), no time (RFC 1952, section 2.3.1) */
    assert_memory_equal(bundle.archive.data, "\x1f\x8b\x08\x00\x00\x00\x00\x00", 8);
    PQ_AUTO_FREE char *digest = pq_sha256_digest(bundle.archive.data, bundle.archive.length);
    assert_string_equal(bundle.digest, digest);
    json_auto_t *index = json_loadb(bundle.index.data, bundle.index.length, 0, NULL);
    assert_int_equal(json_object_size(index), 5);
    /* printf pinned | sha256sum */
    assert_string_equal(json_string_value(json_object_get(index, "docker-compose.yml")),
                        "sha256:3fab5c181bd28a09b64397df76ae2bfaf1eac182979b5fdb7a342858004f36af");
    PQ_AUTO_FREE char *index_digest = pq_sha256_digest(bundle.index.data, bundle.index.length);
    assert_string_equal(bundle.index_digest, index_digest);
}

static void times_umask_and_order_change_nothing(void **state)
{
    (void)state;
    PQ_AUTO_ERRORS errs = {0};
    PQ_AUTO_BUNDLE one = {0}, other = {0};
    assert_true(build("app", &one, &errs));
    mode_t before = umask(0007);
    put("again/run.sh", 0755, "#!/bin/sh\n");
    write_app("again");
    (void)umask(before);
    PQ_AUTO_FREE char *run = below("again/run.sh");
    const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 2000}};
    assert_int_equal(utimensat(AT_FDCWD, run, times, 0), 0);
    assert_true(build("again", &other, &errs));
    assert_string_equal(one.digest, other.digest);
    assert_string_equal(one.index_digest, other.index_digest);
}

static void refuses(const char *app, const char *path, const char *message)
{
    PQ_AUTO_ERRORS errs = {0};
    PQ_AUTO_BUNDLE bundle = {0};
    PQ_AUTO_FREE char *whole = pq_path_join(app, path);
    PQ_AUTO_FREE char *where = below(whole);
    assert_false(build(app, &bundle, &errs));
    assert_null(bundle.archive.data);
    for (size_t i = 0; i < errs.count; i++)
        if (strcmp(errs.at[i].where, where) == 0 && strstr(errs.at[i].message, message))
            return;
    fail_msg("%s: nothing says \"%s\"", path, message);
}

static void what_is_no_data_is_refused_by_name(void **state)
{
    (void)state;
    put("bad/docker-compose.yml", 0644, "x");
    put("bad/one", 0644, "x");
    put("bad/in/deep/file", 0644, "x");
    PQ_AUTO_FREE char *one = below("bad/one"), *two = below("bad/two"), *fifo = below("bad/in/fifo");
    PQ_AUTO_FREE char *name = below("bad/na\xffme");
    assert_int_equal(link(one, two), 0);
    assert_int_equal(mkfifo(fifo, 0644), 0);
    assert_int_equal(mkdir(name, 0755), 0);
    static const char *const links[] = {"/etc/passwd", "../../out", "../../../etc", "deep/../../../x", "deep/../file"};
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        PQ_AUTO_FREE char *link_name = pq_asprintf("bad/in/link%zu", i);
        PQ_AUTO_FREE char *path = below(link_name);
        assert_int_equal(symlink(links[i], path), 0);
    }
    refuses("bad", "one", "several hard links");
    refuses("bad", "two", "several hard links");
    refuses("bad", "in/fifo", "FIFO");
    refuses("bad", "na\xffme", "UTF-8");
    refuses("bad", "in/link0", "leads out");
    refuses("bad", "in/link1", "leads out");
    refuses("bad", "in/link2", "leads out");
    refuses("bad", "in/link3", "leads out");
    refuses("bad", "in/link4", "leads out");
    /* Left out, nothing is wrong with them. */
    put("bad/.composeappignores", 0644, "*\n!docker-compose.yml");
    PQ_AUTO_ERRORS errs = {0};
    PQ_AUTO_BUNDLE bundle = {0};
    assert_true(build("bad", &bundle, &errs));
    assert_int_equal(bundle.entries, 1);
}

static void a_living_secret_stops_the_bundle(void **state)
{
    (void)state;
    put("leak/docker-compose.yml", 0644, "x");
    put("leak/deep/settings.ini", 0644, "token=s3cr3t-of-the-registry\n");
    {
        PQ_AUTO_SECRET *secret = pq_secret_new("s3cr3t-of-the-registry", 22);
        assert_non_null(secret);
        refuses("leak", "deep/settings.ini", "holds the bytes of a secret");
    }
    PQ_AUTO_ERRORS errs = {0};
    PQ_AUTO_BUNDLE bundle = {0};
    assert_true(build("leak", &bundle, &errs));
}

static void the_pinned_file_must_be_one_of_the_folder(void **state)
{
    (void)state;
    put("empty/x", 0644, "x");
    refuses("empty", "docker-compose.yml", "is not a regular file");
    put("broken/docker-compose.yml", 0644, "x");
    put("broken/.composeappignores", 0644, "[");
    PQ_AUTO_ERRORS errs = {0};
    PQ_AUTO_BUNDLE bundle = {0};
    assert_false(build("broken", &bundle, &errs));
}

static void long_names_are_kept(void **state)
{
    (void)state;
    PQ_AUTO_ERRORS errs = {0};
    PQ_AUTO_BUNDLE bundle = {0};
    PQ_AUTO_BUF name = PQ_BUF(1000), text = PQ_BUF(10000);
    pq_buf_adds(&name, "long/");
    for (int i = 0; i < 60; i++)
        pq_buf_adds(&name, "n\xc3\xa9");
    pq_buf_adds(&name, "/");
    for (int i = 0; i < 60; i++)
        pq_buf_adds(&name, "abc");
    put("long/docker-compose.yml", 0644, "x");
    put(pq_buf_text(&name), 0644, "x");
    assert_true(build("long", &bundle, &errs));
    list(&bundle, &text);
    assert_non_null(strstr(pq_buf_text(&text), pq_buf_text(&name) + 5));
}

/* Compose takes compose.yaml before docker-compose.yml, adds an override to it, and reads COMPOSE_FILE in .env: none of
 * these is pinned. */
static void files_that_compose_reads_beside_are_refused(void **state)
{
    (void)state;
    static const char *const files[] = {"compose.yaml", "compose.override.yml", "docker-compose.override.yml"};
    write_app("beside");
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        PQ_AUTO_FREE char *path = pq_path_join("beside", files[i]);
        PQ_AUTO_FREE char *deeper = pq_path_join("beside/sub", files[i]);
        put(path, 0644, "services: {}\n");
        put(deeper, 0644, "services: {}\n");
    }
    PQ_AUTO_BUNDLE bundle = {0};
    PQ_AUTO_ERRORS errs = {0};
    assert_false(build("beside", &bundle, &errs));
    assert_int_equal(errs.count, 3);
    put("beside/.composeappignores", 0644, "/compose*\ndocker-compose.override.yml\n");
    put("beside/.env", 0644, "A=1\nexport COMPOSE_FILE=sub/compose.yaml\n");
    pq_errors_clear(&errs);
    assert_false(build("beside", &bundle, &errs));
    assert_int_equal(errs.count, 1);
    assert_string_equal(errs.at[0].message, "would have a device read other files than docker-compose.yml");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bundle_holds_the_folder_and_no_more),
        cmocka_unit_test(times_umask_and_order_change_nothing),
        cmocka_unit_test(what_is_no_data_is_refused_by_name),
        cmocka_unit_test(files_that_compose_reads_beside_are_refused),
        cmocka_unit_test(a_living_secret_stops_the_bundle),
        cmocka_unit_test(the_pinned_file_must_be_one_of_the_folder),
        cmocka_unit_test(long_names_are_kept),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
