/* Why the chunks of an entity cannot be read: see space_damage.c. */
#ifndef RSI_STORAGE_SPACE_DAMAGE_H
#define RSI_STORAGE_SPACE_DAMAGE_H

#include "files/files.h"
#include "storage/storage.h"

struct rsi_space;

/* How stat() shows the files of an entity's folder that its chunks are read from. */
typedef struct rsi_folder_look {
    rsi_file_info own; /* entity.json */
    rsi_file_info chunks;
} rsi_folder_look;

/* May this error be one of the files of one entity, so that the others can go on? */
bool rsi_is_of_one_entity(int status);
/* Is it one that stays until somebody changes a file? */
bool rsi_is_lasting_damage(int status);
/* The thread's error as one of a file in an entity's folder: what to do about it, and DAMAGED also when
 * this process may not read the file. */
int rsi_of_entity_folder(int status);

void rsi_folder_look_at(rsi_folder_look *look, rsi_storage *storage, const char *entity_id);
/* A file that a commit names cannot be used: the space stays unread until the store is opened
 * again. */
int rsi_space_mark_damaged(struct rsi_space *space, const char *what);
/* Keep the thread's error, which is returned, as the reason; `look`: from before the files were read.
 * NO_MEMORY. */
int rsi_space_note_damage(struct rsi_space *space, int status, const rsi_folder_look *look);
/* The reason as an error, or OK: there is none, or the files have changed since. */
int rsi_space_damage(rsi_storage *storage, struct rsi_space *space);

#endif
