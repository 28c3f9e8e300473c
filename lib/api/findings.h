/* Findings of a check as members of a JSON object. */
#ifndef RSI_API_FINDINGS_H
#define RSI_API_FINDINGS_H

#include "entities/check.h"
#include "json/json.h"

typedef struct rsi_findings {
    rsi_json_writer writer;
    rsi_bytes *out;
    bool any;
} rsi_findings;

/* "findings":[ … ],"ok":…,"entities":…,"documents":…  An object has been begun. */
void rsi_findings_begin(rsi_findings *findings, rsi_bytes *out, rsi_json_writer writer);
int rsi_findings_add(void *findings, const rsi_finding *finding); /* an rsi_finding_visitor */
void rsi_findings_end(rsi_findings *findings, const rsi_check_tally *tally);

#endif
