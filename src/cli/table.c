#include "cli/table.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/printable.h"

enum { COLUMNS_MAX = 16, GAP = 2, LAST_LEAST = 16 };

struct table {
    const char *const *titles;
    size_t columns, cells, cap;
    size_t width[COLUMNS_MAX];
    char **cell; /* row by row; harmless */
};

static void widen(struct table *t, size_t column, const char *text)
{
    size_t width = printable_width(text);

    if (width > t->width[column])
        t->width[column] = width;
}

static bool is_right(const struct table *t, size_t column)
{
    return t->titles[column][0] == '>';
}

struct table *table_new(const char *const *titles)
{
    struct table *t = mem_zalloc(sizeof *t);

    t->titles = titles;
    while (t->columns < COLUMNS_MAX && titles[t->columns] != NULL) {
        widen(t, t->columns, titles[t->columns] + is_right(t, t->columns));
        t->columns++;
    }
    return t;
}

void table_free(struct table *t)
{
    for (size_t i = 0; i < t->cells; i++)
        free(t->cell[i]);
    free(t->cell);
    free(t);
}

void table_cell(struct table *t, const char *text)
{
    t->cell = mem_grow(t->cell, t->cells, &t->cap, sizeof *t->cell);
    t->cell[t->cells] = printable_line(text != NULL ? text : "-");
    widen(t, t->cells % t->columns, t->cell[t->cells]);
    t->cells++;
}

/* The last column: as much of the text as fits, at a character. */
static void put_cut(const char *text, size_t room, FILE *to)
{
    size_t len = strlen(text), at = 0, used = 0;

    if (room == 0 || printable_width(text) <= room) {
        fputs(text, to);
        return;
    }
    while (at < len) {
        char one[8] = {0};
        uint32_t c;
        size_t n = printable_decode(text + at, len - at, &c);

        memcpy(one, text + at, n);
        used += printable_width(one);
        if (n == 0 || used > room - 1)
            break;
        at += n;
    }
    fwrite(text, 1, at, to);
    fputs("…", to);
}

static void put_row(const struct table *t, FILE *to, char *const *cells, size_t edge)
{
    size_t used = 0;

    for (size_t i = 0; i < t->columns; i++) {
        const char *text = cells != NULL ? cells[i] : t->titles[i] + is_right(t, i);
        int pad = (int)(t->width[i] - printable_width(text));

        if (is_right(t, i))
            fprintf(to, "%*s", pad, "");
        if (i + 1 == t->columns)
            put_cut(text, edge > used + LAST_LEAST ? edge - used : 0, to);
        else
            fprintf(to, "%s%*s", text, (is_right(t, i) ? 0 : pad) + GAP, "");
        used += t->width[i] + GAP;
    }
    fputc('\n', to);
}

void table_print(const struct table *t, FILE *to, size_t width)
{
    put_row(t, to, NULL, width);
    for (size_t i = 0; i + t->columns <= t->cells; i += t->columns)
        put_row(t, to, t->cell + i, width);
}

size_t table_terminal(FILE *to)
{
    struct winsize size;

    return isatty(fileno(to)) && ioctl(fileno(to), TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

const char *text_time(int64_t ms, char text[TEXT_TIME_SIZE])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;

    if (ms <= 0 || localtime_r(&seconds, &tm) == NULL ||
        strftime(text, TEXT_TIME_SIZE, "%Y-%m-%d %H:%M:%S", &tm) == 0)
        snprintf(text, TEXT_TIME_SIZE, "-");
    return text;
}

const char *text_span(int64_t ms, char text[TEXT_TIME_SIZE])
{
    long long s = ms / 1000;

    if (ms < 0)
        snprintf(text, TEXT_TIME_SIZE, "-");
    else if (ms < 1000)
        snprintf(text, TEXT_TIME_SIZE, "%lld ms", (long long)ms);
    else if (s < 60)
        snprintf(text, TEXT_TIME_SIZE, "%.2f s", (double)ms / 1000);
    else if (s < 3600)
        snprintf(text, TEXT_TIME_SIZE, "%lld m %02lld s", s / 60, s % 60);
    else if (s < 86400)
        snprintf(text, TEXT_TIME_SIZE, "%lld h %02lld m", s / 3600, s / 60 % 60);
    else
        snprintf(text, TEXT_TIME_SIZE, "%lld d %02lld h", s / 86400, s / 3600 % 24);
    return text;
}
