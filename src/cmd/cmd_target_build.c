/* pratique target build: reads the command line, walks through the steps, says what came out. The steps themselves are
 * src/target's. */
#include <string.h>
#include <unistd.h>

#include "auth/guard.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "cmd/commands.h"
#include "cmd/helper_place.h"
#include "cmd/session.h"
#include "cmd/tuf_keys_place.h"
#include "registry/transfer.h"
#include "secrets/name.h"
#include "target/release.h"
#include "target/revision.h"
#include "target/targets.h"

static const pq_option build_options[] = {
    {"hub", '\0', "HOST/FACTORY", "Where built images and apps are published; default: hub.url."},
    {"hub-secret", '\0', "NAME",
     "Secret with the hub's push identity; default: hub.hub_secret_name, hub_creds, osftok."},
    {"tuf", '\0', "REPO", "The TUF repository that the Targets are signed into."},
    {"keys", '\0', "DIR", "Its private keys; default $XDG_CONFIG_HOME/pratique/tuf/<name of REPO>."},
    {"tag", '\0', "TAG", "The Targets' tag; default: the git branch."},
    {"version", '\0', "N", "The Targets' version; default: the highest in REPO plus one."},
    {"machine", '\0', "NAME[:ARCH]", "A machine that gets a Target; may be repeated; default: lmp.machines."},
    {"builder", '\0', "buildah|none", "What builds images; with none, the hub must have them all."},
    {"out", '\0', "DIR", "Write targets-created.json, release.json and the pinned Compose files there."},
    {"dry-run", '\0', NULL, "Check everything and say what would be built; build and publish nothing."},
    {"no-tuf", '\0', NULL, "Publish images and apps, but sign no Target."},
    {0},
};

/* Everything of one run. */
typedef struct run {
    pq_cli *cli;
    const pq_arguments *arguments;
    pq_session session;
    pq_registry *hub;
    char *hub_host, *factory;
    pq_tree tree;
    char *root;
    pq_revision revision;
    pq_platform platform;
    const char *tag;
    uint64_t version;
    pq_strings machines;
    const char *repo;
    char *keys_folder;
    pq_tuf *tuf;
    pq_tuf_keys keys;
    pq_engine engine;
    bool with_engine;
    char *helper;
    pq_guard guard;
    char *logs;
    bool logs_are_ours, keep_logs;
    pq_plan plan;
    pq_preflight preflight;
    pq_build build;
    pq_publication publication;
    pq_buf release;
    pq_new_targets targets;
} run;

static void clear_run(run *r)
{
    PQ_AUTO_ERROR err = {0};
    if (r->logs_are_ours && !r->keep_logs && r->logs && !pq_remove_tree(r->logs, &err))
        pq_warn(r->logs, NULL, "%s", err.message);
    pq_new_targets_clear(&r->targets);
    pq_buf_clear(&r->release);
    pq_publication_clear(&r->publication);
    pq_build_clear(&r->build);
    pq_preflight_clear(&r->preflight);
    pq_plan_clear(&r->plan);
    pq_guard_clear(&r->guard);
    pq_engine_clear(&r->engine);
    pq_tuf_keys_clear(&r->keys);
    pq_tuf_close(r->tuf);
    pq_registry_free(r->hub);
    pq_session_clear(&r->session);
    pq_revision_clear(&r->revision);
    pq_platform_clear(&r->platform);
    pq_strings_clear(&r->machines);
    pq_tree_close(&r->tree);
    free(r->hub_host);
    free(r->factory);
    free(r->root);
    free(r->keys_folder);
    free(r->helper);
    free(r->logs);
}

static bool fail(run *r, pq_error *err)
{
    pq_cli_fail(r->cli, err);
    return false;
}

static bool usage(run *r, const char *hint, const char *what)
{
    return pq_errors_add(&r->cli->errors, PQ_EUSAGE, NULL, hint, "%s", what);
}

static bool hub_identity(void *context, const char *host, bool again, pq_credential *out, pq_error *err)
{
    run *r = context;
    (void)host;
    (void)again;
    return pq_auth_get_hub(r->session.auth, out, err);
}

/* For the engine: what it may pull with, and what it pushes with. */
static bool pull_identity(void *context, const char *host, pq_credential *out, pq_error *err)
{
    run *r = context;
    return pq_auth_get(r->session.auth, host, NULL, out, err);
}

