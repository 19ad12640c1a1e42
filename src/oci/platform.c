#include "oci/platform.h"

#include <string.h>
#include <sys/utsname.h>

#include "base/text.h"

/* Spellings of an architecture, as containerd's platforms package normalises them, and uname's. */
static const struct {
    const char *spelling, *architecture, *variant;
} spellings[] = {
    {"x86_64", "amd64", ""},        {"x86-64", "amd64", ""}, {"i386", "386", ""},     {"i686", "386", ""},
    {"aarch64", "arm64", ""},       {"armhf", "arm", "v7"},  {"armel", "arm", "v6"},  {"armv7l", "arm", "v7"},
    {"armv6l", "arm", "v6"},        {"armv5l", "arm", "v5"}, {"armv8l", "arm", "v8"}, {"riscv", "riscv64", ""},
    {"loongarch64", "loong64", ""},
};

static const char *const known_architectures[] = {
    "amd64", "arm64",    "arm",    "386",  "riscv64", "ppc64le", "ppc64",
    "s390x", "mips64le", "mips64", "mips", "mipsle",  "loong64", "wasm",
};

/* `more`: which bytes beside letters, digits, _ and - there may be. */
static bool part_valid(const char *text, const char *more)
{
    if (!*text)
        return false;
    for (; *text; text++)
        if (!pq_ascii_alnum(*text) && *text != '_' && *text != '-' && !strchr(more, *text))
            return false;
    return true;
}

/* Cuts the version off an operating system, as in `windows(10.0.20348)`. */
static bool cut_version(char *os)
{
    char *open = strchr(os, '(');
    size_t length = strlen(os);
    if (!open || os[length - 1] != ')')
        return !open;
    os[length - 1] = '\0';
    *open = '\0';
    return !open[1] || part_valid(open + 1, ".%+");
}

static void normalise(pq_platform *platform)
{
    pq_ascii_lower_in_place(platform->os);
    pq_ascii_lower_in_place(platform->architecture);
    pq_ascii_lower_in_place(platform->variant);
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
        if (strcmp(platform->architecture, spellings[i].spelling) != 0)
            continue;
        free(platform->architecture);
        platform->architecture = pq_strdup(spellings[i].architecture);
        if (!*platform->variant) {
            free(platform->variant);
            platform->variant = pq_strdup(spellings[i].variant);
        }
        break;
    }
    const char *arm = pq_starts_with(platform->architecture, "arm") ? platform->variant : "";
    if (pq_ascii_digit(*arm)) { /* "linux/arm/7" */
        char *named = pq_asprintf("v%s", arm);
        free(platform->variant);
        platform->variant = named;
    }
}

bool pq_platform_parse(const char *text, pq_platform *out, pq_error *err)
{
    PQ_AUTO_STRINGS parts = {0};
    for (const char *at = text;;) {
        size_t length = strcspn(at, "/");
        pq_strings_take(&parts, pq_strndup(at, length));
        if (!at[length])
            break;
        at += length + 1;
        if (parts.count > 3)
            break;
    }
    bool good = parts.count <= 3 && cut_version(parts.at[0]);
    for (size_t i = 0; i < parts.count; i++)
        good = good && part_valid(parts.at[i], i == 0 ? "" : ".");
    if (!good)
        return pq_fail(err, PQ_EINPUT, NULL, "write os/architecture[/variant], such as linux/arm64",
                       "invalid platform");
    PQ_AUTO_PLATFORM parsed = {
        .os = pq_strdup(parts.count > 1 ? parts.at[0] : "linux"),
        .architecture = pq_strdup(parts.at[parts.count > 1 ? 1 : 0]),
        .variant = pq_strdup(parts.count > 2 ? parts.at[2] : ""),
    };
    normalise(&parsed);
    if (parts.count == 1) {
        /* An architecture alone must be a known one: `FROM --platform=linux` or a typing error means nothing. */
        size_t count = sizeof known_architectures / sizeof *known_architectures;
        bool known = false;
        for (size_t i = 0; i < count; i++)
            known = known || strcmp(parsed.architecture, known_architectures[i]) == 0;
        if (!known)
            return pq_fail(err, PQ_EINPUT, NULL, "write os/architecture[/variant], such as linux/arm64",
                           "unknown architecture");
        if (strcmp(parsed.architecture, "arm") == 0 && strcmp(parsed.variant, "v7") == 0)
            parsed.variant[0] = '\0'; /* arm is v7 unless it says otherwise, and is written without it */
    }
    *out = parsed;
    parsed = (pq_platform){0};
    return true;
}

void pq_platform_of_this_machine(pq_platform *out)
{
    struct utsname name;
    PQ_AUTO_ERROR err = {0};
    if (uname(&name) == 0 && pq_platform_parse(name.machine, out, &err))
        return;
    *out = (pq_platform){.os = pq_strdup("linux"), .architecture = pq_strdup("amd64"), .variant = pq_strdup("")};
    if (uname(&name) == 0) { /* an architecture that we have no other name for */
        free(out->architecture);
        out->architecture = pq_strdup(name.machine);
    }
}

void pq_platform_clear(pq_platform *platform)
{
    free(platform->os);
    free(platform->architecture);
    free(platform->variant);
    *platform = (pq_platform){0};
}

void pq_platform_copy(const pq_platform *from, pq_platform *out)
{
    *out = (pq_platform){
        .os = pq_strdup(from->os),
        .architecture = pq_strdup(from->architecture),
        .variant = pq_strdup(from->variant),
    };
}

char *pq_platform_string(const pq_platform *platform)
{
    bool variant = platform->variant && *platform->variant;
    return pq_asprintf("%s/%s%s%s", platform->os, platform->architecture, variant ? "/" : "",
                       variant ? platform->variant : "");
}

static const char *variant_of(const pq_platform *platform)
{
    if (platform->variant && *platform->variant)
        return platform->variant;
    if (strcmp(platform->architecture, "arm") == 0)
        return "v7";
    return strcmp(platform->architecture, "arm64") == 0 ? "v8" : "";
}

int pq_platform_fit(const pq_platform *want, const pq_platform *have)
{
    enum { EXACT = 100, OLDER = 10 };
    if (strcmp(want->os, have->os) != 0 || strcmp(want->architecture, have->architecture) != 0)
        return 0;
    const char *wanted = variant_of(want), *had = variant_of(have);
    if (strcmp(wanted, had) == 0)
        return EXACT;
    if (!*had) /* amd64 without a level runs everywhere */
        return OLDER;
    bool arm = strcmp(want->architecture, "arm") == 0 || strcmp(want->architecture, "arm64") == 0;
    bool plain = strlen(wanted) == 2 && strlen(had) == 2 && wanted[0] == 'v' && had[0] == 'v';
    if ((arm || strcmp(want->architecture, "amd64") == 0) && plain && had[1] < wanted[1])
        return OLDER + had[1] - '0';
    return 0;
}
