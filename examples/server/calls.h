/*
 * The calls of the API, one handler each. They run on the workers, may block, and make one reply.
 */
#ifndef CALLS_H
#define CALLS_H

#include "routes.h"

/* entity_calls.c */
enum handled create_entity(struct request *request);
enum handled list_entities(struct request *request);
enum handled get_entity(struct request *request);
enum handled update_entity(struct request *request);
enum handled delete_entity(struct request *request);

/* entity_list.c: what list_entities() replies to a client that does not see all of them */
void reply_seen_entities(struct request *request, const ragstore_list_options *options);

/* upload_calls.c */
enum handled upload_file(struct request *request);
enum handled add_chunks(struct request *request);

/* document_calls.c */
enum handled list_documents(struct request *request);
enum handled get_document(struct request *request);
enum handled get_document_content(struct request *request);
enum handled get_document_text(struct request *request);
enum handled update_document(struct request *request);
enum handled delete_document(struct request *request);

/* session_calls.c */
enum handled create_session(struct request *request);
enum handled get_session(struct request *request);
enum handled list_sessions(struct request *request);
enum handled update_session(struct request *request);
enum handled delete_session(struct request *request);
enum handled search_messages(struct request *request);
enum handled list_messages(struct request *request);

/* chat_calls.c */
enum handled chat(struct request *request);

/* search_calls.c */
enum handled search(struct request *request);

/* job_calls.c */
enum handled list_jobs(struct request *request);
enum handled get_job(struct request *request);
enum handled cancel_job(struct request *request);
enum handled begin_check(struct request *request);
enum handled begin_compact(struct request *request);
enum handled begin_backup(struct request *request);

/* health_calls.c */
enum handled get_health(struct request *request);
enum handled get_ready(struct request *request);

/* metrics_calls.c */
enum handled get_metrics(struct request *request);

/* page_calls.c */
enum handled get_root(struct request *request);
enum handled get_page_file(struct request *request);
enum handled get_docs(struct request *request);
enum handled get_openapi(struct request *request);

#endif
