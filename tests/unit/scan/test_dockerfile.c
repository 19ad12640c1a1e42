#include "pq_cmocka.h"

#include <string.h>

#include "scan/dockerfile.h"

/* What a scan found as one text: "line kind image" for each use, "line kind ?text: reason" for what is unresolved,
 * "!where: message" for errors; a line each. */
static char *told(const char *text, const char *const *build_args, size_t arg_count, pq_scan *scan)
{
    PQ_AUTO_VARS args = {0};
    for (size_t i = 0; i < arg_count; i++)
        assert_true(pq_vars_set_pair(&args, build_args[i]));
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_PLATFORM target = {0}, build = {0};
    assert_true(pq_platform_parse("linux/arm64", &target, &err));
    assert_true(pq_platform_parse("linux/amd64", &build, &err));
    pq_dockerfile_options options = {.build_args = &args, .target_platform = &target, .build_platform = &build};
    /* Exactly as long as it is, so that a sanitizer sees a read beyond. */
    size_t length = strlen(text);
    PQ_AUTO_FREE char *exact = pq_alloc(length, 1);
    memcpy(exact, text, length);
    pq_dockerfile_scan("D", exact, length, &options, scan);
    PQ_AUTO_BUF out = PQ_BUF(1u << 20);
    for (size_t i = 0; i < scan->use_count; i++)
        pq_buf_addf(&out, "%u %s %s\n", scan->uses[i].line, pq_image_kind_name(scan->uses[i].kind),
                    scan->uses[i].image);
    for (size_t i = 0; i < scan->unresolved_count; i++)
        pq_buf_addf(&out, "%u %s ?%s: %s\n", scan->unresolved[i].line, pq_image_kind_name(scan->unresolved[i].kind),
                    scan->unresolved[i].text, scan->unresolved[i].reason);
    for (size_t i = 0; i < scan->errors.count; i++)
        pq_buf_addf(&out, "!%s: %s\n", scan->errors.at[i].where, scan->errors.at[i].message);
    return pq_buf_steal(&out);
}

typedef struct scan_case {
    const char *text, *expected;
} scan_case;

static void check(const scan_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        PQ_AUTO_SCAN scan = {0};
        PQ_AUTO_FREE char *got = told(cases[i].text, NULL, 0, &scan);
        if (strcmp(got, cases[i].expected) != 0)
            fail_msg("%s\ngives\n%s", cases[i].text, got);
    }
}
#define CHECK(cases) check(cases, sizeof(cases) / sizeof *(cases))

#define HEX64 "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"

/* Dockerfile reference, "FROM" and "Understand how ARG and FROM interact". */
static void base_images(void **state)
{
    (void)state;
    static const scan_case cases[] = {
        {"FROM busybox", "1 from busybox\n"},
        {"from busybox:1.36 as x\n", "1 from busybox:1.36\n"},
        {"FROM r.io/a/b:t@sha256:" HEX64 "\n", "1 from r.io/a/b:t@sha256:" HEX64 "\n"},
        {"FROM --platform=windows(10.0.20348)/amd64 a\n", "1 from a\n"},
        {"FROM --platform=$BUILDPLATFORM golang:1\nFROM alpine\n", "1 from golang:1\n2 from alpine\n"},
        {"FROM scratch\n", ""},
        {"FROM a AS One\nFROM one\nFROM one AS two\nFROM two\n", "1 from a\n"},
        {"FROM alpine AS alpine\nFROM alpine\n", "1 from alpine\n"},
        {"FROM a\nFROM a\n", "1 from a\n2 from a\n"},
        {"FROM \"busybox\"\n", "1 from busybox\n"},
        {"ARG V=3\nFROM alpine:$V\nFROM alpine:${V}.1\n", "2 from alpine:3\n3 from alpine:3.1\n"},
        {"ARG V=\"3\" W=${V}.4\nARG V\nFROM alpine:$W-$V\n", "3 from alpine:3.4-3\n"},
        {"ARG R=x\nFROM a\nARG R=y\nFROM $R\n", "2 from a\n4 from x\n"}, /* a stage's ARG is not global */
        {"FROM a\nENV B=c\nFROM ${B:-d}\n", "1 from a\n3 from d\n"},
        {"FROM x-$TARGETARCH:$TARGETOS$TARGETVARIANT\n", "1 from x-arm64:linux\n"},
        {"ARG S=one\nFROM a AS one\nFROM $S\n", "2 from a\n"},
        {"FROM ${NONE:-busybox}${NONE:+x}\n", "1 from busybox\n"},
    };
    CHECK(cases);
}

