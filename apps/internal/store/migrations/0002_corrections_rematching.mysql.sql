-- What a face looked like and which known pictures answered it, what people
-- said of faces, and re-matching. Programs of the first version write faces
-- without the new columns: each has a default that means "not known".

ALTER TABLE faces
  ADD COLUMN quality_score DOUBLE NOT NULL DEFAULT 0,
  ADD COLUMN quality_size INT NOT NULL DEFAULT 0,
  ADD COLUMN quality_sharpness DOUBLE NOT NULL DEFAULT 0,
  ADD COLUMN quality_yaw DOUBLE NOT NULL DEFAULT 0,
  ADD COLUMN quality_roll DOUBLE NOT NULL DEFAULT 0,
  ADD COLUMN gallery VARCHAR(64) ${EXACT} NOT NULL DEFAULT '',
  ADD COLUMN corrected INT NOT NULL DEFAULT 0;

-- Faces are looked up by the people near them; the index on the best person is
-- there. An index on the names of pictures would be many times as large.
ALTER TABLE faces
  ADD KEY faces_second_person (second_person_id);

CREATE TABLE IF NOT EXISTS corrections (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  image_id BIGINT NOT NULL,
  x INT NOT NULL,
  y INT NOT NULL,
  width INT NOT NULL,
  height INT NOT NULL,
  descriptor VARBINARY(512) NOT NULL,
  model VARCHAR(64) ${EXACT} NOT NULL,
  person_id BIGINT NOT NULL,
  excludes BOOLEAN NOT NULL,
  candidates MEDIUMTEXT NOT NULL,
  created_at DATETIME(6) NOT NULL,
  undone_at DATETIME(6) NULL,
  changed_at DATETIME(6) NOT NULL,
  pending BOOLEAN NOT NULL DEFAULT 1,
  KEY corrections_image (image_id, id),
  KEY corrections_person (person_id),
  KEY corrections_pending (pending, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE IF NOT EXISTS rematch_state (
  id INT NOT NULL PRIMARY KEY,
  fingerprint VARCHAR(64) ${EXACT} NOT NULL DEFAULT '',
  gallery VARCHAR(64) ${EXACT} NOT NULL DEFAULT '',
  model VARCHAR(64) ${EXACT} NOT NULL DEFAULT '',
  threshold DOUBLE NOT NULL DEFAULT 0,
  margin DOUBLE NOT NULL DEFAULT 0,
  face_mark BIGINT NOT NULL DEFAULT 0,
  dirty BOOLEAN NOT NULL DEFAULT 0,
  lease_owner VARCHAR(255) NOT NULL DEFAULT '',
  lease_token BIGINT NOT NULL DEFAULT 0,
  lease_until DATETIME(6) NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

INSERT IGNORE INTO rematch_state (id) VALUES (1);

CREATE TABLE IF NOT EXISTS rematch_known (
  image_name VARCHAR(750) ${EXACT} NOT NULL PRIMARY KEY,
  content_id VARCHAR(64) ${EXACT} NOT NULL,
  person_id BIGINT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE IF NOT EXISTS rematches (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  state VARCHAR(32) ${EXACT} NOT NULL,
  cause VARCHAR(32) ${EXACT} NOT NULL,
  scope VARCHAR(32) ${EXACT} NOT NULL DEFAULT '',
  apply BOOLEAN NOT NULL DEFAULT 0,
  whole BOOLEAN NOT NULL DEFAULT 0,
  detail VARCHAR(500) ${EXACT} NOT NULL DEFAULT '',
  fingerprint VARCHAR(64) ${EXACT} NOT NULL DEFAULT '',
  gallery VARCHAR(64) ${EXACT} NOT NULL DEFAULT '',
  model VARCHAR(64) ${EXACT} NOT NULL DEFAULT '',
  threshold DOUBLE NOT NULL DEFAULT 0,
  margin DOUBLE NOT NULL DEFAULT 0,
  pictures_added INT NOT NULL DEFAULT 0,
  pictures_removed INT NOT NULL DEFAULT 0,
  faces BIGINT NOT NULL DEFAULT 0,
  images BIGINT NOT NULL DEFAULT 0,
  skipped BIGINT NOT NULL DEFAULT 0,
  seek BIGINT NOT NULL DEFAULT 0,
  created_at DATETIME(6) NOT NULL,
  started_at DATETIME(6) NULL,
  finished_at DATETIME(6) NULL,
  KEY rematches_state (state, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE IF NOT EXISTS rematch_changes (
  rematch_id BIGINT NOT NULL,
  image_id BIGINT NOT NULL,
  state VARCHAR(32) ${EXACT} NOT NULL,
  visible BOOLEAN NOT NULL,
  from_reason VARCHAR(32) ${EXACT} NOT NULL,
  from_person BIGINT NOT NULL,
  to_reason VARCHAR(32) ${EXACT} NOT NULL,
  to_person BIGINT NOT NULL,
  before_change MEDIUMTEXT NOT NULL,
  after_change MEDIUMTEXT NOT NULL,
  PRIMARY KEY (rematch_id, image_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
