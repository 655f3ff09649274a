-- Only standalone uses SQLite, so there is no database of the original to
-- upgrade. SQLite compares text byte for byte, and its CURRENT_TIMESTAMP is UTC.

CREATE TABLE images (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  path TEXT NOT NULL,
  person INTEGER NULL DEFAULT -1,
  status INTEGER NOT NULL DEFAULT 0,
  reason TEXT NOT NULL DEFAULT 'queued',
  detail TEXT NOT NULL DEFAULT '',
  width INTEGER NOT NULL DEFAULT 0,
  height INTEGER NOT NULL DEFAULT 0,
  model TEXT NOT NULL DEFAULT '',
  attempts INTEGER NOT NULL DEFAULT 0,
  rounds INTEGER NOT NULL DEFAULT 0,
  lease_token INTEGER NOT NULL DEFAULT 0,
  lease_owner TEXT NOT NULL DEFAULT '',
  lease_until DATETIME NULL,
  published_at DATETIME NULL,
  retry_at DATETIME NULL,
  duplicate_of INTEGER NOT NULL DEFAULT 0,
  dedup INTEGER NOT NULL DEFAULT 0,
  created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE person (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL
);

CREATE TABLE person_images (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  image_name TEXT NULL,
  person_id INTEGER NULL
);

CREATE TABLE faces (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  image_id INTEGER NOT NULL,
  position INTEGER NOT NULL,
  x INTEGER NOT NULL,
  y INTEGER NOT NULL,
  width INTEGER NOT NULL,
  height INTEGER NOT NULL,
  landmarks TEXT NOT NULL,
  descriptor BLOB NOT NULL,
  model TEXT NOT NULL,
  reason TEXT NOT NULL,
  best_person_id INTEGER NOT NULL,
  best_distance REAL NOT NULL,
  matched_image TEXT NOT NULL,
  second_person_id INTEGER NOT NULL,
  second_distance REAL NOT NULL,
  second_image TEXT NOT NULL,
  created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE models (
  id TEXT NOT NULL PRIMARY KEY,
  threshold REAL NOT NULL,
  margin REAL NOT NULL,
  official BOOLEAN NOT NULL,
  last_used DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE UNIQUE INDEX images_path ON images (path, dedup);
CREATE INDEX images_status ON images (status, reason, id);
CREATE INDEX images_person ON images (person, id);
CREATE INDEX images_order ON images (status, id);
CREATE INDEX person_name ON person (name);
CREATE INDEX person_images_name ON person_images (image_name);
CREATE INDEX person_images_person ON person_images (person_id);
CREATE INDEX faces_image ON faces (image_id, position);
CREATE INDEX faces_best_person ON faces (best_person_id);
