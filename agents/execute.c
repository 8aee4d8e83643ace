/* POST /execute: a task for an agent as a whole. The tasks of a deployment have results of their
 * own; any other is answered in the manner of the agent. */
#include <string.h>

#include "agents.h"
#include "base/json.h"

enum { TASK_MAX = 64 * 1024 };

/* The tasks of a deployment, in a pretended environment: nothing outside is changed. */
static const struct deployment_task {
    const char *task, *environment, *result;
} deployment_tasks[] = {
    {"run-tests", "build", "all tests passed"},
    {"deploy-staging", "staging", "deployed"},
    {"smoke-tests", "staging", "answers as expected"},
    {"deploy-production", "production", "deployed"},
    {"production-health", "production", "healthy"},
    {"undo-staging", "staging", "previous version restored"},
    {"undo-production", "production", "previous version restored"},
};

static const struct deployment_task *find_task(const char *task)
{
    for (size_t i = 0; i < sizeof deployment_tasks / sizeof *deployment_tasks; i++)
        if (strcmp(deployment_tasks[i].task, task) == 0)
            return &deployment_tasks[i];
    return NULL;
}

static json_int_t count_words(const char *text)
{
    json_int_t words = 0;

    while (*text != '\0') {
        size_t len = strcspn(text, " \t\r\n");

        words += len > 0;
        text += len + (text[len] != '\0' ? 1 : 0);
    }
    return words;
}

/* What each agent says of a task that is not a deployment's. */
static const struct manner {
    const char *agent, *phrase;
} manners[] = {
    {"chain-of-debate", "opened for debate"},
    {"asterisk-security", "reviewed for risks; none follow from the task itself"},
    {"blockoli-intelligence", "indexed"},
    {"voice-system", "transcribed"},
    {"deepclaude-engine", "reasoned through: restated, split into steps, checked for gaps"},
    {"control-tower", "coordinated"},
    {"claude-memory", "remembered"},
    {"sam-mcp", "carried out"},
};

enum errcode agent_execute(struct call *call, struct err *err)
{
    const char *task, *phrase = "done";
    enum errcode code = call_string(call, "task", TASK_MAX, &task, err);

    if (code != ERR_OK)
        return code;
    const char *id = json_str(call->body, "workflowId", NULL);
    const struct deployment_task *known = find_task(task);
    if (known != NULL && strcmp(call->agent->name, "sam-mcp") == 0) {
        call->out = json_pack("{s:b, s:s, s:s, s:s?, s:s, s:s}", "success", 1, "agent",
                              call->agent->name, "task", task, "workflowId", id, "environment",
                              known->environment, "result", known->result);
        return ERR_OK;
    }
    for (size_t i = 0; i < sizeof manners / sizeof *manners; i++)
        if (strcmp(manners[i].agent, call->agent->name) == 0)
            phrase = manners[i].phrase;
    call->out = json_pack("{s:b, s:s, s:s, s:s?, s:s, s:I, s:I}", "success", 1, "agent",
                          call->agent->name, "task", task, "workflowId", id, "result", phrase,
                          "words", count_words(task), "contextKeys",
                          (json_int_t)json_object_size(json_object_get(call->body, "context")));
    return ERR_OK;
}
