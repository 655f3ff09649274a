-- Who may use the REST API, and what they changed. audit_log has ids only, so
-- that it holds nobody's name and no path.

CREATE TABLE api_keys (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  public_id TEXT NOT NULL,
  name TEXT NOT NULL,
  secret_sha256 BLOB NOT NULL,
  scopes TEXT NOT NULL,
  rate REAL NULL,
  burst INTEGER NOT NULL DEFAULT 0,
  max_body INTEGER NOT NULL DEFAULT 0,
  created_at DATETIME NOT NULL,
  expires_at DATETIME NULL,
  revoked_at DATETIME NULL,
  last_used_at DATETIME NULL
);

CREATE UNIQUE INDEX api_keys_public_id ON api_keys (public_id);

CREATE TABLE users (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL,
  role TEXT NOT NULL,
  created_at DATETIME NOT NULL,
  updated_at DATETIME NOT NULL
);

CREATE UNIQUE INDEX users_name ON users (name);

CREATE TABLE audit_log (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  created_at DATETIME NOT NULL,
  key_id TEXT NOT NULL DEFAULT '',
  user_id INTEGER NOT NULL DEFAULT 0,
  action TEXT NOT NULL,
  target TEXT NOT NULL,
  target_ids TEXT NOT NULL,
  request_id TEXT NOT NULL DEFAULT ''
);

CREATE TABLE settings (
  name TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
);

-- Before this version the two routes of the original needed no key. Where they
-- were in use, they stay as they were until somebody decides.

INSERT INTO settings (name, value) SELECT 'open_ingest', 'as before' FROM images LIMIT 1;

-- Lists of images by the time at which they were posted.

CREATE INDEX images_created ON images (created_at);

-- Corrections that are not about a person have a kind, and the person 0: programs
-- of the sixth version join the person, and so do not see them. A face can be drawn
-- by hand. Each column has a default, so that older programs can write rows.

ALTER TABLE corrections ADD COLUMN kind TEXT NOT NULL DEFAULT '';

ALTER TABLE faces ADD COLUMN drawn BOOLEAN NOT NULL DEFAULT 0;

-- The name that a merge gave to the person who stayed, so that undoing it can take
-- it back.
ALTER TABLE merges ADD COLUMN new_name TEXT NOT NULL DEFAULT '';