static bool push_identity(void *context, const char *host, pq_credential *out, pq_error *err)
{
    run *r = context;
    if (strcmp(host, r->hub_host) != 0)
        return pq_fail(err, PQ_EDENIED, host, NULL, "the hub's identity goes only to the hub");
    return pq_auth_get_hub(r->session.auth, out, err);
}

/* HOST/FACTORY from --hub or the configuration. */
static bool find_hub(run *r)
{
    const char *option = pq_arguments_value(r->arguments, "hub");
    const pq_config *config = &r->session.config;
    if (option) {
        const char *slash = strchr(option, '/');
        PQ_AUTO_ERROR err = {0};
        PQ_AUTO_FREE char *host = slash ? pq_strndup(option, (size_t)(slash - option)) : NULL;
        if (!host || !slash[1] || strchr(slash + 1, '/') || !pq_secret_host(host, &r->hub_host, &err))
            return usage(r, "--hub hub.example.com/acme", "--hub wants HOST/FACTORY");
        r->factory = pq_strdup(slash + 1);
    } else if (config->hub.line) {
        r->hub_host = pq_strdup(config->hub.host.text);
        r->factory = pq_strdup(config->hub.factory.text);
    } else {
        return usage(r, "set hub.url in factory-config.yml, or give --hub HOST/FACTORY",
                     "it is not known where to publish");
    }
    r->session.hub_host = r->hub_host;
    r->session.hub_secret = pq_arguments_value(r->arguments, "hub-secret");
    return true;
}

/* What becomes part of a Target's name, of a file's and of a URL. */
static bool check_name(run *r, const char *what, const char *name, size_t length)
{
    bool good = length > 0 && length <= 128 && pq_ascii_alnum(name[0]);
    for (size_t i = 0; i < length && good; i++)
        good = pq_ascii_alnum(name[i]) || strchr("._-", name[i]);
    return good ||
           pq_errors_add(&r->cli->errors, PQ_EUSAGE, NULL, "letters, digits, `.`, `_` and `-`, a letter or digit first",
                         "%.*s cannot be the name of a %s", (int)length, name, what);
}

static bool find_machines(run *r)
{
    pq_arguments_values(r->arguments, "machine", &r->machines);
    for (size_t i = 0; !r->machines.count && i < r->session.config.machines.count; i++)
        pq_strings_add(&r->machines, r->session.config.machines.at[i]);
    if (!r->machines.count)
        return usage(r, "give --machine NAME, or set lmp.machines", "it is not known for which machines the Target is");
    bool good = true;
    for (size_t i = 0; i < r->machines.count; i++) {
        const char *colon = strchr(r->machines.at[i], ':');
        good = check_name(r, "machine", r->machines.at[i], strcspn(r->machines.at[i], ":")) && good;
        PQ_AUTO_PLATFORM wanted = {0};
        PQ_AUTO_ERROR err = {0};
        if (colon && (!pq_platform_parse(colon + 1, &wanted, &err) || pq_platform_fit(&wanted, &r->platform) == 0)) {
            PQ_AUTO_FREE char *ours = pq_platform_string(&r->platform);
            good = pq_errors_add(&r->cli->errors, PQ_EUSAGE, NULL, "build it on such a machine",
                                 "--machine %s: this build is for %s", r->machines.at[i], ours);
        }
    }
    return good;
}

/* A branch may have slashes: a tag may too, for it is no file's name. */
static bool check_tag(run *r)
{
    bool good = *r->tag && strlen(r->tag) <= 128;
    for (const char *at = r->tag; *at && good; at++)
        good = pq_ascii_alnum(*at) || strchr("._-/+", *at);
    return good || pq_errors_add(&r->cli->errors, PQ_EUSAGE, NULL, "letters, digits, `.`, `_`, `-`, `+` and `/`",
                                 "%s cannot be a tag", *r->tag ? r->tag : "an empty text");
}

static bool check_platforms(run *r)
{
    const pq_config *config = &r->session.config;
    bool good = true;
    for (size_t i = 0; i < config->platforms.count; i++) {
        PQ_AUTO_PLATFORM wanted = {0};
        PQ_AUTO_ERROR err = {0};
        if (pq_platform_parse(config->platforms.at[i], &wanted, &err) && pq_platform_fit(&wanted, &r->platform) > 0)
            continue;
        PQ_AUTO_FREE char *where = pq_config_where(config, config->platforms_line);
        PQ_AUTO_FREE char *ours = pq_platform_string(&r->platform);
        good = pq_errors_add(&r->cli->errors, PQ_EFAILED, where, "name only this machine's platform there",
                             "images for %s cannot be built here: one platform is built at a time, this machine's %s",
                             config->platforms.at[i], ours);
    }
    return good;
}

