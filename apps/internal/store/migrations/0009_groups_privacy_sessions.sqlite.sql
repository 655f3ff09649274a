-- What groups, privacy and sign-in need. Each block is of one purpose.

-- Groups of faces that nobody knows. face_groups has the group of each face that is
-- in one; group_key is the smallest id of the group's faces. face_apart has the pairs
-- of faces that are not of one person, as somebody said by splitting a group. grouping
-- has a row for each model set: how far the job is, and which checkpoint is valid. A
-- checkpoint is in grouping_parts. All of it is ids and numbers.

CREATE TABLE face_groups (
  face_id INTEGER PRIMARY KEY,
  model TEXT NOT NULL,
  group_key INTEGER NOT NULL
);

CREATE INDEX face_groups_group ON face_groups (model, group_key);

CREATE TABLE face_apart (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  face_a INTEGER NOT NULL,
  face_b INTEGER NOT NULL,
  model TEXT NOT NULL,
  created_at DATETIME NOT NULL,
  undone_at DATETIME NULL
);

CREATE INDEX face_apart_a ON face_apart (face_a);
CREATE INDEX face_apart_b ON face_apart (face_b);

CREATE TABLE `grouping` (
  model TEXT NOT NULL PRIMARY KEY,
  state TEXT NOT NULL,
  detail TEXT NOT NULL DEFAULT '',
  distance REAL NOT NULL DEFAULT 0,
  faces INTEGER NOT NULL DEFAULT 0,
  total INTEGER NOT NULL DEFAULT 0,
  group_count INTEGER NOT NULL DEFAULT 0,
  checkpoint INTEGER NOT NULL DEFAULT 0,
  started_at DATETIME NOT NULL,
  updated_at DATETIME NOT NULL
);

CREATE TABLE grouping_parts (
  model TEXT NOT NULL,
  checkpoint INTEGER NOT NULL,
  part INTEGER NOT NULL,
  data BLOB NOT NULL,
  PRIMARY KEY (model, checkpoint, part)
);

-- What somebody said about a group of faces, so that all of it is undone at once. Its
-- corrections name it; 0 is a correction of one face. best has the ids of the faces
-- that may become known pictures, one and others the two sides of a split, as JSON.
-- All of it is ids and numbers.

CREATE TABLE group_changes (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  says TEXT NOT NULL,
  model TEXT NOT NULL,
  group_key INTEGER NOT NULL,
  person_id INTEGER NOT NULL DEFAULT 0,
  added BOOLEAN NOT NULL DEFAULT 0,
  faces INTEGER NOT NULL DEFAULT 0,
  best TEXT NOT NULL,
  one TEXT NOT NULL,
  others TEXT NOT NULL,
  created_at DATETIME NOT NULL,
  undone_at DATETIME NULL
);

ALTER TABLE corrections ADD COLUMN group_change_id INTEGER NOT NULL DEFAULT 0;
CREATE INDEX corrections_group_change ON corrections (group_change_id);

-- How many faces each group of face_groups has, so that lists find the largest ones at
-- once. Whoever changes a row of face_groups changes this in the same transaction.

CREATE TABLE group_sizes (
  model TEXT NOT NULL,
  group_key INTEGER NOT NULL,
  faces INTEGER NOT NULL,
  PRIMARY KEY (model, group_key)
);

CREATE INDEX group_sizes_faces ON group_sizes (model, faces, group_key);

-- Consent and retention. consents has one row for each person of whom somebody has
-- recorded a consent; ids and enumerations only. told is the state that consumers of
-- events have been told. swept says that no stored answer names the person any more
-- since the consent ended. A person without a row is matched as before.

CREATE TABLE consents (
  person_id INTEGER NOT NULL PRIMARY KEY,
  basis TEXT NOT NULL,
  from_at DATETIME NOT NULL,
  until_at DATETIME NULL,
  withdrawn_at DATETIME NULL,
  key_id TEXT NOT NULL DEFAULT '',
  user_id INTEGER NOT NULL DEFAULT 0,
  recorded_at DATETIME NOT NULL,
  changed_at DATETIME NOT NULL,
  told TEXT NOT NULL DEFAULT '',
  swept BOOLEAN NOT NULL DEFAULT 0
);

