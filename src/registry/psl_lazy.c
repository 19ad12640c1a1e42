/* Stand-ins for what we call of libpsl (base/library.h). */
#include <libpsl.h>

#include "base/library.h"

static pq_library psl = {.files = {"libpsl.so.5", "libpsl.so"}, .hint = "apt-get install libpsl5"};

PQ_STAND_IN(psl, const psl_ctx_t *, psl_builtin, (void), ())
PQ_STAND_IN(psl, const char *, psl_registrable_domain, (const psl_ctx_t *list, const char *domain), (list, domain))
