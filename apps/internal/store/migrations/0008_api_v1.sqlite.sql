-- What the second half of /api/v1 needs. Each block is of one purpose.

-- Lists of images by how near an uncertain answer was to being certain, and faces
-- that were drawn by hand and wait for their descriptor. Programs of the seventh
-- version write neither column: an image of theirs is the last among the uncertain
-- ones until it is decided again, and a face of theirs is found when the next
-- program takes the lease of re-matching.

ALTER TABLE images ADD COLUMN certainty INTEGER NOT NULL DEFAULT 0;
CREATE INDEX images_certainty ON images (status, reason, certainty, id);

-- The same as faces.Certainty.
UPDATE images SET certainty = COALESCE((
    SELECT MAX(ROUND(1000 * MAX(0, MIN(1,
      CASE WHEN faces.second_person_id IN (-1, faces.best_person_id) OR models.margin <= 0 THEN 1
        ELSE (faces.second_distance - faces.best_distance) / models.margin END,
      CASE WHEN faces.reason = 'uncertain' THEN 1 ELSE MIN(
        CASE WHEN models.floor_size > 0 THEN 1.0 * faces.quality_size / models.floor_size ELSE 1 END,
        CASE WHEN models.floor_sharpness > 0 THEN faces.quality_sharpness / models.floor_sharpness ELSE 1 END,
        CASE WHEN models.floor_detection > 0 AND faces.quality_detection <> 0 THEN faces.quality_detection / models.floor_detection ELSE 1 END,
        CASE WHEN models.floor_yaw > 0 AND models.floor_yaw < 90 THEN (90 - ABS(faces.quality_yaw)) / (90 - models.floor_yaw) ELSE 1 END,
        CASE WHEN models.floor_cut_off > 0 AND models.floor_cut_off < 1 THEN (1 - faces.quality_cut_off) / (1 - models.floor_cut_off) ELSE 1 END) END))))
    FROM faces JOIN models ON models.id = faces.model
    WHERE faces.image_id = images.id AND faces.best_person_id <> -1 AND models.threshold > 0
      AND (faces.reason = 'uncertain'
        OR faces.reason IN ('too_small', 'blurred', 'turned_away', 'cut_off') AND faces.best_distance <= models.threshold)
  ), 0) WHERE status = 0 AND reason = 'uncertain';

ALTER TABLE corrections ADD COLUMN describe_at DATETIME NULL;
CREATE INDEX corrections_describe ON corrections (describe_at);

UPDATE corrections SET describe_at = created_at WHERE kind = 'drawn' AND undone_at IS NULL;

-- The answers to requests with an Idempotency-Key, so that a request
-- that is repeated gets the answer of the first and does nothing twice. key_sha256
-- is that of the API key's id, the user and the header; nothing here tells them.
-- status is 0 while the first request is under way; then its lease counts. acted is
-- set in the transaction of what the request changes.

CREATE TABLE idempotency_keys (
  key_sha256 BLOB NOT NULL PRIMARY KEY,
  head_sha256 BLOB NOT NULL,
  body_sha256 BLOB NULL,
  body_size INTEGER NOT NULL DEFAULT 0,
  token INTEGER NOT NULL,
  lease_until DATETIME NOT NULL,
  status INTEGER NOT NULL DEFAULT 0,
  acted BOOLEAN NOT NULL DEFAULT 0,
  headers TEXT NOT NULL,
  answer BLOB NULL,
  expires_at DATETIME NOT NULL
);

CREATE INDEX idempotency_keys_expires ON idempotency_keys (expires_at);

-- The name that an uploaded file had where it came from.

ALTER TABLE images ADD COLUMN file_name TEXT NOT NULL DEFAULT '';

-- An id of each known picture for callers that were written
-- for CompreFace, a UUID. It is NULL in rows of older programs and of others' SQL,
-- until such a caller lists them. Rows that are there already get one that has their
-- own id, of UUID's version 8.

ALTER TABLE person_images ADD COLUMN public_id TEXT NULL;

CREATE UNIQUE INDEX person_images_public_id ON person_images (public_id);

UPDATE person_images SET public_id = printf('00000000-0000-8000-8000-%012x', id) WHERE public_id IS NULL;

-- Events. A change adds rows to outbox in its own transaction. Ids of
-- AUTO_INCREMENT become visible out of order on MySQL, so readers do not read them:
-- a receiver moves committed rows to events and gives each the next seq. Both have
-- ids only, so that they hold nobody's name and no path.

CREATE TABLE outbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  type TEXT NOT NULL,
  cause TEXT NOT NULL DEFAULT '',
  created_at DATETIME NOT NULL,
  image_id INTEGER NOT NULL DEFAULT 0,
  reason TEXT NOT NULL DEFAULT '',
  people TEXT NOT NULL DEFAULT '',
  person_id INTEGER NOT NULL DEFAULT 0,
  other_id INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE events (
  seq INTEGER PRIMARY KEY,
  type TEXT NOT NULL,
  cause TEXT NOT NULL DEFAULT '',
  created_at DATETIME NOT NULL,
  image_id INTEGER NOT NULL DEFAULT 0,
  reason TEXT NOT NULL DEFAULT '',
  people TEXT NOT NULL DEFAULT '',
  person_id INTEGER NOT NULL DEFAULT 0,
  other_id INTEGER NOT NULL DEFAULT 0
);

-- One row: the last seq that was given, and the last one that was deleted.

CREATE TABLE event_state (
  id INTEGER NOT NULL PRIMARY KEY,
  last_seq INTEGER NOT NULL DEFAULT 0,
  swept_seq INTEGER NOT NULL DEFAULT 0
);

INSERT INTO event_state (id) VALUES (1);

-- Webhooks. secret and old_secret are encrypted; a declared webhook has its secret
-- in a file. webhook_deliveries has no addresses and no names, and is bounded.

CREATE TABLE webhooks (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL,
  url TEXT NOT NULL,
  types TEXT NOT NULL DEFAULT '',
  state TEXT NOT NULL DEFAULT 'active',
  declared BOOLEAN NOT NULL DEFAULT 0,
  secret TEXT NOT NULL DEFAULT '',
  old_secret TEXT NOT NULL DEFAULT '',
  old_until DATETIME NULL,
  delivered INTEGER NOT NULL DEFAULT 0,
  failing_since DATETIME NULL,
  failures INTEGER NOT NULL DEFAULT 0,
  next_attempt DATETIME NULL,
  lease_token INTEGER NOT NULL DEFAULT 0,
  lease_until DATETIME NULL,
  created_at DATETIME NOT NULL,
  updated_at DATETIME NOT NULL
);

CREATE UNIQUE INDEX webhooks_name ON webhooks (name);

CREATE TABLE webhook_deliveries (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  webhook_id INTEGER NOT NULL,
  event_id INTEGER NOT NULL DEFAULT 0,
  message TEXT NOT NULL,
  type TEXT NOT NULL,
  ok BOOLEAN NOT NULL,
  status INTEGER NOT NULL DEFAULT 0,
  problem TEXT NOT NULL DEFAULT '',
  took_ms INTEGER NOT NULL DEFAULT 0,
  created_at DATETIME NOT NULL
);

CREATE INDEX webhook_deliveries_webhook ON webhook_deliveries (webhook_id, id);
