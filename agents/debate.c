/* A debate by rule: what a participant says follows from the topic, who he is, the round and what
 * was said before, so that the same debate reads the same. With a model configured, the model
 * speaks. */
#include <stdlib.h>
#include <string.h>

#include "model.h"
#include "base/json.h"
#include "base/mem.h"

enum { TOPIC_MAX = 8000, NAME_MAX_BYTES = 200, CONTEXT_BYTES = 4000, ROUNDS_MAX = 100 };

static const char *const stances[] = {"in favour", "against", "undecided"};

/* What each kind of participant looks at first; the first word that is in the name decides. */
static const struct lens {
    const char *word, *concern, *question;
} lenses[] = {
    {"secur", "what an attacker gains", "who can reach it, and with which rights"},
    {"architect", "how the parts depend on each other", "what it costs to change it in two years"},
    {"devops", "how it behaves when a machine is lost", "how we see that it is ill, and go back"},
    {"develop", "how soon a change reaches its users", "how a newcomer finds the place to change"},
    {"test", "how we know that it works", "which failure we cannot provoke today"},
    {"data", "where the data lives and who owns it", "what happens to it at a migration"},
    {"product", "what the user notices", "which problem of theirs goes away"},
    {"", "what it gives for what it costs", "what we would have to see to change our mind"},
};

static const char *const openings[] = {
    "I look at \"%s\" from %s. My position is %s: the first thing to settle is %s.",
    "On \"%s\" I weigh %s. I am %s, and I would decide it by asking %s.",
    "For me \"%s\" is a question of %s. I stand %s until we have answered %s.",
};

static const char *const replies[] = {
    "%s was right to raise the point in round %d; it does not settle %s, though, and I stay %s.",
    "What %s said in round %d moves me: it bears on %s. I am %s now, on that condition.",
    "I agree with %s of round %d as far as it goes. What is left open is %s, and so I am %s.",
};

static const struct lens *lens_of(const char *participant)
{
    const struct lens *l = lenses;

    while (l->word[0] != '\0' && strcasestr(participant, l->word) == NULL)
        l++;
    return l;
}

static uint64_t mix(const char *a, const char *b, int64_t round)
{
    uint64_t hash = agent_hash(a, strlen(a), (uint64_t)round * 0x9e3779b97f4a7c15ULL);

    hash = agent_hash(b, strlen(b), hash);
    return hash ^ hash >> 31;
}

/* Whom to answer: someone else who spoke in the round before. NULL when there is no one. */
static const char *respond_to(const struct call *call, const char *participant, uint64_t pick,
                              int *round)
{
    const json_t *rounds = json_object_get(call->body, "previousRounds");
    size_t count = json_array_size(rounds);
    const json_t *last = count > 0 ? json_array_get(rounds, count - 1) : NULL;
    const json_t *results = json_object_get(last, "results");
    size_t speakers = json_array_size(results);

    *round = (int)json_int(last, "round", (int64_t)count);
    for (size_t i = 0; i < speakers; i++) {
        const json_t *said = json_array_get(results, (size_t)(pick + i) % speakers);
        const char *name = json_str(said, "participant", NULL);

        if (name != NULL && strcmp(name, participant) != 0)
            return name;
    }
    return NULL;
}

