-- Rescans: which file an image's answer is about, which images are looked at
-- again, the jobs that do so and what they found.

ALTER TABLE images ADD COLUMN file_size INTEGER NOT NULL DEFAULT 0;
ALTER TABLE images ADD COLUMN file_modified INTEGER NOT NULL DEFAULT 0;
ALTER TABLE images ADD COLUMN file_sha256 TEXT NOT NULL DEFAULT '';

ALTER TABLE models ADD COLUMN first_used DATETIME NULL;
ALTER TABLE rematch_state ADD COLUMN agreed_model TEXT NOT NULL DEFAULT '';

CREATE TABLE image_rescans (
  image_id INTEGER PRIMARY KEY,
  rescan_id INTEGER NOT NULL DEFAULT 0,
  state TEXT NOT NULL,
  only_changed BOOLEAN NOT NULL,
  again BOOLEAN NOT NULL DEFAULT 0,
  attempts INTEGER NOT NULL DEFAULT 0,
  lease_owner TEXT NOT NULL DEFAULT '',
  lease_token INTEGER NOT NULL DEFAULT 0,
  lease_until DATETIME NULL,
  published_at DATETIME NULL,
  reason TEXT NOT NULL DEFAULT '',
  detail TEXT NOT NULL DEFAULT '',
  created_at DATETIME NOT NULL,
  updated_at DATETIME NOT NULL
);

CREATE INDEX image_rescans_state ON image_rescans (state, rescan_id, image_id);

CREATE TABLE rescans (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  state TEXT NOT NULL,
  cause TEXT NOT NULL,
  model TEXT NOT NULL,
  whole BOOLEAN NOT NULL DEFAULT 0,
  detail TEXT NOT NULL DEFAULT '',
  total INTEGER NOT NULL DEFAULT 0,
  done INTEGER NOT NULL DEFAULT 0,
  changed INTEGER NOT NULL DEFAULT 0,
  failed INTEGER NOT NULL DEFAULT 0,
  people_found INTEGER NOT NULL DEFAULT 0,
  people_lost INTEGER NOT NULL DEFAULT 0,
  faces_found INTEGER NOT NULL DEFAULT 0,
  faces_lost INTEGER NOT NULL DEFAULT 0,
  corrections_unplaced INTEGER NOT NULL DEFAULT 0,
  seek INTEGER NOT NULL DEFAULT 0,
  created_at DATETIME NOT NULL,
  started_at DATETIME NULL,
  finished_at DATETIME NULL
);

CREATE INDEX rescans_state ON rescans (state, id);

CREATE TABLE rescan_results (
  rescan_id INTEGER NOT NULL,
  image_id INTEGER NOT NULL,
  state TEXT NOT NULL,
  from_reason TEXT NOT NULL,
  from_person INTEGER NOT NULL,
  to_reason TEXT NOT NULL,
  to_person INTEGER NOT NULL,
  faces_before INTEGER NOT NULL,
  faces_after INTEGER NOT NULL,
  people_found TEXT NOT NULL,
  people_lost TEXT NOT NULL,
  corrections_unplaced INTEGER NOT NULL,
  detail TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (rescan_id, image_id)
);

-- The order in which model sets came into use, and the set that the answers
-- were matched by last, as far as the older columns say.

UPDATE models SET first_used = last_used WHERE first_used IS NULL;

UPDATE rematch_state SET agreed_model = model WHERE agreed_model = '';
