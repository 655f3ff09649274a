-- People that are edited: hidden ones, covers, versions for compare-and-set,
-- merges that can be undone, and where known pictures come from. Programs of the
-- fifth version write rows without these columns: each has a default that means
-- "not known".

ALTER TABLE person
  ADD COLUMN hidden BOOLEAN NOT NULL DEFAULT 0,
  ADD COLUMN cover_id BIGINT NOT NULL DEFAULT 0,
  ADD COLUMN version BIGINT NOT NULL DEFAULT 0;

ALTER TABLE person_images
  ADD COLUMN source VARCHAR(32) ${EXACT} NOT NULL DEFAULT '',
  ADD COLUMN face_id BIGINT NOT NULL DEFAULT 0,
  ADD COLUMN sha256 VARCHAR(64) ${EXACT} NOT NULL DEFAULT '',
  ADD COLUMN added_at DATETIME(6) NULL;

-- The names of people's folders after a rename, a merge or a deletion (person_id
-- 0), so that standalone does not make new people of them.
CREATE TABLE IF NOT EXISTS person_folders (
  name VARCHAR(255) ${EXACT} NOT NULL PRIMARY KEY,
  person_id BIGINT NOT NULL,
  KEY person_folders_person (person_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE IF NOT EXISTS merges (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  person_id BIGINT NOT NULL,
  person_name VARCHAR(255) ${EXACT} NOT NULL,
  merged_id BIGINT NOT NULL,
  merged_name VARCHAR(255) ${EXACT} NOT NULL,
  merged_hidden BOOLEAN NOT NULL,
  merged_cover_id BIGINT NOT NULL,
  images INT NOT NULL,
  known_images MEDIUMTEXT NOT NULL,
  corrections MEDIUMTEXT NOT NULL,
  created_at DATETIME(6) NOT NULL,
  undone_at DATETIME(6) NULL,
  KEY merges_person (person_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
