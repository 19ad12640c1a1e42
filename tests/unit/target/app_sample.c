/* Builds a Compose App for judges that we did not write: app_sample FOLDER OUT SERVICE=IMAGE… writes each blob as
 * OUT/sha256:… and prints the names: manifest, config, bundle, index, and layers-meta where there is any. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "target/app.h"

static void write_blob(const char *folder, const char *what, const pq_app_blob *blob, pq_errors *errs)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *path = pq_path_join(folder, blob->digest);
    if (!pq_write_file(path, 0644, blob->bytes.data, blob->bytes.length, &err))
        pq_errors_take(errs, &err);
    (void)printf("%s %s\n", what, blob->digest);
}

int main(int argc, char **argv)
{
    PQ_AUTO_ERRORS errs = {0};
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_TREE tree = PQ_TREE_NONE;
    PQ_AUTO_APP app = {0};
    if (argc < 4)
        return 2;
    size_t count = (size_t)argc - 3;
    PQ_AUTO_FREE pq_app_pin *pins = pq_alloc(count, sizeof *pins);
    for (size_t i = 0; i < count; i++) {
        char *equals = strchr(argv[i + 3], '=');
        if (!equals)
            return 2;
        *equals = '\0';
        pins[i] = (pq_app_pin){argv[i + 3], equals + 1};
    }
    const char *layers_meta = getenv("APP_SAMPLE_LAYERS_META");
    if (!pq_tree_open(argv[1], &tree, &err))
        pq_errors_take(&errs, &err);
    else if (pq_app_build(&tree, pins, count, layers_meta, &app, &errs)) {
        write_blob(argv[2], "manifest", &app.manifest, &errs);
        write_blob(argv[2], "config", &app.config, &errs);
        write_blob(argv[2], "bundle", &app.bundle, &errs);
        write_blob(argv[2], "index", &app.index, &errs);
        if (layers_meta)
            write_blob(argv[2], "layers-meta", &app.layers_meta, &errs);
    }
    for (size_t i = 0; i < errs.count; i++)
        pq_log_error(&errs.at[i]);
    return pq_errors_status(&errs);
}
