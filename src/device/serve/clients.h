/* The connections of those who ask the device's agent. None of them can hold up another: nothing here blocks, each step
 * of a connection has its time, and there is a bound on how many there are. When it is reached, the one that has said
 * nothing for longest makes room, of the user who has the most of them. And there is a bound for each user but root and
 * our own. */
#pragma once

#include "device/serve/listener.h"
#include "device/serve/question.h"

#include <poll.h>

/* Seconds. */
enum {
    PQ_CLIENT_ASKS_WITHIN = 5,
    PQ_CLIENT_WAITS_FOR = 40, /* the helper (cmd/helper.c) waits a little longer */
    PQ_CLIENT_TAKES_WITHIN = 5,
};
enum { PQ_CLIENTS_MOST = 128, PQ_CLIENTS_OF_ONE = 96 };

typedef struct pq_client {
    int fd;
    uid_t user;
    double since, deadline; /* since when it does what it does, and until when it may */
    char line[PQ_QUESTION_MAX];
    size_t length;
    char *url, *host; /* NULL until it has asked */
    pq_buf answer;    /* empty until it is answered; sensitive */
    size_t sent;
    bool over; /* to be let go */
} pq_client;

typedef struct pq_clients {
    pq_client *at[PQ_CLIENTS_MOST];
    size_t count;
    double rests_until; /* nobody is taken before, for there were no more files to open; 0 when there are */
} pq_clients;

void pq_clients_clear(pq_clients *clients);
/* True when one more fits, and can be taken. */
bool pq_clients_have_room(const pq_clients *clients);
/* Takes the connections that are there, as many as fit, but not for ever. Who may not ask is told so. True when one of
 * them has asked already. */
bool pq_clients_accept(pq_clients *clients, pq_listener *listener, double now);
/* What to poll for. */
short pq_client_events(const pq_client *client);
/* Reads or writes. A client with a host and without an answer is to be answered. */
void pq_client_serve(pq_client *client, short happened, double now);
/* True while it has asked and is not answered. */
bool pq_client_waits(const pq_client *client);
/* Says it, status byte first; `good` is what pq_docker_answer() wrote, else a reason. */
void pq_client_answer(pq_client *client, bool good, const pq_buf *words, double now);
/* Lets those go that are over or late. */
void pq_clients_sweep(pq_clients *clients, double now);
/* The earliest deadline, or `least`. */
double pq_clients_deadline(const pq_clients *clients, double least);
