PRAGMA application_id = 1868850273;
BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0004');
CREATE TABLE backfill (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	office INTEGER NOT NULL, 
	as_of DATE NOT NULL, 
	via TEXT NOT NULL, 
	"query" TEXT NOT NULL, 
	ordered_at VARCHAR(27) NOT NULL, 
	stage TEXT NOT NULL, 
	not_before VARCHAR(27), 
	attempts INTEGER NOT NULL, 
	rereads INTEGER NOT NULL, 
	why TEXT NOT NULL, 
	CONSTRAINT backfill_day UNIQUE (office, as_of), 
	FOREIGN KEY(office) REFERENCES office ("key")
);
CREATE TABLE backfill_page (
	number INTEGER NOT NULL, 
	backfill INTEGER NOT NULL, 
	balances TEXT NOT NULL, 
	progress TEXT NOT NULL, 
	PRIMARY KEY (number), 
	FOREIGN KEY(backfill) REFERENCES backfill (number)
);
CREATE TABLE balance (
	office INTEGER NOT NULL, 
	pat_num BIGINT NOT NULL, 
	valid_from INTEGER NOT NULL, 
	valid_to INTEGER, 
	clinic_num BIGINT NOT NULL, 
	est_balance BIGINT NOT NULL, 
	bal_0_30 BIGINT NOT NULL, 
	bal_31_60 BIGINT NOT NULL, 
	bal_61_90 BIGINT NOT NULL, 
	bal_over_90 BIGINT NOT NULL, 
	ins_est BIGINT NOT NULL, 
	bal_total BIGINT NOT NULL, 
	PRIMARY KEY (office, pat_num, valid_from)
)
 WITHOUT ROWID

;
INSERT INTO "balance" VALUES(1,100,1,2,1,586854,878599,831236,790876,56173,257460,113647);
INSERT INTO "balance" VALUES(1,100,2,3,1,586854,878599,831236,790876,56173,257460,-1);
INSERT INTO "balance" VALUES(1,100,3,NULL,1,586854,878599,831236,790876,56173,257460,113647);
INSERT INTO "balance" VALUES(1,103,1,2,3,787927,461326,485186,673245,388056,817037,210154);
INSERT INTO "balance" VALUES(1,103,3,NULL,3,787927,461326,485186,673245,388056,817037,210154);
INSERT INTO "balance" VALUES(1,106,1,NULL,0,501555,19725,926711,866364,398745,443790,626945);
INSERT INTO "balance" VALUES(1,109,1,NULL,0,719634,457023,269268,746590,830776,229875,609870);
INSERT INTO "balance" VALUES(1,9999,2,3,0,1,2,3,4,5,6,7);
INSERT INTO "balance" VALUES(2,100,4,NULL,0,86034,78995,368597,866085,167298,761721,838259);
INSERT INTO "balance" VALUES(2,103,4,NULL,2,253805,625379,212528,626278,27471,599437,704339);
INSERT INTO "balance" VALUES(2,106,4,NULL,1,441590,659486,402649,832709,748134,892032,523796);
INSERT INTO "balance" VALUES(2,109,4,NULL,2,560611,971165,456464,516456,271271,934985,27670);
CREATE TABLE command (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	kind TEXT NOT NULL, 
	name TEXT NOT NULL, 
	verb TEXT NOT NULL, 
	argument TEXT NOT NULL, 
	given_at VARCHAR(27) NOT NULL, 
	by_host TEXT NOT NULL, 
	by_uid INTEGER, 
	taken_by INTEGER, 
	taken_at VARCHAR(27), 
	answered_at VARCHAR(27), 
	outcome TEXT, 
	is_refused BOOLEAN DEFAULT 0 NOT NULL
);
CREATE TABLE compatibility (
	serves_from TEXT NOT NULL, 
	PRIMARY KEY (serves_from)
);
INSERT INTO "compatibility" VALUES('0004');
CREATE TABLE delivery (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	delivery_id TEXT NOT NULL, 
	sink TEXT NOT NULL, 
	office INTEGER NOT NULL, 
	snapshot INTEGER NOT NULL, 
	state TEXT NOT NULL, 
	queued_at VARCHAR(27) NOT NULL, 
	attempts INTEGER NOT NULL, 
	not_before VARCHAR(27) NOT NULL, 
	error TEXT, 
	ended_at VARCHAR(27), 
	UNIQUE (delivery_id), 
	FOREIGN KEY(office) REFERENCES office ("key")
);
CREATE TABLE historical_balance (
	snapshot INTEGER NOT NULL, 
	pat_num BIGINT NOT NULL, 
	clinic_num BIGINT NOT NULL, 
	est_balance BIGINT NOT NULL, 
	bal_0_30 BIGINT NOT NULL, 
	bal_31_60 BIGINT NOT NULL, 
	bal_61_90 BIGINT NOT NULL, 
	bal_over_90 BIGINT NOT NULL, 
	ins_est BIGINT NOT NULL, 
	bal_total BIGINT NOT NULL, 
	PRIMARY KEY (snapshot, pat_num)
)
 WITHOUT ROWID

