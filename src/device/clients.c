#include "device/clients.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/docker_protocol.h"
#include "base/limits.h"

static const char may_not[] =
    "1pratique: this user may not ask for the device's credentials: root may, and the members of "
    "the socket's group\n";

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
    for (size_t i = 0; i < clients->count && !room; i++)
        room = is_silent(clients->at[i]);
    return room;
}

/* The one that has been silent for longest goes. */
static void make_room(pq_clients *clients)
{
    size_t oldest = clients->count;
    for (size_t i = 0; i < clients->count; i++)
        if (is_silent(clients->at[i]) &&
            (oldest == clients->count || clients->at[i]->since < clients->at[oldest]->since))
            oldest = i;
    if (clients->count < PQ_CLIENTS_MOST || oldest == clients->count)
        return;
    let_go(clients->at[oldest]);
    clients->at[oldest] = clients->at[--clients->count];
}

void pq_clients_accept(pq_clients *clients, pq_listener *listener, double now)
{
    while (pq_clients_have_room(clients)) {
        int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
            continue;
        if (fd < 0)
            return;
        if (!pq_listener_admits(listener, fd)) {
            (void)send(fd, may_not, sizeof may_not - 1, MSG_NOSIGNAL);
            (void)close(fd);
            continue;
        }
        make_room(clients);
        pq_client *client = pq_alloc(1, sizeof *client);
        *client = (pq_client){.fd = fd,
                              .since = now,
                              .deadline = now + PQ_CLIENT_ASKS_WITHIN,
                              .answer = PQ_SENSITIVE_BUF(8 * PQ_MAX_SECRET)};
        clients->at[clients->count++] = client;
    }
}

bool pq_client_waits(const pq_client *client)
{
    return client->host && !client->answer.length && !client->over;
}

short pq_client_events(const pq_client *client)
{
    /* Who waits is only looked at for having gone (POLLHUP). */
    return client->answer.length ? POLLOUT : client->host ? 0 : POLLIN;
}

void pq_client_answer(pq_client *client, bool good, const pq_buf *words, double now)
{
    pq_buf_addc(&client->answer, good ? '0' : '1');
    pq_buf_add(&client->answer, words->data, words->length);
    client->over = client->over || client->answer.overflow;
    client->since = now;
    client->deadline = now + PQ_CLIENT_TAKES_WITHIN;
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
    for (size_t i = clients->count; i-- > 0;)
        if (clients->at[i]->over || now >= clients->at[i]->deadline) {
            let_go(clients->at[i]);
            clients->at[i] = clients->at[--clients->count];
        }
}

double pq_clients_deadline(const pq_clients *clients, double least)
{
    for (size_t i = 0; i < clients->count; i++)
        least = clients->at[i]->deadline < least ? clients->at[i]->deadline : least;
    return least;
}
