-- The three tables of the original, and ours beside them. Where the original's
-- database_setup.sql made its tables already, they are widened in place.
-- A Go step follows: paths become absolute and get their unique index.

CREATE TABLE IF NOT EXISTS images (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  path VARCHAR(750) ${EXACT} NOT NULL,
  person BIGINT NULL DEFAULT -1,
  status INT NOT NULL DEFAULT 0
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE IF NOT EXISTS person (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name VARCHAR(255) ${EXACT} NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE IF NOT EXISTS person_images (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  image_name VARCHAR(750) ${EXACT} NULL,
  person_id BIGINT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE IF NOT EXISTS faces (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  image_id BIGINT NOT NULL,
  position INT NOT NULL,
  x INT NOT NULL,
  y INT NOT NULL,
  width INT NOT NULL,
  height INT NOT NULL,
  landmarks TEXT NOT NULL,
  descriptor VARBINARY(512) NOT NULL,
  model VARCHAR(64) NOT NULL,
  reason VARCHAR(32) NOT NULL,
  best_person_id BIGINT NOT NULL,
  best_distance DOUBLE NOT NULL,
  matched_image VARCHAR(750) ${EXACT} NOT NULL,
  second_person_id BIGINT NOT NULL,
  second_distance DOUBLE NOT NULL,
  second_image VARCHAR(750) ${EXACT} NOT NULL,
  created_at DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  KEY faces_image (image_id, position),
  KEY faces_best_person (best_person_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE IF NOT EXISTS models (
  id VARCHAR(64) NOT NULL PRIMARY KEY,
  threshold DOUBLE NOT NULL,
  margin DOUBLE NOT NULL,
  official BOOLEAN NOT NULL,
  last_used DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6))
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- The original's columns: ids grow, and names compare byte for byte. Tables of
-- an old server may have a row format whose indexes are too short for a path.
-- Tables that the statements above made stay as they are.

UPDATE images SET status = 0 WHERE status IS NULL;

ALTER TABLE images
  MODIFY id BIGINT NOT NULL AUTO_INCREMENT,
  MODIFY path VARCHAR(750) ${EXACT} NOT NULL,
  MODIFY person BIGINT NULL DEFAULT -1,
  MODIFY status INT NOT NULL DEFAULT 0,
  ENGINE=InnoDB,
  ROW_FORMAT=DYNAMIC;

ALTER TABLE person
  MODIFY id BIGINT NOT NULL AUTO_INCREMENT,
  MODIFY name VARCHAR(255) ${EXACT} NOT NULL,
  ENGINE=InnoDB,
  ROW_FORMAT=DYNAMIC;

ALTER TABLE person_images
  MODIFY id BIGINT NOT NULL AUTO_INCREMENT,
  MODIFY image_name VARCHAR(750) ${EXACT} NULL,
  MODIFY person_id BIGINT NULL,
  ENGINE=InnoDB,
  ROW_FORMAT=DYNAMIC;

-- Each new column of images has a default, so that the original's INSERT, which
-- names path, person and status alone, still works. Texts name their character
-- set, because the original's table may have another one.

ALTER TABLE images
  ADD COLUMN reason VARCHAR(32) ${EXACT} NOT NULL DEFAULT 'queued',
  ADD COLUMN detail VARCHAR(500) ${EXACT} NOT NULL DEFAULT '',
  ADD COLUMN width INT NOT NULL DEFAULT 0,
  ADD COLUMN height INT NOT NULL DEFAULT 0,
  ADD COLUMN model VARCHAR(64) ${EXACT} NOT NULL DEFAULT '',
  ADD COLUMN attempts INT NOT NULL DEFAULT 0,
  ADD COLUMN rounds INT NOT NULL DEFAULT 0,
  ADD COLUMN lease_token BIGINT NOT NULL DEFAULT 0,
  ADD COLUMN lease_owner VARCHAR(255) ${EXACT} NOT NULL DEFAULT '',
  ADD COLUMN lease_until DATETIME(6) NULL,
  ADD COLUMN published_at DATETIME(6) NULL,
  ADD COLUMN retry_at DATETIME(6) NULL,
  ADD COLUMN duplicate_of BIGINT NOT NULL DEFAULT 0,
  ADD COLUMN dedup BIGINT NOT NULL DEFAULT 0,
  ADD COLUMN created_at DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  ADD COLUMN updated_at DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6));

ALTER TABLE images
  ADD KEY images_status (status, reason, id),
  ADD KEY images_person (person, id),
  ADD KEY images_order (status, id);

ALTER TABLE person
  ADD KEY person_name (name);

ALTER TABLE person_images
  ADD KEY person_images_name (image_name),
  ADD KEY person_images_person (person_id);
