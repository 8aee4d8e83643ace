/* From the specification of a call (engine/ports.h) to where it goes: the agent whose policy holds
 * and the URL. Loop thread only. */
#ifndef NET_TARGET_H
#define NET_TARGET_H

#include <jansson.h>
#include <stdbool.h>

#include "base/config.h"
#include "base/err.h"
#include "net/agents.h"

enum { TARGET_URL_MAX = 65536 };

struct target {
    struct agent *agent; /* the registry's */
    char *url;           /* owned; may hold credentials from the configuration: not for display */
};

void target_fini(struct target *t);

/* ERR_INVALID: a malformed specification; ERR_NOT_FOUND: no such agent; ERR_FORBIDDEN: the egress
 * policy. The URL of kind "agent" is the agent's with the path behind it; one of kind "http" is the
 * agent's when origin or host are an agent's, else its own. */
enum errcode target_resolve(struct agents *agents, const struct config *config, const json_t *spec,
                            struct target *out, struct err *err);

/* The same for a URL alone (a redirect's). */
enum errcode target_from_url(struct agents *agents, const struct config *config, const char *url,
                             struct target *out, struct err *err);

/* Scheme, host and port agree, so that credentials for one may go to the other. */
bool target_same_origin(const char *a, const char *b);

/* The URL without user, password and fragment. The caller frees. */
char *target_public(const char *url);

/* Writes the URL without user, password, query and fragment, cut to fit. */
void target_show(const char *url, char *out, size_t size);

#endif
