/* Any bytes as a Compose file, each of its services pinned: the rewritten file parses and holds no surprise (which the
 * code itself demands of its result), or there is an error. */
#include "../fyaml_leaks.h"
#include "target/app_compose.h"
#include "target/pin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char image[] = "hub.example.com/acme/a@sha256:00";
    PQ_AUTO_ERRORS errs = {0};
    PQ_AUTO_YAML *yaml = NULL;
    if (!pq_yaml_parse("fuzz", data, size, &yaml, &errs))
        return 0;
    pq_yaml_node services = pq_yaml_get(pq_yaml_root(yaml, 0), "services");
    pq_app_pin pins[100];
    size_t count = 0;
    pq_yaml_entry entry;
    for (size_t i = 0; count < 100 && pq_yaml_entry_at(services, i, &entry); i++) {
        PQ_AUTO_SPLICES splices = {0};
        PQ_AUTO_ERROR err = {0};
        if (!pq_yaml_text(entry.key))
            continue;
        pins[count++] = (pq_app_pin){pq_yaml_text(entry.key), image};
        (void)!pq_pin_image("fuzz", (const char *)data, size, entry.value, image, &splices, &err);
    }
    PQ_AUTO_BUF out = PQ_BUF(PQ_APP_COMPOSE_MAX);
    if (!pq_app_compose("fuzz", (const char *)data, size, pins, count, &out, &errs))
        return 0;
    PQ_AUTO_YAML *again = NULL;
    if (!pq_yaml_parse("fuzz", out.data, out.length, &again, &errs))
        abort();
    return 0;
}