static void what_has_no_value_is_unresolved(void **state)
{
    (void)state;
    static const scan_case cases[] = {
        {"ARG BASE\nFROM $BASE\n", "2 from ?$BASE: ARG BASE has no default\n"},
        {"ARG V\nFROM r.io/a:${V} AS x\nFROM x\n", "2 from ?r.io/a:${V}: ARG V has no default\n"},
        {"FROM $BASE\n", "1 from ?$BASE: BASE is not declared by an ARG before the first FROM\n"},
        {"ARG A\nARG B=r.io/$A\nFROM $B\n", "3 from ?$B: ARG A has no default\n"},
        {"ARG A=\nFROM $A\n", "2 from ?$A: expands to nothing\n"},
        {"ARG A=\nFROM ${A:?needed}\n", "2 from ?${A:?needed}: ARG A is empty\n"},
        {"ARG P\nFROM --platform=$P a\n", "2 from ?a: ARG P has no default\n"},
    };
    CHECK(cases);
    static const char *const args[] = {"BASE=r.io/mine:2", "UNDECLARED=x", "TARGETARCH=s390x"};
    PQ_AUTO_SCAN scan = {0};
    PQ_AUTO_FREE char *got = told("ARG BASE=other\nFROM $BASE\nFROM $UNDECLARED\nFROM a:$TARGETARCH\n", args, 3, &scan);
    assert_string_equal(got, "2 from r.io/mine:2\n4 from a:s390x\n"
                             "3 from ?$UNDECLARED: UNDECLARED is not declared by an ARG before the first FROM\n");
}

/* "COPY --from", "RUN --mount", "ONBUILD". */
static void other_sources(void **state)
{
    (void)state;
    static const scan_case cases[] = {
        {"FROM a AS s\nFROM b\nCOPY --from=s /x /y\nCOPY --from=0 /x /y\nCOPY --from=S --chown=1:1 /x /y\n"
         "COPY --from=r.io/c:1 /x /y\nCOPY --from=scratch /x /y\n",
         "1 from a\n2 from b\n6 copy-from r.io/c:1\n"},
        {"FROM a\nRUN --mount=type=bind,from=r.io/m,target=/m --mount=type=cache,target=/c,from=n true\n",
         "1 from a\n2 mount-from r.io/m\n2 mount-from n\n"},
        {"FROM a AS s\nFROM b\nRUN --mount=from=s,target=/m --mount=target=/x,from=0 true\n", "1 from a\n2 from b\n"},
        {"FROM a\nRUN --mount=type=secret,id=tok --mount=type=ssh true\nRUN --mount=type=tmpfs,target=/t true\n",
         "1 from a\n"},
        {"FROM a\nADD --checksum=sha256:" HEX64 " https://x.io/y /z\n", "1 from a\n"},
        {"FROM a\nONBUILD COPY --from=builder /x /y\n", "1 from a\n"}, /* who sets it off knows what builder is */
        {"FROM a AS p\nONBUILD COPY --from=r.io/o /x /y\nFROM p\n", "1 from a\n2 copy-from r.io/o\n"},
    };
    CHECK(cases);
}

/* "Parser directives", "Here-documents", "Escape". */
static void lines(void **state)
{
    (void)state;
    static const scan_case cases[] = {
        {"# syntax=docker/dockerfile:1\nFROM a\n", "1 syntax docker/dockerfile:1\n2 from a\n"},
        {"#syntax = r.io/f:2 with words\n# escape=`\nFROM `\n a\n", "1 syntax r.io/f:2\n3 from a\n"},
        {"FROM a\n# syntax=x", "1 from a\n"},
        {"# a comment ends them\n# syntax=x\nFROM a\n", "3 from a\n"},
        {"\n# escape=`\nFROM a\nRUN x `\nFROM b\n", "3 from a\n5 from b\n"},
        {"\xef\xbb\xbf# syntax=x\r\nFROM a\r\n\r\nFROM \\\r\n  b\r\n", "1 syntax x\n2 from a\n4 from b\n"},
        {"FROM \\\n# comment\n\n   # another\n  a \\  \n  AS x\nFROM x\n", "1 from a\n"},
        {"   # indented\n\tFROM a\n", "2 from a\n"},
        {"\xc2\xa0 # no-break spaces\n\xe3\x80\x80\xc2\xa0"
         "FROM a\xc2\xa0\nRUN x \\\n\xc2\xa0# y\nz\n",
         "2 from a\n"},
        {"FROM a\nRUN echo \\\\\nFROM b\n", "1 from a\n3 from b\n"},
        {"FROM a\nRUN <<EOF\nFROM no\nEOF\nFROM b\n", "1 from a\n5 from b\n"},
        {"FROM a\nRUN cat <<-'X' <<\"Y\"\n\tFROM no\n\tX\nFROM no\nY\nFROM b\n", "1 from a\n7 from b\n"},
        {"FROM a\nCOPY <<f1 <<f2 /d/\nFROM no\nf1\nCOPY --from=no a b\nf2\nFROM b\n", "1 from a\n7 from b\n"},
        {"FROM a\nRUN echo '<<EOF' \"<<EOF\" $((1<<2))\nFROM b\n", "1 from a\n3 from b\n"},
        {"FROM a\nRUN [\"echo\", \"<<EOF\"]\nFROM b\n", "1 from a\n3 from b\n"},
        {"FROM a\nRUN --mount=type=bind,from=m <<EOF\nCOPY --from=no a b\nEOF\n", "1 from a\n2 mount-from m\n"},
        {"FROM a\nENV X=<<EOF\nFROM b\n", "1 from a\n3 from b\n"},
    };
    CHECK(cases);
}

