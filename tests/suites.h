/*
 * suites.h - the lists of suites: a word here for each tests/<folder>/test_<module>.c,
 * which defines `Suite *suite_<module>(void)`, and for each file of tests/scenario.
 */
#ifndef TESTS_SUITES_H
#define TESTS_SUITES_H

#include <check.h>

/* clang-format off */
#define SUITES(X) \
	X(lts_sign) X(sim_group) \
	X(sim_stream) X(sim_pace) \
	X(sim_fault) X(sim_verify) \
	X(sim_serve) X(sim_control) \
	X(sim_options) X(backoff) \
	X(stage_clock) X(service_clock) X(http_head) \
	X(http) X(http_calls) X(http_part) \
	X(http_tls) X(http_address) X(trust) X(lts_wire) \
	X(lts_wire_parse) X(lts_api) \
	X(lts_api_life) X(options_value) X(options_reload) \
	X(options_check) X(json) \
	X(credentials) X(options) X(options_file) \
	X(log) X(log_rate) X(json_skip) \
	X(batch_scan) X(batch_scan_cjson) X(batch_sift) \
	X(record_text) X(basics) \
	X(make_dirs) X(fallback) X(pack) X(protect) X(child_env) \
	X(message) X(channel) \
	X(board) X(board_cells) X(listen_at) X(schema) \
	X(schema_versions) X(backup) X(rebuild) X(diff) \
	X(store) X(store_processes) X(store_look) \
	X(identity) X(consumer_names) X(lease) X(lease_remove) \
	X(checkpoint) X(worker_record) \
	X(human) X(dump) X(place) X(reset) X(take_reset) X(state_lock) \
	X(lts_state) X(watch_view) X(watch_rows) X(assign) \
	X(worker_slot) X(strays) X(worker_pool) \
	X(lease_book) X(lease_publish) \
	X(lease_leave) X(lease_doubted) X(lease_look) X(lease_suspect) X(lease_reset) X(control) \
	X(lease_watch) X(blame) X(finish) X(group) \
	X(notify) X(agency) X(check_online) \
	X(metrics_text) X(metrics_shards) X(metrics_http) X(metrics_file) \
	X(state_dir) X(shard) \
	X(shard_end) X(shard_life) \
	X(shard_walk) X(shard_suspect) X(shard_doubt) X(shard_twice) X(shard_regain) \
	X(shard_ahead) \
	X(shard_early) X(batch_head) X(idle_pace) \
	X(shard_waits) X(fault) X(holdings) X(holdings_lag) X(record_time) \
	X(commit) X(commit_lease) X(append) X(process) X(process_manual) X(process_back) \
	X(delivery) X(segment) \
	X(attempt) X(dead_letter) X(asides) X(sandbox) \
	X(sink_file) X(sink_crash) \
	X(record_write) X(sink_stdout) X(used_up) \
	X(child) X(exec_frame) X(processor_exec) X(exec_deaths) \
	X(shard_join) \
	X(turns) X(processor_batch) X(batch_turns) \
	X(model)

/* One word for each file of tests/scenario. */
#define SCENARIOS(X) \
	X(drain) X(kills) \
	X(stops) X(poison) \
	X(slow) X(restarts) \
	X(hosts) X(shards) X(early) X(doubts) \
	X(signals) X(bad_service) X(bad_records) X(odd_answers) X(names) \
	X(gaps) X(end_times) X(refusals) \
	X(pipes) X(footprint) \
	X(disks) X(exhausted) X(limits) X(used_up_starts) X(rescale) \
	X(state_damage) X(owners) X(old_kernels) X(backups) X(clocks) \
	X(network) X(terminal) \
	X(remains) X(output_files) \
	X(manager) X(plugins) X(reload) X(keys) X(metrics) \
	X(exec) X(exec_manual) X(manual) X(examples) \
	X(commands) X(one_at_a_time) X(confined) X(users) X(cautions) X(online) X(hostile) \
	X(replay) X(replay_stops) X(resets) X(reset_output) X(watch)
/* clang-format on */

#define DECLARE(name) Suite *suite_##name(void);
SUITES(DECLARE)
SCENARIOS(DECLARE)
#undef DECLARE

#endif
