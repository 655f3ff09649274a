-- Rescans: which file an image's answer is about, which images are looked at
-- again, the jobs that do so and what they found. Programs of the third version
-- write images without the new columns: each has a default that means "not
-- known".

ALTER TABLE images
  ADD COLUMN file_size BIGINT NOT NULL DEFAULT 0,
  ADD COLUMN file_modified BIGINT NOT NULL DEFAULT 0,
  ADD COLUMN file_sha256 VARCHAR(64) ${EXACT} NOT NULL DEFAULT '';

ALTER TABLE models
  ADD COLUMN first_used DATETIME(6) NULL;

ALTER TABLE rematch_state
  ADD COLUMN agreed_model VARCHAR(64) ${EXACT} NOT NULL DEFAULT '';

CREATE TABLE IF NOT EXISTS image_rescans (
  image_id BIGINT NOT NULL PRIMARY KEY,
  rescan_id BIGINT NOT NULL DEFAULT 0,
  state VARCHAR(32) ${EXACT} NOT NULL,
  only_changed BOOLEAN NOT NULL,
  again BOOLEAN NOT NULL DEFAULT 0,
  attempts INT NOT NULL DEFAULT 0,
  lease_owner VARCHAR(255) NOT NULL DEFAULT '',
  lease_token BIGINT NOT NULL DEFAULT 0,
  lease_until DATETIME(6) NULL,
  published_at DATETIME(6) NULL,
  reason VARCHAR(32) ${EXACT} NOT NULL DEFAULT '',
  detail VARCHAR(500) ${EXACT} NOT NULL DEFAULT '',
  created_at DATETIME(6) NOT NULL,
  updated_at DATETIME(6) NOT NULL,
  KEY image_rescans_state (state, rescan_id, image_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE IF NOT EXISTS rescans (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  state VARCHAR(32) ${EXACT} NOT NULL,
  cause VARCHAR(32) ${EXACT} NOT NULL,
  model VARCHAR(64) ${EXACT} NOT NULL,
  whole BOOLEAN NOT NULL DEFAULT 0,
  detail VARCHAR(500) ${EXACT} NOT NULL DEFAULT '',
  total BIGINT NOT NULL DEFAULT 0,
  done BIGINT NOT NULL DEFAULT 0,
  changed BIGINT NOT NULL DEFAULT 0,
  failed BIGINT NOT NULL DEFAULT 0,
  people_found BIGINT NOT NULL DEFAULT 0,
  people_lost BIGINT NOT NULL DEFAULT 0,
  faces_found BIGINT NOT NULL DEFAULT 0,
  faces_lost BIGINT NOT NULL DEFAULT 0,
  corrections_unplaced BIGINT NOT NULL DEFAULT 0,
  seek BIGINT NOT NULL DEFAULT 0,
  created_at DATETIME(6) NOT NULL,
  started_at DATETIME(6) NULL,
  finished_at DATETIME(6) NULL,
  KEY rescans_state (state, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE IF NOT EXISTS rescan_results (
  rescan_id BIGINT NOT NULL,
  image_id BIGINT NOT NULL,
  state VARCHAR(32) ${EXACT} NOT NULL,
  from_reason VARCHAR(32) ${EXACT} NOT NULL,
  from_person BIGINT NOT NULL,
  to_reason VARCHAR(32) ${EXACT} NOT NULL,
  to_person BIGINT NOT NULL,
  faces_before INT NOT NULL,
  faces_after INT NOT NULL,
  people_found TEXT NOT NULL,
  people_lost TEXT NOT NULL,
  corrections_unplaced INT NOT NULL,
  detail VARCHAR(500) ${EXACT} NOT NULL DEFAULT '',
  PRIMARY KEY (rescan_id, image_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- The order in which model sets came into use, and the set that the answers
-- were matched by last, as far as the older columns say.

UPDATE models SET first_used = last_used WHERE first_used IS NULL;

UPDATE rematch_state SET agreed_model = model WHERE agreed_model = '';
