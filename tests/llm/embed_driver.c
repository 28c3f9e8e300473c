/*
 * Embeds texts by an endpoint: embed_driver URL MODEL DIMENSION TEXT... Prints one vector a line;
 * or the reason on standard error, with exit status 1. tests/http/test_llm.py drives it.
 */
#include "llm_client.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    struct llm_client client;
    char why[LLM_MESSAGE] = "usage: embed_driver URL MODEL DIMENSION TEXT...";
    size_t count = argc < 5 ? 0 : (size_t)argc - 4;
    size_t dimension = argc < 5 ? 0 : strtoul(argv[3], NULL, 10);
    float *vectors = calloc(count * dimension + 1, sizeof *vectors);
    int status = 1;

    if (count > 0 && vectors != NULL && llm_client_open(&client, argv[1], argv[2], why)) {
        if (llm_embed(vectors, &client, (const char *const *)(argv + 4), count, dimension, NULL,
                      why)) {
            status = 0;
        }
        llm_client_close(&client);
    }
    for (size_t i = 0; status == 0 && i < count * dimension; i++) {
        printf("%g%c", (double)vectors[i], (i + 1) % dimension == 0 ? '\n' : ' ');
    }
    if (status != 0) {
        fprintf(stderr, "%s\n", why);
    }
    free(vectors);
    return status;
}