static char *argument_by_rule(const char *topic, const char *participant, uint64_t pick,
                              const char *to, int to_round, const char *stance)
{
    const struct lens *l = lens_of(participant);
    char *cut = mem_strndup(topic, 300);
    char *text;

    /* The formats are rows of the two tables above. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    if (to != NULL)
        text = mem_printf(replies[pick % 3], to, to_round, l->question, stance);
    else
        text = mem_printf(openings[pick % 3], cut, l->concern, stance, l->question);
#pragma GCC diagnostic pop
    free(cut);
    return text;
}

static enum errcode argument_by_model(struct call *call, const char *topic, const char *participant,
                                      int64_t round, char **text, struct err *err)
{
    json_t *rounds = json_object_get(call->body, "previousRounds");
    json_t *context = json_object_get(call->body, "context");
    char *said = json_is_array(rounds) ? json_text(rounds) : mem_strdup("[]");
    char *known = json_is_null(context) || context == NULL ? mem_strdup("") : json_text(context);
    char *role = mem_printf("You are %s in a debate. Argue in at most 120 words, and answer the "
                            "others by name.",
                            participant);
    char *question = mem_printf("Topic: %s\nRound: %d\nContext: %.*s\nEarlier rounds: %s", topic,
                                (int)round, CONTEXT_BYTES, known, said);
    enum errcode code = model_ask(&call->agents->options, role, question, text, err);

    free(question);
    free(role);
    free(known);
    free(said);
    return code;
}

enum errcode agent_debate(struct call *call, struct err *err)
{
    const char *topic, *participant, *id;
    int64_t round = json_int(call->body, "round", 0);
    int to_round = 0;
    char *text = NULL;
    enum errcode code = call_string(call, "topic", TOPIC_MAX, &topic, err);

    if (code == ERR_OK)
        code = call_string(call, "participant", NAME_MAX_BYTES, &participant, err);
    if (code == ERR_OK)
        code = call_string(call, "debateId", 256, &id, err);
    if (code == ERR_OK && (round < 1 || round > ROUNDS_MAX))
        code = err_set(err, ERR_INVALID, "/debate: \"round\" is needed, 1 to %d", ROUNDS_MAX);
    if (code != ERR_OK)
        return code;
    uint64_t pick = mix(topic, participant, round);
    const char *to = respond_to(call, participant, pick, &to_round);
    const char *stance = stances[mix(topic, participant, round > 2 ? 2 : 1) % 3];
    if (call->agents->options.model_url != NULL)
        code = argument_by_model(call, topic, participant, round, &text, err);
    else
        text = argument_by_rule(topic, participant, pick, to, to_round, stance);
    if (code != ERR_OK)
        return code;
    call->out = json_pack(
        "{s:b, s:s, s:s, s:I, s:s, s:f, s:s, s:s?, s:s}", "success", 1, "debateId", id,
        "participant", participant, "round", (json_int_t)round, "stance", stance, "confidence",
        (double)(50 + (mix(participant, topic, round) % 50)) / 100.0, "argument", text,
        "respondsTo", to, "source", call->agents->options.model_url != NULL ? "model" : "rule");
    free(text);
    return call->out != NULL ? ERR_OK : err_set(err, ERR_INTERNAL, "debate: not UTF-8");
}

/* Counts the stances of the last round and lists who holds them. */
static json_t *positions(const json_t *rounds, size_t counts[3])
{
    size_t count = json_array_size(rounds), i;
    const json_t *results =
        json_object_get(count > 0 ? json_array_get(rounds, count - 1) : NULL, "results");
    json_t *list = json_array(), *said;

    json_array_foreach(results, i, said)
    {
        const char *stance = json_str(said, "stance", "undecided");

        for (size_t s = 0; s < 3; s++)
            counts[s] += strcmp(stance, stances[s]) == 0 ? 1 : 0;
        json_array_append_new(list, json_pack("{s:s, s:s}", "participant",
                                              json_str(said, "participant", "unknown"), "stance",
                                              stance));
    }
    return list;
}

static enum errcode synthesis_text(struct call *call, const char *topic, const json_t *rounds,
                                   const size_t counts[3], char **text, struct err *err)
{
    enum errcode code = ERR_OK;

    if (call->agents->options.model_url != NULL) {
        char *said = json_text(rounds);
        char *question = mem_printf("Topic: %s\nThe debate: %s", topic, said);

        code = model_ask(&call->agents->options,
                         "Sum up this debate in at most 200 words: what was agreed, what is open, "
                         "and what to do.",
                         question, text, err);
        free(question);
        free(said);
    } else {
        *text = mem_printf("After %zu rounds on \"%.300s\": %zu in favour, %zu against, %zu "
                           "undecided. %s",
                           json_array_size(rounds), topic, counts[0], counts[1], counts[2],
                           counts[0] > counts[1] + counts[2]
                               ? "Go ahead, and check the open questions on the way."
                           : counts[1] > counts[0] + counts[2]
                               ? "Leave it, unless the objections can be met."
                               : "No majority: try it where it can be taken back, then decide.");
    }
    return code;
}

enum errcode agent_synthesize(struct call *call, struct err *err)
{
    const char *topic, *id;
    json_t *rounds = json_object_get(call->body, "debateResults");
    size_t counts[3] = {0};
    char *text = NULL;
    enum errcode code = call_string(call, "topic", TOPIC_MAX, &topic, err);

    if (code == ERR_OK)
        code = call_string(call, "debateId", 256, &id, err);
    if (code == ERR_OK && !json_is_array(rounds))
        code = err_set(err, ERR_INVALID, "/synthesize: \"debateResults\" is needed, an array");
    if (code != ERR_OK)
        return code;
    json_t *list = positions(rounds, counts);
    size_t all = counts[0] + counts[1] + counts[2];
    code = synthesis_text(call, topic, rounds, counts, &text, err);
    if (code == ERR_OK)
        call->out =
            json_pack("{s:b, s:s, s:s, s:b, s:O, s:I}", "success", 1, "debateId", id, "summary",
                      text, "consensus", all > 0 && (counts[0] == all || counts[1] == all),
                      "positions", list, "rounds", (json_int_t)json_array_size(rounds));
    json_decref(list);
    free(text);
    if (code == ERR_OK && call->out == NULL)
        code = err_set(err, ERR_INTERNAL, "synthesis: not UTF-8");
    return code;
}
