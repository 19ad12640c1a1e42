/* pratique device serve: the service that keeps a device's credentials and hands them out at a socket. The resident
 * process is device/serve/agent.c; here is what its children do. */
#include <string.h>

#include "auth/schedule.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/runtime_dir.h"
#include "base/token_cache.h"
#include "cmd/commands.h"
#include "cmd/session.h"
#include "crypto/identity.h"
#include "device/serve/agent.h"

enum { FETCH_LIMIT = 60 };

static const pq_option options[] = {
    {"socket", '\0', "PATH", "Make this socket, when systemd hands none over."},
    {"group", '\0', "NAME", "With --socket: members of this group may ask too."},
    {"boot-window", '\0', "SECONDS",
     "What nobody asks for is fetched at a random time within this of the start; 3600 unless told, so that a fleet "
     "that "
     "gets its power back does not ask at once."},
    {"fetch-limit", '\0', "SECONDS", "A fetch that takes longer is given up; 60 unless told."},
    {0},
};

/* --- in children -------------------------------------------------------------------------------------------------- */

static void add_file(pq_device_view *view, const pq_setting *place)
{
    if (place->text && *place->text == '/')
        (void)pq_strings_add_once(&view->files, place->text);
}

/* An object, or the file that it is. */
static void add_object(pq_device_view *view, const pq_setting *place)
{
    PQ_AUTO_FREE char *pin = place->text ? pq_identity_pin_file(place->text) : NULL;
    if (pin)
        (void)pq_strings_add_once(&view->files, pin);
    view->token = view->token || (place->text && pq_identity_is_token(place->text));
    add_file(view, place);
}

/* When the certificate begins, where that is had without a token; what is wrong with it the fetch says. */
static time_t begins(const pq_setting *certificate)
{
    PQ_AUTO_ERROR ignored = {0};
    PQ_AUTO_BUF pem = PQ_BUF(PQ_MAX_SECRET);
    PQ_AUTO_CERTIFICATE *read = NULL;
    if (!certificate->text || *certificate->text != '/' || !pq_read_file(certificate->text, &pem, &ignored) ||
        !pq_certificate_from_pem(pq_buf_text(&pem), pem.length, certificate->text, &read, &ignored))
        return 0;
    return pq_certificate_begins(read);
}

static bool look(void *context, pq_device_view *out)
{
    pq_cli *cli = context;
    PQ_AUTO_SESSION session = {0};
    if (!pq_session_read_device(&session, cli, NULL)) {
        for (size_t i = 0; i < cli->errors.count; i++)
            pq_log_error(&cli->errors.at[i]);
        return false;
    }
    const pq_config *config = &session.config;
    pq_strings_add(&out->files, session.config_path);
    add_object(out, &config->device.certificate);
    add_object(out, &config->device.key);
    add_file(out, &config->device.ca);
    for (size_t i = 0; i < config->registry_count; i++) {
        const pq_config_registry *entry = &config->registries[i];
        add_file(out, &entry->credentials_file);
        out->google = out->google || !entry->host.text;
        if (entry->host.text)
            pq_strings_add(&out->hosts, entry->host.text);
        if (entry->host.text && entry->auth == PQ_AUTH_FILE)
            pq_strings_add(&out->copied, entry->host.text);
    }
    out->begins = begins(&config->device.certificate);
    return true;
}

/* When the token cache got it, and when it would ask anew. */
static void note_times(const pq_session *session, const char *host, pq_device_catch *out)
{
    PQ_AUTO_ERROR ignored = {0};
    PQ_AUTO_BUF bytes = PQ_SENSITIVE_BUF(PQ_MAX_TOKEN_ENTRY);
    const char *name = session->cache ? pq_auth_cache_entry(session->auth, host) : NULL;
    PQ_AUTO_CLOSE int folder = name ? pq_runtime_dir_open(pq_cache_folder(session->cache), &ignored) : -1;
    pq_token_entry kept;
    if (folder < 0 || !pq_token_file_read(folder, name, &bytes) ||
        !pq_token_entry_parse(bytes.data, bytes.length, &kept) || kept.code)
        return;
    out->fetched = kept.fetched;
    out->refresh = kept.refresh;
    if (kept.expires < out->credential.expires)
        out->credential.expires = kept.expires;
}

