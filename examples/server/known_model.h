/*
 * What a store tells about an endpoint's model while the endpoint is away: how long its vectors
 * are. The fingerprint of an entity's vectors is NAME/DIMENSION/endpoint.
 */
#ifndef KNOWN_MODEL_H
#define KNOWN_MODEL_H

#include <stdbool.h>
#include <stddef.h>

struct known_model {
    bool has_entities;
    size_t dimension; /* of the latest entity with vectors of this model; 0: there is none */
};

/* Look into the store of that directory, which nobody in this process has open. One that is not
 * there or cannot be read tells nothing. */
struct known_model known_model_find(const char *data_dir, const char *name);

/* The dimension in the fingerprint of an endpoint's model of that name; 0: it is another's. */
size_t known_model_dimension(const char *fingerprint, const char *name);

#endif