CREATE INDEX consents_until ON consents (until_at);

-- The rules of retention, as JSON, and what the last run did. There is one row.

CREATE TABLE retention (
  id INTEGER NOT NULL PRIMARY KEY,
  rules TEXT NOT NULL,
  started_at DATETIME NULL,
  finished_at DATETIME NULL,
  images INTEGER NOT NULL DEFAULT 0,
  files INTEGER NOT NULL DEFAULT 0,
  complete BOOLEAN NOT NULL DEFAULT 0
);

INSERT INTO retention (id, rules) VALUES (1, '[]');

-- The audit log of one thing, and of a time.

CREATE INDEX audit_log_created ON audit_log (created_at);

-- Erasures: what the ledger on the volume of known people has, and how far it is. None
-- of these tables holds a name, a path or a descriptor, only marks of them. A face at
-- an erased place is never stored again, whatever the id of its image.

CREATE TABLE erasures (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  public_id TEXT NOT NULL,
  salt TEXT NOT NULL,
  person_id INTEGER NOT NULL,
  images TEXT NOT NULL,
  state TEXT NOT NULL,
  entry TEXT NOT NULL,
  counts TEXT NOT NULL,
  left_files INTEGER NOT NULL DEFAULT 0,
  found TEXT NOT NULL,
  lease_token INTEGER NOT NULL DEFAULT 0,
  lease_until DATETIME NULL,
  created_at DATETIME NOT NULL,
  erased_at DATETIME NULL,
  searched_at DATETIME NULL,
  verified_at DATETIME NULL
);

CREATE UNIQUE INDEX erasures_public_id ON erasures (public_id);
CREATE INDEX erasures_salt ON erasures (salt);
CREATE INDEX erasures_state ON erasures (state, id);

CREATE TABLE erased_marks (
  mark BLOB NOT NULL,
  kind TEXT NOT NULL,
  erasure_id INTEGER NOT NULL,
  PRIMARY KEY (mark, kind, erasure_id)
);

CREATE TABLE erased_places (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  erasure_id INTEGER NOT NULL,
  path_mark BLOB NOT NULL,
  content_mark BLOB NOT NULL,
  x INTEGER NOT NULL,
  y INTEGER NOT NULL,
  width INTEGER NOT NULL,
  height INTEGER NOT NULL,
  model TEXT NOT NULL
);

CREATE INDEX erased_places_path ON erased_places (path_mark);
CREATE INDEX erased_places_content ON erased_places (content_mark);
CREATE INDEX erased_places_erasure ON erased_places (erasure_id);

-- Sign-in to the dashboard: how users prove who they are, who is signed in, and codes
-- that work once. Tokens and codes are stored as SHA-256, passwords as argon2id. Only
-- the dashboard and the command `users` write these tables; a deleted user's rows go
-- with the user.

CREATE TABLE user_passwords (
  user_id INTEGER NOT NULL PRIMARY KEY,
  hash TEXT NOT NULL,
  updated_at DATETIME NOT NULL
);

CREATE TABLE user_identities (
  identity_sha256 BLOB NOT NULL PRIMARY KEY,
  user_id INTEGER NOT NULL,
  created_at DATETIME NOT NULL
);

CREATE INDEX user_identities_user ON user_identities (user_id);

CREATE TABLE sign_in_codes (
  code_sha256 BLOB NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL,
  user_id INTEGER NOT NULL DEFAULT 0,
  created_at DATETIME NOT NULL,
  expires_at DATETIME NOT NULL
);

CREATE INDEX sign_in_codes_user ON sign_in_codes (user_id);
CREATE INDEX sign_in_codes_expires ON sign_in_codes (expires_at);

CREATE TABLE sessions (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  token_sha256 BLOB NOT NULL,
  user_id INTEGER NOT NULL,
  role TEXT NOT NULL,
  way TEXT NOT NULL,
  address TEXT NOT NULL DEFAULT '',
  browser TEXT NOT NULL DEFAULT '',
  created_at DATETIME NOT NULL,
  seen_at DATETIME NOT NULL,
  expires_at DATETIME NOT NULL,
  ends_at DATETIME NOT NULL
);

CREATE UNIQUE INDEX sessions_token ON sessions (token_sha256);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expires ON sessions (expires_at);
