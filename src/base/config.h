/* The configuration: config.example.toml, read with toml++ into one struct of plain values. An
 * unknown key or a bad value is an error that names file, line and column. Environment variables
 * override: ULTRAMCP_SECTION_KEY (ULTRAMCP_SERVER_INGRESS=127.0.0.1:8088), agents as well
 * (ULTRAMCP_AGENTS_SAM_MCP_URL). */
#ifndef BASE_CONFIG_H
#define BASE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#ifdef __cplusplus
extern "C" {
#endif

struct config_retry { /* times in ms; see struct retry_policy in engine/ports.h */
    int64_t initial_ms, max_ms, total_ms;
    double factor, jitter;
    uint32_t attempts;
    bool suspend;
};

struct config_header {
    char *name,
        *value; /* value may hold a reference: ${env:NAME} or ${file:PATH}, resolved at the call */
};

struct config_agent { /* [agents.NAME] */
    char *name, *type, *url,
        *health_url; /* url without a trailing slash; health_url NULL: url + "/health" */
    char **hosts;    /* "host:port" or "host" of document URLs that mean this agent */
    size_t host_count;
    char **capabilities;
    size_t capability_count;
    int64_t timeout_ms;   /* one attempt; 30 s */
    uint32_t concurrency; /* calls in flight; 64 */
    struct config_retry retry;
    struct config_header *headers;
    size_t header_count;
    char *token_env, *token_file; /* sent as Authorization: Bearer; or NULL */
    uint32_t breaker_failures;    /* in a row open the breaker; 5, 0: none */
    int64_t breaker_open_ms;      /* then one trial; 10 s */
};

struct config {
    char *path; /* the file read, NULL: none */

    char *data;       /* data directory; default $XDG_STATE_HOME/ultramcp-restate */
    char **workflows; /* directories */
    size_t workflow_count;
    char *log_level; /* debug info warn error */

    char *ingress, *admin, *meta; /* "127.0.0.1:8080" ":9070" ":8081"; "" switches one off */
    char **hosts;                 /* further Host names that are accepted */
    size_t host_count;
    bool insecure;                                /* listen beyond loopback without TLS and token */
    uint64_t body_max;                            /* request body; 4 MiB */
    int64_t header_deadline_ms, body_deadline_ms; /* absolute; 10 s, 30 s */
    uint32_t connections_max;
    int64_t grace_ms; /* running effects at SIGTERM; 10 s */

    uint32_t max_running, max_per_service, journal_entries, pending_commands, depth;
    uint64_t payload_bytes, journal_bytes;
    int64_t retention_ms, evict_after_ms;

    bool egress_any;     /* documents may call URLs that are no agent's */
    char **egress_allow; /* host patterns ("api.example.com", "*.example.com", "127.0.0.1:9000") */
    size_t egress_count;
    uint64_t response_max; /* an agent's answer after decompression; 16 MiB */

    struct config_agent *agents;
    size_t agent_count;
    struct config_agent agent_default; /* [agent-defaults]: name and url NULL */
};

/* `path` NULL: $XDG_CONFIG_HOME/ultramcp-restate/config.toml when it exists, else the defaults
 * alone. The default agents (contracts: eight, on 127.0.0.1:8001 to 8008, and host ultramcp-NAME)
 * are always there; [agents.NAME] replaces single values of theirs. An agent's hosts are
 * those it lists and ultramcp-NAME, sorted; a host means one agent only. Durations in the file are
 * strings "500ms" "30s" "10m" "7d". Not to be called while another thread changes the
 * environment. */
enum errcode config_load(const char *path, struct config **out, struct err *err);
void config_free(struct config *c);

#ifdef __cplusplus
}
#endif

#endif
