//! What every [`Store`](crate::store::Store) does: one function for each sentence of the contracts.
//!
//! `slate_core::store_conformance!(async { make_an_empty_store() });` makes a test of each, where the expression yields an
//! `Arc<dyn Store>`, or an `Option` of one that is `None` where a server is missing. [`agrees_with_the_reference`] goes
//! further: it does random work to a store and to the reference, and compares the answers.
#![allow(missing_docs, reason = "each function's name is the sentence that it holds a store to")]

mod changes;
mod events;
mod fixtures;
mod jobs;
mod logs;
mod model;
mod pools;
mod records;

pub use changes::*;
pub use events::*;
pub use jobs::*;
pub use logs::*;
pub use model::agrees_with_the_reference;
pub use pools::*;
pub use records::*;

/// Makes one test for each sentence of the store's contracts. See [`conformance::store`](crate::conformance::store).
#[macro_export]
macro_rules! store_conformance {
    ($make:expr) => {
        $crate::conformance_tests!(
            store,
            $make,
            [
                all_changes_and_events_of_a_set_are_committed,
                or_none_where_one_change_fails,
                creating_a_record_whose_id_is_there_gives_already_exists,
                creating_a_record_whose_unique_key_is_there_gives_already_exists,
                updating_to_a_unique_key_that_is_there_gives_already_exists,
                creating_a_record_whose_parent_is_not_there_or_deleted_gives_not_found,
                a_change_of_the_project_of_a_record_gives_invalid,
                updating_or_deleting_a_record_whose_version_is_another_gives_conflict,
                updating_or_deleting_a_record_that_is_not_there_or_deleted_gives_not_found,
                an_update_adds_exactly_one_to_the_version_keeps_created_at_and_sets_updated_at,
                an_update_replaces_every_other_field,
                many_records_that_are_alike_are_stored_as_they_are,
                changes_are_made_in_order,
                an_update_keeps_the_stored_lease_whatever_the_record_says,
                an_update_to_a_final_or_waiting_state_ends_the_lease_but_keeps_its_attempt,
                a_deleted_record_is_found_by_no_get_and_in_no_list,
                the_unique_keys_of_a_deleted_record_are_free_again,
                the_id_of_a_deleted_record_is_never_free_again,
                a_set_with_a_fence_that_is_no_longer_current_gives_conflict,
                a_fence_holds_after_the_lease_ran_out_until_somebody_else_claims,
                a_set_under_an_idempotency_key_that_was_applied_before_changes_nothing,
                another_request_under_an_idempotency_key_gives_already_exists,
                an_idempotency_key_of_a_set_that_failed_is_not_used_up,
                of_concurrent_repetitions_of_a_request_exactly_one_is_applied,
                of_concurrent_updates_of_one_version_exactly_one_succeeds,
                a_reservation_over_a_limit_gives_resource_exhausted,
                a_user_without_a_quota_is_not_limited_where_there_is_no_default,
                nothing_released_falls_below_zero_and_a_set_quota_keeps_what_is_held,
                concurrent_reservations_never_exceed_a_limit_together,
                a_set_of_more_than_max_len_changes_or_events_gives_limit_exceeded,
                a_malformed_record_gives_invalid,
                an_event_or_audit_entry_whose_id_is_there_gives_already_exists,
                a_count_is_added_to_the_counter_of_its_name_label_and_bucket,
                getting_what_is_not_there_gives_not_found,
                a_list_holds_every_live_record_once_by_the_time_they_were_made,
                every_kind_of_record_is_listed_page_by_page,
                going_on_from_page_to_page_yields_each_record_that_was_there_throughout_exactly_once,
                a_page_limit_of_0_gives_invalid_and_one_over_max_limit_limit_exceeded,
                a_cursor_that_is_none_gives_invalid,
                projects_are_listed_by_owner_and_name,
                files_are_listed_by_project_and_prefix,
                assets_and_their_jobs_are_listed_by_what_they_are_of,
                sessions_are_listed_by_project_user_and_states,
                builds_are_listed_by_project_user_platform_and_states,
                build_statistics_count_the_live_builds_of_a_project,
                templates_are_listed_by_who_may_see_them_and_purpose,
                audit_entries_are_listed_by_time_user_and_target,
                what_looks_like_sql_is_only_text,
                times_are_kept_to_the_microsecond_before_and_after_the_epoch,
                an_error_names_the_store,
                claim_yields_jobs_that_wait_oldest_first,
                claim_yields_jobs_that_somebody_left,
                claim_yields_sessions_that_have_not_ended_and_that_nobody_holds,
                claim_yields_only_sessions_of_the_backend_asked_for,
                a_claimed_build_or_asset_job_is_running_and_one_attempt_and_version_on,
                claim_passes_by_jobs_that_ended_or_are_deleted,
                claim_yields_each_job_to_one_worker_only,
                a_claim_for_none_or_over_1000_gives_invalid,
                extend_moves_the_end_of_each_lease_that_is_still_the_workers_and_changes_no_version,
                extend_tells_in_order_which_leases_are_lost_and_for_which_somebody_asked_for_the_end,
                extend_revives_a_lease_that_ran_out_but_that_nobody_claimed,
                release_gives_jobs_back_at_once_unchanged_but_for_the_lease_and_counts_it,
                release_leaves_those_that_are_not_the_workers,
                of_concurrent_endings_under_one_attempt_exactly_one_succeeds,
                claim_member_gives_the_ready_member_that_has_waited_longest,
                claim_member_passes_by_what_is_not_ready_or_deleted_or_of_another_pool_or_hash,
                a_repeated_claim_yields_the_same_member_and_changes_nothing,
                of_concurrent_claims_each_gets_another_member,
                concurrent_repetitions_of_a_claim_yield_one_member,
                the_key_of_a_member_that_is_no_longer_claimed_is_free_again,
                a_member_that_is_drained_and_claimed_at_once_goes_one_way,
                a_claim_whose_key_is_malformed_gives_invalid,
                pool_members_are_listed_by_pool_states_and_session,
                append_logs_stores_every_line_as_it_is,
                a_line_whose_source_and_seq_or_id_is_stored_is_left_out_silently,
                of_concurrent_appends_of_one_place_exactly_one_is_stored,
                logs_yields_lines_of_one_source_in_the_order_in_which_they_were_appended,
                logs_are_found_by_level_time_and_text,
                an_offset_leaves_out_the_first_lines_of_the_list,
                last_log_seq_is_the_greatest_stored_of_the_source,
                too_many_or_too_long_lines_give_limit_exceeded_and_all_are_refused,
                purge_logs_removes_the_oldest_lines_written_before_a_time,
                samples_that_are_not_finite_give_invalid_and_all_are_refused,
                metrics_yields_samples_by_the_time_of_measurement,
                metric_buckets_covers_just_the_samples_of_the_query_in_spans_since_the_epoch,
                purge_metrics_removes_the_oldest_samples_measured_before_a_time,
                unpublished_yields_the_oldest_events_that_no_mark_published_named,
                unpublished_yields_events_of_one_aggregate_in_the_order_of_their_versions,
                mark_published_of_an_event_that_is_marked_or_not_there_changes_nothing,
                events_are_found_by_aggregate_and_subject_in_the_order_of_seq,
                purge_events_removes_published_events_only,
                a_seq_is_never_given_twice,
                of_several_workers_at_most_one_holds_the_lease_of_a_name,
                whoever_gets_a_lease_anew_gets_a_greater_term,
                every_event_of_concurrent_sets_is_stored_once,
                whoever_reads_on_in_the_order_of_seq_misses_no_event_of_concurrent_sets,
            ]
        );
    };
}
