#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/process.h"
#include "target/engine.h"
#include "target/pull_policy.h"

enum { TAIL_LINES = 12 };

void pq_engine_clear(pq_engine *engine)
{
    free(engine->program);
    *engine = (pq_engine){0};
}

bool pq_engine_find(pq_engine *out, pq_error *err)
{
    out->program = pq_process_find("buildah");
    if (!out->program)
        return pq_fail(err, PQ_ENOTFOUND, NULL, "apt-get install buildah", "building images needs buildah");
    return true;
}

bool pq_engine_is_at_least(const pq_engine *engine, unsigned major, unsigned minor, char **version, bool *out,
                           pq_error *err)
{
    PQ_AUTO_STRINGS argv = {0}, environment = {0};
    pq_strings_add(&argv, engine->program);
    pq_strings_add(&argv, "--version");
    pq_process_environment(&environment);
    PQ_AUTO_BUF answer = PQ_BUF(PQ_MAX_MESSAGE);
    pq_process_options options = {
        .argv = &argv, .environment = &environment, .standard_output = &answer, .service_fd = -1};
    int status = 0;
    if (!pq_process_run(&options, &status, err))
        return false;
    static const char start[] = "buildah version ";
    const char *at = strstr(pq_buf_text(&answer), start);
    if (status != 0 || !at)
        return pq_fail(err, PQ_ESYSTEM, engine->program, NULL, "does not tell its version");
    at += sizeof start - 1;
    *version = pq_strndup(at, strcspn(at, " \n"));
    unsigned have_major = 0, have_minor = 0;
    *out = sscanf(*version, "%u.%u", &have_major, &have_minor) == 2 &&
           (have_major > major || (have_major == major && have_minor >= minor));
    return true;
}

/* The engine's output: into the log, line by line, with the bytes of living secrets blotted out; the last lines are
 * kept to be shown. */
typedef struct log_sink {
    int fd;
    size_t written;
    pq_buf line;
    char *tail[TAIL_LINES];
    size_t lines;
} log_sink;

static void end_line(log_sink *sink)
{
    PQ_AUTO_ERROR err = {0};
    pq_secret_redact(&sink->line);
    char **place = &sink->tail[sink->lines++ % TAIL_LINES];
    free(*place);
    *place = pq_strdup(pq_buf_text(&sink->line));
    pq_detail("  %s", pq_buf_text(&sink->line));
    pq_buf_addc(&sink->line, '\n');
    bool room = sink->written < PQ_MAX_BUILD_LOG;
    if (room && sink->written + sink->line.length >= PQ_MAX_BUILD_LOG)
        pq_buf_adds(&sink->line, "What follows is left out: the log is full.\n");
    if (room && sink->fd >= 0 && !pq_write_fd(sink->fd, "the log", pq_buf_text(&sink->line), sink->line.length, &err))
        pq_warn("the log", NULL, "%s", err.message);
    sink->written += sink->line.length;
    pq_buf_clear(&sink->line);
}

static void take_output(void *context, const char *bytes, size_t length)
{
    log_sink *sink = context;
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] == '\n' || sink->line.length > PQ_MAX_MESSAGE - 2)
            end_line(sink);
        if (bytes[i] != '\n')
            pq_buf_addc(&sink->line, bytes[i]);
    }
}

static void clear_sink(log_sink *sink)
{
    if (sink->line.length)
        end_line(sink);
    for (size_t i = 0; i < TAIL_LINES; i++)
        free(sink->tail[i]);
    pq_buf_clear(&sink->line);
    if (sink->fd >= 0)
        (void)close(sink->fd);
}

static void show_tail(log_sink *sink)
{
    if (sink->line.length)
        end_line(sink);
    size_t first = sink->lines > TAIL_LINES ? sink->lines - TAIL_LINES : 0;
    for (size_t i = first; i < sink->lines; i++)
        pq_note("  %s", sink->tail[i % TAIL_LINES]);
}

