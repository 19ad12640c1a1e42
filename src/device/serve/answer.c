#include "device/serve/answer.h"

#include <math.h>
#include <string.h>

#include "base/docker_protocol.h"
#include "base/limits.h"

enum { PATIENCE = 15 }; /* seconds, for a fetch that is to be tried again, before the failure is told */

static void give(pq_client *client, const pq_device_entry *e, double now)
{
    const pq_credential *c = &e->credential;
    PQ_AUTO_BUF words = PQ_SENSITIVE_BUF(8 * PQ_MAX_SECRET);
    pq_docker_answer(&words, client->url, c->username, strlen(c->username), pq_secret_bytes(c->secret),
                     pq_secret_length(c->secret));
    client->over = client->over || words.overflow;
    pq_client_answer(client, true, &words, now);
}

void pq_device_answer_reason(pq_client *client, const pq_error *err, double next_try, double now)
{
    PQ_AUTO_BUF words = PQ_BUF(2 * PQ_MAX_MESSAGE);
    pq_error_format(err, &words);
    if (next_try > now)
        pq_buf_addf(&words, "; remembered, the next try is in %.0f s", ceil(next_try - now));
    pq_buf_addc(&words, '\n');
    pq_client_answer(client, false, &words, now);
}

void pq_device_answer_nothing(pq_client *client, double now)
{
    PQ_AUTO_BUF words = PQ_BUF(PQ_MAX_MESSAGE);
    pq_buf_adds(&words, PQ_DOCKER_NOT_FOUND "\n");
    pq_client_answer(client, false, &words, now);
}

static char still[] = "the credential is still being asked for", ask_again[] = "ask again";
static const pq_error still_asking = {.code = PQ_EBUSY, .message = still, .hint = ask_again};

void pq_device_answer(pq_client *client, const pq_device_entry *e, const pq_error *pin_refused, double now)
{
    if (pq_device_entry_good(e) || (pq_device_entry_left(e) > 0 && e->got >= client->since)) {
        /* What came since it was asked for is the best that can be had. */
        give(client, e, now);
    } else if (pin_refused->code != PQ_OK && !e->copied) {
        if (pq_device_entry_left(e) > 0)
            give(client, e, now);
        else
            pq_device_answer_reason(client, pin_refused, 0, now);
    } else {
        bool failed = e->failure.code != PQ_OK, in_time = now < client->deadline - 1;
        double next = pq_schedule_next(&e->schedule, true);
        bool remembered = failed && next > now && !e->work.child;
        if (remembered && pq_device_entry_left(e) > 0)
            give(client, e, now);
        else if (in_time && (!remembered || next <= client->since + PATIENCE))
            return;
        else if (pq_device_entry_left(e) > 0)
            give(client, e, now);
        else if (failed)
            pq_device_answer_reason(client, &e->failure, next, now);
        else
            pq_device_answer_reason(client, &still_asking, 0, now);
    }
}
