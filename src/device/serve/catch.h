/* What a fetch brings, and what the child that fetched hands over to the agent. */
#pragma once

#include "auth/common/credential.h"

enum { PQ_DEVICE_LEAST_LEFT = 5 * 60 }; /* seconds of life that an answer has */

typedef struct pq_device_catch {
    pq_credential credential;
    time_t fetched;     /* when the cloud was asked for it: it may come from the token cache */
    time_t refresh;     /* before then the token cache would not ask anew; 0 when there is none */
    double retry_after; /* of a failure: seconds that the service asks to wait; negative when it does not */
    bool pin_refused;   /* of a failure: the token's PIN is wrong */
} pq_device_catch;

#define PQ_AUTO_DEVICE_CATCH PQ_CLEANUP(pq_device_catch_clear) pq_device_catch

void pq_device_catch_clear(pq_device_catch *caught);
/* `err` is why there is no credential, or PQ_OK. Without `fetched` that is now, without `refresh` it is `fetched`. A
 * credential that does not expire is written as one that does in PQ_DEVICE_LEAST_LEFT: it is read again each time.
 * `out` should be sensitive. */
void pq_device_catch_write(const pq_device_catch *caught, const pq_error *err, pq_buf *out);
/* `out` and `err` must be empty, and are owned; `err` is as it was written. The credential comes without its `source`.
 * False when it is not whole. */
bool pq_device_catch_read(const pq_buf *output, pq_device_catch *out, pq_error *err) PQ_MUST_USE;
