/* pratique tuf: the repository that Targets are signed into. */
#include "base/file.h"
#include "cmd/commands.h"
#include "cmd/session.h"
#include "cmd/tuf_keys_place.h"
#include "target/tuf_repository.h"

static const pq_option init_options[] = {
    {"keys", '\0', "DIR",
     "Folder for the private keys; default $XDG_CONFIG_HOME/pratique/tuf/<name of REPO>. It must lie "
     "outside REPO."},
    {0},
};

static void tuf_init(pq_cli *cli, const pq_arguments *arguments)
{
    PQ_AUTO_SESSION session = {0};
    PQ_AUTO_ERROR err = {0};
    const char *repo = arguments->words[0];
    if (!pq_session_read_config(&session, cli, NULL, false) || !pq_session_open_secrets(&session, cli))
        return;
    PQ_AUTO_FREE char *keys = NULL;
    PQ_AUTO_SECRET *passphrase = NULL;
    pq_tuf_options options = {.targets_expire_after = session.config.targets_expire_after.text};
    if (!pq_tuf_keys_folder(pq_arguments_value(arguments, "keys"), repo, &keys, &err) ||
        !pq_tuf_passphrase(session.secrets, true, &passphrase, &err) ||
        !pq_tuf_init(repo, keys, passphrase, &options, &err)) {
        pq_cli_fail(cli, &err);
        return;
    }
    PQ_AUTO_FREE char *root = pq_path_join(keys, "root.json");
    if (cli->json) {
        pq_json_set(cli->document, "repository", pq_json_text(repo));
        pq_json_set(cli->document, "keys", pq_json_text(keys));
        pq_json_set(cli->document, "root", pq_json_text(root));
    }
    pq_print(cli, "made the TUF repository %s\n", repo);
    pq_print(cli, "its private keys are in %s: keep a copy of them in a safe place\n", keys);
    pq_print(cli, "what clients are given to trust is %s\n", root);
}

const pq_command pq_cmd_tuf_init = {
    .name = "tuf init",
    .synopsis = "[--keys DIR] REPO",
    .summary = "make the repository that Targets are signed into",
    .description = "Makes a TUF 1.0 repository: REPO/metadata and REPO/targets, which can be served by any web server "
                   "as they are, "
                   "and four Ed25519 keys outside it, sealed with the passphrase in the secret tuf_passphrase (else "
                   "$CREDENTIALS_DIRECTORY/tuf_passphrase, else asked for on the terminal).",
    .examples = "$ pratique secrets update tuf_passphrase=-\n"
                "$ pratique tuf init /srv/tuf",
    .options = init_options,
    .least = 1,
    .most = 1,
    .run = tuf_init,
};
