-- Who may use the REST API, and what they changed. audit_log has ids only, so
-- that it holds nobody's name and no path.

CREATE TABLE IF NOT EXISTS api_keys (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  public_id VARCHAR(32) ${EXACT} NOT NULL,
  name VARCHAR(100) ${EXACT} NOT NULL,
  secret_sha256 VARBINARY(32) NOT NULL,
  scopes VARCHAR(255) ${EXACT} NOT NULL,
  rate DOUBLE NULL,
  burst INT NOT NULL DEFAULT 0,
  max_body BIGINT NOT NULL DEFAULT 0,
  created_at DATETIME(6) NOT NULL,
  expires_at DATETIME(6) NULL,
  revoked_at DATETIME(6) NULL,
  last_used_at DATETIME(6) NULL,
  UNIQUE KEY api_keys_public_id (public_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE IF NOT EXISTS users (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name VARCHAR(128) ${EXACT} NOT NULL,
  role VARCHAR(32) ${EXACT} NOT NULL,
  created_at DATETIME(6) NOT NULL,
  updated_at DATETIME(6) NOT NULL,
  UNIQUE KEY users_name (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE IF NOT EXISTS audit_log (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  created_at DATETIME(6) NOT NULL,
  key_id VARCHAR(32) ${EXACT} NOT NULL DEFAULT '',
  user_id BIGINT NOT NULL DEFAULT 0,
  action VARCHAR(64) ${EXACT} NOT NULL,
  target VARCHAR(32) ${EXACT} NOT NULL,
  target_ids TEXT NOT NULL,
  request_id VARCHAR(64) ${EXACT} NOT NULL DEFAULT ''
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE IF NOT EXISTS settings (
  name VARCHAR(64) ${EXACT} NOT NULL PRIMARY KEY,
  value VARCHAR(255) ${EXACT} NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- Before this version the two routes of the original needed no key. Where they
-- were in use, they stay as they were until somebody decides.

INSERT IGNORE INTO settings (name, value) SELECT 'open_ingest', 'as before' FROM images LIMIT 1;

-- Lists of images by the time at which they were posted.

ALTER TABLE images
  ADD KEY images_created (created_at);

-- Corrections that are not about a person have a kind, and the person 0: programs
-- of the sixth version join the person, and so do not see them. A face can be drawn
-- by hand. Each column has a default, so that older programs can write rows.

ALTER TABLE corrections
  ADD COLUMN kind VARCHAR(16) ${EXACT} NOT NULL DEFAULT '';

ALTER TABLE faces
  ADD COLUMN drawn BOOLEAN NOT NULL DEFAULT 0;

-- The name that a merge gave to the person who stayed, so that undoing it can take
-- it back.
ALTER TABLE merges
  ADD COLUMN new_name VARCHAR(255) ${EXACT} NOT NULL DEFAULT '';
