-- What a face looked like and which known pictures answered it, what people
-- said of faces, and re-matching.

ALTER TABLE faces ADD COLUMN quality_score REAL NOT NULL DEFAULT 0;
ALTER TABLE faces ADD COLUMN quality_size INTEGER NOT NULL DEFAULT 0;
ALTER TABLE faces ADD COLUMN quality_sharpness REAL NOT NULL DEFAULT 0;
ALTER TABLE faces ADD COLUMN quality_yaw REAL NOT NULL DEFAULT 0;
ALTER TABLE faces ADD COLUMN quality_roll REAL NOT NULL DEFAULT 0;
ALTER TABLE faces ADD COLUMN gallery TEXT NOT NULL DEFAULT '';
ALTER TABLE faces ADD COLUMN corrected INTEGER NOT NULL DEFAULT 0;

CREATE INDEX faces_second_person ON faces (second_person_id);

CREATE TABLE corrections (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  image_id INTEGER NOT NULL,
  x INTEGER NOT NULL,
  y INTEGER NOT NULL,
  width INTEGER NOT NULL,
  height INTEGER NOT NULL,
  descriptor BLOB NOT NULL,
  model TEXT NOT NULL,
  person_id INTEGER NOT NULL,
  excludes BOOLEAN NOT NULL,
  candidates TEXT NOT NULL,
  created_at DATETIME NOT NULL,
  undone_at DATETIME NULL,
  changed_at DATETIME NOT NULL,
  pending BOOLEAN NOT NULL DEFAULT 1
);

CREATE INDEX corrections_image ON corrections (image_id, id);
CREATE INDEX corrections_person ON corrections (person_id);
CREATE INDEX corrections_pending ON corrections (pending, id);

CREATE TABLE rematch_state (
  id INTEGER PRIMARY KEY,
  fingerprint TEXT NOT NULL DEFAULT '',
  gallery TEXT NOT NULL DEFAULT '',
  model TEXT NOT NULL DEFAULT '',
  threshold REAL NOT NULL DEFAULT 0,
  margin REAL NOT NULL DEFAULT 0,
  face_mark INTEGER NOT NULL DEFAULT 0,
  dirty BOOLEAN NOT NULL DEFAULT 0,
  lease_owner TEXT NOT NULL DEFAULT '',
  lease_token INTEGER NOT NULL DEFAULT 0,
  lease_until DATETIME NULL
);

INSERT INTO rematch_state (id) VALUES (1);

CREATE TABLE rematch_known (
  image_name TEXT NOT NULL PRIMARY KEY,
  content_id TEXT NOT NULL,
  person_id INTEGER NOT NULL
);

CREATE TABLE rematches (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  state TEXT NOT NULL,
  cause TEXT NOT NULL,
  scope TEXT NOT NULL DEFAULT '',
  apply BOOLEAN NOT NULL DEFAULT 0,
  whole BOOLEAN NOT NULL DEFAULT 0,
  detail TEXT NOT NULL DEFAULT '',
  fingerprint TEXT NOT NULL DEFAULT '',
  gallery TEXT NOT NULL DEFAULT '',
  model TEXT NOT NULL DEFAULT '',
  threshold REAL NOT NULL DEFAULT 0,
  margin REAL NOT NULL DEFAULT 0,
  pictures_added INTEGER NOT NULL DEFAULT 0,
  pictures_removed INTEGER NOT NULL DEFAULT 0,
  faces INTEGER NOT NULL DEFAULT 0,
  images INTEGER NOT NULL DEFAULT 0,
  skipped INTEGER NOT NULL DEFAULT 0,
  seek INTEGER NOT NULL DEFAULT 0,
  created_at DATETIME NOT NULL,
  started_at DATETIME NULL,
  finished_at DATETIME NULL
);

CREATE INDEX rematches_state ON rematches (state, id);

CREATE TABLE rematch_changes (
  rematch_id INTEGER NOT NULL,
  image_id INTEGER NOT NULL,
  state TEXT NOT NULL,
  visible BOOLEAN NOT NULL,
  from_reason TEXT NOT NULL,
  from_person INTEGER NOT NULL,
  to_reason TEXT NOT NULL,
  to_person INTEGER NOT NULL,
  before_change TEXT NOT NULL,
  after_change TEXT NOT NULL,
  PRIMARY KEY (rematch_id, image_id)
);