static void what_buildkit_refuses(void **state)
{
    (void)state;
    static const scan_case cases[] = {
        {"", "!D: there is no instruction in it\n"},
        {"# syntax=x", "!D: there is no instruction in it\n"},
        {"ARG A=b\n", "!D: there is no FROM in it\n"},
        {"RUN x\nFROM a\n", "!D:1: an instruction before the first FROM\n"},
        {"FROM a b\n", "!D:1: FROM requires either one or three arguments\n"},
        {"FROM a AS 1x\n", "!D:1: invalid name for a build stage\n"},
        {"FROM\n", "!D:1: needs an argument: from\n"},
        {"FROM a\nRUNN x\nCOPYY y\n", "!D:2: unknown instruction\n!D:3: unknown instruction\n"},
        {"FROM a\nCOPY --form=b x y\n", "!D:2: unknown flag for copy\n"},
        {"FROM a\nCOPY --from=b --from=c x y\n", "!D:2: the flag is given twice: --from\n"},
        {"FROM a\nCOPY x\n", "!D:2: needs a source and a destination: copy\n"},
        {"FROM a\nCOPY --from=$X x y\n", "!D:2: --from does not take variables\n"},
        {"FROM a\nCOPY --from=5 x y\n", "!D:2: there is no stage of that number\n"},
        {"FROM a AS s\nCOPY --from=s x y\n", "!D:2: a stage copies from itself\n"},
        {"FROM a\nCOPY --from=t x y\nFROM b AS t\n", "!D:2: a stage is used before it is defined\n"},
        {"FROM a\nRUN --mount=from=$X,target=/y z\n", "!D:2: --mount: from does not take variables\n"},
        {"FROM a\nRUN --mount=type=bindd,target=/y z\n", "!D:2: --mount: unknown type\n"},
        {"FROM a\nRUN --mount=target=/y,sharing=locked z\nRUN --mount=target=/y,required z\n"
         "RUN --mount=target=/y,mode=0700 z\nRUN --mount=type=cache,target=/y,uid=x z\n"
         "RUN --mount=type=cache,target=/y,size=1 z\nRUN --mount=target=/y,ro=maybe z\n",
         "!D:2: --mount: a mount of type bind has no sharing\n!D:3: --mount: a mount of type bind has no required\n"
         "!D:4: --mount: a mount of type bind has no mode\n!D:5: --mount: invalid value for uid\n"
         "!D:6: --mount: a mount of type cache has no size\n!D:7: --mount: invalid value for ro\n"},
        {"FROM a\nRUN <<EOF\nx\n", "!D:2: a heredoc is not terminated\n"},
        {"FROM ${X\n", "!D:1: a ${ has no }\n"},
        {"FROM \"\"\n", "!D:1: the name of the base image is blank\n"},
        {"FROM a:b:c\n", "!D:1: invalid image reference\n"},
        {"FROM Busybox\n", "!D:1: the repository name must be lower case\n"},
        {"FROM a AS One\nFROM One\n", "!D:2: the repository name must be lower case\n"},
        {"# syntax=r.io/f:1\t# why\nFROM a\n", "!D:1: invalid image reference\n"},
        {"FROM --platform=linux/ a\n", "!D:1: --platform: invalid platform\n"},
        {"FROM --platform=r.io/amd64 a\n", "!D:1: --platform: invalid platform\n"},
        {"ARG A\nFROM --platform=linux/ $A\n", "!D:2: --platform: invalid platform\n"},
        {"# escape=x\nFROM a\n", "!D:1: invalid escape character\n"},
        {"# escape=`\n# escape=`\nFROM a\n", "!D:2: only one escape parser directive can be used\n"},
        {"FROM a\nHEALTHCHECK --interval=1m30s --timeout=.5h --start-period=0 --retries=3 CMD x\n"
         "HEALTHCHECK --interval=5 CMD x\nHEALTHCHECK --timeout=1us CMD x\nHEALTHCHECK --start-interval=x CMD y\n"
         "HEALTHCHECK --interval=-1s CMD x\nHEALTHCHECK --retries=-1 CMD x\n",
         "!D:3: not a duration: --interval\n!D:4: not a duration: --timeout\n!D:5: not a duration: --start-interval\n"
         "!D:6: not a duration: --interval\n!D:7: not a number from 0: --retries\n"},
        {"FROM a\nONBUILD FROM b\n", "!D:2: not allowed after ONBUILD: from\n"},
        {"FROM a\nENV x\nWORKDIR\nSHELL sh\nRUN [\"a\", 1]\n",
         "!D:2: needs two arguments: env\n!D:3: needs an argument: workdir\n!D:4: needs a JSON array: shell\n"
         "!D:5: a JSON array may hold strings only: run\n"},
    };
    CHECK(cases);
    PQ_AUTO_SCAN scan = {0};
    static const pq_dockerfile_options options = {0};
    pq_dockerfile_scan("D", "FROM a\0b", 8, &options, &scan);
    assert_int_equal(scan.errors.count, 1);
}

