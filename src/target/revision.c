#include "target/revision.h"

#include <string.h>

#include "base/limits.h"
#include "base/process.h"

void pq_revision_clear(pq_revision *revision)
{
    free(revision->commit);
    free(revision->short_name);
    free(revision->branch);
    *revision = (pq_revision){0};
}

/* The first line that a git command prints; NULL when it fails. Owned. */
static bool ask_git(const char *folder, const char *const *words, char **line, pq_error *err)
{
    PQ_AUTO_STRINGS argv = {0}, environment = {0};
    static const char *const safe[] = {"git", "--no-optional-locks",  "-c", "core.hooksPath=/dev/null",
                                       "-c",  "core.fsmonitor=false", "-C"};
    for (size_t i = 0; i < sizeof safe / sizeof *safe; i++)
        pq_strings_add(&argv, safe[i]);
    pq_strings_add(&argv, folder);
    for (; *words; words++)
        pq_strings_add(&argv, *words);
    pq_process_environment(&environment);
    pq_process_environment_path(&environment, NULL);
    pq_process_environment_add(&environment, "GIT_CONFIG_GLOBAL");
    pq_process_environment_add(&environment, "GIT_CONFIG_NOSYSTEM");
    /* The tree may say that it is a partial clone and that a program of its own fetches what is missing. */
    pq_strings_add(&environment, "GIT_NO_LAZY_FETCH=1");
    pq_strings_add(&environment, "GIT_ALLOW_PROTOCOL=none");
    PQ_AUTO_BUF output = PQ_BUF(PQ_MAX_MESSAGE);
    pq_process_options options = {
        .argv = &argv, .environment = &environment, .standard_output = &output, .service_fd = -1};
    int status = 0;
    if (!pq_process_run(&options, &status, err)) {
        if (err->code == PQ_ENOTFOUND)
            return pq_fail(err, PQ_ESYSTEM, NULL, "apt-get install git", "the program git is not installed");
        return false;
    }
    free(*line);
    *line = status == 0 ? pq_strndup(pq_buf_text(&output), strcspn(pq_buf_text(&output), "\n")) : NULL;
    return true;
}

bool pq_revision_read(const char *folder, pq_revision *out, pq_error *err)
{
    static const char *const commit[] = {"rev-parse", "--verify", "--quiet", "HEAD^{commit}", NULL};
    static const char *const short_name[] = {"rev-parse", "--short", "HEAD", NULL};
    static const char *const branch[] = {"symbolic-ref", "--quiet", "--short", "HEAD", NULL};
    static const char *const inside[] = {"rev-parse", "--is-inside-work-tree", NULL};
    PQ_AUTO_FREE char *answer = NULL;
    if (!ask_git(folder, commit, &out->commit, err) || !ask_git(folder, short_name, &out->short_name, err) ||
        !ask_git(folder, branch, &out->branch, err))
        return false;
    if (out->commit && out->short_name)
        return true;
    if (!ask_git(folder, inside, &answer, err))
        return false;
    if (!answer)
        return pq_fail(err, PQ_EINPUT, folder,
                       "a Target names the revision it was made from: `git init`, commit; or see `git -C DIR status`",
                       "is not in a git work tree that this user may read");
    return pq_fail(err, PQ_EINPUT, folder, "commit first", "nothing is committed yet");
}