static bool read_version(run *r)
{
    const char *text = pq_arguments_value(r->arguments, "version");
    if (text && (!pq_parse_number(text, INT32_MAX, &r->version) || r->version == 0))
        return usage(r, "--version 7", "--version wants a number from 1");
    return true;
}

/* The command line, the configuration and what git says. */
static bool prepare(run *r)
{
    pq_cli *cli = r->cli;
    PQ_AUTO_ERROR err = {0};
    const char *folder = r->arguments->word_count ? r->arguments->words[0] : ".";
    const char *builder = pq_arguments_value(r->arguments, "builder");
    PQ_AUTO_STRINGS scanned = {0};
    pq_strings_add(&scanned, folder);
    if (!pq_path_absolute(folder, &r->root, &err) || !pq_tree_open(folder, &r->tree, &err)) {
        err.code = PQ_EUSAGE;
        return fail(r, &err);
    }
    pq_platform_of_this_machine(&r->platform);
    if (!pq_session_read_config(&r->session, cli, &scanned, false))
        return false;
    if (!r->session.config_path)
        pq_note("no factory-config.yml was found from here up to the git root; --config names one");
    bool good = pq_session_read_mirrors(&r->session, cli, &scanned);
    good = find_hub(r) && good;
    good = find_machines(r) && good;
    good = read_version(r) && good;
    r->repo = pq_arguments_value(r->arguments, "tuf");
    if (!r->repo && !pq_arguments_have(r->arguments, "no-tuf"))
        good = usage(r, "--tuf REPO; `pratique tuf init REPO` makes one; or --no-tuf",
                     "it is not known where to sign the Target");
    if (builder && strcmp(builder, "buildah") != 0 && strcmp(builder, "none") != 0)
        good = usage(r, "--builder buildah", "--builder is buildah or none");
    r->with_engine = !builder || strcmp(builder, "none") != 0;
    if (pq_arguments_have(r->arguments, "no-tuf"))
        r->repo = NULL;
    if (!pq_revision_read(folder, &r->revision, &err))
        good = fail(r, &err);
    r->tag = pq_arguments_value(r->arguments, "tag");
    if (!r->tag)
        r->tag = r->revision.branch;
    if (!r->tag && r->revision.commit)
        good = usage(r, "give --tag TAG", "HEAD is on no branch, so the Target's tag is not known");
    else if (r->tag)
        good = check_tag(r) && good;
    return good && check_platforms(r);
}

/* The TUF repository, locked until the end, and its keys: a wrong passphrase is found before a long build. */
static bool open_tuf(run *r)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_SECRET *passphrase = NULL;
    if (!r->repo) {
        r->version = r->version ? r->version : 1;
        return true;
    }
    bool dry = pq_arguments_have(r->arguments, "dry-run");
    if (!pq_tuf_keys_folder(pq_arguments_value(r->arguments, "keys"), r->repo, &r->keys_folder, &err) ||
        !pq_tuf_open(r->repo, r->keys_folder, !dry, &r->tuf, &err)) {
        if (!pq_path_exists(r->repo)) {
            PQ_AUTO_FREE char *hint = pq_asprintf("`pratique tuf init %s` makes one", r->repo);
            (void)pq_fail(&err, PQ_EUSAGE, r->repo, hint, "there is no TUF repository");
        }
        return fail(r, &err);
    }
    if (!r->version)
        r->version = pq_targets_next_version(pq_tuf_current(r->tuf));
    else if (!pq_targets_check_version(pq_tuf_current(r->tuf), r->version, &err))
        return fail(r, &err);
    if (!pq_tuf_passphrase(r->session.secrets, false, &passphrase, &err) ||
        !pq_tuf_keys_open(r->keys_folder, passphrase, &r->keys, &err) || !pq_tuf_check_keys(r->tuf, &r->keys, &err))
        return fail(r, &err);
    return true;
}

