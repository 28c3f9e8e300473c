/* The init functions of the option structs: all defaults are zero. */
#include "ragstore.h"

#include <string.h>

#define INIT_FUNCTION(type)                                                                        \
    void type##_init(type *options)                                                                \
    {                                                                                              \
        if (options == NULL)                                                                       \
            return;                                                                                \
        memset(options, 0, sizeof *options);                                                       \
        options->struct_size = sizeof *options;                                                    \
    }

INIT_FUNCTION(ragstore_model_open_options)
INIT_FUNCTION(ragstore_model_callback_options)
INIT_FUNCTION(ragstore_store_open_options)
INIT_FUNCTION(ragstore_store_check_options)
INIT_FUNCTION(ragstore_store_compact_options)
INIT_FUNCTION(ragstore_backup_options)
INIT_FUNCTION(ragstore_entity_create_options)
INIT_FUNCTION(ragstore_entity_update_options)
INIT_FUNCTION(ragstore_list_options)
INIT_FUNCTION(ragstore_document_add_options)
INIT_FUNCTION(ragstore_document_update_options)
INIT_FUNCTION(ragstore_job_list_options)
INIT_FUNCTION(ragstore_entity_search_options)
INIT_FUNCTION(ragstore_index_rebuild_options)
INIT_FUNCTION(ragstore_session_create_options)
INIT_FUNCTION(ragstore_session_update_options)
INIT_FUNCTION(ragstore_session_search_options)
INIT_FUNCTION(ragstore_session_messages_options)
INIT_FUNCTION(ragstore_session_ask_options)
INIT_FUNCTION(ragstore_collection_find_options)
INIT_FUNCTION(ragstore_collection_update_options)
