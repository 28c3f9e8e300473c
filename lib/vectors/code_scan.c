/* The choice of scanners, and the one in plain C: see code_scan.h. */
#include "vectors/code_scan.h"

static uint32_t scan(float estimates[RSI_CODE_BLOCK], const rsi_code_query *query,
                     const uint8_t *block, const float *factors, const float *addends, float least)
{
    uint32_t sums[RSI_CODE_BLOCK] = {0};
    uint32_t over = 0;
    for (size_t nibble = 0; nibble < query->nibbles; nibble++) {
        const uint8_t *codes = block + nibble * 16;
        const uint8_t *table = query->tables + nibble * 16;
        for (size_t i = 0; i < 16; i++) {
            sums[i] += table[codes[i] & 15];
            sums[i + 16] += table[codes[i] >> 4];
        }
    }
    for (size_t i = 0; i < RSI_CODE_BLOCK; i++) {
        estimates[i] = factors[i] * (query->slope * (float)sums[i] + query->offset);
        if (addends != NULL)
            estimates[i] += addends[i];
        over |= (uint32_t)(estimates[i] > least) << i;
    }
    return over;
}

const rsi_code_scanner rsi_code_scanner_plain = {"plain C", scan};

const rsi_code_scanner *rsi_code_scanner_best(void)
{
    const rsi_code_scanner *scanner = rsi_code_scanner_avx512();
    if (scanner == NULL)
        scanner = rsi_code_scanner_avx2();
    return scanner != NULL ? scanner : &rsi_code_scanner_plain;
}
