/* The commit file: see commit_hint.h. */
#include "storage/commit_hint.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/status.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define AT_GENERATION 5
#define AT_END 16
#define AT_SEQUENCE 32
#define AT_STATE 53
#define AT_CRC 55
#define END_MAX 999999999999999u
#define ATTEMPTS 20

void rsi_hint_encode(char out[RSI_HINT_SIZE], const rsi_hint *hint)
{
    memset(out, ' ', AT_CRC);
    memcpy(out, "RSC1", 4);
    rsi_put_decimal(out + AT_GENERATION, 10, hint->generation);
    rsi_put_decimal(out + AT_END, 15, hint->end < END_MAX ? hint->end : END_MAX);
    rsi_put_decimal(out + AT_SEQUENCE, 20, hint->sequence);
    out[AT_STATE] = (char)hint->state;
    rsi_put_hex(out + AT_CRC, 8, rsi_crc32c(0, out, AT_CRC));
    out[RSI_HINT_SIZE - 1] = '\n';
}

static bool is_state(char state)
{
    return state == RSI_HINT_OK || state == RSI_HINT_UNFLUSHED || state == RSI_HINT_BUSY ||
           state == RSI_HINT_FAILED;
}

void rsi_hint_decode(rsi_hint *hint, const char bytes[RSI_HINT_SIZE])
{
    char text[RSI_HINT_SIZE + 1];
    char again[RSI_HINT_SIZE];
    char state;
    memcpy(text, bytes, RSI_HINT_SIZE);
    text[RSI_HINT_SIZE] = '\0';
    *hint = (rsi_hint){0};
    if (sscanf(text, "RSC1 %10" SCNu64 " %15" SCNu64 " %20" SCNu64 " %c", &hint->generation,
               &hint->end, &hint->sequence, &state) == 4 &&
        is_state(state)) {
        hint->state = (rsi_hint_state)state;
        rsi_hint_encode(again, hint);
        if (memcmp(again, bytes, RSI_HINT_SIZE) == 0)
            return;
    }
    *hint = (rsi_hint){0};
}

int rsi_hint_read(rsi_hint *hint, rsi_file *file)
{
    char bytes[RSI_HINT_SIZE];
    *hint = (rsi_hint){0};
    for (int i = 0; i < ATTEMPTS; i++) {
        int status = rsi_file_read_at(file, bytes, sizeof bytes, 0);
        if (status == RAGSTORE_E_DAMAGED)
            return RAGSTORE_OK; /* shorter */
        if (status != RAGSTORE_OK)
            return status;
        rsi_hint_decode(hint, bytes);
        if (hint->state != RSI_HINT_NONE)
            return RAGSTORE_OK;
        if (i > 0)
            rsi_sleep_us(50);
    }
    return RAGSTORE_OK;
}

int rsi_hint_write(rsi_file *file, const rsi_hint *hint)
{
    char bytes[RSI_HINT_SIZE];
    rsi_hint_encode(bytes, hint);
    return rsi_file_write_at(file, bytes, sizeof bytes, 0);
}
