//! The contract of [`RuntimeBackend`](crate::runtime::RuntimeBackend), sentence by sentence.
//!
//! An implementor builds a [`RuntimeFixture`] and writes
//! `slate_core::runtime_conformance!(async { make_fixture() });`. What a backend can't do by its own `capabilities` is
//! skipped, and said so.

mod exec;
mod fixture;
mod life;
mod output;
mod program;
mod resident;
mod watching;

pub use exec::*;
pub use fixture::RuntimeFixture;
pub use life::*;
pub use output::*;
pub use program::Program;
pub use resident::*;
pub use watching::*;

/// Makes one test for each sentence of [`RuntimeBackend`](crate::runtime::RuntimeBackend)'s contract.
///
/// Takes a future that yields a [`RuntimeFixture`](crate::conformance::runtime::RuntimeFixture), or `None` where the
/// backend's server is missing (after it has said so).
#[macro_export]
macro_rules! runtime_conformance {
    ($make:expr) => {
        $crate::conformance_tests!(
            runtime,
            $make,
            [
                create_makes_an_instance_that_runs_nothing_yet,
                create_refuses_a_malformed_spec,
                create_refuses_a_name_in_use_and_leaves_the_other_as_it_was,
                create_of_one_name_by_many_is_won_once,
                create_takes_limits_that_are_not_enforced,
                an_enforced_pids_limit_holds,
                an_enforced_memory_limit_holds,
                start_runs_a_created_instance,
                start_runs_an_exited_instance_again,
                start_of_a_running_instance_is_refused,
                start_by_many_is_won_once,
                start_of_a_missing_program_leaves_the_instance_as_it_was,
                stop_asks_politely_first,
                stop_kills_after_the_grace_time,
                stop_leaves_no_descendant,
                stop_of_an_instance_that_does_not_run_is_ok,
                remove_takes_the_logs_away_and_frees_the_name,
                remove_of_a_running_instance_is_refused_unless_forced,
                remove_leaves_no_process,
                remove_by_many_is_won_once,
                an_ended_program_leaves_no_descendant,
                every_verb_on_a_missing_id_gives_not_found,
                inspect_knows_an_exit_that_nobody_waited_for,
                inspect_knows_the_signal_that_ended_it,
                inspect_shows_no_secret,
                list_yields_each_instance_with_all_labels_once,
                list_can_leave_out_what_does_not_run,
                instances_outlive_the_value_that_made_them,
                the_environment_is_the_spec_s_and_not_the_service_s,
                the_working_folder_is_the_spec_s,
                warm_makes_an_instance_that_runs_and_waits,
                bind_runs_an_assignment_as_if_the_instance_had_been_made_for_it,
                bind_under_a_key_once_more_changes_nothing_and_another_key_is_refused,
                bind_of_a_missing_program_is_an_error,
                stop_asks_a_bound_program_politely_and_leaves_no_descendant,
                ping_tells_an_instance_that_waits_from_others,
                a_bound_instance_that_is_started_again_waits_again,
                exec_tells_output_streams_and_exit_code_apart,
                exec_has_the_instance_s_environment_and_folder,
                exec_takes_further_environment_and_another_folder,
                exec_feeds_standard_input,
                exec_in_an_instance_that_does_not_run_is_refused,
                exec_of_a_missing_program_is_an_error_or_code_127,
                dropping_an_exec_kills_the_command,
                exec_is_killed_by_its_time_out,
                exec_ends_with_its_instance,
                logs_keep_the_order_of_each_stream,
                logs_resume_after_a_cursor_without_gap_or_repeat,
                logs_can_start_with_the_last_lines,
                logs_can_start_at_a_time,
                logs_follow_until_the_instance_has_ended,
                logs_go_on_over_a_restart,
                logs_cut_long_lines_into_parts,
                logs_keep_a_last_line_without_break,
                stats_of_an_instance_that_does_not_run_end_without_a_sample,
                the_first_sample_is_a_true_measurement,
                stats_end_with_the_instance,
                watch_tells_each_change,
                watch_keeps_to_the_labels,
                ping_answers,
            ]
        );
    };
}
