#include "device/check/identity.h"

#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/common/device_identity.h"
#include "crypto/chain.h"

/* No device that runs this had its clock set before; a clock without a battery begins at 1970, or at the date of an
 * image. */
enum { EARLIEST = 1735689600 /* 2025-01-01 */, TOLERATED = 5 * 60 };

static const char set_clock[] = "is NTP running, and does it reach a server (`timedatectl`)? Without a battery a clock "
                                "is wrong after each start until NTP has set it";

/* --- the clock ---------------------------------------------------------------------------------------------------- */

char *pq_check_duration(time_t seconds)
{
    static const struct {
        time_t from, unit;
        const char *name;
    } units[] = {{2 * 86400, 86400, "days"}, {2 * 3600, 3600, "hours"}, {120, 60, "minutes"}, {0, 1, "seconds"}};
    seconds = seconds < 0 ? -seconds : seconds;
    size_t i = 0;
    while (seconds < units[i].from)
        i++;
    return pq_asprintf("%lld %s", (long long)(seconds / units[i].unit), units[i].name);
}

bool pq_check_skew(time_t theirs, const char *server, pq_error *err)
{
    time_t ours = pq_now(), ahead = ours - theirs;
    if (ahead >= -TOLERATED && ahead <= TOLERATED)
        return true;
    char mine[PQ_TIME_TEXT], other[PQ_TIME_TEXT];
    pq_time_text(ours, mine);
    pq_time_text(theirs, other);
    PQ_AUTO_FREE char *by = pq_check_duration(ahead);
    return pq_fail(err, PQ_EFAILED, NULL, set_clock,
                   "this machine's clock says %s, and that of %s says %s: it is %s %s", mine, server, other, by,
                   ahead > 0 ? "ahead" : "behind");
}

/* True when a server could be asked, and its clock is far from ours: then that is what is broken. */
static bool clock_is_wrong(const pq_check_identity_ask *ask, pq_error *err)
{
    PQ_AUTO_FREE char *server = NULL;
    time_t theirs = 0;
    return ask->ask_time && ask->ask_time(ask->ask_time_context, &theirs, &server) &&
           !pq_check_skew(theirs, server, err);
}

bool pq_check_own_clock(const pq_check_identity_ask *ask, pq_check_steps *steps)
{
    char now[PQ_TIME_TEXT];
    pq_time_text(pq_now(), now);
    if (pq_now() >= EARLIEST) {
        pq_check_ok(steps, PQ_CHECK_CLOCK, NULL, NULL, "this machine's clock says %s", now);
        return true;
    }
    PQ_AUTO_ERROR err = {0};
    if (!clock_is_wrong(ask, &err))
        (void)pq_fail(&err, PQ_EFAILED, NULL, set_clock, "this machine's clock says %s, which is long ago", now);
    return pq_check_fail(steps, PQ_CHECK_CLOCK, NULL, &err);
}

/* --- certificate and key ------------------------------------------------------------------------------------------ */

char *pq_check_place(const char *place)
{
    bool uri = strncasecmp(place, "pkcs11:", strlen("pkcs11:")) == 0;
    size_t length = uri ? strcspn(place, "?") : strlen(place);
    const char *pin = uri ? strcasestr(place, ";pin-") : NULL;
    if (pin && (size_t)(pin - place) < length)
        length = (size_t)(pin - place);
    return pq_strndup(place, length);
}

/* "in the file /var/sota/pkey.pem (mode 0600, of root)". Owned. */
static char *key_words(const char *place, bool in_token, char **out_hint)
{
    PQ_AUTO_FREE char *shown = pq_check_place(place);
    struct stat status;
    if (in_token)
        return pq_asprintf("in a token (%s)", shown);
    if (stat(place, &status) != 0)
        return pq_asprintf("in the file %s", shown);
    const struct passwd *owner = getpwuid(status.st_uid);
    PQ_AUTO_FREE char *name = owner ? pq_strdup(owner->pw_name) : pq_asprintf("user %u", (unsigned)status.st_uid);
    if (status.st_uid != 0 && status.st_uid != geteuid())
        *out_hint = pq_asprintf("the key belongs to %s, who can use it too: chown it, if that is not meant", name);
    return pq_asprintf("in the file %s (mode %04o, of %s)", shown, (unsigned)status.st_mode & 07777u, name);
}