;
CREATE TABLE historical_snapshot (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	office INTEGER NOT NULL, 
	as_of DATE NOT NULL, 
	via TEXT NOT NULL, 
	published_at VARCHAR(27) NOT NULL, 
	requests INTEGER NOT NULL, 
	guarantors INTEGER NOT NULL, 
	est_balance BIGINT NOT NULL, 
	bal_0_30 BIGINT NOT NULL, 
	bal_31_60 BIGINT NOT NULL, 
	bal_61_90 BIGINT NOT NULL, 
	bal_over_90 BIGINT NOT NULL, 
	ins_est BIGINT NOT NULL, 
	bal_total BIGINT NOT NULL, 
	checksum BIGINT NOT NULL, 
	CONSTRAINT historical_snapshot_day UNIQUE (office, as_of), 
	FOREIGN KEY(office) REFERENCES office ("key")
);
CREATE TABLE journal (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	office INTEGER NOT NULL, 
	at VARCHAR(27) NOT NULL, 
	level TEXT NOT NULL, 
	event TEXT NOT NULL, 
	fields TEXT NOT NULL, 
	FOREIGN KEY(office) REFERENCES office ("key")
);
CREATE TABLE lease (
	kind TEXT NOT NULL, 
	name TEXT NOT NULL, 
	holder INTEGER, 
	generation INTEGER DEFAULT '0' NOT NULL, 
	fingerprint TEXT, 
	taken_at VARCHAR(27), 
	asked_at VARCHAR(27), 
	open_until VARCHAR(27), 
	not_before VARCHAR(27), 
	asked_by INTEGER, 
	spacing_seconds FLOAT DEFAULT '0' NOT NULL, 
	PRIMARY KEY (kind, name), 
	FOREIGN KEY(holder) REFERENCES member (number)
)
 WITHOUT ROWID

;
CREATE TABLE maintenance (
	job TEXT NOT NULL, 
	seen_at VARCHAR(27) NOT NULL, 
	succeeded_at VARCHAR(27), 
	result TEXT NOT NULL, 
	PRIMARY KEY (job)
);
CREATE TABLE member (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	host TEXT NOT NULL, 
	network TEXT NOT NULL, 
	pid INTEGER NOT NULL, 
	version TEXT NOT NULL, 
	revision TEXT NOT NULL, 
	address TEXT NOT NULL, 
	session TEXT NOT NULL, 
	stage TEXT NOT NULL, 
	joined_at VARCHAR(27) NOT NULL, 
	renewed_at VARCHAR(27) NOT NULL, 
	expires_at VARCHAR(27) NOT NULL, 
	gone_at VARCHAR(27), 
	gone_why TEXT, 
	knows INTEGER DEFAULT '0' NOT NULL, 
	settings TEXT DEFAULT '' NOT NULL, 
	offices TEXT DEFAULT '{}' NOT NULL, 
	sinks TEXT DEFAULT '{}' NOT NULL
);
CREATE TABLE office (
	"key" INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	wanted BOOLEAN NOT NULL, 
	condition TEXT, 
	since VARCHAR(27), 
	reason TEXT, 
	owner TEXT, 
	not_before VARCHAR(27), 
	state TEXT, history_from INTEGER, 
	PRIMARY KEY ("key"), 
	UNIQUE (id)
);
INSERT INTO "office" VALUES(1,'elm-street','Elm Street Dental',1,'blocked','2026-03-02T08:30:00.250000Z','The key is disabled.','office','2026-03-02T08:30:00.250000Z','{"intent":"probe","standing":{"condition":"blocked","since":"2026-03-02T08:30:00.250000Z","reason":"The key is disabled.","owner":"office","advice":"Ask the office to enable it.","next_action":"","next_action_at":null,"late_at":null,"letter":""},"not_before":"2026-03-02T08:30:00.250000Z","attempts":3,"rereads":0,"moves":0,"statement_failures":0,"statement_not_before":null,"preferences":null,"skew_seconds":null,"skew_zone":"","measured_at":null,"reader":"statement","packing":{"lane_span":12,"lanes":64},"published":null,"run_seconds":null,"run_seen":null,"stale":null,"confirming":null,"identity":null,"unidentified":false,"stranger":null,"held":null,"accepted":false,"paused":false,"awaits_api":false}',NULL);
INSERT INTO "office" VALUES(2,'harbor','Harbor Smiles',1,'blocked','2026-03-02T08:30:00.250000Z','The key is disabled.','office','2026-03-02T08:30:00.250000Z','{"intent":"probe","standing":{"condition":"blocked","since":"2026-03-02T08:30:00.250000Z","reason":"The key is disabled.","owner":"office","advice":"Ask the office to enable it.","next_action":"","next_action_at":null,"late_at":null,"letter":""},"not_before":"2026-03-02T08:30:00.250000Z","attempts":0,"rereads":0,"moves":0,"statement_failures":0,"statement_not_before":null,"preferences":null,"skew_seconds":null,"skew_zone":"","measured_at":null,"reader":"statement","packing":{"lane_span":12,"lanes":64},"published":null,"run_seconds":null,"run_seen":null,"stale":null,"confirming":null,"identity":null,"unidentified":false,"stranger":null,"held":null,"accepted":false,"paused":false,"awaits_api":false}',NULL);
CREATE TABLE pull_page (
	number INTEGER NOT NULL, 
	office INTEGER NOT NULL, 
	balances TEXT NOT NULL, 
	checkpoint TEXT NOT NULL, 
	PRIMARY KEY (number), 
	FOREIGN KEY(office) REFERENCES office ("key")
);
INSERT INTO "pull_page" VALUES(1,2,'[[100,1,586854,878599,831236,790876,56173,257460,113647],[103,3,787927,461326,485186,673245,388056,817037,210154],[106,0,501555,19725,926711,866364,398745,443790,626945],[109,0,719634,457023,269268,746590,830776,229875,609870],[112,0,935216,322850,22076,13407,16682,671099,557713]]','{"started_at":"2026-03-02T08:30:00.250000Z","first":[[5,3531186,2139523,2534477,3090482,1690432,2419261,2118329,35],"2026-03-02","","2026-03-02T08:30:00.250000","2026-03-02T08:30:00.250000",[0,0,0],0],"last_pat_num":112,"requests":2,"scope":"","packings":null,"report":null}');
CREATE TABLE sink (
	name TEXT NOT NULL, 
	failures INTEGER NOT NULL, 
	not_before VARCHAR(27), 
	PRIMARY KEY (name)
)
 WITHOUT ROWID

