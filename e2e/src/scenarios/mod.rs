//! The scenarios: one behaviour each, the same code on both planes.

mod agent_config;
mod agents;
mod bad_input;
mod branches;
mod chains;
mod command_line;
mod containers;
mod crashes;
mod credentials;
mod defaults;
mod endings;
mod kubectl;
mod output;
mod pipelines;
mod refusals;
mod repositories;
mod spawners;
mod tasks;
mod workspaces;

use std::pin::Pin;

use self::spawners::{
    bad_spawners, comments, deliveries, limits, many, polling, schedules, scripts, triggers,
};
use crate::plane::PlaneKind;
use crate::world::World;

/// One behaviour that a plane must show.
pub struct Scenario {
    pub name: &'static str,
    on: On,
    company: Company,
    run: fn(World) -> Run,
}

type Run = Pin<Box<dyn Future<Output = anyhow::Result<()>>>>;

/// On which planes a scenario runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum On {
    Both,
    Cluster,
    /// The embedded one, whose restarts take a moment and not the time of a Lease.
    Embedded,
}

/// Beside what a scenario may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Company {
    /// Others may run at the same time.
    Others,
    /// It disturbs the plane, so that nothing else may run.
    Alone,
}

impl Scenario {
    /// Whether this plane must show it.
    pub fn is_for(&self, plane: PlaneKind) -> bool {
        match self.on {
            On::Both => true,
            On::Cluster => plane == PlaneKind::Cluster,
            On::Embedded => plane == PlaneKind::Embedded,
        }
    }

    pub fn company(&self) -> Company {
        self.company
    }

    pub fn run(&self, world: World) -> Run {
        (self.run)(world)
    }
}

macro_rules! scenarios {
    ($($on:ident $company:ident $module:ident :: $name:ident;)*) => {
        /// Every scenario, in the order in which they begin.
        pub const SCENARIOS: &[Scenario] = &[$(Scenario {
            name: stringify!($name),
            on: On::$on,
            company: Company::$company,
            run: |world| Box::pin(async move { $module::$name(&world).await }),
        }),*];
    };
}

