#include "target/release.h"

#include <jansson.h>
#include <string.h>

static void set(json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, value) != 0)
        abort();
}

static void append(json_t *array, json_t *value)
{
    if (json_array_append_new(array, value) != 0)
        abort();
}

static json_t *service_json(const pq_published_service *service, const pq_preflight *pinned)
{
    const pq_checked_image *checked = pq_preflight_find(pinned, &service->pinned);
    PQ_AUTO_FREE char *text = pq_reference_string(&service->pinned);
    json_t *one = json_object(), *platforms = json_array();
    for (size_t i = 0; checked && i < checked->platforms.count; i++)
        append(platforms, json_string(checked->platforms.at[i]));
    set(one, "service", json_string(service->use->service));
    set(one, "image", json_string(service->use->image));
    set(one, "pinned", json_string(text));
    set(one, "platforms", platforms);
    set(one, "size", checked && checked->size ? json_integer((json_int_t)checked->size) : json_null());
    set(one, "file", json_string(service->use->file));
    set(one, "line", json_integer((json_int_t)service->use->line));
    return one;
}

static json_t *app_json(const pq_published_app *app, const pq_preflight *pinned)
{
    json_t *one = json_object(), *services = json_array();
    for (size_t i = 0; i < app->service_count; i++)
        append(services, service_json(&app->services[i], pinned));
    set(one, "name", json_string(app->name));
    set(one, "uri", json_string(app->uri));
    set(one, "services", services);
    return one;
}

static json_t *image_json(const pq_build_options *options, const pq_built_image *image)
{
    PQ_AUTO_FREE char *pinned = pq_asprintf("%s/%s@%s", options->hub_host, image->repository, image->digest);
    json_t *one = json_object();
    set(one, "name", json_string(strrchr(image->repository, '/') + 1));
    set(one, "pinned", json_string(pinned));
    set(one, "inputs", json_string(image->tag));
    return one;
}

bool pq_release_write(const pq_build_options *options, const pq_build *build, const pq_publication *publication,
                      const pq_preflight *pinned, const char *revision, pq_buf *out, pq_error *err)
{
    json_t *root = json_object(), *images = json_array(), *apps = json_array();
    for (size_t i = 0; i < build->count; i++)
        append(images, image_json(options, &build->images[i]));
    for (size_t i = 0; i < publication->count; i++)
        append(apps, app_json(&publication->apps[i], pinned));
    set(root, "format", json_string("pratique release 1"));
    set(root, "revision", json_string(revision));
    set(root, "images", images);
    set(root, "apps", apps);
    PQ_AUTO_FREE char *text = json_dumps(root, JSON_INDENT(2));
    json_decref(root);
    if (!text)
        return pq_fail(err, PQ_EFAILED, NULL, NULL, "the release cannot be written as JSON");
    pq_buf_adds(out, text);
    pq_buf_addc(out, '\n');
    return !out->overflow || pq_fail(err, PQ_EFAILED, NULL, NULL, "the release is too large");
}
