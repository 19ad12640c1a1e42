/* The device's agent: a small resident process that holds the right to use the device's key, and hands registry
 * credentials (never the key, never the keys of a cloud) to those who may ask at its socket.
 *
 * It keeps one credential for each registry of device.yml in memory, renews it ahead by the rule of auth/schedule.h,
 * and goes on handing it out while the network is away, until it expires, never longer. All registries are fetched for,
 * whether somebody asked or not, so that one who asks first when the network is away is served; only what is served by
 * a file that was copied here is fetched when it is asked for. Each fetch is a child process with a time limit: one at
 * a time for a registry, however many ask.
 *
 * An answer is good for five minutes more, or a quarter of its life where that is less: one that ends sooner is renewed
 * first, and given out only if that fails.
 *
 * A failure changes nothing about what was got before, but for a refusal by the service: that ends it, for a device
 * that was revoked is to get no more. How long what was handed out may still be good is said.
 *
 * When device.yml, certificate or key changes (their status is looked at before each answer), or on SIGHUP, all is read
 * anew: failures are forgotten, and who asks next gets what was fetched since, or, if that cannot be had, what there
 * was. On SIGHUP what the token cache keeps will not do either: whatever is wrong with a credential, that renews it.
 *
 * A PIN that a token refuses is not tried again before something of that has changed, for it locks itself after a few.
 * Until it is known to be right, one fetch at a time uses it.
 *
 * While the machine's clock cannot be right, before the certificate began or before this program was written, nothing
 * is asked for: certificates and signatures would fail. It says so, to the journal and to those who ask, and goes on as
 * soon as the clock is set.
 *
 * Here is the loop: sockets, signals, files, children. What is kept, and when it is asked for, is entries.h; what those
 * who ask are told, answer.h. */
#pragma once

#include "device/serve/catch.h"
#include "device/serve/listener.h"
#include "device/serve/notify.h"
#include "device/serve/view.h"

typedef struct pq_device_options {
    pq_listener *listener;
    const pq_notify *notify;
    double boot_window; /* seconds */
    double fetch_limit; /* seconds, after which a fetch is killed */
    /* Both run in a child. Reads device.yml; false after it has said why on standard error. */
    bool (*look)(void *context, pq_device_view *out);
    /* Asks for the credential of a host; `anew`: what is kept elsewhere will not do. */
    bool (*fetch)(void *context, const char *host, bool anew, pq_device_catch *out, pq_error *err);
    void *context;
} pq_device_options;

/* Serves until SIGTERM or SIGINT; true then. False when device.yml cannot be read at the start: it was said. Other
 * errors at the start are in `err`. */
bool pq_device_serve(const pq_device_options *options, pq_error *err) PQ_MUST_USE;