static bool connect(run *r)
{
    r->session.for_builds = true;
    if (!pq_session_connect(&r->session, r->cli))
        return false;
    const char *certs = getenv("PRATIQUE_CERTS_DIR");
    pq_registry_options options = {.http = r->session.http,
                                   .identity = hub_identity,
                                   .identity_context = r,
                                   .certs_dir = certs && *certs ? certs : NULL};
    r->hub = pq_registry_new(&options);
    return true;
}

static bool make_plan(run *r)
{
    PQ_AUTO_FREE char *version = pq_asprintf("%llu", (unsigned long long)r->version);
    pq_plan_options options = {.hub_host = r->hub_host,
                               .factory = r->factory,
                               .tag = r->revision.short_name,
                               .version = version,
                               .platform = &r->platform};
    return pq_plan_make(&r->tree, &options, &r->plan, &r->cli->errors);
}

/* What this engine cannot do stops the run before anything is asked of anybody. */
static bool check_engine(run *r)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *version = NULL;
    bool knows = true;
    const pq_dockerfile *file = r->with_engine ? pq_plan_heredoc(&r->plan) : NULL;
    if (!file)
        return true;
    if (!pq_engine_is_at_least(&r->engine, 1, 33, &version, &knows, &err))
        return fail(r, &err);
    PQ_AUTO_FREE char *where = pq_asprintf("%s:%u", file->file, file->heredoc_line);
    return knows || pq_errors_add(&r->cli->errors, PQ_EFAILED, where,
                                  "use && in RUN and files in COPY, or buildah 1.33 or newer",
                                  "buildah %s does not know heredocs", version);
}

static void add_uses(run *r, const pq_plan_use *uses, size_t count)
{
    for (size_t i = 0; i < count; i++)
        (void)pq_preflight_add_image(&r->preflight, &uses[i].use->reference, uses[i].built_here != PQ_PLAN_ELSEWHERE);
}

/* Errors of images say where the image is asked for. */
static void locate_errors(run *r, const pq_plan_use *uses, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const pq_checked_image *image = pq_preflight_find(&r->preflight, &uses[i].use->reference);
        if (!image || image->error.code == PQ_OK)
            continue;
        PQ_AUTO_FREE char *where = pq_asprintf("%s:%u", uses[i].use->file, uses[i].use->line);
        (void)pq_errors_add(&r->cli->errors, image->error.code, where, image->error.hint, "%s: %s", image->pull,
                            image->error.message);
    }
}

static bool preflight(run *r)
{
    r->preflight.mirrors = &r->session.mirrors;
    for (size_t i = 0; i < r->plan.image_count; i++)
        add_uses(r, r->plan.images[i].uses, r->plan.images[i].use_count);
    for (size_t i = 0; i < r->plan.app_count; i++)
        add_uses(r, r->plan.apps[i].uses, r->plan.apps[i].use_count);
    PQ_AUTO_STRINGS hosts = {0};
    pq_preflight_hosts(&r->preflight, &hosts);
    (void)pq_strings_add_once(&hosts, r->hub_host);
    if (!pq_auth_check_hosts(r->session.auth, &hosts, &r->cli->errors))
        return false;
    pq_preflight_options options = {.registry = r->session.registry, .platform = &r->platform};
    if (pq_preflight_run(&r->preflight, &options) == 0)
        return true;
    for (size_t i = 0; i < r->preflight.registry_count; i++) {
        const pq_error *err = &r->preflight.registries[i].error;
        if (err->code != PQ_OK && r->preflight.registries[i].needed)
            (void)pq_errors_add(&r->cli->errors, err->code, err->where, err->hint, "%s", err->message);
    }
    for (size_t i = 0; i < r->plan.image_count; i++)
        locate_errors(r, r->plan.images[i].uses, r->plan.images[i].use_count);
    for (size_t i = 0; i < r->plan.app_count; i++)
        locate_errors(r, r->plan.apps[i].uses, r->plan.apps[i].use_count);
    return false;
}

static pq_build_options options_of(run *r)
{
    return (pq_build_options){.tree = &r->tree,
                              .root = r->root,
                              .plan = &r->plan,
                              .preflight = &r->preflight,
                              .hub_host = r->hub_host,
                              .factory = r->factory,
                              .platform = &r->platform,
                              .hub = r->hub,
                              .engine = r->with_engine ? &r->engine : NULL,
                              .helper = r->helper,
                              .pull = pull_identity,
                              .push = push_identity,
                              .identity_context = r,
                              .config = &r->session.config,
                              .secrets = r->session.secrets,
                              .logs = r->logs};
}