;
CREATE TABLE snapshot (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	office INTEGER NOT NULL, 
	aging_date DATE NOT NULL, 
	observed_at VARCHAR(27) NOT NULL, 
	published_at VARCHAR(27) NOT NULL, 
	reader TEXT NOT NULL, 
	requests INTEGER NOT NULL, 
	guarantors INTEGER NOT NULL, 
	est_balance BIGINT NOT NULL, 
	bal_0_30 BIGINT NOT NULL, 
	bal_31_60 BIGINT NOT NULL, 
	bal_61_90 BIGINT NOT NULL, 
	bal_over_90 BIGINT NOT NULL, 
	ins_est BIGINT NOT NULL, 
	bal_total BIGINT NOT NULL, 
	checksum BIGINT NOT NULL, 
	new_guarantors INTEGER NOT NULL, 
	changed_guarantors INTEGER NOT NULL, 
	cleared_guarantors INTEGER NOT NULL, pull_seconds FLOAT DEFAULT '0' NOT NULL, late_at VARCHAR(27), 
	FOREIGN KEY(office) REFERENCES office ("key")
);
INSERT INTO "snapshot" VALUES(1,1,'2026-03-01','2026-03-02T08:30:00.250000Z','2026-03-02T08:30:00.250000Z','statement',3,4,2595970,1816673,2512401,3077075,1673750,1748162,1560616,2650022337,4,0,0,0.0,NULL);
INSERT INTO "snapshot" VALUES(2,1,'2026-03-02','2026-03-02T08:30:00.250000Z','2026-03-02T08:30:00.250000Z','statement',3,4,1808044,1355349,2027218,2403834,1285699,931131,1236821,8879107011,1,1,1,0.0,NULL);
INSERT INTO "snapshot" VALUES(3,1,'2026-03-03','2026-03-02T08:30:00.250000Z','2026-03-02T08:30:00.250000Z','statement',3,4,2595970,1816673,2512401,3077075,1673750,1748162,1560616,2650022337,1,1,1,0.0,NULL);
INSERT INTO "snapshot" VALUES(4,2,'2026-03-01','2026-03-02T08:30:00.250000Z','2026-03-02T08:30:00.250000Z','statement',3,4,1342040,2335025,1440238,2841528,1214174,3188175,2094064,6714823576,4,0,0,0.0,NULL);
CREATE INDEX pull_page_office ON pull_page (office);
CREATE INDEX snapshot_office ON snapshot (office, id);
CREATE UNIQUE INDEX balance_current ON balance (office, pat_num) WHERE valid_to IS NULL;
CREATE INDEX journal_office ON journal (office, number);
CREATE INDEX delivery_queue ON delivery (sink, office, number);
CREATE INDEX delivery_due ON delivery (sink, not_before) WHERE state = 'due';
CREATE INDEX backfill_page_backfill ON backfill_page (backfill);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('snapshot',4);
COMMIT;
