"""Public names corrected once, before the first release: the old and the new one."""

from collections.abc import Mapping

RENAMED: Mapping[str, Mapping[str, str]] = {
    "event": {
        "order_given": "command_received",
        "needless_order_given": "command_ignored",
        "errand_done": "job_finished",
        "errand_failed": "job_failed",
        "headquarters_back": "headquarters_recovered",
        "headquarters_left": "headquarters_unused",
        "fresh_by_missed": "deadline_missed",
        "fresh_again": "deadline_recovered",
        "engine_moves_again": "engine_recovered",
        "key_in_force": "key_rotated",
        "key_not_in_force": "key_rejected_during_rotation",
        "office_forgotten": "office_erased",
        "delivery_made": "delivery_succeeded",
        "delivery_refused": "delivery_attempt_failed",
        "delivery_given_up": "delivery_abandoned",
        "deliveries_counted": "outbox_size",
        "ping_sent": "heartbeat_ping_sent",
        "ping_failed": "heartbeat_ping_failed",
        "aging_observed": "aging_status_changed",
        "configuration_unwatched": "configuration_watch_failed",
        "backfill_ordered": "backfill_requested",
        "receiver_listening": "sftp_listening",
    },
    "event of a journal": {
        "asked": "requests_summarized",
    },
    "field of `command_received`, `command_ignored`": {
        "order": "command",
        "answer": "response",
    },
    "field of `command_received`": {
        "is_refused": "rejected",
    },
    "field of `job_finished`, `job_failed`": {
        "errand": "job",
    },
    "field of `job_failed`, `maintenance_failed`": {
        "problem": "reason",
    },
    "field of `backfill_failed`, `snapshot_held`, `office_stopped`": {
        "why": "reason",
    },
    "field of `delivery_attempt_failed`, `delivery_abandoned`, `delivery_skipped`, `sink_stopped`": {
        "why": "reason",
    },
    "field of `heartbeat_ping_failed`": {
        "why": "reason",
    },
    "field of `snapshot_held`": {
        "until": "retry_at",
    },
    "field of `store_failed`": {
        "what": "reason",
        "passes": "transient",
    },
    "field of `store_opened`": {
        "is_new": "created",
        "kept": "backup",
    },
    "field of `store_recovered`": {
        "is_ready": "ready",
    },
    "field of `headquarters_down`, `headquarters_recovered`, `headquarters_unused`": {
        "address": "host",
    },
    "field of `night_complete`, `night_missed`, `night_recovered`": {
        "morning": "night",
    },
    "field of `delivery_succeeded`": {
        "refusals": "failed_attempts",
    },
    "field of `page_stored`": {
        "of": "rows_total",
    },
    "field of `deadline_missed`, `deadline_recovered`": {
        "nights": "nights_missed",
    },
    "field of `daemon_draining`": {
        "signal": "cause",
    },
    "field of `failure_seen` in a journal": {
        "exchange": "request",
    },
    "field of `requests_summarized`": {
        "times": "requests",
        "kinds": "by_kind",
    },
    "value of `key` of `key_rejected_during_rotation`": {
        "former": "old",
    },
    "value of `cause` of `configuration_loaded`, `configuration_rejected`": {
        "order": "command",
    },
    "value of `cause` of `daemon_draining`": {
        "an order": "command",
    },
    "metric": {
        "oddaemon_gate_wait_seconds": "oddaemon_rate_limiter_wait_seconds",
        "oddaemon_pings_total": "oddaemon_heartbeat_pings_total",
    },
    "label of `oddaemon_maintenance_last_success_timestamp_seconds`, `oddaemon_maintenance_last_run_successful`": {
        "chore": "task",
    },
    "value of `outcome` of `oddaemon_deliveries_total`": {
        "refused": "failed",
    },
    "kind of a failure": {
        "lane_cut": "column_truncated",
        "aging_moved": "aging_changed",
    },
    "field of `doctor --json`": {
        "well": "healthy",
        "examined_at": "checked_at",
        "asked_by": "source",
    },
    "field of a step of `doctor --json`": {
        "sentence": "message",
    },
    "outcome of a step of `doctor --json`": {
        "wrong": "failed",
        "untold": "unknown",
    },
    "field of a problem of `check --json`": {
        "where": "key",
    },
    "field of `check --plan --json`, `reload --json`": {
        "restart": "restart_required",
    },
    "field of `changed` of `check --plan --json`, `reload --json`": {
        "disturbing": "restarts_worker",
    },
    "field of `office list --json`": {
        "kept": "removed",
    },
    "field of `removed` of `office list --json`": {
        "kept_since": "data_until",
        "past_days": "backfilled_days",
    },
    "field of `backfill --json`": {
        "why": "reason",
        "ordered_at": "requested_at",
    },
    "step of `backfill --json`": {
        "asking the office to upload": "requesting_upload",
        "waiting for the file": "waiting_for_file",
        "asking the office to count": "requesting_count",
        "waiting for the count": "waiting_for_count",
    },
    "field of `sink status --json`": {
        "dead_since": "dead_first_at",
        "dead_last": "dead_last_at",
    },
    "field of `deliveries` of `sink status --json`": {
        "refusals": "failed_attempts",
    },
    "field of `state verify --json`": {
        "sound": "valid",
    },
    "field of `packing` of `explain --json`": {
        "lane_span": "pat_nums_per_column",
        "lanes": "columns",
    },
    "field of `GET /offices/ID/examination`": {
        "asked": "completed",
        "of": "total",
        "examination": "diagnosis",
    },
    "field of `GET /offices/ID/forget`, `/state/prune`, `/state/vacuum`": {
        "found": "result",
    },
    "field of `POST /offices/ID/examine` refused": {
        "at_work": "worker_running",
    },
    "outcome on the control socket": {
        "under way": "in_progress",
    },
}
"""By the kind of name: old, new."""
