#include "scan/dockerfile.h"

#include <string.h>

#include "base/limits.h"
#include "scan/expand.h"
#include "scan/instruction.h"
#include "scan/mount.h"

typedef struct reader {
    const char *file;
    const pq_dockerfile_options *options;
    pq_instructions code;
    pq_word_rules rules;
    pq_vars global; /* ARGs before the first FROM, and the predefined ones */
    pq_vars latest; /* stage name → index in decimal: the last stage of that name */
    pq_dockerfile found;
    bool *parent_of_any; /* by stage: a later one is FROM it, so its ONBUILD triggers run */
    pq_scan *scan;       /* a private one, until the file is known to be good */
} reader;

/* As BuildKit fills the variant in: arm is v7 where nothing is said, and arm64 says nothing for v8. */
static void complete_variant(pq_platform *platform)
{
    bool arm = strcmp(platform->architecture, "arm") == 0, arm64 = strcmp(platform->architecture, "arm64") == 0;
    const char *variant = arm && !*platform->variant ? "v7" : arm64 && strcmp(platform->variant, "v8") == 0 ? "" : NULL;
    if (!variant)
        return;
    free(platform->variant);
    platform->variant = pq_strdup(variant);
}

static void set_platform_args(reader *in, const char *prefix, const pq_platform *given_platform)
{
    PQ_AUTO_PLATFORM platform = {0};
    pq_platform_copy(given_platform, &platform);
    complete_variant(&platform);
    PQ_AUTO_FREE char *whole = pq_platform_string(&platform);
    const char *const values[][2] = {
        {"PLATFORM", whole},           {"OS", platform.os}, {"OSVERSION", ""}, {"ARCH", platform.architecture},
        {"VARIANT", platform.variant},
    };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        PQ_AUTO_FREE char *name = pq_asprintf("%s%s", prefix, values[i][0]);
        const pq_var *given = in->options->build_args ? pq_vars_get(in->options->build_args, name) : NULL;
        pq_vars_set(&in->global, name, given && given->value ? given->value : values[i][1], NULL);
    }
}

static void set_predefined_args(reader *in)
{
    PQ_AUTO_PLATFORM here = {0};
    pq_platform_of_this_machine(&here);
    set_platform_args(in, "BUILD", in->options->build_platform ? in->options->build_platform : &here);
    set_platform_args(in, "TARGET", in->options->target_platform ? in->options->target_platform : &here);
    const char *target = "default"; /* the last stage is what is built */
    for (size_t i = 0; i < in->code.count; i++)
        if (strcmp(in->code.at[i].keyword, "from") == 0)
            target = in->code.at[i].args.count == 3 ? in->code.at[i].args.at[2] : "default";
    PQ_AUTO_FREE char *lower = pq_strdup(target);
    pq_ascii_lower_in_place(lower);
    pq_vars_set(&in->global, "TARGETSTAGE", lower, NULL);
}

/* Whether the global scope matters at all. Many files never ask. */
static bool uses_variables(const pq_instructions *code)
{
    for (size_t i = 0; i < code->count; i++) {
        const pq_instruction *one = &code->at[i];
        if (strcmp(one->keyword, "from") != 0 && strcmp(one->keyword, "arg") != 0)
            continue;
        for (size_t k = 0; k < one->args.count; k++)
            if (strchr(one->args.at[k], '$'))
                return true;
        for (size_t k = 0; k < one->flags.count; k++)
            if (strchr(one->flags.at[k], '$'))
                return true;
    }
    return false;
}

/* Expands with the global ARGs; an error is added at the line. */
static bool expand(reader *in, const char *text, unsigned line, pq_buf *out, pq_gap *gap)
{
    PQ_AUTO_ERROR err = {0};
    if (pq_expand_word(text, &in->rules, &in->global, out, gap, &err))
        return true;
    pq_scan_add_error(in->scan, in->file, line, err.hint, "%s", err.message);
    return false;
}