static bool open_identity(const pq_config *config, pq_check_steps *steps, pq_identity **out)
{
    PQ_AUTO_DEVICE_PLACE place = pq_device_place_of(config);
    PQ_AUTO_ERROR err = {0};
    bool opened = pq_identity_open(&place.at, out, &err);
    if (!opened && !err.hint)
        err.hint = pq_strdup("is that the path that is meant, and may this user read it?");
    if (!opened)
        return pq_check_fail(steps, PQ_CHECK_IDENTITY, NULL, &err);
    const pq_certificate *certificate = pq_identity_certificate(*out);
    PQ_AUTO_FREE char *hint = NULL;
    PQ_AUTO_FREE char *kind = pq_certificate_key_words(certificate);
    PQ_AUTO_FREE char *key = key_words(place.at.key, pq_identity_in_token(*out), &hint);
    PQ_AUTO_FREE char *where = pq_check_place(place.at.certificate);
    pq_check_ok(steps, PQ_CHECK_IDENTITY, NULL, hint, "the key, %s, is %s; it is that of the certificate in %s", kind,
                key, where);
    return true;
}

static bool judge_certificate(const pq_check_identity_ask *ask, const pq_identity *identity, pq_check_steps *steps)
{
    const pq_certificate *certificate = pq_identity_certificate(identity);
    const pq_config *config = ask->config;
    PQ_AUTO_FREE char *said = pq_config_where(config, config->device.certificate.line);
    PQ_AUTO_FREE char *place = pq_check_place(config->device.certificate.text);
    PQ_AUTO_FREE char *where = pq_asprintf("%s: %s", said, place);
    PQ_AUTO_ERROR err = {0}, clock = {0};
    bool soon = false;
    if (!pq_identity_judge_dates(identity, pq_now(), &soon, &err) ||
        !pq_certificate_judge_chain(certificate, pq_now(), where, &err)) {
        /* A clock that is wrong makes a good certificate look bad. */
        if (err.code == PQ_EDENIED && clock_is_wrong(ask, &clock))
            return pq_check_fail(steps, PQ_CHECK_CLOCK, NULL, &clock);
        return pq_check_fail(steps, PQ_CHECK_CERTIFICATE, NULL, &err);
    }
    PQ_AUTO_FREE char *serial = pq_certificate_serial(certificate);
    PQ_AUTO_FREE char *issuer = pq_certificate_issuer(certificate);
    PQ_AUTO_FREE char *left = pq_check_duration(pq_certificate_ends(certificate) - pq_now());
    char ends[PQ_TIME_TEXT];
    pq_time_text(pq_certificate_ends(certificate), ends);
    size_t more = pq_certificate_count(certificate) - 1;
    const char *name = pq_certificate_name(certificate);
    const char *hint = soon ? "it ends within 30 days: have a new one issued while this one is good"
                       : !pq_certificate_may_be_client(certificate)
                           ? "it says that it is not for TLS clients: have one issued with the key usage "
                             "digitalSignature and the extended key usage clientAuth"
                       : pq_certificate_signs_itself(certificate)
                           ? "it is signed by its own key: only peers that know just this one can trust it"
                           : NULL;
    pq_check_ok(steps, PQ_CHECK_CERTIFICATE, NULL, hint, "%s, serial %s, issued by %s, ends at %s (in %s)%s",
                *name ? name : "no common name", serial, issuer, ends, left,
                more == 0   ? ""
                : more == 1 ? ", with 1 certificate above it, in order"
                            : ", with those above it, in order");
    return true;
}

bool pq_check_identity(const pq_check_identity_ask *ask, pq_check_steps *steps, pq_identity **out)
{
    return pq_check_own_clock(ask, steps) && open_identity(ask->config, steps, out) &&
           judge_certificate(ask, *out, steps);
}