/* What the hub has, and whether the rest may be pushed there: before anything is built. */
static bool ask_hub(run *r)
{
    PQ_AUTO_ERROR err = {0};
    pq_build_options options = options_of(r);
    if (!pq_build_prepare(&options, &r->build, &err))
        return fail(r, &err);
    if (!r->build.missing)
        return true;
    if (!r->with_engine) {
        for (size_t i = 0; i < r->build.count; i++)
            if (!r->build.images[i].was_there)
                (void)pq_errors_add(&r->cli->errors, PQ_ENOTFOUND, r->plan.images[i].folder->dockerfile,
                                    "leave --builder none out", "the hub does not have %s/%s:%s", r->hub_host,
                                    r->build.images[i].repository, r->build.images[i].tag);
        return false;
    }
    size_t first = 0;
    while (r->build.images[first].was_there)
        first++;
    pq_repository repository = {.host = r->hub_host, .name = r->build.images[first].repository};
    return pq_registry_try_push(r->hub, &repository, &err) || fail(r, &err);
}

static bool is_link(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0 && S_ISLNK(status.st_mode);
}

/* --out, or a folder in it. Where --out lies in the tree that is built, whoever wrote the tree may have put a link
 * there that leads elsewhere. Owned; NULL with an error. */
static char *out_folder(const run *r, const char *name, pq_error *err)
{
    const char *out = pq_arguments_value(r->arguments, "out");
    PQ_AUTO_FREE char *path = name ? pq_path_join(out, name) : pq_strdup(out);
    PQ_AUTO_FREE char *parent = pq_path_dirname(out);
    PQ_AUTO_FREE char *real_parent = NULL;
    size_t length = strlen(r->root);
    if (is_link(out) && !pq_path_absolute(parent, &real_parent, err))
        return NULL;
    bool in_tree = real_parent && strncmp(real_parent, r->root, length) == 0 && strchr("/", real_parent[length]);
    if (in_tree || (name && is_link(path))) {
        (void)pq_fail(err, PQ_EINPUT, path, "remove it, or name another folder with --out",
                      "is a symbolic link, and is not written through");
        return NULL;
    }
    return pq_make_dirs(path, 0755, err) ? pq_steal(path) : NULL;
}

static bool choose_logs(run *r)
{
    PQ_AUTO_ERROR err = {0};
    if (pq_arguments_have(r->arguments, "out")) {
        r->logs = out_folder(r, "logs", &err);
        return r->logs || fail(r, &err);
    }
    r->logs_are_ours = true;
    return pq_make_temp_dir("pratique-logs-", &r->logs, &err) || fail(r, &err);
}

/* Whether an app of each folder can be made, before anything is built or pushed: that it holds no secret, above all. */
static bool rehearse(run *r)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_PUBLICATION rehearsal = {0};
    if (!pq_guard_open(&r->guard, &r->session.config, r->session.secrets, r->session.hub_secret, &err))
        return fail(r, &err);
    pq_build_options options = options_of(r);
    return pq_publication_make(&options, NULL, &rehearsal, &r->cli->errors);
}

/* Builds, pushes, publishes; the Target comes after. */
static bool produce(run *r)
{
    PQ_AUTO_ERROR err = {0};
    pq_build_options options = options_of(r);
    if (r->build.missing && !choose_logs(r))
        return false;
    options.logs = r->logs;
    if (!pq_build_run(&options, &r->build, &err) || !pq_build_push(&options, &r->build, &err)) {
        r->keep_logs = err.code != PQ_EINTERRUPTED;
        return fail(r, &err);
    }
    if (!pq_publication_make(&options, &r->build, &r->publication, &r->cli->errors))
        return false;
    PQ_AUTO_FREE char *label = pq_asprintf("app-%llu_%s", (unsigned long long)r->version, r->revision.short_name);
    if (!pq_publication_push(&options, label, &r->publication, &err) || !pq_build_tag_latest(&options, &r->build, &err))
        return fail(r, &err);
    return true;
}

