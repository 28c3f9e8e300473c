# The sources of the library, by room, from the ground up (lib/README.md).

ROOMS := base files json matrix query storage vectors lexical embed jobs entities search ingest \
    collections agent api

ROOM_base := \
    base64.c \
    bitset.c \
    bytes.c \
    clock.c \
    digest.c \
    hits.c \
    map.c \
    memory.c \
    process.c \
    sha256_x86.c \
    status.c \
    utf8.c

ROOM_files := \
    copy_file.c \
    directories.c \
    files.c \
    files_posix.c \
    files_posix_open.c \
    lock_file.c \
    outside_file.c \
    paths.c \
    root.c \
    spill.c \
    upload_names.c \
    whole_files.c

ROOM_json := \
    json_dump.c \
    json_edit.c \
    json_number.c \
    json_parse.c \
    json_read.c \
    json_real.c \
    json_scan.c \
    json_scan_avx2.c \
    json_view.c \
    json_view_text.c \
    json_write.c

ROOM_matrix := \
    product.c \
    product_avx2.c \
    product_avx512.c

ROOM_query := \
    distinct.c \
    expression.c \
    field_path.c \
    group.c \
    ordering.c \
    pipeline.c \
    place.c \
    predicate_compile.c \
    predicate_index.c \
    predicate_match.c \
    predicate_operators.c \
    projection.c \
    regex.c \
    update_apply.c \
    update_arrays.c \
    update_compile.c \
    update_edit.c \
    value_order.c

ROOM_storage := \
    attach.c \
    backup_files.c \
    backup_list.c \
    backup_restore.c \
    backup_take.c \
    base.c \
    base_index.c \
    base_read.c \
    base_scan.c \
    check.c \
    checkpoint.c \
    checkpoint_target.c \
    collection_space.c \
    commit.c \
    commit_hint.c \
    create.c \
    follow.c \
    group.c \
    hold.c \
    journal.c \
    journal_files.c \
    journal_op.c \
    journal_vectors.c \
    lease.c \
    manifest.c \
    read.c \
    recover.c \
    reload.c \
    replay.c \
    reserve.c \
    row_files.c \
    scan.c \
    segment.c \
    sessions_of.c \
    small_file.c \
    snapshot.c \
    snapshot_write.c \
    snapshots_load.c \
    space.c \
    space_damage.c \
    storage.c \
    sweep.c \
    table.c \
    table_freeze.c \
    table_orders.c \
    table_read.c \
    tx.c \
    work.c

ROOM_vectors := \
    byte_codes.c \
    byte_codes_search.c \
    byte_scan.c \
    byte_scan_avx2.c \
    byte_scan_avx512.c \
    candidates.c \
    centroids.c \
    code_scan.c \
    code_scan_avx2.c \
    code_scan_avx512.c \
    faiss_blocks.c \
    faiss_factory.c \
    faiss_file.c \
    faiss_index.c \
    faiss_index_search.c \
    faiss_layout.c \
    faiss_pieces.c \
    faiss_processor.c \
    faiss_query.c \
    faiss_saved.c \
    faiss_sum.c \
    faiss_walk.c \
    faiss_walk_additive.c \
    faiss_walk_blocks.c \
    faiss_walk_codes.c \
    faiss_walk_graph.c \
    faiss_walk_lists.c \
    faiss_walk_transform.c \
    index_faiss.c \
    kernel.c \
    kernel_avx2.c \
    kernel_avx512.c \
    kernel_neon.c \
    metric.c \
    quantised.c \
    quantised_rank.c \
    quantised_search.c \
    rotation.c \
    rows.c \
    rows_append.c \
    rows_block.c \
    rows_compact.c \
    rows_restore.c \
    rows_search.c \
    rows_search_many.c \
    rows_walk.c

ROOM_lexical := \
    analyzer.c \
    bm25.c \
    chunk_slots.c \
    dictionary.c \
    fold.c \
    lexical.c \
    lexical_add.c \
    lexical_compact.c \
    lexical_read.c \
    lexical_runs.c \
    lexical_write.c \
    phrase.c \
    postings.c \
    stop_words.c \
    stop_words_european.c \
    text_masks.c \
    text_segments.c \
    word_cache.c

ROOM_embed := \
    batch.c \
    bert_characters.c \
    bert_config.c \
    dense.c \
    embed.c \
    embedder.c \
    embedder_callback.c \
    embedder_hashing.c \
    encoder.c \
    int16_product_avx2.c \
    int16_product_vnni.c \
    int8_product_avx2.c \
    int8_product_vnni.c \
    integer_pack.c \
    integer_product.c \
    kernels.c \
    model_file.c \
    model_locate.c \
    prompts.c \
    safetensors.c \
    team.c \
    vocabulary.c \
    weights.c \
    wordpiece.c \
    wordpiece_config.c

ROOM_jobs := \
    job_extractor.c \
    job_list.c \
    job_record.c \
    job_threads.c \
    job_work.c

ROOM_entities := \
    backup.c \
    catalog.c \
    catalog_codes.c \
    catalog_cut.c \
    catalog_faiss.c \
    catalog_lexical.c \
    catalog_load.c \
    catalog_restore.c \
    check.c \
    compact.c \
    compact_rows.c \
    document_lookup.c \
    embedding_cache.c \
    entity.c \
    entity_describe.c \
    export.c \
    export_faiss.c \
    filter_cache.c \
    index_plan.c \
    index_settings.c \
    metadata_columns.c \
    open_stores.c \
    store.c \
    store_log.c \
    upkeep.c

ROOM_search := \
    collect.c \
    duplicates.c \
    filter.c \
    filter_columns.c \
    fusion.c \
    hit_details.c \
    metadata.c \
    phrases.c \
    query_syntax.c \
    search.c

ROOM_ingest := \
    chunk.c \
    chunk_heading.c \
    chunk_sentences.c \
    chunk_split.c \
    chunk_tokens.c \
    chunks_job.c \
    document.c \
    document_change.c \
    document_commit.c \
    document_import.c \
    document_name.c \
    document_prepare.c \
    document_queue.c \
    document_read.c \
    document_upload.c \
    extract.c \
    extract_binary.c \
    extract_callback.c \
    extract_csv.c \
    extract_csv_read.c \
    extract_decode.c \
    extract_encoding.c \
    extract_html.c \
    extract_html_entities.c \
    extract_html_scan.c \
    extract_html_table.c \
    extract_html_write.c \
    extract_input.c \
    extract_json.c \
    extract_kind.c \
    extract_markdown.c \
    extract_plain.c \
    extract_row.c \
    extract_text.c \
    prepared.c \
    reembed_job.c \
    reembed_offer.c \
    upload_job.c

ROOM_collections := \
    collection.c \
    collection_aggregate.c \
    collection_change.c \
    collection_find.c \
    collection_index.c \
    collection_insert.c \
    collection_lookup.c \
    collection_plan.c \
    ordered_keys.c \
    stored_document.c

ROOM_agent := \
    answer_score.c \
    answer_terms.c \
    answer_units.c \
    extractive.c \
    generation.c \
    model_answer.c \
    model_prompt.c \
    session.c \
    session_change.c \
    session_messages.c \
    session_search.c

ROOM_api := \
    api_backup.c \
    api_check.c \
    api_collection.c \
    api_compact.c \
    api_document.c \
    api_entity.c \
    api_errors.c \
    api_extraction.c \
    api_generation.c \
    api_index.c \
    api_index_settings.c \
    api_job.c \
    api_model.c \
    api_options.c \
    api_search.c \
    api_session.c \
    api_store.c \
    handles.c