/* --cert-dir takes one folder for all hosts; each *.crt in it is trusted. */
static bool add_trust(const pq_helper_server *credentials, pq_strings *argv, pq_error *err)
{
    const char *folder = getenv("PRATIQUE_CERTS_DIR");
    PQ_AUTO_FREE char *merged = pq_path_join(pq_helper_server_folder(credentials), "certs");
    if (!folder || !*folder)
        return true;
    if (!pq_path_exists(merged)) {
        if (!pq_make_dirs(merged, 0700, err))
            return false;
        PQ_AUTO_TREE tree = PQ_TREE_NONE;
        if (!pq_is_dir(folder) || !pq_tree_open(folder, &tree, err))
            return pq_is_dir(folder) ? false : true;
        for (size_t i = 0; i < pq_helper_server_hosts(credentials)->count; i++) {
            const char *host = pq_helper_server_hosts(credentials)->at[i];
            PQ_AUTO_FREE char *from = pq_asprintf("%s/ca.crt", host);
            PQ_AUTO_FREE char *to = pq_asprintf("%s/%s.crt", merged, host);
            PQ_AUTO_BUF bytes = PQ_BUF(PQ_MAX_CONFIG);
            PQ_AUTO_ERROR missing = {0};
            if (pq_tree_read(&tree, from, &bytes, &missing) && !pq_write_file(to, 0600, bytes.data, bytes.length, err))
                return false;
        }
    }
    pq_strings_add(argv, "--cert-dir");
    pq_strings_add(argv, merged);
    return true;
}

/* The engine's rules for pulls: only what was checked. */
static bool add_policy(const pq_helper_server *credentials, const pq_strings *pulls, pq_strings *argv, pq_error *err)
{
    PQ_AUTO_BUF system = PQ_BUF(PQ_MAX_CONFIG);
    PQ_AUTO_FREE char *system_name = NULL, *text = NULL;
    PQ_AUTO_FREE char *path = pq_path_join(pq_helper_server_folder(credentials), "policy.json");
    if (!pq_pull_policy_system(&system, &system_name, err) ||
        !pq_pull_policy_make(system_name ? pq_buf_text(&system) : NULL, system.length, system_name, pulls, &text,
                             err) ||
        !pq_write_file(path, 0600, text, strlen(text), err))
        return false;
    pq_strings_add(argv, "--signature-policy");
    pq_strings_add(argv, path);
    return true;
}

static void add_environment(const pq_helper_server *credentials, pq_strings *environment)
{
    static const char *const engine_own[] = {"CONTAINERS_STORAGE_CONF", "CONTAINERS_CONF", "CONTAINERS_REGISTRIES_CONF",
                                             "STORAGE_DRIVER",          "STORAGE_OPTS",    "BUILDAH_LAYERS"};
    pq_process_environment(environment);
    for (size_t i = 0; i < sizeof engine_own / sizeof *engine_own; i++)
        pq_process_environment_add(environment, engine_own[i]);
    /* chroot works wherever a build is allowed at all; `oci` fails in most containers. */
    const char *isolation = getenv("BUILDAH_ISOLATION");
    pq_strings_take(environment, pq_asprintf("BUILDAH_ISOLATION=%s", isolation ? isolation : "chroot"));
    pq_helper_server_environment(credentials, environment);
}

static bool run_engine(const pq_strings *argv, const char *folder, const char *log, pq_helper_server *credentials,
                       const char *name, const char *doing, pq_error *err)
{
    PQ_AUTO_STRINGS environment = {0};
    add_environment(credentials, &environment);
    PQ_CLEANUP(clear_sink)
    log_sink sink = {.fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600),
                     .line = PQ_SENSITIVE_BUF(PQ_MAX_MESSAGE)};
    if (sink.fd < 0)
        return pq_fail_errno(err, log, "cannot write the log");
    pq_process_options options = {
        .argv = argv,
        .environment = &environment,
        .folder = folder,
        .output = take_output,
        .output_context = &sink,
        .service_fd = pq_helper_server_fd(credentials),
        .service = pq_helper_server_serve,
        .service_context = credentials,
    };
    int status = 0;
    if (!pq_process_run(&options, &status, err))
        return pq_error_at(err, name);
    if (status == 0)
        return true;
    pq_progress_done();
    show_tail(&sink);
    PQ_AUTO_FREE char *hint = pq_asprintf("the whole log is %s", log);
    return pq_fail(err, PQ_EBUILD, name, hint, "%s failed with status %d", doing, status);
}

/* buildah hands the proxy's variables on to what a Dockerfile runs. */
static bool proxy_has_password(void)
{
    static const char *const names[] = {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "FTP_PROXY",
                                        "http_proxy", "https_proxy", "all_proxy", "ftp_proxy"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        if (value && strchr(value, '@'))
            return true;
    }
    return false;
}

