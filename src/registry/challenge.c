#include "registry/challenge.h"

#include <string.h>

static bool is_token_byte(char byte)
{
    /* RFC 9110, section 5.6.2 */
    return pq_ascii_alnum(byte) || (byte && strchr("!#$%&'*+-.^_`|~", byte));
}

static const char *skip_blanks(const char *at)
{
    while (*at == ' ' || *at == '\t')
        at++;
    return at;
}

static const char *skip_commas(const char *at)
{
    while (*at == ' ' || *at == '\t' || *at == ',')
        at++;
    return at;
}

static char *take_token(const char **at)
{
    const char *start = *at;
    while (is_token_byte(**at))
        (*at)++;
    return pq_strndup(start, (size_t)(*at - start));
}

static char *take_value(const char **at)
{
    if (**at != '"')
        return take_token(at);
    char *value = pq_alloc(strlen(*at) + 1, 1), *end = value;
    for ((*at)++; **at && **at != '"'; (*at)++) {
        if (**at == '\\' && (*at)[1])
            (*at)++;
        *end++ = **at;
    }
    if (**at != '"') {
        free(value);
        return NULL;
    }
    (*at)++;
    return value;
}

static void add_param(pq_challenge *challenge, char *name, char *value)
{
    challenge->params =
        pq_grow(challenge->params, &challenge->capacity, challenge->count + 1, sizeof *challenge->params);
    pq_ascii_lower_in_place(name);
    challenge->params[challenge->count++] = (pq_challenge_param){.name = name, .value = value};
}

/* Reads `name = value, name = value`; stops before the scheme of the next challenge. False on a syntax error. */
static bool take_params(const char **at, pq_challenge *challenge)
{
    for (;;) {
        const char *start = skip_commas(*at);
        const char *probe = start;
        PQ_AUTO_FREE char *name = take_token(&probe);
        probe = skip_blanks(probe);
        if (!*name || *probe != '=') {
            *at = start;
            return true;
        }
        const char *after = skip_blanks(probe + 1);
        char *value = take_value(&after);
        if (!value)
            return false;
        /* token68, as in `Negotiate YII==`: a value of equals signs only is no parameter. */
        add_param(challenge, pq_steal(name), value);
        *at = skip_blanks(after);
        if (**at && **at != ',')
            return false;
    }
}

void pq_challenges_parse(const char *value, pq_challenges *out)
{
    const char *at = skip_commas(value);
    while (*at) {
        char *scheme = take_token(&at);
        if (!*scheme || (*at && *at != ' ' && *at != '\t' && *at != ',')) {
            free(scheme);
            return;
        }
        pq_ascii_lower_in_place(scheme);
        out->at = pq_grow(out->at, &out->capacity, out->count + 1, sizeof *out->at);
        pq_challenge *challenge = &out->at[out->count++];
        *challenge = (pq_challenge){.scheme = scheme};
        at = skip_blanks(at);
        if (*at != ',' && !take_params(&at, challenge))
            return;
        at = skip_commas(at);
    }
}

void pq_challenges_clear(pq_challenges *list)
{
    for (size_t i = 0; i < list->count; i++) {
        pq_challenge *challenge = &list->at[i];
        for (size_t j = 0; j < challenge->count; j++) {
            free(challenge->params[j].name);
            free(challenge->params[j].value);
        }
        free(challenge->params);
        free(challenge->scheme);
    }
    free(list->at);
    *list = (pq_challenges){0};
}

const pq_challenge *pq_challenges_find(const pq_challenges *list, const char *scheme)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->at[i].scheme, scheme) == 0)
            return &list->at[i];
    return NULL;
}

const char *pq_challenge_param_of(const pq_challenge *challenge, const char *name)
{
    for (size_t i = 0; i < challenge->count; i++)
        if (strcmp(challenge->params[i].name, name) == 0)
            return challenge->params[i].value;
    return NULL;
}
