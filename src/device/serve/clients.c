#include "device/serve/clients.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/docker_protocol.h"
#include "base/limits.h"

enum { RESTS = 1 }; /* seconds, where a poll would come back at once */

static const char may_not[] =
    "1pratique: this user may not ask for the device's credentials: root may, and the members of "
    "the socket's group\n";
static const char too_many[] = "1pratique: this user asks too much at once (ask again)\n";

static void let_go(pq_client *client)
{
    (void)close(client->fd);
    free(client->url);
    free(client->host);
    pq_buf_clear(&client->answer);
    free(client);
}

void pq_clients_clear(pq_clients *clients)
{
    while (clients->count)
        let_go(clients->at[--clients->count]);
}

static bool is_silent(const pq_client *client)
{
    return !client->host && !client->answer.length;
}

bool pq_clients_have_room(const pq_clients *clients)
{
    bool room = clients->count < PQ_CLIENTS_MOST;
    if (clients->rests_until > 0)
        return false;
    for (size_t i = 0; i < clients->count && !room; i++)
        room = is_silent(clients->at[i]);
    return room;
}

static size_t count_of(const pq_clients *clients, uid_t user)
{
    size_t count = 0;
    for (size_t i = 0; i < clients->count; i++)
        count += clients->at[i]->user == user;
    return count;
}

/* One that is silent goes: of the users who have such, that one's who has the most connections, and of these the one
 * that has been silent for longest. With `only`, of that user's. False when there is none. */
static bool let_one_go(pq_clients *clients, const uid_t *only)
{
    size_t chosen = clients->count, most = 0;
    for (size_t i = 0; i < clients->count; i++) {
        const pq_client *client = clients->at[i];
        size_t count = is_silent(client) && (!only || client->user == *only) ? count_of(clients, client->user) : 0;
        if (count > most || (count && count == most && client->since < clients->at[chosen]->since)) {
            chosen = i;
            most = count;
        }
    }
    if (chosen == clients->count)
        return false;
    let_go(clients->at[chosen]);
    clients->at[chosen] = clients->at[--clients->count];
    return true;
}

static bool make_room(pq_clients *clients, uid_t user)
{
    bool bounded = user != 0 && user != geteuid();
    if (bounded && count_of(clients, user) >= PQ_CLIENTS_OF_ONE)
        return let_one_go(clients, &user);
    return clients->count < PQ_CLIENTS_MOST || let_one_go(clients, NULL);
}

void pq_client_answer(pq_client *client, bool good, const pq_buf *words, double now)
{
    pq_buf_addc(&client->answer, good ? '0' : '1');
    pq_buf_add(&client->answer, words->data, words->length);
    client->over = client->over || client->answer.overflow;
    client->since = now;
    client->deadline = now + PQ_CLIENT_TAKES_WITHIN;
}

bool pq_client_waits(const pq_client *client)
{
    return client->host && !client->answer.length && !client->over;
}

static void refuse(pq_client *client, const char *words, double now)
{
    PQ_AUTO_BUF text = PQ_BUF(PQ_MAX_MESSAGE);
    pq_buf_adds(&text, words);
    pq_client_answer(client, false, &text, now);
}

static void hear(pq_client *client, double now)
{
    ssize_t got = recv(client->fd, client->line + client->length, sizeof client->line - client->length, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    client->length += got > 0 ? (size_t)got : 0;
    const char *end = memchr(client->line, '\n', client->length);
    if (!end) {
        client->over = got <= 0 || client->length == sizeof client->line;
        return;
    }
    if (!pq_question_read(client->line, (size_t)(end - client->line), &client->url, &client->host)) {
        refuse(client, PQ_DOCKER_NOT_FOUND "\n", now);
        return;
    }
    client->since = now;
    client->deadline = now + PQ_CLIENT_WAITS_FOR;
}

static bool is_short_of(int number)
{
    return number == EMFILE || number == ENFILE || number == ENOBUFS || number == ENOMEM;
}

bool pq_clients_accept(pq_clients *clients, pq_listener *listener, double now)
{
    bool asked = false;
    /* Whoever connects without end would have us do nothing else. */
    for (int i = 0; i < PQ_CLIENTS_MOST && pq_clients_have_room(clients); i++) {
        uid_t user = 0;
        int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
            continue;
        if (fd < 0) {
            bool is_short = is_short_of(errno);
            if (is_short && let_one_go(clients, NULL))
                continue;
            clients->rests_until = is_short ? now + RESTS : 0;
            break;
        }
        if (!pq_listener_admits(listener, fd, &user)) {
            (void)send(fd, may_not, sizeof may_not - 1, MSG_NOSIGNAL);
            (void)close(fd);
            continue;
        }
        if (!make_room(clients, user)) {
            (void)send(fd, too_many, sizeof too_many - 1, MSG_NOSIGNAL);
            (void)close(fd);
            continue;
        }
        pq_client *client = pq_alloc(1, sizeof *client);
        *client = (pq_client){.fd = fd,
                              .user = user,
                              .since = now,
                              .deadline = now + PQ_CLIENT_ASKS_WITHIN,
                              .answer = PQ_SENSITIVE_BUF(8 * PQ_MAX_SECRET)};
        clients->at[clients->count++] = client;
        hear(client, now); /* as a rule it is there already, and who has asked is not let go */
        asked = asked || pq_client_waits(client);
    }
    return asked;
}

short pq_client_events(const pq_client *client)
{
    /* Who waits is only looked at for having gone (POLLHUP). */
    return client->answer.length ? POLLOUT : client->host ? 0 : POLLIN;
}

static void say(pq_client *client)
{
    ssize_t put =
        send(client->fd, client->answer.data + client->sent, client->answer.length - client->sent, MSG_NOSIGNAL);
    if (put < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    client->sent += put > 0 ? (size_t)put : 0;
    client->over = put <= 0 || client->sent == client->answer.length;
}

void pq_client_serve(pq_client *client, short happened, double now)
{
    if (happened & (POLLERR | POLLNVAL) || (happened & POLLHUP && !(happened & POLLIN)))
        client->over = true;
    else if (client->answer.length && happened & POLLOUT)
        say(client);
    else if (!client->host && happened & POLLIN)
        hear(client, now);
}

void pq_clients_sweep(pq_clients *clients, double now)
{
    if (now >= clients->rests_until)
        clients->rests_until = 0;
    for (size_t i = clients->count; i-- > 0;)
        if (clients->at[i]->over || now >= clients->at[i]->deadline) {
            let_go(clients->at[i]);
            clients->at[i] = clients->at[--clients->count];
        }
}

double pq_clients_deadline(const pq_clients *clients, double least)
{
    if (clients->rests_until > 0 && clients->rests_until < least)
        least = clients->rests_until;
    for (size_t i = 0; i < clients->count; i++)
        least = clients->at[i]->deadline < least ? clients->at[i]->deadline : least;
    return least;
}
