/* A device.yml as `config check` and `device setup` look at it. */
#pragma once

#include "cmd/session.h"
#include "device/check/offline.h"

/* All that is wrong with it goes to the run's errors. The session has its configuration and secrets. */
bool pq_device_report_check(pq_cli *cli, const pq_session *session, pq_device_facts *out) PQ_MUST_USE;
/* Prints the identity and the entries; with --json "device" and "registries". */
void pq_device_report(pq_cli *cli, const pq_session *session, const pq_device_facts *facts);
/* Where an entry's identity comes from: "iot: role alias ecr-pull, thing dev-7". Owned. */
char *pq_device_way_words(const pq_config_registry *entry, const pq_device_facts *facts) PQ_MUST_USE;
