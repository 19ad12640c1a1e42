#include "cmd/device_units.h"

#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/process.h"

enum { UNITS = 2, TIMEOUT = 90 };
static const char *const names[UNITS] = {"pratique-device.socket", "pratique-device.service"};

void pq_device_units_clear(pq_device_units *units)
{
    free(units->command);
    *units = (pq_device_units){0};
}

static const char *systemctl_place(void)
{
    static const char *const places[] = {"/usr/bin/systemctl", "/bin/systemctl"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (access(places[i], X_OK) == 0)
            return places[i];
    return NULL;
}

static bool is_installed(const char *unit)
{
    static const char *const folders[] = {"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system",
                                          "/usr/lib/systemd/system", "/lib/systemd/system"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        PQ_AUTO_FREE char *path = pq_path_join(folders[i], unit);
        if (pq_path_exists(path))
            return true;
    }
    return false;
}

void pq_device_units_look(bool enable, pq_device_units *out)
{
    out->verb = enable ? "enabled" : "disabled";
    out->command = pq_asprintf("systemctl %s --now %s %s", enable ? "enable" : "disable", names[0], names[1]);
    out->systemd = pq_is_dir("/run/systemd/system");
    out->why = !out->systemd                                        ? "systemd does not run here"
               : !systemctl_place()                                 ? "there is no systemctl here"
               : !is_installed(names[0]) || !is_installed(names[1]) ? "the units are not installed"
               : geteuid() != 0                                     ? "that takes root"
                                                                    : NULL;
    out->possible = !out->why;
}

static void collect(void *context, const char *bytes, size_t length)
{
    pq_buf *said = context;
    if (said->length + length < PQ_MAX_MESSAGE)
        pq_buf_add(said, bytes, length);
}

/* systemctl with these words after it, the last one NULL. What it says goes to `said`. */
static bool run(const char *const *words, pq_buf *said, int *status, pq_error *err)
{
    PQ_AUTO_STRINGS argv = {0}, environment = {0};
    pq_strings_add(&argv, systemctl_place());
    for (; *words; words++)
        pq_strings_add(&argv, *words);
    pq_strings_add(&environment, "PATH=/usr/sbin:/usr/bin:/sbin:/bin");
    pq_strings_add(&environment, "LC_ALL=C.UTF-8");
    pq_strings_add(&environment, "SYSTEMD_PAGER=");
    const pq_process_options options = {.argv = &argv,
                                        .environment = &environment,
                                        .folder = "/",
                                        .output = collect,
                                        .output_context = said,
                                        .timeout = TIMEOUT,
                                        .service_fd = -1};
    return pq_process_run(&options, status, err);
}

uid_t pq_device_units_user(void)
{
    PQ_AUTO_DEVICE_UNITS units = {0};
    PQ_AUTO_BUF said = PQ_BUF(PQ_MAX_MESSAGE);
    PQ_AUTO_ERROR ignored = {0};
    const char *const words[] = {"show", "--property=User", "--value", names[1], NULL};
    int status = 0;
    pq_device_units_look(true, &units);
    if (!units.possible || !run(words, &said, &status, &ignored) || status != 0)
        return 0;
    const char *text = pq_buf_text(&said);
    PQ_AUTO_FREE char *name = pq_strndup(text, strcspn(text, "\n"));
    const struct passwd *user = *name ? getpwnam(name) : NULL;
    uint64_t number = 0;
    /* systemd takes numbers too. */
    return user ? user->pw_uid : pq_parse_number(name, UINT32_MAX, &number) ? (uid_t)number : 0;
}

bool pq_device_units_change(pq_device_units *units, bool enable, pq_error *err)
{
    PQ_AUTO_BUF said = PQ_BUF(PQ_MAX_MESSAGE);
    int status = 0;
    const char *const words[] = {enable ? "enable" : "disable", "--now", names[0], names[1], NULL};
    if (!run(words, &said, &status, err))
        return pq_error_wrap(err, "%s", units->command);
    units->done = status == 0;
    if (units->done)
        return true;
    const char *text = pq_buf_text(&said);
    size_t length = strcspn(text, "\n");
    return pq_fail(err, PQ_EFAILED, names[0], "systemctl status pratique-device.service says more",
                   "`%s` ended with status %d%s%.*s", units->command, status, length ? ": " : "", (int)length, text);
}
