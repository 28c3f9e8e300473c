/* Checksums, digests, random ids: see digest.h. */
#include "base/digest.h"

#include "base/sha256_x86.h"
#include "base/status.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define CRC32C_POLYNOMIAL 0x82F63B78u /* reflected */

static uint32_t crc32c_by_table(uint32_t crc, const unsigned char *data, size_t size)
{
    static _Thread_local uint32_t table[256];
    if (table[1] == 0) {
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t value = i;
            for (int bit = 0; bit < 8; bit++)
                value = value >> 1 ^ (CRC32C_POLYNOMIAL & (0u - (value & 1)));
            table[i] = value;
        }
    }
    for (size_t i = 0; i < size; i++)
        crc = crc >> 8 ^ table[(crc ^ data[i]) & 0xFF];
    return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t
crc32c_by_instruction(uint32_t crc, const unsigned char *data, size_t size)
{
    uint64_t wide = crc;
    while (size >= 8) {
        uint64_t word;
        memcpy(&word, data, 8);
        wide = __builtin_ia32_crc32di(wide, word);
        data += 8;
        size -= 8;
    }
    crc = (uint32_t)wide;
    while (size-- > 0)
        crc = __builtin_ia32_crc32qi(crc, *data++);
    return crc;
}
#endif

uint32_t rsi_crc32c(uint32_t crc, const void *data, size_t size)
{
    crc = ~crc;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2"))
        return ~crc32c_by_instruction(crc, data, size);
#endif
    return ~crc32c_by_table(crc, data, size);
}

static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotate_right(uint32_t value, int bits)
{
    return value >> bits | value << (32 - bits);
}

static void sha256_block_plain(uint32_t state[8], const unsigned char *block)
{
    uint32_t w[64];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
               (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        uint32_t s0 = rotate_right(w[i - 15], 7) ^ rotate_right(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t s1 = rotate_right(w[i - 2], 17) ^ rotate_right(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (int i = 0; i < 64; i++) {
        uint32_t s1 = rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25);
        uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + round_constants[i] + w[i];
        uint32_t s0 = rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22);
        uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
        h = g;
        g = f;
        f = e;
        e = d + t1;
        d = c;
        c = b;
        b = a;
        a = t1 + t2;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
}

static void sha256_blocks(uint32_t state[8], const unsigned char *data, size_t blocks)
{
    if (rsi_sha256_x86_usable()) {
        rsi_sha256_x86_blocks(state, data, blocks, round_constants);
        return;
    }
    for (; blocks > 0; blocks--, data += 64)
        sha256_block_plain(state, data);
}

void rsi_sha256_begin(rsi_sha256 *sha)
{
    static const uint32_t initial[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(sha->state, initial, sizeof initial);
    sha->size = 0;
}

void rsi_sha256_add(rsi_sha256 *sha, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    size_t filled = (size_t)(sha->size % 64);
    sha->size += size;
    while (size > 0) {
        if (filled == 0 && size >= 64) {
            sha256_blocks(sha->state, bytes, size / 64);
            bytes += size / 64 * 64;
            size %= 64;
            continue;
        }
        size_t take = 64 - filled < size ? 64 - filled : size;
        memcpy(sha->block + filled, bytes, take);
        filled += take;
        bytes += take;
        size -= take;
        if (filled == 64) {
            sha256_blocks(sha->state, sha->block, 1);
            filled = 0;
        }
    }
}

void rsi_sha256_end(rsi_sha256 *sha, unsigned char digest[32])
{
    uint64_t bits = sha->size * 8;
    static const unsigned char padding[64] = {0x80};
    size_t filled = (size_t)(sha->size % 64);
    rsi_sha256_add(sha, padding, filled < 56 ? 56 - filled : 120 - filled);
    unsigned char length[8];
    for (int i = 0; i < 8; i++)
        length[i] = (unsigned char)(bits >> (56 - 8 * i));
    rsi_sha256_add(sha, length, 8);
    for (int i = 0; i < 32; i++)
        digest[i] = (unsigned char)(sha->state[i / 4] >> (24 - 8 * (i % 4)));
}

void rsi_hex(const unsigned char *data, size_t size, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        out[2 * i] = digits[data[i] >> 4];
        out[2 * i + 1] = digits[data[i] & 15];
    }
    out[2 * size] = '\0';
}

void rsi_sha256_end_hex(rsi_sha256 *sha, char hex[RSI_SHA256_HEX])
{
    unsigned char digest[32];
    rsi_sha256_end(sha, digest);
    rsi_hex(digest, sizeof digest, hex);
}

void rsi_sha256_hex(const void *data, size_t size, char hex[RSI_SHA256_HEX])
{
    rsi_sha256 sha;
    rsi_sha256_begin(&sha);
    rsi_sha256_add(&sha, data, size);
    rsi_sha256_end_hex(&sha, hex);
}

int rsi_random(void *out, size_t size)
{
    unsigned char *bytes = out;
    while (size > 0) {
        ssize_t got = getrandom(bytes, size, 0);
        if (got < 0) {
            if (errno == EINTR)
                continue;
            return rsi_fail_errno(RAGSTORE_E_IO, errno, "base", "no random bytes");
        }
        bytes += got;
        size -= (size_t)got;
    }
    return RAGSTORE_OK;
}

int rsi_random_hex(char *out, size_t digits)
{
    unsigned char bytes[32];
    out[0] = '\0';
    int status = rsi_random(bytes, digits / 2);
    if (status == RAGSTORE_OK)
        rsi_hex(bytes, digits / 2, out);
    return status;
}

int rsi_random_uuid(char out[37])
{
    unsigned char bytes[16];
    char hex[33];
    out[0] = '\0';
    int status = rsi_random(bytes, sizeof bytes);
    if (status != RAGSTORE_OK)
        return status;
    bytes[6] = (unsigned char)((bytes[6] & 0x0F) | 0x40);
    bytes[8] = (unsigned char)((bytes[8] & 0x3F) | 0x80);
    rsi_hex(bytes, sizeof bytes, hex);
    static const size_t groups[] = {8, 4, 4, 4, 12};
    size_t from = 0;
    size_t to = 0;
    for (size_t g = 0; g < 5; g++) {
        memcpy(out + to, hex + from, groups[g]);
        from += groups[g];
        to += groups[g];
        out[to++] = g < 4 ? '-' : '\0';
    }
    return RAGSTORE_OK;
}