static void read_global_arg(reader *in, const pq_instruction *arg)
{
    for (size_t i = 0; i < arg->args.count; i++) {
        const char *text = arg->args.at[i], *equals = strchr(text, '=');
        PQ_AUTO_FREE char *name = pq_strndup(text, equals ? (size_t)(equals - text) : strlen(text));
        const pq_var *given = in->options->build_args ? pq_vars_get(in->options->build_args, name) : NULL;
        if (given && given->value) {
            pq_vars_set(&in->global, name, given->value, NULL);
            continue;
        }
        if (!equals) { /* an earlier default stays */
            const pq_var *before = pq_vars_get(&in->global, name);
            if (!before)
                pq_vars_set(&in->global, name, NULL, NULL);
            continue;
        }
        PQ_AUTO_BUF value = PQ_BUF(PQ_MAX_EXPANSION);
        PQ_AUTO_GAP gap = {0};
        if (expand(in, equals + 1, arg->line, &value, &gap))
            pq_vars_set(&in->global, name, pq_buf_text(&value), gap.name);
    }
}

/* Why there is no image. Owned. */
static char *gap_reason(const reader *in, const pq_gap *gap)
{
    if (!gap->name)
        return pq_strdup("expands to nothing");
    if (gap->empty)
        return pq_asprintf("ARG %s is empty", gap->name);
    if (pq_vars_get(&in->global, gap->name))
        return pq_asprintf("ARG %s has no default", gap->name);
    return pq_asprintf("%s is not declared by an ARG before the first FROM", gap->name);
}

/* The last stage of that name, which is in lower case. */
static size_t stage_by_name(const reader *in, const char *name)
{
    const pq_var *found = pq_vars_get(&in->latest, name);
    uint64_t index;
    return found && pq_parse_number(found->value, SIZE_MAX - 1, &index) ? (size_t)index : PQ_NO_STAGE;
}

static void read_platform(reader *in, const pq_instruction *from, pq_stage *stage, pq_gap *base_gap)
{
    const char *flag = pq_instruction_flag(from, "platform");
    PQ_AUTO_BUF text = PQ_BUF(PQ_MAX_EXPANSION);
    PQ_AUTO_GAP gap = {0};
    if (!flag || !expand(in, flag, from->line, &text, &gap))
        return;
    if (gap.name) {
        if (!base_gap->name)
            *base_gap = (pq_gap){.name = pq_steal(gap.name), .empty = gap.empty};
        return;
    }
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_PLATFORM platform = {0};
    if (pq_platform_parse(pq_buf_text(&text), &platform, &err))
        stage->platform = pq_platform_string(&platform);
    else
        pq_scan_add_error(in->scan, in->file, from->line, err.hint, "--platform: %s", err.message);
}

static void add_stage(reader *in, const pq_instruction *from)
{
    pq_dockerfile *out = &in->found;
    out->stages = pq_grow(out->stages, &out->stage_capacity, out->stage_count + 1, sizeof *out->stages);
    pq_stage *stage = &out->stages[out->stage_count];
    *stage = (pq_stage){.parent = PQ_NO_STAGE, .line = from->line};
    pq_image_site site = {.file = in->file, .line = from->line, .kind = PQ_IMAGE_FROM};
    PQ_AUTO_BUF base = PQ_BUF(PQ_MAX_EXPANSION);
    PQ_AUTO_GAP gap = {0};
    if (from->args.count && expand(in, from->args.at[0], from->line, &base, &gap)) {
        const char *text = from->args.at[0];
        if (!gap.name) /* as it is written: `FROM One` is not the stage `one`, though COPY --from=One is */
            stage->parent = stage_by_name(in, pq_buf_text(&base));
        read_platform(in, from, stage, &gap);
        stage->scratch = strcmp(pq_buf_text(&base), "scratch") == 0 && stage->parent == PQ_NO_STAGE;
        if (stage->parent == PQ_NO_STAGE && !stage->scratch) {
            if (gap.name || (!base.length && strchr(text, '$')))
                pq_scan_add_unresolved(in->scan, &site, text, gap_reason(in, &gap));
            else if (!base.length)
                pq_scan_add_error(in->scan, in->file, from->line, NULL, "the name of the base image is blank");
            else {
                stage->base = pq_strdup(pq_buf_text(&base));
                stage->written = pq_strdup(text);
            }
        }
    }
    if (from->args.count == 3) {
        stage->name = pq_strdup(from->args.at[2]);
        pq_ascii_lower_in_place(stage->name);
        PQ_AUTO_FREE char *index = pq_asprintf("%zu", out->stage_count);
        pq_vars_set(&in->latest, stage->name, index, NULL);
    }
    out->stage_count++;
}