scenarios! {
    Both Others repositories::a_pushed_commit_is_the_one_that_status_names;
    Both Others repositories::a_branch_that_the_remote_has_is_gone_on_with;
    Both Others repositories::a_tag_and_a_commit_can_be_checked_out;
    Both Others repositories::a_missing_ref_fails_and_is_named;
    Both Others repositories::a_repository_that_does_not_exist_is_told_in_gits_own_words;
    Both Others repositories::a_private_repository_is_cloned_and_pushed_with_its_token;
    Both Others repositories::a_wrong_token_fails;
    Both Others repositories::a_private_repository_without_a_token_fails;
    Both Others repositories::files_of_the_workspace_are_in_the_checkout;
    Both Others repositories::the_token_is_neither_in_the_pod_nor_in_the_output;

    Both Others workspaces::a_repository_over_ssh_is_cloned_and_pushed_with_its_key;
    Both Others workspaces::an_unknown_host_fails_with_its_fingerprint;
    Both Others workspaces::a_repository_of_a_github_app_is_cloned_and_pushed;
    Both Others workspaces::the_secret_of_the_clone_is_not_the_agents;
    Both Others workspaces::remotes_and_a_setup_command_come_before_the_agent;
    Both Others workspaces::a_setup_command_that_fails_fails_the_task;
    Both Others workspaces::a_commit_is_checked_out_instead_of_the_tip;
    Both Others workspaces::a_partial_and_shallow_clone_has_its_submodule;
    Both Others workspaces::a_task_works_in_a_worktree_of_its_own;
    Both Others workspaces::tasks_share_the_clone_of_their_workspace;

    Both Others agents::claude_code_succeeds;
    Both Others agents::codex_succeeds;
    Both Others agents::gemini_succeeds;
    Both Others agents::opencode_succeeds;
    Both Others agents::claude_code_tells_the_providers_refusal;
    Both Others agents::codex_tells_the_providers_refusal;
    Both Others agents::gemini_tells_the_providers_refusal;
    Both Others agents::opencode_tells_the_providers_refusal;
    Both Others agents::claude_code_survives_a_cut_stream;
    Both Others agents::codex_survives_a_cut_stream;
    Both Others agents::gemini_fails_on_a_cut_stream;
    Both Others agents::opencode_survives_a_cut_stream;
    Both Others agents::claude_code_waits_out_a_rate_limit;
    Both Others agents::codex_waits_out_a_rate_limit;
    Both Others agents::gemini_waits_out_a_rate_limit;
    Both Others agents::opencode_waits_out_a_rate_limit;
    Both Others agents::a_prompt_of_one_mebibyte_reaches_the_provider_whole;
    Both Others agents::a_hostile_prompt_reaches_the_provider_as_it_is;
    Both Others agents::tokens_over_the_limit_end_the_run;

    Both Others agent_config::claude_code_gets_its_configuration;
    Both Others agent_config::codex_gets_its_configuration;
    Both Others agent_config::gemini_gets_its_configuration;
    Both Others agent_config::opencode_gets_its_configuration;
    Both Others agent_config::claude_code_reaches_a_server_over_events;
    Both Others agent_config::gemini_reaches_a_server_over_events;
    Both Others agent_config::opencode_reaches_a_server_over_events;
    Both Others agent_config::a_script_finds_its_configuration_by_variables;
    Both Others agent_config::a_skill_of_a_private_repository_is_fetched_with_its_token;
    Both Others agent_config::a_skill_that_its_repository_lacks_fails_the_task;
    Both Others agent_config::a_transport_that_a_type_lacks_fails_the_task;
    Both Others agent_config::a_bad_agent_config_is_refused_and_its_field_is_named;

    Both Others credentials::claude_code_is_signed_in_by_its_oauth_token;
    Both Others credentials::codex_is_signed_in_by_its_auth_json;
    Both Others credentials::claude_code_uses_a_provider_with_an_address;
    Both Others credentials::codex_uses_a_provider_with_an_address;
    Both Others credentials::gemini_uses_a_provider_with_an_address;
    Both Others credentials::opencode_uses_a_provider_with_an_address;
    Both Others credentials::claude_code_reaches_bedrock_and_vertex_without_credentials;

    Both Others tasks::a_shell_task_needs_nothing_but_a_prompt;
    Both Others tasks::a_workspace_may_come_later;
    Both Others tasks::a_secret_may_come_later_and_its_key_after_that;
    Both Others tasks::a_task_waits_for_the_one_it_depends_on;
    Both Others tasks::a_failed_dependency_fails_the_task;
    Both Others tasks::a_name_of_253_characters_works;
    Both Others tasks::a_finished_task_goes_when_its_time_to_live_is_over;
    Both Others tasks::a_task_made_anew_under_its_name_runs_again;
    Both Others tasks::many_tasks_at_once_each_run_once;

    Both Others endings::a_failing_agent_fails_the_task_with_its_exit_code;
    Both Others endings::an_agent_that_ignores_sigterm_is_ended_at_its_timeout;
    Both Others endings::a_cancelled_task_keeps_what_it_pushed;
    Both Others endings::a_waiting_task_can_be_cancelled;
    Both Others endings::a_task_deleted_while_it_runs_leaves_nothing;

    Both Others output::two_hundred_megabytes_of_output_do_no_harm;
    Both Others output::a_line_of_twenty_megabytes_does_no_harm;
    Both Others output::output_that_is_no_utf8_does_no_harm;
    Both Others output::a_forged_block_of_outputs_is_not_believed;

    Both Others bad_input::an_unknown_type_fails_and_the_known_are_named;
    Both Others bad_input::an_unknown_field_is_refused;
    Both Others bad_input::a_missing_prompt_is_refused;
    Both Others bad_input::a_spec_cannot_be_changed;
    Both Others bad_input::a_cancel_cannot_be_taken_back;
    Both Others bad_input::workspace_and_workspace_ref_exclude_each_other;
    Both Others bad_input::a_taken_name_is_refused;
    Both Others bad_input::a_bad_name_is_refused;
    Both Others bad_input::a_prompt_with_nul_comes_to_an_end;
    Both Others bad_input::a_prompt_of_more_than_a_mebibyte_is_refused;
    Both Others bad_input::a_bad_timeout_is_refused;

    Both Others chains::a_dependency_removed_after_it_succeeded_still_counts;
    Both Others chains::a_dependency_whose_time_to_live_is_zero_is_still_counted;
    Both Others chains::a_circle_of_dependencies_is_found_when_it_closes;
    Both Others chains::a_template_with_a_missing_key_fails_and_names_it;
    Both Others chains::a_failed_run_is_tried_again_only_where_the_task_says_so;
    Both Others branches::who_waits_for_a_branch_is_told_for_whom;
    Both Others branches::the_lock_of_a_deleted_task_is_swept;

    Both Others defaults::a_provider_of_the_namespaces_defaults_is_used;
    Both Others defaults::a_provider_that_is_not_for_the_type_fails_the_task;
    Both Others defaults::the_tasks_own_fields_win_over_the_defaults;

    Both Others refusals::a_task_that_depends_on_itself_fails;
    Both Others refusals::a_dependency_in_another_namespace_is_refused;
    Both Others refusals::timeouts_that_are_none_are_refused;
    Both Others refusals::provider_and_provider_ref_exclude_each_other;
    Both Others refusals::a_config_of_two_mebibytes_is_refused;
    Both Others refusals::a_skill_named_with_dots_is_refused;
    Both Others refusals::two_mcp_servers_of_one_name_are_refused;
    Both Others refusals::an_mcp_server_without_its_address_is_refused;
    Both Others refusals::task_defaults_of_another_name_are_refused;
    Both Others refusals::an_app_key_that_is_none_is_told_and_can_be_corrected;
    Cluster Others refusals::a_claim_that_cannot_be_bound_is_named;
    Both Others refusals::the_spec_of_a_running_task_cannot_be_changed;

    Both Others pipelines::a_failed_test_goes_back_and_the_texts_are_passed_on;
    Both Others pipelines::a_failure_is_told_to_the_step_that_repairs_it;
    Both Others pipelines::a_cancelled_pipeline_ends_its_task_first;
    Both Others pipelines::a_pipeline_with_a_bad_step_fails_before_anything_runs;
    Both Others pipelines::a_template_that_misses_a_step_ends_the_pipeline;
    Both Others pipelines::a_deleted_task_of_a_step_counts_as_a_failure;
    Both Others pipelines::the_spec_of_a_pipeline_cannot_be_changed;
    Cluster Others pipelines::only_who_may_approve_can_and_only_in_their_own_name;

    Both Others kubectl::get_prints_a_table;
    Both Others kubectl::apply_creates_leaves_and_changes;
    Both Others kubectl::describe_shows_status_and_events;
    Both Others kubectl::wait_ends_when_the_task_does;
    Both Others kubectl::logs_are_the_agents_output;
    Both Others kubectl::explain_knows_the_fields;
    Both Others kubectl::delete_takes_all_with_it;
    Both Others kubectl::labels_select_and_can_be_changed;
    Both Others kubectl::secrets_and_config_maps_can_be_kept;
    Both Others kubectl::what_is_missing_is_not_found;

    Both Others command_line::run_watches_to_the_end_and_exits_as_the_task_did;
    Both Others command_line::run_says_what_is_wrong_with_its_arguments;
    Both Others command_line::get_describe_and_logs_show_a_task;
    Both Others command_line::a_cancelled_task_can_be_seen_and_deleted;
    Both Others command_line::an_interrupted_watch_leaves_the_task_running;
    Both Others command_line::a_dry_run_prints_and_creates_nothing;

    Both Others polling::spawners_of_a_repository_share_one_request_that_costs_nothing;
    Both Others polling::an_issue_becomes_a_task_with_its_prompt_and_branch;
    Both Others polling::an_issue_left_open_becomes_one_task_until_it_matches_again;
    Both Others polling::a_task_deleted_by_hand_is_not_made_again;
    Both Others polling::a_suspended_spawner_makes_nothing_until_it_is_resumed;
    Both Others polling::the_token_is_not_sent_to_another_server;
    Both Others limits::a_free_place_is_taken_at_once_by_the_most_important;
    Both Others limits::no_more_tasks_are_made_than_in_all_are_allowed;
    Both Others scripts::a_hostile_title_is_a_variable_and_no_part_of_the_script;
    Both Others scripts::a_script_with_a_field_of_the_item_is_refused;
    Both Others comments::a_command_starts_work_only_for_those_who_may_ask;
    Both Others comments::a_command_starts_nothing_while_it_cannot_be_told_who_may_ask;
    Both Others deliveries::a_signed_delivery_becomes_a_task;
    Both Others deliveries::a_request_of_any_system_becomes_a_task;
    Both Others deliveries::a_delivery_that_cannot_be_taken_is_refused_in_a_sentence;
    Both Others triggers::a_person_can_ask_for_an_item_that_does_not_match;
    Both Others triggers::a_person_can_ask_for_a_tick_now;
    Both Others bad_spawners::a_spawner_that_cannot_work_says_why_and_others_go_on;
    Both Others bad_spawners::what_github_refuses_is_told_until_the_secret_is_mended;
    Both Others bad_spawners::a_spec_that_cannot_be_meant_is_refused_by_the_server;
    Both Others bad_spawners::long_labels_and_texts_become_tasks_as_well;

    Cluster Others containers::an_image_that_does_not_exist_fails_and_is_named;
    Cluster Others containers::an_agent_that_takes_too_much_memory_fails_with_that_reason;
    Cluster Others containers::an_image_of_the_old_contract_works;
    Cluster Others containers::an_image_of_the_new_contract_works;
    Cluster Others containers::an_image_that_fails_gives_its_exit_code;

    Both Alone pipelines::a_pipeline_survives_a_restart_after_each_change;
    Both Alone crashes::a_run_survives_the_death_of_what_watches_it;
    Both Alone crashes::tasks_made_just_before_a_crash_run_once;
    Both Alone chains::a_chain_survives_a_restart_after_each_change;
    Embedded Alone deliveries::a_delivery_that_comes_five_times_becomes_one_task;
    Embedded Alone schedules::a_tick_becomes_one_task_though_the_plane_is_killed;
    Embedded Alone many::many_issues_become_a_task_each_though_the_plane_is_killed;
    Both Alone branches::fifty_tasks_on_one_branch_run_one_after_the_other;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_has_a_name_of_its_own() {
        let mut names: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
