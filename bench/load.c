/* A closed-loop HTTP client: N connections, each sends the next request when the last is answered.
 * Prints one line of JSON: answers per second and latency percentiles. One thread, epoll, nothing
 * shared with the program.
 *
 *   load --url http://127.0.0.1:8080/empty --body '{}' --clients 64 --seconds 5 [--header 'k: v']
 * [--status 200] */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

enum { READ_MAX = 64 * 1024, CLIENTS_MAX = 4096 };

struct client {
    int fd;
    size_t sent, have;
    int64_t began; /* ns */
    char answer[READ_MAX];
};

struct load {
    struct sockaddr_in to;
    char *request;
    size_t request_len;
    int clients, want_status, epoll;
    int64_t until; /* ns */
    long limit;    /* requests in all, 0: by time */
    long begun, errors;
    uint32_t *latency_us;
    size_t count, cap;
};

static int64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static void die(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void client_connect(struct load *l, struct client *c)
{
    int on = 1;

    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&l->to, sizeof l->to) != 0)
        die("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &ev);
}

static bool may_begin(const struct load *l)
{
    return l->limit > 0 ? l->begun < l->limit : now_ns() < l->until;
}

static bool client_send(struct load *l, struct client *c)
{
    if (!may_begin(l))
        return false;
    l->begun++;
    c->have = 0;
    c->began = now_ns();
    for (c->sent = 0; c->sent < l->request_len;) {
        ssize_t n = write(c->fd, l->request + c->sent, l->request_len - c->sent);

        if (n < 0 && errno != EAGAIN)
            die("write");
        if (n > 0)
            c->sent += (size_t)n;
    }
    return true;
}

/* Bytes of the whole answer once its head is here, else 0. */
static size_t answer_size(const struct client *c)
{
    const char *end = strstr(c->answer, "\r\n\r\n");
    const char *length = strcasestr(c->answer, "\r\ncontent-length:");

    if (end == NULL)
        return 0;
    if (length != NULL && length < end)
        return (size_t)(end - c->answer) + 4 + strtoul(length + 17, NULL, 10);
    /* Chunked: over when the last chunk is here. */
    return strstr(end, "\r\n0\r\n\r\n") != NULL ? c->have : 0;
}

static void record(struct load *l, const struct client *c)
{
    l->latency_us = mem_grow(l->latency_us, l->count, &l->cap, sizeof *l->latency_us);
    l->latency_us[l->count++] = (uint32_t)((now_ns() - c->began) / 1000);
    if (atoi(c->answer + 9) != l->want_status) {
        if (l->errors++ == 0)
            fprintf(stderr, "load: first unexpected answer: %.300s\n", c->answer);
    }
}

/* False when this client is finished. */
static bool client_read(struct load *l, struct client *c)
{
    ssize_t n = read(c->fd, c->answer + c->have, sizeof c->answer - c->have - 1);

    if (n < 0 && errno == EAGAIN)
        return true;
    if (n <= 0) {
        l->errors++;
        close(c->fd);
        client_connect(l, c);
        return client_send(l, c);
    }
    c->have += (size_t)n;
    c->answer[c->have] = '\0';
    size_t size = answer_size(c);
    if (size == 0 || c->have < size)
        return true;
    record(l, c);
    return client_send(l, c);
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static double percentile(const struct load *l, double p)
{
    return l->count > 0 ? l->latency_us[(size_t)((double)(l->count - 1) * p)] / 1000.0 : 0;
}

static void report(struct load *l, double seconds)
{
    qsort(l->latency_us, l->count, sizeof *l->latency_us, by_value);
    printf("{\"count\": %zu, \"errors\": %ld, \"seconds\": %.3f, \"perSecond\": %.1f, \"p50ms\": "
           "%.3f, "
           "\"p99ms\": %.3f, \"maxms\": %.3f}\n",
           l->count, l->errors, seconds, (double)l->count / seconds, percentile(l, 0.5),
           percentile(l, 0.99), percentile(l, 1));
}

static void parse_url(struct load *l, const char *url, char *path, size_t room, char *host,
                      size_t host_room)
{
    char address[64];
    int port;

    if (sscanf(url, "http://%63[^:/]:%d%511s", address, &port, path) < 2 || room < 512)
        die("the URL is not http://ADDRESS:PORT/PATH");
    l->to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, address, &l->to.sin_addr) != 1)
        die("the host is not an IPv4 address");
    snprintf(host, host_room, "%s:%d", address, port);
}

static void run(struct load *l)
{
    struct client *all = mem_array(NULL, (size_t)l->clients, sizeof *all);
    struct epoll_event events[256];
    int open = 0;

    l->epoll = epoll_create1(0);
    for (int i = 0; i < l->clients; i++)
        client_connect(l, &all[i]);
    int64_t began = now_ns();
    l->until += began;
    for (int i = 0; i < l->clients; i++)
        open += client_send(l, &all[i]);
    while (open > 0) {
        int n = epoll_wait(l->epoll, events, 256, 30000);

        if (n <= 0)
            die("no answer for 30 s");
        for (int i = 0; i < n; i++)
            open -= !client_read(l, events[i].data.ptr);
    }
    report(l, (double)(now_ns() - began) / 1e9);
    for (int i = 0; i < l->clients; i++)
        close(all[i].fd);
    close(l->epoll);
    free(all);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"url", required_argument, NULL, 'u'},     {"body", required_argument, NULL, 'b'},
        {"clients", required_argument, NULL, 'c'}, {"seconds", required_argument, NULL, 's'},
        {"count", required_argument, NULL, 'n'},   {"header", required_argument, NULL, 'h'},
        {"status", required_argument, NULL, 'x'},  {NULL, 0, NULL, 0}};
    struct load l = {.clients = 64, .want_status = 200, .until = INT64_C(5000000000)};
    const char *url = NULL, *body = "{}", *header = NULL;
    char path[512] = "/", host[80];
    int opt;

    while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (opt) {
        case 'u':
            url = optarg;
            break;
        case 'b':
            body = optarg;
            break;
        case 'c':
            l.clients = atoi(optarg);
            break;
        case 's':
            l.until = (int64_t)(atof(optarg) * 1e9);
            break;
        case 'n':
            l.limit = atol(optarg);
            break;
        case 'h':
            header = optarg;
            break;
        case 'x':
            l.want_status = atoi(optarg);
            break;
        default:
            return 2;
        }
    }
    if (url == NULL || l.clients < 1 || l.clients > CLIENTS_MAX) {
        fputs(
            "usage: load --url http://ADDRESS:PORT/PATH [--body JSON] [--clients N] [--seconds S | "
            "--count N] [--header 'NAME: VALUE'] [--status CODE]\n",
            stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    parse_url(&l, url, path, sizeof path, host, sizeof host);
    l.request = mem_printf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n%s%s"
                           "Content-Length: %zu\r\n\r\n%s",
                           path, host, header != NULL ? header : "", header != NULL ? "\r\n" : "",
                           strlen(body), body);
    l.request_len = strlen(l.request);
    run(&l);
    free(l.request);
    free(l.latency_us);
    return l.errors > 0;
}
