/* The commands, one file each, in the order in which help lists them. */
#pragma once

#include "cmd/args.h"

extern const pq_command pq_cmd_secrets_update, pq_cmd_secrets_list, pq_cmd_secrets_rekey;
extern const pq_command pq_cmd_config_check;
extern const pq_command pq_cmd_images;
extern const pq_command pq_cmd_check;
extern const pq_command pq_cmd_device_check;
extern const pq_command pq_cmd_policy;
extern const pq_command pq_cmd_login, pq_cmd_logout;
extern const pq_command pq_cmd_device_setup;
extern const pq_command pq_cmd_credential_get, pq_cmd_credential_store, pq_cmd_credential_erase, pq_cmd_credential_list,
    pq_cmd_credential_kubelet;
extern const pq_command pq_cmd_device_serve;
extern const pq_command pq_cmd_target_build, pq_cmd_target_show, pq_cmd_target_verify;
extern const pq_command pq_cmd_tuf_init;
