"""The sections of the bench, in the order in which they run."""

from tests.bench.harness.run import Section

SECTIONS = (
    Section("reading", "guarantors a second from the socket to the commit, throttle off", "throughput", 1),
    Section("cost", "what one verified snapshot of 4,000 guarantors costs", "reading.cost", 1),
    Section("instructions", "the same, counted by valgrind", "reading.instructions", 3, is_long=True),
    Section("in-flight", "many offices in flight", "in_flight", 0.5),
    Section("cadence", "what watching a night costs, and how soon its end is noticed", "reading.cadence", 2),
    Section("idle", "watching 2,000 offices", "idle", 1.5),
    Section("idle-many", "watching 10,000 offices", "idle", 4, function="measure_many", is_long=True),
    Section("memory", "memory of what others send", "memory", 1),
    Section("night", "2,000 offices due in the same minute, over real HTTP", "load", 6),
    Section("night-many", "10,000 offices due in the same minute", "load", 30, function="measure_many", is_long=True),
    Section("large-fleet", "10,000 offices in 10,000 files", "large.fleet", 2),
    Section("large-documents", "10,000 offices: CPU of their files and of what shows them", "large.documents", 0.5),
    Section("large-office", "one office of 150,000 guarantors", "large.office", 7, is_long=True),
    Section("fleets", "several hosts on PostgreSQL", "fleets", 16),
    Section("believing", "correct nights that are held back", "false_holds", 0.5),
    Section("databases", "publishing in a file and on a server", "store.databases", 0.5),
    Section("publishing", "publishing with an outbox", "store.publishing", 0.2),
    Section("webhook", "deliveries to a receiver of webhooks", "sinks.webhook", 0.2),
    Section("files", "rows into files", "sinks.files", 0.3),
    Section("postgres", "rows into PostgreSQL", "sinks.postgres", 0.3),
    Section("history", "a year of nights", "store.history", 1),
    Section("export", "a million balances as files", "sinks.export", 2),
    Section("pages", "the pages of the web server", "pages", 0.5),
)