/* The lock of the release, from what the registries now say of the pinned images. */
static bool lock_release(run *r)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_PREFLIGHT pinned = {.mirrors = &r->session.mirrors};
    for (size_t i = 0; i < r->publication.count; i++)
        for (size_t j = 0; j < r->publication.apps[i].service_count; j++)
            (void)pq_preflight_add_image(&pinned, &r->publication.apps[i].services[j].pinned, false);
    pq_preflight_options how = {.registry = r->session.registry, .platform = &r->platform};
    if (pq_preflight_run(&pinned, &how) > 0) {
        pq_preflight_errors(&pinned, &r->cli->errors);
        return false;
    }
    r->release = PQ_BUF(PQ_MAX_METADATA);
    pq_build_options options = options_of(r);
    return pq_release_write(&options, &r->build, &r->publication, &pinned, r->revision.commit, &r->release, &err) ||
           fail(r, &err);
}

static bool sign(run *r)
{
    PQ_AUTO_ERROR err = {0};
    if (!r->tuf)
        return true;
    pq_target_app *apps = pq_alloc(r->publication.count, sizeof *apps);
    for (size_t i = 0; i < r->publication.count; i++)
        apps[i] = (pq_target_app){.name = r->publication.apps[i].name, .uri = r->publication.apps[i].uri};
    pq_targets_options options = {.tag = r->tag,
                                  .version = r->version,
                                  .machines = &r->machines,
                                  .apps = apps,
                                  .app_count = r->publication.count,
                                  .revision = r->revision.commit,
                                  .release = &r->release,
                                  .now = pq_now()};
    pq_tuf_options tuf = {.targets_expire_after = r->session.config.targets_expire_after.text};
    bool good = pq_targets_make(pq_tuf_current(r->tuf), &options, &r->targets, &err);
    bool renew = good && r->targets.count == 0 &&
                 pq_targets_want_renewal(pq_tuf_current(r->tuf), tuf.targets_expire_after, options.now);
    if (renew)
        pq_note("signing the metadata of %s anew, so that it does not expire", r->repo);
    if (good && (r->targets.count > 0 || renew))
        good = pq_tuf_add_targets(r->tuf, &r->keys, r->targets.at, r->targets.count, &tuf, &err);
    free(apps);
    return good || fail(r, &err);
}

static bool write_into(const run *r, const char *folder, const char *name, const void *bytes, size_t length,
                       pq_error *err)
{
    PQ_AUTO_FREE char *parent = out_folder(r, folder, err);
    if (!parent)
        return false;
    PQ_AUTO_FREE char *path = pq_path_join(parent, name);
    return pq_write_file(path, 0644, bytes, length, err);
}

static bool write_out(run *r)
{
    PQ_AUTO_ERROR err = {0};
    if (!pq_arguments_have(r->arguments, "out"))
        return true;
    json_t *targets = pq_new_targets_json(&r->targets);
    PQ_AUTO_FREE char *text = json_dumps(targets, JSON_INDENT(2));
    json_decref(targets);
    PQ_AUTO_FREE char *with_end = pq_asprintf("%s\n", text);
    bool good = write_into(r, NULL, "targets-created.json", with_end, strlen(with_end), &err) &&
                write_into(r, NULL, "release.json", r->release.data, r->release.length, &err);
    for (size_t i = 0; good && i < r->publication.count; i++) {
        const pq_published_app *app = &r->publication.apps[i];
        good = write_into(r, app->name, PQ_APP_COMPOSE_FILE, app->source.data, app->source.length, &err);
    }
    return good || fail(r, &err);
}

static json_t *image_json(const run *r, size_t at)
{
    const pq_built_image *image = &r->build.images[at];
    json_t *one = json_object();
    pq_json_set(one, "name", pq_json_text(r->plan.images[at].folder->name));
    pq_json_set(one, "repository", pq_json_text(image->repository));
    pq_json_set(one, "inputs", pq_json_text(image->tag));
    pq_json_set(one, "digest", pq_json_text(image->digest));
    pq_json_set(one, "built", json_boolean(image->local != NULL));
    return one;
}

static void report_json(run *r)
{
    json_t *document = r->cli->document;
    json_t *images = json_array(), *apps = json_array(), *targets = pq_new_targets_json(&r->targets);
    for (size_t i = 0; i < r->build.count; i++)
        pq_json_append(images, image_json(r, i));
    for (size_t i = 0; i < r->publication.count; i++) {
        json_t *one = json_object();
        pq_json_set(one, "name", pq_json_text(r->publication.apps[i].name));
        pq_json_set(one, "uri", pq_json_text(r->publication.apps[i].uri));
        pq_json_set(one, "uploaded", json_boolean(r->publication.apps[i].uploaded));
        pq_json_append(apps, one);
    }
    bool done = r->cli->errors.count == 0 && !pq_arguments_have(r->arguments, "dry-run");
    pq_json_set(document, "images", images);
    pq_json_set(document, "apps", apps);
    pq_json_set(document, "targets", targets);
    pq_json_set(document, "unchanged", json_boolean(done && r->tuf && r->targets.count == 0));
}

