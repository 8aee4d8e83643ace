#include "base/printable.h"

#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "base/mem.h"

/* What is never shown as it is, in order. Surrogates and what is beyond U+10FFFF do not decode. */
static const struct {
    uint32_t from, to;
} hostile[] = {
    {0x00, 0x1f},       {0x7f, 0x9f},         {0xad, 0xad},       {0x34f, 0x34f},
    {0x61c, 0x61c},     {0x115f, 0x1160},     {0x17b4, 0x17b5},   {0x180b, 0x180f},
    {0x200b, 0x200f},   {0x2028, 0x202e},     {0x2060, 0x206f},   {0x3164, 0x3164},
    {0xfdd0, 0xfdef},   {0xfe00, 0xfe0f},     {0xfeff, 0xfeff},   {0xffa0, 0xffa0},
    {0xfff0, 0xfffb},   {0xfffe, 0xffff},     {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a},
    {0xe0000, 0xe0fff}, {0x10fffe, 0x10ffff},
};

bool printable_is_hostile(uint32_t c)
{
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        if (c <= hostile[i].to)
            return c >= hostile[i].from;
    }
    return false;
}

size_t printable_decode(const char *text, size_t len, uint32_t *c)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *p = (const unsigned char *)text;
    size_t n;

    if (len == 0)
        return 0;
    *c = p[0];
    if (p[0] < 0x80)
        return 1;
    n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || n > len)
        return 0;
    *c = p[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        *c = *c << 6 | (p[i] & 0x3f);
    }
    return *c < least[n] || *c > 0x10ffff || (*c >= 0xd800 && *c <= 0xdfff) ? 0 : n;
}

static bool add_escape(struct buf *b, uint32_t c, enum printable_mode mode)
{
    if (mode == PRINTABLE_JSON && c >= 0x10000)
        return buf_printf(b, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10),
                          0xdc00 + ((c - 0x10000) & 0x3ff));
    if (mode != PRINTABLE_JSON && c == '\n')
        return buf_str(b, "\\n");
    if (mode != PRINTABLE_JSON && c == '\t')
        return buf_str(b, "\\t");
    if (mode != PRINTABLE_JSON && c < 0x80)
        return buf_printf(b, "\\x%02x", c);
    return buf_printf(b, c < 0x10000 ? "\\u%04x" : "\\U%08x", c);
}

bool printable_add(struct buf *b, const char *text, size_t len, enum printable_mode mode)
{
    bool ok = true;
    size_t plain = 0; /* where the bytes begin that were not copied yet */

    for (size_t at = 0; ok && at < len;) {
        uint32_t c;
        size_t n = printable_decode(text + at, len - at, &c);
        bool stays = n > 0 && (!printable_is_hostile(c) ||
                               (mode != PRINTABLE_LINE && (c == '\n' || c == '\t')));

        if (!stays) {
            ok = buf_add(b, text + plain, at - plain);
            if (n == 0 && mode == PRINTABLE_JSON)
                ok = ok && buf_str(b, "\\ufffd");
            else if (n == 0)
                ok = ok && buf_printf(b, "\\x%02x", (unsigned char)text[at]);
            else
                ok = ok && add_escape(b, c, mode);
            plain = at + (n > 0 ? n : 1);
        }
        at += n > 0 ? n : 1;
    }
    return ok && buf_add(b, text + plain, len - plain);
}

char *printable_line(const char *text)
{
    size_t len = text != NULL ? strlen(text) : 0;
    struct buf b;

    buf_init(&b, len * 10 + 1);
    printable_add(&b, text != NULL ? text : "", len, PRINTABLE_LINE);
    return b.data != NULL ? buf_steal(&b, NULL) : mem_strdup("");
}

size_t printable_width(const char *text)
{
    size_t len = strlen(text), columns = 0;

    for (size_t at = 0; at < len;) {
        uint32_t c = 0;
        size_t n = printable_decode(text + at, len - at, &c);
        int w = n > 0 ? wcwidth((wchar_t)c) : 1;

        columns += w >= 0 ? (size_t)w : 1;
        at += n > 0 ? n : 1;
    }
    return columns;
}