/* A stage named by COPY --from or --mount=from=. True when `text` names one, good or bad. */
static bool names_stage(reader *in, const char *text, unsigned line, size_t current, bool trigger)
{
    const char *digits = *text == '+' || *text == '-' ? text + 1 : text;
    uint64_t number = 0;
    bool numeric = *digits && strspn(digits, "0123456789") == strlen(digits);
    PQ_AUTO_FREE char *lower = pq_strdup(text);
    pq_ascii_lower_in_place(lower);
    size_t index = stage_by_name(in, lower);
    if (numeric) {
        index = *text != '-' && pq_parse_number(digits, SIZE_MAX - 1, &number) ? (size_t)number : PQ_NO_STAGE;
        if (*text == '-' && strspn(digits, "0") == strlen(digits))
            index = 0;
        if (index >= in->found.stage_count) {
            pq_scan_add_error(in->scan, in->file, line, NULL, "there is no stage of that number");
            return true;
        }
    }
    if (index == PQ_NO_STAGE)
        return false;
    if (index >= current && !trigger)
        pq_scan_add_error(in->scan, in->file, line, "move it up",
                          index == current ? "a stage copies from itself" : "a stage is used before it is defined");
    return true;
}

static void add_source(reader *in, const pq_instruction *code, pq_image_kind kind, const char *from, size_t stage)
{
    if (strcmp(from, "scratch") == 0 || names_stage(in, from, code->line, stage, code->trigger))
        return;
    pq_image_site site = {.file = in->file, .line = code->line, .kind = kind};
    pq_scan_add_image(in->scan, &site, from);
}

static void read_copy(reader *in, const pq_instruction *code, size_t stage)
{
    static const pq_vars none = {0};
    const char *from = pq_instruction_flag(code, "from");
    if (!from || !*from)
        return;
    PQ_AUTO_BUF text = PQ_BUF(PQ_MAX_EXPANSION);
    PQ_AUTO_GAP gap = {0};
    PQ_AUTO_ERROR err = {0};
    if (!pq_expand_word(from, &in->rules, &none, &text, &gap, &err))
        pq_scan_add_error(in->scan, in->file, code->line, err.hint, "--from: %s", err.message);
    else if (strcmp(pq_buf_text(&text), from) != 0)
        pq_scan_add_error(in->scan, in->file, code->line, "name a stage: FROM with the variable, AS a name",
                          "--from does not take variables");
    else
        add_source(in, code, PQ_IMAGE_COPY_FROM, from, stage);
}

static void read_run(reader *in, const pq_instruction *code, size_t stage, bool listed)
{
    for (size_t i = 0; i < code->flags.count; i++) {
        if (!pq_starts_with(code->flags.at[i], "--mount="))
            continue;
        PQ_AUTO_ERROR err = {0};
        PQ_AUTO_MOUNT mount = {0};
        if (!pq_mount_parse(code->flags.at[i] + strlen("--mount="), &mount, &err)) {
            pq_scan_add_error(in->scan, in->file, code->line, err.hint, "%s", err.message);
            continue;
        }
        if (!listed)
            continue;
        if (mount.secret)
            (void)pq_strings_add_once(&in->found.secrets, mount.secret);
        if (mount.from)
            add_source(in, code, PQ_IMAGE_MOUNT_FROM, mount.from, stage);
    }
}

