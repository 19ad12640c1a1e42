/* What those who ask the device's agent are told: a credential, why there is none, or nothing yet. */
#pragma once

#include "device/serve/clients.h"
#include "device/serve/entries.h"

/* Gives the entry's credential, or says its failure; leaves the client waiting while a fetch may still bring what is
 * better. `pin_refused` is what the device's token said, PQ_OK while it did not: nothing is fetched with it then.
 * `now` is of pq_boot_time(). */
void pq_device_answer(pq_client *client, const pq_device_entry *entry, const pq_error *pin_refused, double now);
/* Says why there is none; with `next_try` after `now` also that it is remembered until then. */
void pq_device_answer_reason(pq_client *client, const pq_error *err, double next_try, double now);
/* Says that the host is none of ours. */
void pq_device_answer_nothing(pq_client *client, double now);
