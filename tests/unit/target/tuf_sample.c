/* Writes a small TUF repository for judges that we did not write: tuf_sample FOLDER makes FOLDER/repo, FOLDER/keys, and
 * two Targets, one with bytes and one without. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "target/tuf_repository.h"

static bool write_sample(const char *folder, pq_error *err)
{
    PQ_AUTO_FREE char *repo = pq_path_join(folder, "repo"), *keys_folder = pq_path_join(folder, "keys");
    PQ_AUTO_SECRET *passphrase = pq_secret_new("correct horse battery", 21);
    PQ_AUTO_TUF_KEYS keys = {0};
    PQ_AUTO_TUF *tuf = NULL;
    static const char lock[] = "{\"apps\": {\"web\": \"\xc3\xa9\"}}\n";
    json_auto_t *custom =
        json_pack("{s:s,s:s,s:[s],s:{s:{s:s}}}", "version", "1", "name", "q\"uo\\te \xc3\xa9", "hardwareIds",
                  "raspberrypi4-64", "docker_compose_apps", "web", "uri", "hub.example.com/acme/web@sha256:00");
    const pq_tuf_new_target first = {
        .name = "raspberrypi4-64-lmp-1", .bytes = lock, .length = strlen(lock), .custom = custom};
    const pq_tuf_new_target second = {.name = "dir/commit-2", .hash = pq_sha256_of("commit", 6)};
    return pq_tuf_init(repo, keys_folder, passphrase, NULL, err) &&
           pq_tuf_keys_open(keys_folder, passphrase, &keys, err) && pq_tuf_open(repo, keys_folder, true, &tuf, err) &&
           pq_tuf_add_targets(tuf, &keys, &first, 1, NULL, err) &&
           pq_tuf_add_targets(tuf, &keys, &second, 1, NULL, err);
}

int main(int argc, char **argv)
{
    PQ_AUTO_ERROR err = {0};
    if (argc == 2 && write_sample(argv[1], &err))
        return 0;
    (void)fprintf(stderr, "tuf_sample: %s\n", err.message ? err.message : "usage: tuf_sample FOLDER");
    return 1;
}