static void read_stages(reader *in)
{
    bool before_first = true;
    for (size_t i = 0; i < in->code.count; i++) {
        const pq_instruction *code = &in->code.at[i];
        bool from = strcmp(code->keyword, "from") == 0;
        if (from)
            add_stage(in, code);
        else if (before_first && strcmp(code->keyword, "arg") == 0 && !code->trigger)
            read_global_arg(in, code);
        else if (before_first)
            pq_scan_add_error(in->scan, in->file, code->line, "only ARG may stand before it",
                              "an instruction before the first FROM");
        before_first = before_first && !from;
    }
    in->parent_of_any = pq_alloc(in->found.stage_count, sizeof *in->parent_of_any);
    for (size_t i = 0; i < in->found.stage_count; i++)
        if (in->found.stages[i].parent != PQ_NO_STAGE)
            in->parent_of_any[in->found.stages[i].parent] = true;
}

/* Images in the order of the document. */
static void read_images(reader *in)
{
    if (in->code.syntax) {
        pq_image_site site = {.file = in->file, .line = in->code.syntax_line, .kind = PQ_IMAGE_SYNTAX};
        pq_scan_add_image(in->scan, &site, in->code.syntax);
    }
    size_t stage = 0, stages_seen = 0;
    for (size_t i = 0; i < in->code.count; i++) {
        const pq_instruction *code = &in->code.at[i];
        if (strcmp(code->keyword, "from") == 0) {
            stage = stages_seen++;
            const char *base = in->found.stages[stage].base;
            pq_image_site site = {.file = in->file, .line = code->line, .kind = PQ_IMAGE_FROM};
            if (base)
                pq_scan_add_image(in->scan, &site, base);
            continue;
        }
        if (!stages_seen)
            continue;
        bool listed = !code->trigger || in->parent_of_any[stage];
        if (strcmp(code->keyword, "copy") == 0 && listed)
            read_copy(in, code, stage);
        if (strcmp(code->keyword, "run") == 0)
            read_run(in, code, stage, listed);
    }
}

void pq_dockerfile_scan(const char *file, const char *bytes, size_t length, const pq_dockerfile_options *options,
                        pq_scan *scan)
{
    PQ_AUTO_SCAN mine = {0};
    reader in = {.file = file, .options = options, .scan = &mine};
    pq_instructions_read(file, bytes, length, &in.code, &mine);
    bool well_formed = mine.errors.count == 0;
    in.rules = (pq_word_rules){.escape = in.code.escape};
    if (uses_variables(&in.code))
        set_predefined_args(&in);
    read_stages(&in);
    if (well_formed && !in.code.count)
        pq_scan_add_error(&mine, file, 0, NULL, "there is no instruction in it");
    else if (well_formed && !in.found.stage_count)
        pq_scan_add_error(&mine, file, 0, NULL, "there is no FROM in it");
    read_images(&in);
    in.found.file = pq_strdup(file);
    in.found.heredoc_line = in.code.heredoc_line;
    in.found.syntax_line = in.code.syntax_line;
    mine.dockerfiles = pq_grow(mine.dockerfiles, &mine.dockerfile_capacity, 1, sizeof *mine.dockerfiles);
    mine.dockerfiles[mine.dockerfile_count++] = in.found;
    if (mine.errors.count) { /* nothing of a file that would not build, but all that is wrong with it */
        pq_errors_append(&scan->errors, &mine.errors);
        pq_scan_clear(&mine);
    }
    pq_scan_append(scan, &mine);
    free(in.parent_of_any);
    pq_vars_clear(&in.global);
    pq_vars_clear(&in.latest);
    pq_instructions_clear(&in.code);
}
