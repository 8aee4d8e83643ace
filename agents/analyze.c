/* POST /analyze: one analysis of a clone, of the kinds that this agent knows. */
#include <stdlib.h>
#include <string.h>

#include "analysis.h"
#include "git.h"

struct analysis {
    const char *type;
    const char *agent; /* who offers it */
    enum errcode (*run)(struct agents *a, const char *root, json_t **out, struct err *err);
};

static const struct analysis analyses[] = {
    {"security", "asterisk-security", find_dangers},
    {"quality", "blockoli-intelligence", measure_code},
    {"patterns", "blockoli-intelligence", find_patterns},
};

static const struct analysis *find_analysis(const struct call *call, const char *type)
{
    for (size_t i = 0; i < sizeof analyses / sizeof *analyses; i++)
        if (strcmp(analyses[i].type, type) == 0 &&
            strcmp(analyses[i].agent, call->agent->name) == 0)
            return &analyses[i];
    return NULL;
}

enum errcode agent_analyze(struct call *call, struct err *err)
{
    const char *given, *id, *type;
    json_t *found = NULL;
    enum errcode code = call_string(call, "repositoryPath", 4096, &given, err);

    if (code == ERR_OK)
        code = call_string(call, "analysisId", 256, &id, err);
    if (code == ERR_OK)
        code = call_string(call, "type", 32, &type, err);
    if (code != ERR_OK)
        return code;
    const struct analysis *analysis = find_analysis(call, type);
    if (analysis == NULL)
        return err_set(err, ERR_INVALID, "%s: no analysis of type %.32s here", call->agent->name,
                       type);
    char *root = git_checked_path(call->agents, given, err);
    if (root == NULL)
        return err->code;
    code = analysis->run(call->agents, root, &found, err);
    free(root);
    if (code != ERR_OK)
        return code;
    call->out = json_pack("{s:b, s:s, s:s}", "success", 1, "analysisId", id, "type", type);
    json_object_update(call->out, found);
    json_decref(found);
    return ERR_OK;
}
