/* The fastest agent there is: answers every request with the same JSON at once. So that the agent
 * is not what is measured.   stub_agent PORT */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/mem.h"

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
                             "34\r\n\r\n{\"success\": true, \"response\": \"y\"}";

struct conn {
    int fd;
    size_t have;
    char data[64 * 1024];
};

static void accept_all(int epoll, int listener)
{
    int fd, on = 1;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct conn *c = mem_zalloc(sizeof *c);
        struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};

        c->fd = fd;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev);
    }
}

/* Bytes of the first whole request in the buffer, else 0. */
static size_t request_size(const struct conn *c)
{
    const char *end = memmem(c->data, c->have, "\r\n\r\n", 4);
    const char *length;

    if (end == NULL)
        return 0;
    length = strcasestr(c->data, "\r\ncontent-length:");
    size_t size = (size_t)(end - c->data) + 4;
    if (length != NULL && length < end)
        size += strtoul(length + 17, NULL, 10);
    return size <= c->have ? size : 0;
}

static bool serve(struct conn *c)
{
    ssize_t n = read(c->fd, c->data + c->have, sizeof c->data - c->have - 1);
    size_t size;

    if (n < 0 && errno == EAGAIN)
        return true;
    if (n <= 0)
        return false;
    c->have += (size_t)n;
    c->data[c->have] = '\0';
    while ((size = request_size(c)) > 0) {
        if (write(c->fd, answer, sizeof answer - 1) != (ssize_t)sizeof answer - 1)
            return false;
        memmove(c->data, c->data + size, c->have - size + 1);
        c->have -= size;
    }
    return true;
}

int main(int argc, char **argv)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event ev = {.events = EPOLLIN}, events[256];
    int on = 1, epoll = epoll_create1(0);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    if (argc != 2) {
        fputs("usage: stub_agent PORT\n", stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    at.sin_port = htons((uint16_t)atoi(argv[1]));
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) != 0 || listen(listener, 1024) != 0) {
        perror("stub_agent");
        return 1;
    }
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &ev);
    for (;;) {
        int n = epoll_wait(epoll, events, 256, -1);

        for (int i = 0; i < n; i++) {
            struct conn *c = events[i].data.ptr;

            if (c == NULL) {
                accept_all(epoll, listener);
            } else if (!serve(c)) {
                close(c->fd);
                free(c);
            }
        }
    }
}