static void report_dry_run(run *r)
{
    for (size_t i = 0; i < r->build.count; i++) {
        size_t at = r->plan.order[i];
        pq_print(r->cli, "%s %s/%s\n", r->build.images[at].was_there ? "the hub has" : "would build", r->hub_host,
                 r->build.images[at].repository);
    }
    for (size_t i = 0; i < r->plan.app_count; i++)
        pq_print(r->cli, "would publish %s/%s/%s unless it is there\n", r->hub_host, r->factory,
                 r->plan.apps[i].folder->name);
    if (r->tuf)
        pq_print(r->cli, "would sign version %llu into %s if anything changed\n", (unsigned long long)r->version,
                 r->repo);
}

static void report(run *r)
{
    for (size_t i = 0; i < r->build.count; i++) {
        const pq_built_image *image = &r->build.images[r->plan.order[i]];
        pq_print(r->cli, "image  %s/%s@%s  %s\n", r->hub_host, image->repository, image->digest,
                 image->local ? "built and pushed" : "unchanged");
    }
    for (size_t i = 0; i < r->publication.count; i++)
        pq_print(r->cli, "app    %s  %s\n", r->publication.apps[i].uri,
                 r->publication.apps[i].uploaded ? "published" : "unchanged");
    for (size_t i = 0; i < r->targets.count; i++)
        pq_print(r->cli, "Target %s  signed into %s\n", r->targets.at[i].name, r->repo);
    for (size_t i = 0; i < r->targets.unchanged_names.count; i++)
        pq_print(r->cli, "Target %s  unchanged\n", r->targets.unchanged_names.at[i]);
}

static void run_build(run *r)
{
    PQ_AUTO_ERROR err = {0};
    if (!prepare(r))
        return;
    if (r->with_engine && (!pq_engine_find(&r->engine, &err) || !pq_helper_place(&r->helper, &err))) {
        pq_cli_fail(r->cli, &err);
        return;
    }
    if (!pq_session_open_secrets(&r->session, r->cli) || !open_tuf(r) || !make_plan(r) || !check_engine(r) ||
        !connect(r))
        return;
    if (!rehearse(r) || !preflight(r) || !ask_hub(r))
        return;
    if (pq_arguments_have(r->arguments, "dry-run")) {
        report_dry_run(r);
        return;
    }
    if (produce(r) && lock_release(r) && sign(r) && write_out(r))
        report(r);
}

static void target_build(pq_cli *cli, const pq_arguments *arguments)
{
    PQ_CLEANUP(clear_run)
    run r = {.cli = cli, .arguments = arguments, .tree = PQ_TREE_NONE};
    run_build(&r);
    if (cli->json)
        report_json(&r);
}

const pq_command pq_cmd_target_build = {
    .name = "target build",
    .synopsis = "[DIR] --tuf REPO [--hub HOST/FACTORY] [--machine NAME]... [--tag TAG] [--version N] [--out DIR]",
    .summary = "construct a signed Target from a containers repository",
    .description =
        "DIR is a containers repository: each first-level folder with a Dockerfile is an image, each with a "
        "docker-compose.yml is a Compose App. Checks every image that they refer to, builds what the hub does not "
        "have, "
        "pins each service to a digest, publishes the apps, and signs a Target for each machine.\n\n"
        "Nothing is published before everything is built. An image is tagged by the digest of its inputs, so that a "
        "second run on the same input builds and uploads nothing. FACTORY, TAG (the short git revision) and H_BUILD "
        "(the "
        "version) are defined for interpolation in Compose files.",
    .examples = "$ pratique target build containers/ --tuf /srv/tuf --machine intel-corei7-64\n"
                "$ pratique target build containers/ --tuf /srv/tuf --out out/ --json\n"
                "$ pratique target build containers/ --tuf /srv/tuf --dry-run",
    .options = build_options,
    .least = 0,
    .most = 1,
    .run = target_build,
};
