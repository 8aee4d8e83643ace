/* A language model behind an OpenAI-compatible endpoint. Any thread; blocks. */
#ifndef AGENTS_MODEL_H
#define AGENTS_MODEL_H

#include "agents.h"

/* Asks once, at temperature 0; `*text` is the answer on the heap. ERR_UNAVAILABLE when the endpoint
 * fails, so that whoever called us tries again. */
enum errcode model_ask(const struct options *o, const char *role, const char *question, char **text,
                       struct err *err);

#endif
