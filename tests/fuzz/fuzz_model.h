/* One input against everything that reads model files: see fuzz_model.c. */
#ifndef TESTS_FUZZ_FUZZ_MODEL_H
#define TESTS_FUZZ_FUZZ_MODEL_H

#include <stddef.h>
#include <stdint.h>

/* libFuzzer's entry. Aborts when something is wrong. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The file of a model directory that an input stands for, by its first byte; NULL: none. */
const char *fuzz_model_file(uint8_t selector);

/* What the last input came to: a status, for counting. */
int fuzz_model_last_status(void);

#endif
