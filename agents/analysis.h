/* The analyses that agents make of a clone. Each walks the tree once or twice and answers a new
 * JSON object with what it found; bounded, and the same for the same files. */
#ifndef AGENTS_ANALYSIS_H
#define AGENTS_ANALYSIS_H

#include "agents.h"
#include "rules.h"
#include "walk.h"

/* {files, cut, secrets: FOUND, dangerousCalls: FOUND}; FOUND as in rules.h. */
enum errcode find_dangers(struct agents *a, const char *root, json_t **out, struct err *err);

/* {files, lines, blank, comment, code, languages: [{language, files, lines…}], functions,
 * longestFunctions: […], longestFiles: […], score, notes: […]}. */
enum errcode measure_code(struct agents *a, const char *root, json_t **out, struct err *err);

/* {files, patterns: FOUND, duplication: {blocks, lines, examples}}. */
enum errcode find_patterns(struct agents *a, const char *root, json_t **out, struct err *err);

long severity_count(const json_t *found, const char *severity);

#endif
