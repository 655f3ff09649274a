-- What groups, privacy and sign-in need. Each block is of one purpose.

-- Groups of faces that nobody knows. face_groups has the group of each face that is
-- in one; group_key is the smallest id of the group's faces. face_apart has the pairs
-- of faces that are not of one person, as somebody said by splitting a group. grouping
-- has a row for each model set: how far the job is, and which checkpoint is valid. A
-- checkpoint is in grouping_parts, since one row could be too large for a server's
-- max_allowed_packet. All of it is ids and numbers. Programs of the eighth version
-- know none of these tables: what they delete leaves its group later, when the job
-- compares. MySQL reserves the word GROUPING: quote the table name in SQL.

CREATE TABLE IF NOT EXISTS face_groups (
  face_id BIGINT NOT NULL PRIMARY KEY,
  model VARCHAR(64) ${EXACT} NOT NULL,
  group_key BIGINT NOT NULL,
  KEY face_groups_group (model, group_key)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE IF NOT EXISTS face_apart (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  face_a BIGINT NOT NULL,
  face_b BIGINT NOT NULL,
  model VARCHAR(64) ${EXACT} NOT NULL,
  created_at DATETIME(6) NOT NULL,
  undone_at DATETIME(6) NULL,
  KEY face_apart_a (face_a),
  KEY face_apart_b (face_b)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE IF NOT EXISTS `grouping` (
  model VARCHAR(64) ${EXACT} NOT NULL PRIMARY KEY,
  state VARCHAR(32) ${EXACT} NOT NULL,
  detail VARCHAR(500) ${EXACT} NOT NULL DEFAULT '',
  distance DOUBLE NOT NULL DEFAULT 0,
  faces BIGINT NOT NULL DEFAULT 0,
  total BIGINT NOT NULL DEFAULT 0,
  group_count BIGINT NOT NULL DEFAULT 0,
  checkpoint BIGINT NOT NULL DEFAULT 0,
  started_at DATETIME(6) NOT NULL,
  updated_at DATETIME(6) NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE IF NOT EXISTS grouping_parts (
  model VARCHAR(64) ${EXACT} NOT NULL,
  checkpoint BIGINT NOT NULL,
  part INT NOT NULL,
  data MEDIUMBLOB NOT NULL,
  PRIMARY KEY (model, checkpoint, part)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- What somebody said about a group of faces, so that all of it is undone at once. Its
-- corrections name it; 0 is a correction of one face. best has the ids of the faces
-- that may become known pictures, one and others the two sides of a split, as JSON.
-- All of it is ids and numbers.

CREATE TABLE IF NOT EXISTS group_changes (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  says VARCHAR(16) ${EXACT} NOT NULL,
  model VARCHAR(64) ${EXACT} NOT NULL,
  group_key BIGINT NOT NULL,
  person_id BIGINT NOT NULL DEFAULT 0,
  added BOOLEAN NOT NULL DEFAULT 0,
  faces BIGINT NOT NULL DEFAULT 0,
  best TEXT ${EXACT} NOT NULL,
  one MEDIUMTEXT ${EXACT} NOT NULL,
  others MEDIUMTEXT ${EXACT} NOT NULL,
  created_at DATETIME(6) NOT NULL,
  undone_at DATETIME(6) NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

ALTER TABLE corrections
  ADD COLUMN group_change_id BIGINT NOT NULL DEFAULT 0,
  ADD KEY corrections_group_change (group_change_id);

-- How many faces each group of face_groups has, so that lists find the largest ones at
-- once. Whoever changes a row of face_groups changes this in the same transaction.

CREATE TABLE IF NOT EXISTS group_sizes (
  model VARCHAR(64) ${EXACT} NOT NULL,
  group_key BIGINT NOT NULL,
  faces BIGINT NOT NULL,
  PRIMARY KEY (model, group_key),
  KEY group_sizes_faces (model, faces, group_key)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- Consent and retention. consents has one row for each person of whom somebody has
-- recorded a consent; ids and enumerations only. told is the state that consumers of
-- events have been told. swept says that no stored answer names the person any more
-- since the consent ended. A person without a row is matched as before.

CREATE TABLE IF NOT EXISTS consents (
  person_id BIGINT NOT NULL PRIMARY KEY,
  basis VARCHAR(32) ${EXACT} NOT NULL,
  from_at DATETIME(6) NOT NULL,
  until_at DATETIME(6) NULL,
  withdrawn_at DATETIME(6) NULL,
  key_id VARCHAR(32) ${EXACT} NOT NULL DEFAULT '',
  user_id BIGINT NOT NULL DEFAULT 0,
  recorded_at DATETIME(6) NOT NULL,
  changed_at DATETIME(6) NOT NULL,
  told VARCHAR(16) ${EXACT} NOT NULL DEFAULT '',
  swept BOOLEAN NOT NULL DEFAULT 0,
  KEY consents_until (until_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- The rules of retention, as JSON, and what the last run did. There is one row.

CREATE TABLE IF NOT EXISTS retention (
  id BIGINT NOT NULL PRIMARY KEY,
  rules TEXT ${EXACT} NOT NULL,
  started_at DATETIME(6) NULL,
  finished_at DATETIME(6) NULL,
  images BIGINT NOT NULL DEFAULT 0,
  files BIGINT NOT NULL DEFAULT 0,
  complete BOOLEAN NOT NULL DEFAULT 0
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

INSERT IGNORE INTO retention (id, rules) VALUES (1, '[]');

-- The audit log of one thing, and of a time.

ALTER TABLE audit_log
  ADD KEY audit_log_created (created_at);

-- Erasures: what the ledger on the volume of known people has, and how far it is. None
-- of these tables holds a name, a path or a descriptor, only marks of them. A face at
-- an erased place is never stored again, whatever the id of its image.

CREATE TABLE IF NOT EXISTS erasures (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  public_id VARCHAR(32) ${EXACT} NOT NULL,
  salt VARCHAR(64) ${EXACT} NOT NULL,
  person_id BIGINT NOT NULL,
  images VARCHAR(16) ${EXACT} NOT NULL,
  state VARCHAR(16) ${EXACT} NOT NULL,
  entry LONGTEXT ${EXACT} NOT NULL,
  counts TEXT ${EXACT} NOT NULL,
  left_files INT NOT NULL DEFAULT 0,
  found TEXT ${EXACT} NOT NULL,
  lease_token BIGINT NOT NULL DEFAULT 0,
  lease_until DATETIME(6) NULL,
  created_at DATETIME(6) NOT NULL,
  erased_at DATETIME(6) NULL,
  searched_at DATETIME(6) NULL,
  verified_at DATETIME(6) NULL,
  UNIQUE KEY erasures_public_id (public_id),
  KEY erasures_salt (salt),
  KEY erasures_state (state, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE IF NOT EXISTS erased_marks (
  mark VARBINARY(16) NOT NULL,
  kind VARCHAR(16) ${EXACT} NOT NULL,
  erasure_id BIGINT NOT NULL,
  PRIMARY KEY (mark, kind, erasure_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE IF NOT EXISTS erased_places (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  erasure_id BIGINT NOT NULL,
  path_mark VARBINARY(16) NOT NULL,
  content_mark VARBINARY(16) NOT NULL,
  x INT NOT NULL,
  y INT NOT NULL,
  width INT NOT NULL,
  height INT NOT NULL,
  model VARCHAR(64) ${EXACT} NOT NULL,
  KEY erased_places_path (path_mark),
  KEY erased_places_content (content_mark),
  KEY erased_places_erasure (erasure_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- Sign-in to the dashboard: how users prove who they are, who is signed in, and codes
-- that work once. Tokens and codes are stored as SHA-256, passwords as argon2id. Only
-- the dashboard and the command `users` write these tables; a deleted user's rows go
-- with the user.

CREATE TABLE IF NOT EXISTS user_passwords (
  user_id BIGINT NOT NULL PRIMARY KEY,
  hash VARCHAR(255) ${EXACT} NOT NULL,
  updated_at DATETIME(6) NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE IF NOT EXISTS user_identities (
  identity_sha256 VARBINARY(32) NOT NULL PRIMARY KEY,
  user_id BIGINT NOT NULL,
  created_at DATETIME(6) NOT NULL,
  KEY user_identities_user (user_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE IF NOT EXISTS sign_in_codes (
  code_sha256 VARBINARY(32) NOT NULL PRIMARY KEY,
  kind VARCHAR(16) ${EXACT} NOT NULL,
  user_id BIGINT NOT NULL DEFAULT 0,
  created_at DATETIME(6) NOT NULL,
  expires_at DATETIME(6) NOT NULL,
  KEY sign_in_codes_user (user_id),
  KEY sign_in_codes_expires (expires_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE IF NOT EXISTS sessions (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  token_sha256 VARBINARY(32) NOT NULL,
  user_id BIGINT NOT NULL,
  role VARCHAR(32) ${EXACT} NOT NULL,
  way VARCHAR(16) ${EXACT} NOT NULL,
  address VARCHAR(64) ${EXACT} NOT NULL DEFAULT '',
  browser VARCHAR(255) ${EXACT} NOT NULL DEFAULT '',
  created_at DATETIME(6) NOT NULL,
  seen_at DATETIME(6) NOT NULL,
  expires_at DATETIME(6) NOT NULL,
  ends_at DATETIME(6) NOT NULL,
  UNIQUE KEY sessions_token (token_sha256),
  KEY sessions_user (user_id),
  KEY sessions_expires (expires_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