bool pq_engine_run(const pq_engine *engine, const pq_engine_build *build, pq_helper_server *credentials, pq_error *err)
{
    PQ_AUTO_STRINGS argv = {0};
    pq_strings_add(&argv, engine->program);
    pq_strings_add(&argv, "bud");
    pq_strings_add(&argv, "--layers");
    pq_strings_add(&argv, "--force-rm"); /* no working container stays behind a build that fails */
    pq_strings_add(&argv, "--authfile");
    pq_strings_add(&argv, pq_helper_server_authfile(credentials));
    pq_strings_add(&argv, "--platform");
    pq_strings_add(&argv, build->platform);
    if (!add_trust(credentials, &argv, err) || !add_policy(credentials, build->pulls, &argv, err))
        return false;
    if (proxy_has_password()) {
        pq_warn(NULL, "what RUN downloads goes past the proxy; give builds a proxy that wants no password",
                "the proxy's password is kept from the build");
        pq_strings_add(&argv, "--http-proxy=false");
    }
    for (size_t i = 0; i < build->arguments->count; i++) {
        pq_strings_add(&argv, "--build-arg");
        pq_strings_add(&argv, build->arguments->at[i]);
    }
    for (size_t i = 0; i < build->bases->count; i++) {
        /* REFERENCE=IMAGE; neither may hold an equals sign. */
        const char *equals = strchr(build->bases->at[i], '=');
        pq_strings_add(&argv, "--build-context");
        pq_strings_take(&argv, pq_asprintf("%.*s=docker-image://%s", (int)(equals - build->bases->at[i]),
                                           build->bases->at[i], equals + 1));
    }
    for (size_t i = 0; i < build->secrets->count; i++) {
        const char *equals = strchr(build->secrets->at[i], '=');
        pq_strings_add(&argv, "--secret");
        pq_strings_take(&argv, pq_asprintf("id=%.*s,src=%s", (int)(equals - build->secrets->at[i]),
                                           build->secrets->at[i], equals + 1));
    }
    if (build->ignore) {
        pq_strings_add(&argv, "--ignorefile");
        pq_strings_add(&argv, build->ignore);
    }
    pq_strings_add(&argv, "--tag");
    pq_strings_add(&argv, build->tag);
    PQ_AUTO_FREE char *dockerfile = pq_path_join(build->root, build->dockerfile);
    PQ_AUTO_FREE char *context = pq_path_join(build->root, build->context);
    pq_strings_add(&argv, "--file");
    pq_strings_add(&argv, dockerfile);
    pq_strings_add(&argv, context);
    return run_engine(&argv, build->root, build->log, credentials, build->dockerfile, "the build", err);
}

bool pq_engine_push(const pq_engine *engine, const char *tag, const char *destination, const char *log,
                    pq_helper_server *credentials, char **digest, pq_error *err)
{
    PQ_AUTO_FREE char *digest_file = pq_path_join(pq_helper_server_folder(credentials), "digest");
    PQ_AUTO_STRINGS argv = {0};
    pq_strings_add(&argv, engine->program);
    pq_strings_add(&argv, "push");
    pq_strings_add(&argv, "--authfile");
    pq_strings_add(&argv, pq_helper_server_authfile(credentials));
    pq_strings_add(&argv, "--digestfile");
    pq_strings_add(&argv, digest_file);
    if (!add_trust(credentials, &argv, err))
        return false;
    pq_strings_add(&argv, tag);
    pq_strings_take(&argv, pq_asprintf("docker://%s", destination));
    if (!run_engine(&argv, NULL, log, credentials, destination, "the push", err))
        return false;
    PQ_AUTO_BUF text = PQ_BUF(PQ_MAX_MESSAGE);
    if (!pq_read_file(digest_file, &text, err))
        return false;
    *digest = pq_strndup(pq_buf_text(&text), strcspn(pq_buf_text(&text), " \n"));
    if (!pq_starts_with(*digest, "sha256:") || strlen(*digest) != 71) {
        free(pq_steal(*digest));
        return pq_fail(err, PQ_EBUILD, destination, NULL, "buildah names no digest for what it pushed");
    }
    return true;
}
