#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 4096 };

/* Set once before threads start, read by all of them after. */
static enum log_level threshold = LOG_INFO;
static int out_fd = STDERR_FILENO;

void log_init(enum log_level least, int fd)
{
    threshold = least;
    out_fd = fd;
}

/* Copies `text` so that it can stand inside quotes on one line. Returns the bytes written. */
static size_t escape(char *out, size_t room, const char *text)
{
    size_t n = 0;

    for (const unsigned char *p = (const unsigned char *)text; *p != '\0' && n + 5 < room; p++) {
        if (*p == '"' || *p == '\\') {
            out[n++] = '\\';
            out[n++] = (char)*p;
        } else if (*p == '\n') {
            out[n++] = '\\';
            out[n++] = 'n';
        } else if (*p < 0x20 || *p == 0x7f) {
            n += (size_t)snprintf(out + n, 5, "\\x%02x", *p);
        } else {
            out[n++] = (char)*p;
        }
    }
    return n;
}

void log_write(enum log_level level, const char *room, const char *fmt, ...)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    char text[LINE_MAX_BYTES], line[LINE_MAX_BYTES];
    struct timespec ts;
    struct tm tm;
    va_list ap;

    if (level < threshold)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    clock_gettime(CLOCK_REALTIME, &ts);
    gmtime_r(&ts.tv_sec, &tm);
    size_t n = strftime(line, sizeof line, "ts=%Y-%m-%dT%H:%M:%S", &tm);
    n += (size_t)snprintf(line + n, sizeof line - n, ".%03ldZ level=%s room=%s msg=\"",
                          ts.tv_nsec / 1000000, names[level], room);
    n += escape(line + n, sizeof line - n - 2, text);
    line[n++] = '"';
    line[n++] = '\n';
    if (write(out_fd, line, n) < 0)
        return; /* there is nobody left to tell */
}