/* BuildKit: "linux/arm" is built as linux/arm/v7, and arm64's v8 goes without saying. */
static void arm_has_a_variant(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"arm", "arm/v7.v7"}, {"linux/arm/v6", "arm/v6.v6"}, {"linux/arm64/v8", "arm64."}};
    static const char text[] = "FROM r.io/${TARGETPLATFORM#*/}.${TARGETVARIANT}x\n";
    for (size_t i = 0; i < 3; i++) {
        PQ_AUTO_ERROR err = {0};
        PQ_AUTO_PLATFORM target = {0};
        assert_true(pq_platform_parse(cases[i][0], &target, &err));
        pq_dockerfile_options options = {.target_platform = &target};
        PQ_AUTO_SCAN scan = {0};
        pq_dockerfile_scan("D", text, strlen(text), &options, &scan);
        PQ_AUTO_FREE char *want = pq_asprintf("r.io/%sx", cases[i][1]);
        assert_int_equal(scan.use_count, 1);
        assert_string_equal(scan.uses[0].image, want);
    }
}

static void stages_and_features(void **state)
{
    (void)state;
    PQ_AUTO_SCAN scan = {0};
    PQ_AUTO_FREE char *got =
        told("# syntax=docker/dockerfile:1\nFROM --platform=$TARGETPLATFORM r.io/a AS Build\n"
             "RUN --mount=type=secret,id=npm --mount=type=secret,target=/run/secrets/tok cat <<EOF\nEOF\n"
             "FROM build\nRUN --mount=type=secret,id=npm,required=true x\nFROM scratch AS out\n",
             NULL, 0, &scan);
    assert_non_null(got);
    assert_int_equal(scan.errors.count, 0);
    assert_int_equal(scan.dockerfile_count, 1);
    const pq_dockerfile *found = &scan.dockerfiles[0];
    assert_string_equal(found->file, "D");
    assert_int_equal(found->stage_count, 3);
    assert_string_equal(found->stages[0].name, "build");
    assert_string_equal(found->stages[0].base, "r.io/a");
    assert_string_equal(found->stages[0].platform, "linux/arm64");
    assert_int_equal(found->stages[1].parent, 0);
    assert_null(found->stages[1].base);
    assert_null(found->stages[1].name);
    assert_true(found->stages[2].scratch);
    assert_int_equal(found->stages[2].line, 7);
    assert_int_equal(found->secrets.count, 2);
    assert_string_equal(found->secrets.at[0], "npm");
    assert_string_equal(found->secrets.at[1], "tok");
    assert_int_equal(found->heredoc_line, 3);
    assert_int_equal(found->syntax_line, 1);
    assert_string_equal(scan.uses[1].reference.domain, "r.io");
    assert_string_equal(scan.uses[0].reference.path, "docker/dockerfile");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base_images),           cmocka_unit_test(what_has_no_value_is_unresolved),
        cmocka_unit_test(other_sources),         cmocka_unit_test(lines),
        cmocka_unit_test(what_buildkit_refuses), cmocka_unit_test(stages_and_features),
        cmocka_unit_test(arm_has_a_variant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
