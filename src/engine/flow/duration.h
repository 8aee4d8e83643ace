/* Durations of the DSL: {days, hours, minutes, seconds, milliseconds} or ISO 8601 (P1DT2H3M4.5S; Y
 * = 365 d, M = 30 d, W = 7 d, fractions allowed in the last part). Refuses negative ones and more
 * than 100 years. */
#ifndef FLOW_DURATION_H
#define FLOW_DURATION_H

#include <jansson.h>
#include <stdint.h>

#include "base/err.h"

enum errcode duration_parse(const json_t *value, int64_t *ms, struct err *err);

#endif