static bool fetch(void *context, const char *host, bool anew, pq_device_catch *out, pq_error *err)
{
    time_t started = pq_now();
    pq_cli *cli = context;
    PQ_AUTO_SESSION session = {.once = true};
    if (!pq_session_read_device(&session, cli, NULL)) {
        pq_error_move(err, &cli->errors.at[0]);
        return false;
    }
    const pq_config_registry *entry = pq_config_registry_for_host(&session.config, host);
    session.manner = entry && entry->auth != PQ_AUTH_FILE ? PQ_CACHE_RENEW : PQ_CACHE_CAREFUL;
    pq_session_open_auth(&session);
    bool good = pq_auth_get(session.auth, host, NULL, &out->credential, err);
    if (good)
        note_times(&session, host, out);
    if (good && anew && out->fetched && out->fetched < started) {
        pq_auth_forget(session.auth, host);
        good = pq_auth_get(session.auth, host, NULL, &out->credential, err);
        if (good)
            note_times(&session, host, out);
    }
    out->pin_refused = !good && pq_identity_pin_refused();
    out->retry_after = session.http ? pq_http_told_to_wait(session.http) : -1;
    return good;
}

/* --- the resident process ----------------------------------------------------------------------------------------- */

static bool seconds_of(pq_cli *cli, const pq_arguments *arguments, const char *name, uint64_t least, double *out)
{
    const char *text = pq_arguments_value(arguments, name);
    uint64_t number = 0;
    if (!text)
        return true;
    enum { LONGEST = 7 * 86400 };
    if (!pq_parse_number(text, LONGEST, &number) || number < least)
        return pq_errors_add(&cli->errors, PQ_EUSAGE, NULL, NULL, "--%s wants a number of seconds, %d to %d", name,
                             (int)least, LONGEST);
    *out = (double)number;
    return true;
}

static bool open_listener(const pq_arguments *arguments, pq_listener *out, pq_error *err)
{
    const char *path = pq_arguments_value(arguments, "socket");
    if (path)
        return pq_listener_make(path, pq_arguments_value(arguments, "group"), out, err);
    if (pq_listener_take(out, err))
        return true;
    return err->code != PQ_ENOTFOUND ||
           pq_fail(err, PQ_EUSAGE, NULL, "`systemctl start pratique-device.socket`, or give --socket PATH",
                   "systemd hands no socket over");
}

static void serve(pq_cli *cli, const pq_arguments *arguments)
{
    PQ_AUTO_ERROR err = {0};
    PQ_CLEANUP(pq_listener_clear) pq_listener listener = PQ_LISTENER_NONE;
    PQ_CLEANUP(pq_notify_clear) pq_notify notify = {0};
    pq_device_options how = {.listener = &listener,
                             .notify = &notify,
                             .boot_window = PQ_SCHEDULE_BOOT_WINDOW,
                             .fetch_limit = FETCH_LIMIT,
                             .look = look,
                             .fetch = fetch,
                             .context = cli};
    pq_notify_take(&notify);
    if (!seconds_of(cli, arguments, "boot-window", 0, &how.boot_window) ||
        !seconds_of(cli, arguments, "fetch-limit", 1, &how.fetch_limit))
        return;
    if (!open_listener(arguments, &listener, &err)) {
        pq_cli_fail(cli, &err);
        return;
    }
    if (pq_device_serve(&how, &err))
        return;
    if (err.code != PQ_OK)
        pq_cli_fail(cli, &err);
    else
        cli->status = 2; /* the child has said why */
}

const pq_command pq_cmd_device_serve = {
    .name = "device serve",
    .synopsis = "[--socket PATH] [--group NAME]",
    .summary = "keep a device's credentials, and hand them out at a socket",
    .description =
        "The service of a device: it may use the device's key, and hands registry credentials of device.yml to root, "
        "to its own user and to the members of the socket's group, never the key and never the keys of a cloud. "
        "systemd starts it with its socket (pratique-device.socket); elsewhere --socket makes one. "
        "docker-credential-pratique asks there.\n\n"
        "Credentials are fetched within an hour of the start, or at once when somebody asks; renewed ahead; and "
        "handed out while the network is away, until they expire. Failures are remembered for a while that grows "
        "(docs/fleet.md). A changed device.yml, certificate or key is noticed when somebody asks; SIGHUP (`systemctl "
        "reload`) has all read anew and forgets failures. While the clock cannot be right it waits, and says so. "
        "SIGTERM ends it.",
    .examples = "$ pratique device serve --socket /run/pratique-device/socket --group pratique\n"
                "$ pratique --device-config device.yml device serve --socket /tmp/agent",
    .options = options,
    .least = 0,
    .most = 0,
    .run = serve,
};
