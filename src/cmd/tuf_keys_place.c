#include "cmd/tuf_keys_place.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/signals.h"

bool pq_tuf_keys_folder(const char *option, const char *repo, char **out, pq_error *err)
{
    if (option) {
        *out = pq_strdup(option);
        return true;
    }
    PQ_AUTO_FREE char *whole = NULL;
    if (!pq_path_absolute(repo, &whole, err))
        return false;
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    PQ_AUTO_FREE char *base = config && *config == '/' ? pq_strdup(config)
                              : home && *home == '/'   ? pq_path_join(home, ".config")
                                                       : NULL;
    if (!base)
        return pq_fail(err, PQ_EUSAGE, NULL, "name a folder with --keys DIR", "there is no home folder for the keys");
    *out = pq_asprintf("%s/pratique/tuf/%s", base, pq_path_basename(whole));
    return true;
}

static void drop_line_end(pq_secret **passphrase)
{
    size_t length = pq_secret_length(*passphrase);
    const char *bytes = pq_secret_bytes(*passphrase);
    size_t kept = length;
    if (kept && bytes[kept - 1] == '\n')
        kept--;
    if (kept && kept < length && bytes[kept - 1] == '\r')
        kept--;
    if (kept == length)
        return;
    pq_secret *shorter = pq_secret_new(bytes, kept);
    pq_secret_free(*passphrase);
    *passphrase = shorter;
}

static bool ask(int terminal, const char *prompt, pq_secret **out, pq_error *err)
{
    struct termios before, quiet;
    if (tcgetattr(terminal, &before) != 0)
        return pq_fail_errno(err, "the terminal", "cannot be asked");
    quiet = before;
    quiet.c_lflag &= (tcflag_t)~ECHO;
    (void)tcsetattr(terminal, TCSAFLUSH, &quiet);
    PQ_AUTO_ERROR ignored = {0};
    bool shown = pq_write_fd(terminal, "the terminal", prompt, strlen(prompt), &ignored);
    PQ_AUTO_BUF line = PQ_SENSITIVE_BUF(4096);
    bool good = shown;
    for (char byte; good;) {
        ssize_t got = read(terminal, &byte, 1);
        if (got < 0 && errno == EINTR && !pq_interrupted())
            continue;
        good = got == 1;
        if (got == 1 && byte == '\n')
            break;
        pq_buf_addc(&line, byte);
    }
    (void)tcsetattr(terminal, TCSAFLUSH, &before);
    if (!pq_write_fd(terminal, "the terminal", "\n", 1, &ignored))
        good = false;
    if (pq_interrupted())
        return pq_fail(err, PQ_EINTERRUPTED, NULL, NULL, "interrupted");
    if (!good || line.overflow || line.length == 0)
        return pq_fail(err, PQ_EUSAGE, NULL, NULL, "no passphrase was given");
    *out = pq_secret_from_buf(&line);
    return true;
}

static bool ask_terminal(bool twice, pq_secret **out, pq_error *err)
{
    PQ_AUTO_CLOSE int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (terminal < 0)
        return pq_fail(err, PQ_ECONFIG, NULL, "set it with `pratique secrets update tuf_passphrase=-`",
                       "there is no secret tuf_passphrase, and no terminal to ask on");
    if (!ask(terminal, "Passphrase of the TUF keys: ", out, err))
        return false;
    if (!twice)
        return true;
    PQ_AUTO_SECRET *again = NULL;
    if (!ask(terminal, "The same again: ", &again, err))
        return false;
    if (pq_secret_equal(*out, again))
        return true;
    pq_secret_free(pq_steal(*out));
    return pq_fail(err, PQ_EUSAGE, NULL, NULL, "the two passphrases are not the same");
}

bool pq_tuf_passphrase(pq_secrets *secrets, bool twice, pq_secret **out, pq_error *err)
{
    PQ_AUTO_SECRET_FOUND found = {0};
    bool there = false;
    if (!pq_secrets_find(secrets, "tuf_passphrase", NULL, &found, &there, err))
        return false;
    if (there) {
        *out = pq_steal(found.value);
        drop_line_end(out);
        return true;
    }
    const char *credentials = getenv("CREDENTIALS_DIRECTORY");
    if (credentials && *credentials == '/') {
        PQ_AUTO_FREE char *path = pq_path_join(credentials, "tuf_passphrase");
        PQ_AUTO_BUF bytes = PQ_SENSITIVE_BUF(PQ_MAX_SECRET);
        if (pq_read_file(path, &bytes, err)) {
            *out = pq_secret_from_buf(&bytes);
            drop_line_end(out);
            return true;
        }
        if (err->code != PQ_ENOTFOUND)
            return false;
        pq_error_clear(err);
    }
    return ask_terminal(twice, out, err);
}
